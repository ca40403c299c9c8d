"""The tools by which a model remembers, looks up and forgets facts: always of who is speaking, where they speak.

Whose facts they are is the engine's to say (`ToolContext`), never the model's: no argument names another person.
"""

from __future__ import annotations

from typing import Any

from thane.errors import ClientError
from thane.memory.fact import CATEGORIES, Asker, Fact, NewFact, Scope
from thane.memory.facts import Facts
from thane.tools.results import failed, told
from thane.tools.tool import Tool, ToolContext, ToolResult
from thane.turn import JSON, ToolSpec

_OF_A_PERSON = frozenset({"user", "preference"})
_SCOPES = ("person", "conversation", "house")
_TEXT: JSON = {"type": "string"}


def fact_tools(facts: Facts, *, most: int) -> tuple[Tool, ...]:
    """`most` is how many facts one look-up answers with."""
    return (RememberFact(facts), RecallFact(facts, most), ForgetFact(facts))


class RememberFact:
    """`remember_fact`, with the arguments of the reference's and `scope`."""

    spec = ToolSpec(
        "remember_fact",
        "Remembers something lasting that the user told about themselves or the house, for later conversations. "
        "Use it when the user asks to remember something or states a lasting preference. "
        "The same category and key again replaces the old value, unless a person wrote that down by hand.",
        {
            "type": "object",
            "properties": {
                "category": _TEXT | {"enum": list(CATEGORIES)},
                "key": _TEXT | {"description": "Short name of the fact, such as favourite_colour."},
                "value": _TEXT | {"description": "The fact itself, in a short sentence."},
                "scope": _TEXT
                | {
                    "enum": list(_SCOPES),
                    "description": "Who may be told: this person, this conversation only, or everyone in the house.",
                },
            },
            "required": ["category", "key", "value"],
        },
    )

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        category = _text(arguments, "category") or "user"
        scope = _text(arguments, "scope")
        if scope and scope not in _SCOPES:
            return failed("InvalidArguments", f"scope: give one of {', '.join(_SCOPES)}")
        where = _where(scope, category, context)
        if where is None:
            return failed("InvalidArguments", "It is not known who is speaking, nor is there a conversation.")
        key, value = _text(arguments, "key"), _text(arguments, "value")
        try:
            fact = await self._facts.remember(NewFact(*where, category, key, value, "model", context.run_id))
        except ClientError as error:
            return failed("InvalidArguments", error.message)
        if fact.state == "proposed":
            fate = "is noted as a proposal" if fact.id else "was proposed and dismissed before"
            return failed(
                "KeptByPerson",
                f"A person wrote down something else under “{fact.key}”, which stays. This value {fate}: "
                "only a person can accept or change it, on the page Memory. Say so.",
            )
        return told({"remembered": _shown(fact)})


class RecallFact:
    """`recall_fact`: what is remembered that has to do with a text, or what was remembered last."""

    spec = ToolSpec(
        "recall_fact",
        "Looks up what was remembered about the user, this conversation and the house.",
        {
            "type": "object",
            "properties": {"query": _TEXT | {"description": "Words to look for. Without any, the latest facts."}},
        },
    )

    def __init__(self, facts: Facts, most: int) -> None:
        self._facts = facts
        self._most = most

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        query = _text(arguments, "query") or _text(arguments, "key")
        found = await self._facts.recall(_asker(context), query, limit=self._most)
        return told({"facts": [_shown(fact) for fact in found]})


class ForgetFact:
    """`forget_fact`: by the id that a look-up gave, or by its name."""

    spec = ToolSpec(
        "forget_fact",
        "Forgets a remembered fact, by its id, or by category and key. Look it up first when its name is not known.",
        {
            "type": "object",
            "properties": {
                "id": _TEXT,
                "category": _TEXT | {"enum": list(CATEGORIES)},
                "key": _TEXT,
                "erase": {
                    "type": "boolean",
                    "description": "Leave nothing of it, not even for the record. Only when the user asks for that.",
                },
            },
        },
    )

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        asker, fact_id = _asker(context), _text(arguments, "id")
        if not fact_id:
            found = await self._facts.named(asker, _text(arguments, "key"), _text(arguments, "category"))
            if len(found) != 1:
                words = "There is no such fact." if not found else "There are several: give the id of one."
                return failed("NotFound", words)
            fact_id = found[0].id
        try:
            if arguments.get("erase") is True:
                erased = await self._facts.erase(fact_id, asker=asker)
                return told({"erased": erased.facts, "remains": list(erased.remains)})
            return told({"forgotten": _shown(await self._facts.forget(fact_id, asker=asker))})
        except ClientError as error:
            if error.status == 403:
                return failed("KeptByPerson", f"{error.message[:1].upper()}{error.message[1:]}. Say so.")
            return failed("NotFound", "There is no such fact.")


def _where(scope: str, category: str, context: ToolContext) -> tuple[Scope, str] | None:
    """Whose fact it is. Nobody known: a fact of a person stays within the conversation; never everyone's by itself."""
    if scope == "house" or (not scope and category not in _OF_A_PERSON):
        return "house", ""
    if scope != "conversation" and context.user:
        return "person", context.user
    return ("conversation", context.conversation_id) if context.conversation_id else None


def _asker(context: ToolContext) -> Asker:
    return Asker(context.user, context.conversation_id, context.run_id)


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def _shown(fact: Fact) -> JSON:
    named = {name: getattr(fact, name) for name in ("id", "scope", "category", "key", "value")}
    return named | ({"confidence": fact.confidence} if fact.confidence < 1 else {})
