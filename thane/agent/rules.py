"""The rules that keep a turn from going on for ever, and what the model is told when one of them applies. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from thane.agent.client_tools import Offer
from thane.turn import Batch, Message, Text, ToolCall

ANSWER_NOW = "No more tools can be called in this turn. Answer now, with what you know."
NUDGE = "The tools have run, but you have said nothing. Answer the user now, in a sentence or two."
NO_WORDS = "The tools have run, but the model found no words for the result."
GAVE_UP = {
    "max_steps": "I stopped here: this took more steps than one turn may have.",
    "illegal_tool": "I stopped here: the model kept calling tools that do not exist.",
}
"""What a person is told when the model has nothing to say after such a stop."""

SEPARATOR = "\n\n"
"""Between the text of one model step and that of the next."""

_encoder = msgspec.json.Encoder(order="deterministic")


class Task(msgspec.Struct, frozen=True):
    """A call of one of Thane's tools, or, with a `refusal`, a call that is not run: the model is told why."""

    call: ToolCall
    refusal: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What becomes of the calls of one model step, in the order of the model.

    `client` calls end the reply; they are only set when there are no `tasks`. `illegal` says that a tool was called
    that does not exist.
    """

    tasks: tuple[Task, ...] = ()
    client: tuple[ToolCall, ...] = ()
    illegal: bool = False


def signature(call: ToolCall) -> tuple[str, bytes]:
    """Two calls with one signature ask for the same thing."""
    return call.name, _encoder.encode(call.arguments)


def count_calls(messages: Sequence[Message]) -> Counter[tuple[str, bytes]]:
    """The calls since the user last spoke: a client's own tool rounds belong to the same turn."""
    counts: Counter[tuple[str, bytes]] = Counter()
    for message in reversed(messages):
        if message.role == "user":
            break
        counts.update(signature(call) for call in message.tool_calls)
    return counts


def plan_calls(
    calls: Iterable[ToolCall], offer: Offer, made: Mapping[tuple[str, bytes], int], *, repeated_calls: int
) -> Plan:
    """Sort the calls of one step. `made` counts the earlier calls of this turn.

    Results of Thane's own tools cannot be given to a client, so a step ends the reply only when it calls nothing but
    the client's tools. In a mixed step Thane's own run, and the model is told to call the client's again, alone.
    Where the client takes one call at a time it is given the first: with its result the model may well call the next.
    """
    tasks: list[Task] = []
    client: list[ToolCall] = []
    illegal = False
    counts = Counter(made)
    for call in calls:
        key = signature(call)
        counts[key] += 1
        if call.name not in offer.own and call.name not in offer.client:
            illegal = True
            tasks.append(Task(call, _unknown(call.name, offer)))
        elif counts[key] > repeated_calls:
            tasks.append(Task(call, _repeated(call.name, counts[key] - 1)))
        elif call.name in offer.client:
            client.append(call)
            tasks.append(Task(call, _mixed(call.name)))
        else:
            tasks.append(Task(call))
    if client and len(client) == len(tasks):
        return Plan(client=tuple(client[:1] if offer.one_call else client))
    return Plan(tuple(tasks), illegal=illegal)


def _unknown(name: str, offer: Offer) -> str:
    names = ", ".join(tool.name for tool in offer.tools) or "none"
    return f"Error: there is no tool {name!r}. The tools are: {names}."


def _repeated(name: str, times: int) -> str:
    return (
        f"Error: {name!r} was called {times} times with these arguments already, and was not run again. "
        "Do not call it again: use the results above, or say what is missing."
    )


def _mixed(name: str) -> str:
    return f"Not run: {name!r} must be called by itself. If it is still needed, call it again in a step without others."


def cut_result(content: str, limit: int) -> str:
    """A tool result of at most about `limit` characters; what is missing is said so."""
    if len(content) <= limit:
        return content
    return f"{content[:limit]}\n[cut here: {limit} of {len(content)} characters are shown]"


def separated(batch: Batch) -> Batch:
    """A batch with a blank line before its first text: it follows the text of an earlier step."""
    for index, item in enumerate(batch):
        if isinstance(item, Text):
            return (*batch[:index], Text(SEPARATOR), *batch[index:])
    return batch


def estimate_tokens(characters: int) -> int:
    """About how many tokens a text has: four characters each, the rule of thumb for English."""
    return -(-characters // 4)
