"""The model calls of one run, for the ledger: each is told of when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from thane.ledger.accounts import Accounts
from thane.ledger.entry import LedgerEntry, Outcome, dollars, role_of, sum_cost
from thane.memory.records import StepRecord
from thane.turn import Channel, ModelFinished

_OUTCOMES: Mapping[str, Outcome] = {"cancelled": "cancelled", "failed": "failed"}
"""By how a step ended."""


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

    @property
    def cost_usd(self) -> float | None:
        """Dollars of the calls so far; None where a price is not known."""
        return dollars(sum_cost(tuple(entry.picodollars for entry in self.entries)))

    def add(self, step: StepRecord, finished: ModelFinished | None = None) -> StepRecord:
        """A call that has ended, `finished` if it came to its own end. The same with what it cost."""
        run = self._run
        entry = LedgerEntry(
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
        self.entries.append(self._accounts.charge(entry))
        return msgspec.structs.replace(step, cost_usd=dollars(self.entries[-1].picodollars))
