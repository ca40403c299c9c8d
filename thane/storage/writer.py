"""The one thread that writes: whatever waits when it comes round is committed in one transaction.

Why a thread of its own, fed by a queue, and not `trio.to_thread`: measured on the project's machine, a hop there and
back is 20 µs instead of 45, and a small turn awaited by one caller costs 140 µs of CPU in all instead of 190. Posts
nobody waits for are held back until nothing was asked for during `LINGER_SECONDS`, or until a write takes them along,
since each transaction of its own costs about 90 µs. What may come later is held back longer while there is much to do,
so that several share the pages that they change, and so that who waits for a write does not wait for them.

This module knows queueing, transactions and failure; what is written is the business of the operations.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any

import msgspec
import outcome
import structlog
import trio

from thane.errors import DependencyError
from thane.storage.backfill import CHANGES
from thane.storage.connection import Operation, as_dependency, is_busy
from thane.storage.failures import Failures

LINGER_SECONDS = 0.02
LATER_SECONDS = 0.1  # after this, what may come later goes with the next transaction that there is
LATER_TOGETHER = 32  # operations of these in one transaction: some eight turns' share, which is about 2 ms
LATER_AT_MOST = 128  # when as many wait, the next write takes them along

_log = structlog.get_logger("thane.storage")


class DatabaseStatistics(msgspec.Struct, frozen=True):
    """`waiting` are operations not yet committed; `failed` those that nobody waited for and that could not be done;
    `refused` those turned away because the queue was full; times are of transactions."""

    waiting: int
    committed: int
    transactions: int
    failed: int
    refused: int
    last_seconds: float
    slowest_seconds: float


class _Job:
    """One operation on its way. `task` waits for it, or nobody does (any more)."""

    __slots__ = ("operation", "result", "task")

    def __init__(self, operation: Operation[Any], task: trio.lowlevel.Task | None) -> None:
        self.operation = operation
        self.task = task
        self.result: outcome.Value[Any] | outcome.Error = outcome.Value(None)


class Writer:
    """Owns the writing connection from `__init__` to `close`. Call it from the trio thread only.

    Operations are run in the order in which they were handed over. They may be run a second time when another one of
    their transaction fails, so they must not change anything but the database.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        limit: int,
        failures: Failures,
        written: Callable[[], None] = lambda: None,
    ) -> None:
        """`written` is called, in the writer's thread, whenever a good deal more was written. It must not block."""
        self._connection = connection
        self._failures = failures
        self._limit = limit
        self._written = written
        self._changes = 0  # that `written` was told of
        self._waiting: list[_Job] = []
        self._later: list[_Job] = []
        self._later_since = 0.0  # when the first of them came
        self._later_in_thread = 0
        self._in_thread = 0  # jobs that the thread has now; 0 when it is idle
        self._lingering = False  # whether the thread will say when nothing has come for a while
        self._awaited = False  # whether anybody waits for one of `_waiting`
        self._ordered = False  # whether one of `_waiting` must come after what may come later
        self._closed = False
        self._full = False
        self._committed = self._transactions = self._failed = self._refused = 0
        self._last = self._slowest = 0.0
        self._token = trio.lowlevel.current_trio_token()
        self._queue: SimpleQueue[list[_Job] | None] = SimpleQueue()
        # A daemon, so that a disk that hangs for ever cannot keep the process from ending; `close` waits its time.
        self._thread = threading.Thread(target=self._work, name="thane-database-writer", daemon=True)
        self._thread.start()

    async def write[T](self, operation: Operation[T], *, hurried: bool = False) -> T:
        """Run the operation and return its result once it is committed; whatever it raises, for its own fault only.

        Raises DependencyError when the queue or the disk is full. Cancelling gives up the waiting, not the write:
        what was handed over is still stored, whole. `hurried` does not wait for what may come `later`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if (reason := self._refusal()) is not None:
            raise DependencyError(reason, dependency="database")
        job = _Job(operation, trio.lowlevel.current_task())
        self._waiting.append(job)
        self._awaited = True
        self._ordered = self._ordered or not hurried
        if not self._in_thread:
            self._hand_over()

        def give_up(_raise_cancel: object) -> trio.lowlevel.Abort:
            job.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        result: T = await trio.lowlevel.wait_task_rescheduled(give_up)
        return result

    def post(self, operation: Operation[object]) -> None:
        """Hand the operation over and go on. A failure is logged and counted; it never reaches the caller."""
        if self._is_dropped():
            return
        self._waiting.append(_Job(operation, None))
        if not self._in_thread:
            self._linger()

    def later(self, operation: Operation[object]) -> None:
        """As `post`, but hurried writes and posts overtake it. What is handed over so keeps its order."""
        if self._is_dropped():
            return
        if not self._later:
            self._later_since = perf_counter()
        self._later.append(_Job(operation, None))
        if not self._in_thread:
            self._linger()

    @property
    def holds_back(self) -> bool:
        """Whether something that came by `later` is not committed yet."""
        return bool(self._later or self._later_in_thread)

    def _is_dropped(self) -> bool:
        if (reason := self._refusal()) is None:
            return False
        if not self._full:
            self._full = True
            _log.error("a write was dropped, and more may follow", reason=reason)
        return True

    def _refusal(self) -> str | None:
        waiting = self._count()
        if not self._closed and waiting < self._limit:
            return None
        self._refused += 1
        if self._closed:
            return "The database is closed: Thane is ending."
        return f"The disk cannot keep up: {waiting} writes wait for it (storage.queue_writes)."

    def _count(self) -> int:
        return len(self._waiting) + len(self._later) + self._in_thread

    def _hand_over(self, *, all_of_it: bool = False) -> None:
        """Give the thread what waits, and what may come later where it may not come later any more."""
        jobs, self._waiting = self._waiting, []
        if self._later and (all_of_it or self._ordered or len(self._later) >= LATER_AT_MOST):
            jobs = self._later + jobs
            self._later_in_thread = len(self._later)
            self._later = []
        self._in_thread += len(jobs)
        self._awaited = self._ordered = False
        self._lingering = True
        self._queue.put(jobs)

    def _linger(self) -> None:
        if not self._lingering:
            self._lingering = True
            self._queue.put([])

    def _linger_is_over(self) -> None:
        if self._in_thread or self._closed:
            return  # it goes on waiting after that transaction
        self._lingering = False
        if self._waiting or self._later:
            self._hand_over(all_of_it=True)

    def _deliver(self, jobs: list[_Job], seconds: float) -> None:
        """Runs in the trio thread after each transaction."""
        self._in_thread -= len(jobs)
        self._later_in_thread = 0
        self._full = False
        self._transactions += 1
        self._last = seconds
        self._slowest = max(self._slowest, seconds)
        if not self._closed and (self._awaited or self._is_late()):
            self._hand_over(all_of_it=not self._awaited)
        for job in jobs:
            if isinstance(job.result, outcome.Error):
                self._failures.note(job.result.error, of_write=True)
            if not isinstance(job.result, outcome.Error):
                self._committed += 1
            elif job.task is None:
                self._failed += 1
                _log.error("a write failed that nobody waits for", exc_info=job.result.error)
            if job.task is not None:
                trio.lowlevel.reschedule(job.task, job.result)

    def _is_late(self) -> bool:
        return bool(self._later) and (
            len(self._later) >= LATER_TOGETHER or perf_counter() - self._later_since >= LATER_SECONDS
        )

    async def close(self, timeout_seconds: float) -> bool:
        """Commit everything that was handed over, close the connection and end the thread. True if that was done.

        Waits at most `timeout_seconds` of real time (a test's clock that jumps ahead must not cut the last writes
        short), then gives up the rest and says so. To be called shielded.
        """
        self._closed = True
        if self._waiting or self._later:
            self._hand_over(all_of_it=True)
        self._queue.put(None)
        await trio.to_thread.run_sync(self._thread.join, timeout_seconds)
        if self._thread.is_alive():
            _log.error("the disk did not take the last writes in time", waiting=self._in_thread)
            return False
        return True

    def statistics(self) -> DatabaseStatistics:
        return DatabaseStatistics(
            waiting=self._count(),
            committed=self._committed,
            transactions=self._transactions,
            failed=self._failed,
            refused=self._refused,
            last_seconds=self._last,
            slowest_seconds=self._slowest,
        )

    # From here on: in the writer's thread.

    def _work(self) -> None:
        lingering = False
        while True:
            try:
                jobs = self._queue.get(timeout=LINGER_SECONDS if lingering else None)
            except Empty:
                lingering = False
                self._in_loop(self._linger_is_over)
                continue
            if jobs is None:
                break
            lingering = True
            if jobs:  # an empty list says that something began to wait
                started = perf_counter()
                self._commit(jobs)
                self._in_loop(self._deliver, jobs, perf_counter() - started)
                if self._connection.total_changes - self._changes >= CHANGES:
                    self._changes = self._connection.total_changes
                    self._written()
        with contextlib.suppress(sqlite3.Error):  # only statistics for the query planner
            self._connection.execute("pragma analysis_limit = 400")
            self._connection.execute("pragma optimize")
        self._connection.close()

    def _in_loop(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._token.run_sync_soon(function, *arguments)
        except trio.RunFinishedError:
            return  # close() gave up on a slow disk and the program went on without us

    def _commit(self, jobs: Sequence[_Job]) -> None:
        """All in one transaction; if that fails, each in its own, so that a failure hurts only the one at fault."""
        attempt = outcome.capture(self._transaction, jobs)
        if not isinstance(attempt, outcome.Error):
            return
        with contextlib.suppress(
            sqlite3.Error
        ):  # some errors have rolled back already: sqlite.org/lang_transaction.html
            self._connection.execute("rollback")
        if len(jobs) == 1 or is_busy(attempt.error):
            for job in jobs:
                job.result = outcome.Error(as_dependency(attempt.error))
        else:
            for job in jobs:
                self._commit([job])

    def _transaction(self, jobs: Sequence[_Job]) -> None:
        self._connection.execute("begin immediate")
        for job in jobs:
            job.result = outcome.Value(job.operation(self._connection))
        self._connection.execute("commit")
