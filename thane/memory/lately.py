"""What conversations have done lately: enough for their loops to come back as they were, after a restart or a rest."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from thane.memory import rows
from thane.memory.records import ConversationRecord, RunState
from thane.storage import conversation_rows, lately_rows
from thane.storage.database import Database


class LateRun(msgspec.Struct, frozen=True):
    """A run that has ended. `started_at` is epoch seconds, `duration` seconds."""

    id: str
    state: RunState
    started_at: float
    duration: float
    model: str
    input_tokens: int
    output_tokens: int
    error: str
    cancelled_by: str
    tools_used: dict[str, int]
    cost_usd: float | None = None
    context_tokens: int = 0
    """Of its last prompt and the answer to it."""


class Lately(msgspec.Struct, frozen=True):
    """A conversation and its latest runs, latest first. `succeeded` counts runs, those cancelled among them, `ended`
    all but those under way; tokens are sums over the latter."""

    record: ConversationRecord
    succeeded: int = 0
    ended: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    runs: tuple[LateRun, ...] = ()


async def read_lately(database: Database, *, since: float, most: int, runs: int) -> tuple[Lately, ...]:
    """The conversations that were spoken in after `since`, at most `most`, latest first, with `runs` of each. What was
    put away does not come back by itself. Raises DependencyError when the disk fails."""

    def collect(connection: sqlite3.Connection) -> tuple[Lately, ...]:
        found = map(rows.conversation_record, conversation_rows.list_conversations(connection, most, None))
        records = [record for record in found if record.updated_at > since and not record.archived]
        return _collect(connection, records, runs)

    return await database.read(collect)


async def read_lately_of(database: Database, record: ConversationRecord, *, runs: int) -> Lately:
    """The same of one conversation, whenever it was spoken in. Raises DependencyError when the disk fails."""
    (found,) = await database.read(lambda connection: _collect(connection, [record], runs))
    return found


def _collect(connection: sqlite3.Connection, records: Sequence[ConversationRecord], runs: int) -> tuple[Lately, ...]:
    ids = [record.id for record in records]
    sums = {row[0]: row[1:] for row in lately_rows.totals(connection, ids)}
    late = lately_rows.last_runs(connection, ids, runs)
    run_ids = [row[1] for row in late]
    tools: dict[str, dict[str, int]] = {}
    for run_id, name, times in lately_rows.tools_used(connection, run_ids):
        tools.setdefault(run_id, {})[name] = times
    contexts = dict(lately_rows.last_steps(connection, run_ids))
    by_conversation: dict[str, list[LateRun]] = {}
    for row in late:
        by_conversation.setdefault(row[0], []).append(_run(row, tools, contexts))
    return tuple(
        _conversation(record, sums.get(record.id, (0, 0, 0, 0, 0.0)), tuple(by_conversation.get(record.id, ())))
        for record in records
    )


def _run(row: lately_rows.Row, tools: Mapping[str, dict[str, int]], contexts: Mapping[str, int]) -> LateRun:
    _, id_, state, started_at, duration, model, input_tokens, output_tokens, error, cancelled_by, cost = row
    used = tools.get(id_, {})
    return LateRun(
        id_,
        state,
        started_at,
        duration,
        model,
        input_tokens,
        output_tokens,
        error,
        cancelled_by,
        used,
        cost,
        contexts.get(id_, 0),
    )


def _conversation(record: ConversationRecord, sums: lately_rows.Row, runs: tuple[LateRun, ...]) -> Lately:
    succeeded, ended, input_tokens, output_tokens, cost = sums
    return Lately(record, succeeded, ended, input_tokens, output_tokens, cost, runs)
