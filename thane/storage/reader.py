"""Threads that read, each with a connection of its own, fed by one queue. For the reason see `thane.storage.writer`:
a thread of our own answers a point read in less than half the time of `trio.to_thread`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from time import monotonic
from typing import Any

import outcome
import structlog
import trio

from thane.storage.connection import Operation, as_dependency
from thane.storage.failures import Failures

_CANCEL_CHECK_STEPS = 10_000  # virtual machine instructions, about 0.1 ms, between two looks whether to go on

_log = structlog.get_logger("thane.storage")


class _Read:
    """One operation on its way. `task` waits for it until it is answered or cancelled."""

    __slots__ = ("operation", "task")

    def __init__(self, operation: Operation[Any], task: trio.lowlevel.Task) -> None:
        self.operation = operation
        self.task: trio.lowlevel.Task | None = task


class Readers:
    """Owns the connections from `__init__` to `close`. Call it from the trio thread only."""

    def __init__(self, connections: Sequence[sqlite3.Connection], failures: Failures) -> None:
        self._failures = failures
        self._token = trio.lowlevel.current_trio_token()
        self._queue: SimpleQueue[_Read | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(connection,), name="thane-database-reader", daemon=True)
            for connection in connections
        ]
        for thread in self._threads:
            thread.start()

    async def read[T](self, operation: Operation[T]) -> T:
        """Run the operation on one snapshot. Cancelling returns at once and stops the statement within 1 ms."""
        await trio.lowlevel.checkpoint_if_cancelled()
        job = _Read(operation, trio.lowlevel.current_task())
        self._queue.put(job)

        def give_up(_raise_cancel: object) -> trio.lowlevel.Abort:
            job.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        result: T = await trio.lowlevel.wait_task_rescheduled(give_up)
        return result

    async def close(self, timeout_seconds: float) -> None:
        """End the threads and close the connections; give up what a hanging disk keeps. To be called shielded."""
        for _ in self._threads:
            self._queue.put(None)
        await trio.to_thread.run_sync(self._join, timeout_seconds)

    def _join(self, timeout_seconds: float) -> None:
        deadline = (
            monotonic() + timeout_seconds
        )  # for all of them: the writer's last commits are still to be waited for
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))
            if thread.is_alive():
                _log.error("a read did not end in time")

    def _deliver(self, job: _Read, result: outcome.Value[Any] | outcome.Error) -> None:
        if isinstance(result, outcome.Error):
            self._failures.note(result.error, of_write=False)
        if job.task is not None:
            trio.lowlevel.reschedule(job.task, result)

    # From here on: in a reader's thread.

    def _work(self, connection: sqlite3.Connection) -> None:
        while (job := self._queue.get()) is not None:
            if job.task is None:
                continue
            connection.set_progress_handler(lambda job=job: job.task is None, _CANCEL_CHECK_STEPS)
            result = _run(job.operation, connection)
            try:
                self._token.run_sync_soon(self._deliver, job, result)
            except trio.RunFinishedError:
                break  # close() gave up on a slow disk and the program went on without us
        connection.close()


def _run(operation: Operation[Any], connection: sqlite3.Connection) -> outcome.Value[Any] | outcome.Error:
    result = outcome.capture(_on_a_snapshot, operation, connection)
    return outcome.Error(as_dependency(result.error)) if isinstance(result, outcome.Error) else result


def _on_a_snapshot(operation: Operation[Any], connection: sqlite3.Connection) -> object:
    connection.execute("begin")
    try:
        return operation(connection)
    finally:
        connection.execute("rollback")
