"""Taking what a subscription or a follower has ready now, without a clock."""

from __future__ import annotations

from typing import Protocol

import trio
from trio.testing import wait_all_tasks_blocked

from thane.events.bus import Dropped
from thane.events.event import Event

type Items = tuple[Event | Dropped, ...]


class Stream(Protocol):
    async def receive(self) -> Items: ...


async def ready(stream: Stream) -> Items:
    """What the next `receive` gives; nothing if it would wait."""
    got: list[Event | Dropped] = []

    async def take() -> None:
        got.extend(await stream.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return tuple(got)
