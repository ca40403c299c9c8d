"""The brain itself: one turn in, an answer or tool calls out. Synchronous and slow (milliseconds): run it in a thread.

It holds no conversation. What it did before stands in the messages: after its own tool calls it understands the same
sentence again, finds the same calls, and tells what came of them.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from thane.brain.follow_up import ask_which, find_sentence
from thane.brain.known import Known, KnownEntity
from thane.brain.languages import Language, find_language
from thane.brain.notes import all_notes, asked_for, find_note, recall
from thane.brain.overview import find_overview, know_client, read_entities
from thane.brain.phrases import Key, heard, phrase, speaks
from thane.brain.plan import ANSWERS, LIVE, QUERIES, Step, doable, find_tool, make_step, place
from thane.brain.recogniser import Cache, Recogniser, Recognition
from thane.brain.tell import answer, explain_stranger, finish, join, read_outcome, tell
from thane.brain.templates import render
from thane.brain.understand import understand
from thane.config import settings
from thane.turn import Message, ToolSpec

_RESPONDS: dict[str, Key] = {
    "hello": "hello",
    "commands": "help",
    "creator": "who",
    "listening": "listening",
    "data": "data",
}
_CHAT: tuple[Key, ...] = ("hello", "thanks", "help", "who", "listening", "data")


class Question(msgspec.Struct, frozen=True):
    """A turn as the brain needs it. `house` is Thane's own; `own_tools` are all the tools that act on it."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    language: str
    now: datetime
    house: Known = Known()
    own_tools: tuple[ToolSpec, ...] = ()
    area: str = ""


class Say(msgspec.Struct, frozen=True):
    """An answer. `sure`: the sentence was understood and done; no model could do better. `chat`: a greeting or so."""

    text: str
    sure: bool = True
    chat: bool = False


class Act(msgspec.Struct, frozen=True):
    """Tool calls, all at once."""

    steps: tuple[Step, ...]


class _Turn(msgspec.Struct, frozen=True):
    """What a turn comes down to: the sentence to act on, in which language, in which house, with which tools.

    `said` is what the person said before; `since` are the messages after the person's last one.
    """

    text: str
    language: Language
    known: Known
    tools: tuple[ToolSpec, ...]
    said: tuple[str, ...]
    since: tuple[Message, ...]

    @property
    def code(self) -> str:
        return self.language.code

    @property
    def states_told(self) -> bool:
        """Whether the prompt told the states too, as Home Assistant's did before it had live context."""
        return bool(self.known.entities) and all(entity.state is not None for entity in self.known.entities)

    @property
    def doable(self) -> frozenset[str]:
        return doable(self.tools, states_told=self.states_told)

    @property
    def results(self) -> tuple[Message, ...]:
        return tuple(message for message in self.since if message.role == "tool")


class Brain:
    """Thinks about one turn at a time; not thread-safe."""

    def __init__(self, limits: settings.Brain) -> None:
        self._limits = limits
        self._recogniser = Recogniser(limits)
        self._overviews: Cache[tuple[KnownEntity, ...]] = Cache(limits.houses_kept)

    def prepare(self, language: str) -> None:
        """Compile a language before it is needed; 0.1 to 0.3 s."""
        self._recogniser.recognise("…", find_language(language), Known())

    def think(self, question: Question, *, explain: bool = True) -> Say | Act:
        """What to say or do next. `explain` looks longer into what is not understood, to say why."""
        at = next((i for i, m in reversed(tuple(enumerate(question.messages))) if m.role == "user"), None)
        if at is None:
            return Say(phrase(find_language(question.language), "help"), sure=False)
        turn = self._read(question, at)
        if not 0 < len(turn.text) <= self._limits.sentence_chars:
            return _report(turn) if turn.results else _cannot(turn)
        commands = self._limits.commands_per_sentence
        meanings = understand(
            turn.text, turn.code, turn.known, self._recogniser, allowed=turn.doable, commands=commands
        )
        if turn.results:
            return self._after_tools(turn, meanings)
        if noted := _notes(turn):
            return noted
        return self._act(turn, meanings, question.now) if meanings else self._chat(turn, explain=explain)

    def _read(self, question: Question, at: int) -> _Turn:
        messages = question.messages
        language = self._recogniser.language(find_language(question.language))
        known, tools = self._surroundings(question)
        said = tuple(
            message.content
            for message in messages[:at]
            if message.role == "user" and len(message.content) <= self._limits.sentence_chars
        )
        turn = _Turn(messages[at].content.strip(), language, known, tools, said, messages[at + 1 :])
        text, meant = find_sentence(
            messages[: at + 1],
            turn.code,
            known,
            lambda sentence: self._recogniser.recognise(sentence, turn.code, known, turn.doable),
        )
        return msgspec.structs.replace(turn, text=text, known=meant)

    def _surroundings(self, question: Question) -> tuple[Known, tuple[ToolSpec, ...]]:
        """The house that the offered tools act on, and those tools: the client's if it told of one, else our own."""
        prompt = "\n".join(message.content for message in question.messages if message.role == "system")
        theirs = tuple(tool for tool in question.tools if tool not in question.own_tools)
        listed = find_overview(prompt) if theirs else None
        if listed is not None:
            limit = self._limits.overview_chars
            entities = self._overviews.get(listed[:limit], lambda: read_entities(listed, limit))
            return know_client(entities, prompt, question.area), theirs
        ours = tuple(tool for tool in question.tools if tool in question.own_tools)
        return (question.house, ours) if ours else (Known(area=question.area), question.tools)

    def _chat(self, turn: _Turn, *, explain: bool) -> Say:
        """A greeting or so, or why this is beyond the brain: no tool, nothing of that name, or no sentence it knows."""
        key = heard(turn.code, turn.text)
        if key is not None:
            return Say(phrase(turn.code, key), chat=key in _CHAT)
        if not explain:
            return _cannot(turn)
        meaning = self._recogniser.recognise(turn.text, turn.code, turn.known)
        if meaning is not None and not meaning.wildcard:
            return Say(phrase(turn.code, "no_states" if meaning.intent in QUERIES else "no_tool"), sure=False)
        stranger = self._recogniser.find_stranger(turn.text, turn.code, turn.known) if turn.known.entities else None
        told = explain_stranger(stranger, turn.language) if stranger else None
        return Say(finish(told), sure=False) if told else _cannot(turn)

    def _act(self, turn: _Turn, meanings: tuple[Recognition, ...], now: datetime) -> Say | Act:
        """The calls that do it; an answer at once where no tool is needed for it; or a question back."""
        if meanings[0].intent in ANSWERS:
            return _direct(meanings[0], turn, now)
        if not find_tool(turn.tools, LIVE) and all(meaning.intent in QUERIES for meaning in meanings):
            entities = turn.known.entities
            return Say(join([answer(meaning, entities, turn.language, turn.known) for meaning in meanings]))
        steps = _plan(meanings, turn)
        return Act(steps) if isinstance(steps, tuple) else Say(steps, sure=False)

    def _after_tools(self, turn: _Turn, meanings: tuple[Recognition, ...] | None) -> Say:
        """What came of the calls, if they were ours; calls that someone else made are only reported."""
        steps = _plan(meanings, turn) if meanings and meanings[0].intent not in ANSWERS else ""
        calls = [call for message in turn.since for call in message.tool_calls]
        planned = [(step.tool, step.arguments) for step in steps] if isinstance(steps, tuple) else []
        if isinstance(steps, str) or len(turn.results) != len(calls):
            return _report(turn)
        if planned != [(call.name, call.arguments) for call in calls]:
            return _report(turn)
        by_id = {message.tool_call_id: message.content for message in turn.results}
        results = (by_id.get(call.id, turn.results[i].content) for i, call in enumerate(calls))
        limit = self._limits.overview_chars
        told = [
            tell(step, result, turn.language, turn.known, limit) for step, result in zip(steps, results, strict=True)
        ]
        return Say(join(told) or phrase(turn.code, "done"))


def _notes(turn: _Turn) -> Say | None:
    """What is to be remembered or recalled. A model, if there is one, may know more: never sure."""
    code = turn.code
    what = asked_for(code, turn.text)
    if what is None:
        return Say(phrase(code, "noted"), sure=False) if find_note(code, turn.text) else None
    if not what:
        notes = all_notes(code, turn.said)
        told = phrase(code, "notes", notes="; ".join(notes)) if notes else phrase(code, "no_notes")
    else:
        value = recall(code, what, turn.said)
        told = phrase(code, "recall", what=what, value=value) if value else phrase(code, "not_told", what=what)
    return Say(finish(told), sure=False)


def _cannot(turn: _Turn) -> Say:
    """That this is beyond the brain; in a language without sentences of its own, first in the data's words."""
    own = phrase(turn.code, "cannot")
    native = turn.language.errors.get("no_intent") if not speaks(turn.code) else None
    return Say(f"{finish(native)} {own}" if native else own, sure=False)


def _direct(meaning: Recognition, turn: _Turn, now: datetime) -> Say:
    """Time, date, greetings and the like, from the language's data or our own sentences."""
    if meaning.intent == "HassRespond":
        return Say(phrase(turn.code, _RESPONDS.get(meaning.response, "hello")), chat=True)
    if meaning.intent == "HassNevermind":
        return Say(phrase(turn.code, "nevermind"))
    template = turn.language.answers.get(meaning.intent, {}).get("default", "")
    said = render(template, {"time": now.time(), "date": now.date()})
    return Say(finish(said or now.strftime("%H:%M" if meaning.intent == "HassGetCurrentTime" else "%Y-%m-%d")))


def _report(turn: _Turn) -> Say:
    """What is safe to say of results whose calls were not ours."""
    errors = [outcome.error for m in turn.results if (outcome := read_outcome(m.content)).error]
    failed = [phrase(turn.code, "failed", reason=error.rstrip(".")) for error in errors]
    return Say(join(failed) or phrase(turn.code, "done"), sure=False)


def _plan(meanings: tuple[Recognition, ...], turn: _Turn) -> tuple[Step, ...] | str:
    """The calls for all of the meanings, or the sentence that says why not."""
    steps: list[Step] = []
    for meaning in meanings:
        placed = place(meaning, turn.known)
        if placed is None:
            return ask_which(meaning, turn.code, turn.known)
        step = make_step(placed, turn.tools, turn.known)
        if step is None:
            return phrase(turn.code, "no_tool")
        steps.append(step)
    return tuple(steps)
