"""Finding facts by what they mean: the vectors of a model, kept beside the facts, and how near they are to a text's."""

from __future__ import annotations

import array
import math
from collections.abc import Awaitable, Callable, Sequence

import trio

from thane.config.keeping import Facts as FactSettings
from thane.storage import fact_rows
from thane.storage.database import Database

type Embed = Callable[[tuple[str, ...]], Awaitable[tuple[tuple[float, ...], ...]]]
"""A vector of length 1 for each text; none at all where it failed."""


class Meaning:
    """Knows the vectors of one model. A fact's is asked for once, with the first question for which it is needed."""

    def __init__(self, database: Database, settings: FactSettings, model: str, embed: Embed) -> None:
        self._database = database
        self._settings = settings
        self._model = model
        self._embed = embed

    async def near(self, text: str, facts: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """Ids of those of the facts (id, words) whose meaning is near to the text's, the nearest first.

        None where the model does not answer within `facts.meaning_seconds`.
        """
        scored: list[tuple[float, str]] = []
        with trio.move_on_after(self._settings.meaning_seconds):
            ids = [fact_id for fact_id, _ in facts]
            packed = await self._database.read(lambda c: fact_rows.vectors(c, ids, self._model))
            bare = [fact for fact in facts if fact[0] not in packed][: self._settings.meaning_batch]
            wanted = (text, *(words for _, words in bare))
            vectors = await self._embed(wanted)
            if len(vectors) != len(wanted):
                return ()
            new = {fact_id: _packed(vector) for (fact_id, _), vector in zip(bare, vectors[1:], strict=True)}
            if new:
                await self._database.write(lambda c: fact_rows.store_vectors(c, self._model, new))
            for fact_id in ids:
                body = packed.get(fact_id) or new.get(fact_id)
                near = _likeness(vectors[0], body) if body else 0.0
                if near >= self._settings.least_likeness:
                    scored.append((near, fact_id))
        return tuple(fact_id for _, fact_id in sorted(scored, key=lambda each: -each[0]))


def _packed(vector: Sequence[float]) -> bytes:
    return array.array("f", vector).tobytes()


def _likeness(one: Sequence[float], packed: bytes) -> float:
    """Cosine of two vectors of length 1; 0 where they are not of one model."""
    other = array.array("f", packed)
    return math.sumprod(one, other) if len(one) == len(other) else 0.0
