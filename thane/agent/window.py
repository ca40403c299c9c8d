"""Makes a prompt fit the window of the model that is to read it. Pure.

The newest messages stay. When there is too much, first the results of earlier tool calls are cut to their beginnings,
then the oldest messages are left out, whole tool rounds at a time. A recap of them, where there is one, or a note that
they are missing stands at the end of the system prompt: some chat templates allow no second system message. What the
user says now, and what this turn has done for it, always stays.

How much is left out goes in steps of a part of the window, not message by message: a model server keeps what it
computed for the beginning of a prompt, and that would be lost at every turn if the beginning moved at every turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thane.agent.rules import estimate_tokens
from thane.turn import Message

_STEP = 0.25  # of the budget: by how much more is left out at a time
_MESSAGE_TOKENS = 4  # what a chat template puts around each message, about
_IMAGE_TOKENS = 800  # about what vision models make of one image


_NOTE_CHARS = 60  # of the words around a recap


class Fitted(msgspec.Struct, frozen=True):
    """`left_out` counts messages, `cut` results that were shortened. `fits` is false where even that is too much."""

    messages: tuple[Message, ...]
    left_out: int = 0
    cut: int = 0
    fits: bool = True


class Recap(msgspec.Struct, frozen=True):
    """What the first `covers` messages (system messages not counted) came to."""

    text: str = ""
    covers: int = 0


def fit(messages: Sequence[Message], budget: int, recap: Recap, *, result_chars: int) -> Fitted:
    """`messages` in at most `budget` tokens, estimated. System messages before the first other one are always kept.

    `result_chars` is what is left of the results of earlier tool calls.
    """
    head, said = _apart(messages)
    if tokens(messages) <= budget:
        return Fitted(tuple(messages))
    now = _current(said)
    earlier, cut = _shortened(said[:now], result_chars)
    current = list(said[now:])
    fixed = tokens(head) + tokens(current)
    room = budget - fixed
    recap = _within(recap, room)
    note_tokens = estimate_tokens(max(len(recap.text) + _NOTE_CHARS, 2 * _NOTE_CHARS))
    left = 0
    if (excess := tokens(earlier) - room) > 0:
        left = _left_out(earlier, excess + note_tokens, budget, recap.covers)
    kept = earlier[left:]
    out = (*(_noted(head, _note(recap, left)) if left else head), *kept, *current)
    return Fitted(out, left, cut, tokens(out) <= budget)


def tokens(messages: Sequence[Message]) -> int:
    """About how many tokens messages take."""
    characters = images = 0
    for message in messages:
        characters += len(message.content) + len(message.thinking)
        images += len(message.images)
        if message.tool_calls:
            characters += len(msgspec.json.encode(message.tool_calls))
    return estimate_tokens(characters) + _MESSAGE_TOKENS * len(messages) + _IMAGE_TOKENS * images


def _within(recap: Recap, room: int) -> Recap:
    """With a text that takes no more than half of the room, so that it drives out neither what it is about nor more."""
    most = max(0, room // 2) * 4  # characters: see `estimate_tokens`
    if len(recap.text) <= most:
        return recap
    return msgspec.structs.replace(recap, text=f"{recap.text[: most - 1]}…" if most > _NOTE_CHARS else "")


def _apart(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    place = next((place for place, message in enumerate(messages) if message.role != "system"), len(messages))
    return list(messages[:place]), list(messages[place:])


def _current(said: Sequence[Message]) -> int:
    """Where the present turn begins: at the last thing that the user said."""
    return next((place for place in range(len(said) - 1, -1, -1) if said[place].role == "user"), 0)


def _shortened(said: Sequence[Message], chars: int) -> tuple[list[Message], int]:
    """With the results of tools cut to their beginnings: their gist is mostly there, or in what was said of them."""
    out: list[Message] = []
    cut = 0
    for message in said:
        if message.role == "tool" and len(message.content) > chars:
            cut += 1
            message = msgspec.structs.replace(message, content=f"{message.content[:chars]}… (cut)")
        out.append(message)
    return out, cut


def _left_out(earlier: Sequence[Message], excess: int, budget: int, covers: int) -> int:
    """How many of the earlier messages are left out. What is kept begins with something that the user said."""
    step = max(1, round(budget * _STEP))
    wanted = -(-excess // step) * step
    gone = place = 0
    while place < len(earlier) and (gone < wanted or place < covers or earlier[place].role != "user"):
        gone += tokens(earlier[place : place + 1])
        place += 1
    return place


def _note(recap: Recap, left: int) -> str:
    if recap.text and recap.covers <= left:
        more = left - recap.covers
        return recap.text + (f" ({more} more messages after it are left out.)" if more else "")
    return f"[{left} earlier messages of this conversation are left out here: there was no room.]"


def _noted(head: Sequence[Message], note: str) -> list[Message]:
    if not head:
        return [Message("system", note)]
    return [*head[:-1], msgspec.structs.replace(head[-1], content=f"{head[-1].content}\n\n{note}")]
