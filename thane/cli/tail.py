"""`thane tail`: the live events of a running Thane, one line each."""

from __future__ import annotations

import random
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from thane.cli.connection import connector
from thane.cli.follow import Cursor, EventFrame, follow
from thane.cli.lines import line
from thane.cli.plain import one_line
from thane.cli.remote import DEFAULT_URL, Key, Remote, Url


async def tail(
    *,
    url: Url = DEFAULT_URL,
    key: Key = "",
    source: Annotated[list[str] | None, Parameter(negative="", help="Only of this source; may be given again.")] = None,
    kind: Annotated[list[str] | None, Parameter(negative="", help="Only of this kind; may be given again.")] = None,
    loop: Annotated[list[str] | None, Parameter(negative="", help="Only of the loop with this id.")] = None,
    conversation: Annotated[
        list[str] | None, Parameter(negative="", help="Only of the conversation with this id.")
    ] = None,
    since: Annotated[int | None, Parameter(help="Begin after the event of this number; 0 is the oldest kept.")] = None,
    as_json: Annotated[
        bool, Parameter(name="--json", negative="", show_default=False, help="One JSON object a line.")
    ] = False,
) -> None:
    """Follow what a running Thane does, event by event.

    A lost connection is made again, and events that were missed or dropped are fetched, so that there is no gap.
    """
    filters = {"source": source, "kind": kind, "loop": loop, "conversation": conversation}
    query = [(name, value) for name, values in filters.items() for value in values or ()]
    out = Console(highlight=False, markup=False, emoji=False)
    notices = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def show(event: EventFrame) -> None:
        if as_json:
            print(encode(event), flush=True)
        elif out.is_terminal:
            out.print(line(event), no_wrap=True, overflow="ellipsis")
        else:
            print(line(event).plain, flush=True)

    def say(sentence: str) -> None:
        notices.print(Text(f"-- {one_line(sentence)}", style="yellow"), soft_wrap=True)

    await follow(connector(Remote.at(url, key), query), Cursor(since), show, say, random.Random())  # noqa: S311 jitter


def encode(event: EventFrame) -> str:
    """The event as JSON, without the frame's type."""
    fields = ("seq", "ts", "source", "kind", "data")
    return msgspec.json.encode({name: getattr(event, name) for name in fields}).decode()
