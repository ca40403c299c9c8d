"""What people said, made short or plain for names and comparison. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from thane.turn import Message

NAME_CHARS = 24
"""Longest display name in the name of a loop (REFERENCE 2.7)."""

TITLE_CHARS = 60
"""Longest title that is taken from what was said. Where there is less room, who draws it cuts it."""

GIVEN_TITLE_CHARS = 80
"""Longest title that is given to a conversation later, by a person or by a model."""

RETRIEVAL = "### Task:\nRespond to the user query using the provided context"
"""How Open WebUI's prompt for retrieval begins, which is a real turn."""

_NAMELESS = "conversation"


def spoken(content: str) -> str:
    """A user message without the retrieval prompt that Open WebUI puts before it, and only on the newest message.

    Its template ends in `</context>` and the query follows; older ones put it in `<user_query>` (CLIENTS.md).
    """
    text = content.strip()
    if not text.startswith(RETRIEVAL):
        return text
    rest = text.rpartition("</context>")[2].strip()
    if rest.startswith("<user_query>"):
        rest = rest.removeprefix("<user_query>").removesuffix("</user_query>").strip()
    return rest or text


def title(text: str) -> str:
    """A title: one line of at most `TITLE_CHARS` characters."""
    line = cut(" ".join(text.split()), TITLE_CHARS)
    return line or _NAMELESS


def clean_title(text: str) -> str:
    """A title that someone gave, as one line without control characters; "" where nothing is left."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return cut(" ".join(line.split()), GIVEN_TITLE_CHARS)


def first_title(messages: Iterable[Message]) -> str:
    """The title that a conversation begins with: the first thing said by the user."""
    return title(next((spoken(each.content) for each in messages if each.role == "user"), ""))


def last_title(messages: Iterable[Message]) -> str:
    """The title of a turn: the last thing said by the user."""
    return title(next((spoken(each.content) for each in reversed(tuple(messages)) if each.role == "user"), ""))


def loop_name(channel: str, name: str) -> str:
    """The name of a conversation's loop, cleaned as in REFERENCE 3: no control characters, no further slash, short."""
    clean = "".join(char for char in name.strip() if char >= " " and char != "\x7f").replace("/", "_")
    return f"{channel}/{cut(clean, NAME_CHARS) or _NAMELESS}"


def cut(text: str, chars: int) -> str:
    """`text`, or its beginning and `…` where it is longer than `chars` characters; never in the middle of one."""
    return text if len(text) <= chars else text[: chars - 1] + "…"
