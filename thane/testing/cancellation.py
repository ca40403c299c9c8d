"""For tests: cancel a piece of work at each of its awaits in turn.

for step in itertools.count(1):
    cancelled = await run_cancelled_at(step, work)
    assert nothing_is_left_open()
    if not cancelled:
        break
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio


class _CancelAtStep(trio.abc.Instrument):
    """Cancels `scope` when `task` and the tasks below it have been suspended `step` times."""

    def __init__(self, task: trio.lowlevel.Task, scope: trio.CancelScope, step: int) -> None:
        self._task = task
        self._scope = scope
        self._left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        above: trio.lowlevel.Task | None = task
        while above is not None and above is not self._task:
            above = above.parent_nursery.parent_task if above.parent_nursery else None
        if above is None:
            return
        self._left -= 1
        if self._left == 0:
            self._scope.cancel()


async def run_cancelled_at(step: int, work: Callable[[], Awaitable[object]]) -> bool:
    """Run `work()` and cancel it at the `step`-th time that it, or a task in it, is suspended (from 1).

    True when it was cancelled, False when it ended before.
    """
    with trio.CancelScope() as scope:
        instrument = _CancelAtStep(trio.lowlevel.current_task(), scope, step)
        trio.lowlevel.add_instrument(instrument)
        try:
            await work()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return scope.cancelled_caught
