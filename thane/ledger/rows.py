"""Entries and sums to rows and back. Pure; the SQL is in `thane.storage.ledger_rows`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thane.ledger.entry import LedgerEntry, bounded
from thane.ledger.usage import Totals
from thane.turn import Usage

type Row = tuple[Any, ...]


def entry_row(entry: LedgerEntry) -> Row:
    """With U+FFFD for halves of surrogate pairs, which a client may send in a model's name."""
    usage = bounded(entry.usage)
    return (
        *(_text(entry.run_id), entry.place, entry.at, _text(entry.conversation_id), _text(entry.channel)),
        *(_text(entry.profile), _text(entry.task), entry.role, _text(entry.provider), _text(entry.model)),
        *(entry.outcome, usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens),
        *(usage.reasoning_tokens, int(usage.estimated), entry.picodollars, entry.duration, entry.first_token),
        *(entry.prompt_duration, entry.decode_duration, entry.load_duration),
    )


def entry_of(row: Row) -> LedgerEntry:
    run_id, place, at, conversation_id, channel, profile, task, role, provider, model, outcome, *rest = row
    input_, output, cached, written, reasoning, estimated, picodollars, duration, first, prompt, decode, load = rest
    usage = Usage(input_, output, cached, reasoning, bool(estimated), written)
    return LedgerEntry(
        *(run_id, place, at, channel, provider, model, usage, conversation_id, profile, task, role, outcome),
        *(duration, first, prompt, decode, load, picodollars),
    )


def open_call(entry: LedgerEntry) -> tuple[int, str]:
    """A call that has begun, as (place, JSON): the entry that it is if its end is never known."""
    return entry.place, msgspec.json.encode(entry_row(entry)).decode()


def entry_of_open(text: str) -> LedgerEntry:
    """The entry of `open_call`."""
    return entry_of(tuple(msgspec.json.decode(text)))


def totals(sums: Sequence[Any]) -> Totals:
    """Of the columns of a sum."""
    return Totals(*sums)


def _text(value: str) -> str:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
