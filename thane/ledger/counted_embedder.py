"""Embeddings that are counted: whoever asks for them, a client or Thane itself, the ledger has an entry for each call.

Not here: which model is meant (`thane.http.embedding`), and how it is asked (`thane.models`).
"""

from __future__ import annotations

import msgspec
import trio

from thane.clock import Clock
from thane.ids import Ids
from thane.ledger.entry import LedgerEntry, Outcome
from thane.ledger.ledger import Ledger
from thane.models.embeddings import Embedder, Embeddings, EmbedRequest
from thane.models.provider import ModelError
from thane.turn import Usage

BUDGET = "budget"
"""The dependency of the ModelError that says that there is no money for a call."""
_CHARS_PER_TOKEN = 4  # about, where the model server gives no count


class CountedEmbedder:
    """An `Embedder`. Without a `task` an answer is only given once its entry is on disk; `task` says what Thane itself
    wants it for, and then nobody waits for the disk."""

    def __init__(self, embedder: Embedder, ledger: Ledger, clock: Clock, ids: Ids, *, task: str = "") -> None:
        self._embedder = embedder
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._task = task

    @property
    def name(self) -> str:
        return self._embedder.name

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """See `Embedder.embed`. Raises ModelError of the dependency `budget` where a budget forbids it."""
        about = -(-sum(map(len, request.texts)) // _CHARS_PER_TOKEN)
        began, run_id, ledger = trio.current_time(), self._ids.run(), self._ledger
        if words := ledger.spending.stop(run_id, "", self.name, request.model):
            raise ModelError(words, dependency=BUDGET, temporary=False, status=429)
        entry = LedgerEntry(
            run_id=run_id,
            place=0,
            at=self._clock.time(),
            channel="api",
            provider=self.name,
            model=request.model,
            usage=Usage(about, estimated=True),
            task=self._task,
            role="embedding",
            outcome="interrupted",
        )
        ledger.note(run_id, (), entry)

        def ended(outcome: Outcome, usage: Usage) -> LedgerEntry:
            duration = trio.current_time() - began
            return msgspec.structs.replace(entry, outcome=outcome, usage=usage, duration=duration)

        try:
            made = await self._embedder.embed(request)
        except ModelError:
            ledger.post(ended("failed", Usage()))
            raise
        except trio.Cancelled:
            ledger.post(ended("cancelled", entry.usage))
            raise
        done = ended("done", Usage(made.tokens) if made.tokens else entry.usage)
        if self._task:
            ledger.post(done)
        else:
            await ledger.record(done)
        return made
