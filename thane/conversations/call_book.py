"""The model calls of one run, for the ledger: each is told of when it ends, however it ends.

While the run goes on the ledger is told of the call that is under way, and of those that ended before it or before a
tool began: they are there if Thane is killed. The last of a run come with its end, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from thane.ledger.accounts import Accounts
from thane.ledger.entry import LedgerEntry, Outcome, dollars, role_of, sum_cost
from thane.memory.records import StepRecord
from thane.turn import Channel, ModelFinished, ModelStarted, Usage

_OUTCOMES: Mapping[str, Outcome] = {"cancelled": "cancelled", "failed": "failed"}
"""By how a step ended."""
_EMBEDDED = "embedded"


class About(Protocol):
    """What an entry says of its run: `thane.conversations.recorder.RunFacts`."""

    @property
    def run_id(self) -> str: ...
    @property
    def conversation_id(self) -> str: ...
    @property
    def channel(self) -> Channel: ...
    @property
    def profile(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def parent_run_id(self) -> str: ...


class CallBook:
    """`entries` are the calls that have ended, in order."""

    def __init__(self, run: About, accounts: Accounts) -> None:
        self.entries: list[LedgerEntry] = []
        self._run = run
        self._accounts = accounts
        self._noted = 0  # entries that the ledger has stored already
        self._is_open = False  # it was told of a call that may be under way

    @property
    def cost_usd(self) -> float | None:
        """Dollars of the calls so far; None where a price is not known."""
        return dollars(sum_cost(tuple(entry.picodollars for entry in self.entries)))

    def begin(self, call: ModelStarted, at: float, pieces: int = 0) -> None:
        """A call was sent at `at` (epoch seconds), and so many pieces of its answer have come.

        The embedded brain's calls cost nothing, and are told of when they end.
        """
        if call.provider != _EMBEDDED:
            step = StepRecord(
                step=call.step,
                model=call.model,
                provider=call.provider,
                usage=Usage(call.estimated_tokens, pieces, estimated=True),
                finish_reason="failed",
                started_at=at,
                duration=0.0,
            )
            self._note(msgspec.structs.replace(self._entry(step, None), outcome="interrupted"))

    def go_on(self) -> None:
        """No call is under way, and the run goes on: with a tool, or waiting for its turn at a model server."""
        if any(entry.provider != _EMBEDDED for entry in self.entries[self._noted :]) or self._is_open:
            self._note(None)

    def _note(self, going_on: LedgerEntry | None) -> None:
        self._accounts.note(self._run.run_id, self.entries[self._noted :], going_on)
        self._noted = len(self.entries)
        self._is_open = going_on is not None

    def add(self, step: StepRecord, finished: ModelFinished | None = None) -> StepRecord:
        """A call that has ended, `finished` if it came to its own end. The same with what it cost."""
        self.entries.append(self._accounts.charge(self._entry(step, finished), within=self._run.parent_run_id))
        return msgspec.structs.replace(step, cost_usd=dollars(self.entries[-1].picodollars))

    def _entry(self, step: StepRecord, finished: ModelFinished | None) -> LedgerEntry:
        run = self._run
        return LedgerEntry(
            run_id=run.run_id,
            place=len(self.entries),
            at=step.started_at,
            channel=run.channel,
            provider=step.provider,
            model=step.model,
            usage=step.usage,
            conversation_id=run.conversation_id,
            profile=run.profile,
            task=run.task,
            role="delegate" if run.parent_run_id else role_of(run.task),
            outcome=_OUTCOMES.get(step.finish_reason, "done"),
            duration=step.duration,
            first_token=step.first_token,
            prompt_duration=finished.prompt_duration if finished else None,
            decode_duration=finished.decode_duration if finished else None,
            load_duration=finished.load_duration if finished else None,
        )
