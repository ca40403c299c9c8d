"""Records to rows and back. Pure; the SQL is in `thane.storage`, the column order is its `*_COLUMNS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thane.memory.records import (
    ConversationRecord,
    MessageRecord,
    PromptRecord,
    RunRecord,
    Span,
    StepRecord,
    ToolCallRecord,
)
from thane.turn import Message, ToolCall, Usage

type Row = tuple[Any, ...]


class _Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON of a message's column `extra`: what few messages have."""

    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    images: tuple[str, ...] = ()


_NOTHING = _Extra()
_SPAN_COLUMNS = ("kind", "name", "state", "started_at", "duration", "step")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Extra).decode


def mended[T: msgspec.Struct](record: T) -> T:
    """The record with U+FFFD for each half of a surrogate pair, which neither JSON nor the database can hold."""
    return msgspec.convert(_mended(msgspec.to_builtins(record)), type(record))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


def conversation_row(record: ConversationRecord) -> Row:
    """Without the counts, which are counted when it is read, and without what a person has decided about it."""
    return (
        *(record.id, record.channel, record.title, record.created_at, record.updated_at),
        *(record.user, record.area, record.title_by),
    )


def conversation_record(row: Row) -> ConversationRecord:
    id_, channel, title, created_at, updated_at, user, area, messages, runs, turns, archived, title_by = row
    return ConversationRecord(
        *(id_, channel, title, created_at, updated_at, messages, runs, user, area, turns, bool(archived), title_by)
    )


def message_row(record: MessageRecord) -> Row:
    message = record.message
    extra = _Extra(message.thinking, message.tool_calls, message.tool_call_id, message.tool_name, message.images)
    return (
        *(record.id, record.conversation_id, record.run_id, record.position, record.at, record.key, record.parent_key),
        *(message.role, message.content, None if extra == _NOTHING else _encode(extra).decode()),
    )


def message_record(row: Row) -> MessageRecord:
    id_, conversation_id, run_id, position, at, key, parent_key, role, content, extra = row
    more = _NOTHING if extra is None else _decode(extra)
    message = Message(role, content, more.thinking, more.tool_calls, more.tool_call_id, more.tool_name, more.images)
    return MessageRecord(id_, conversation_id, run_id, position, message, at, key, parent_key)


def run_row(run: RunRecord) -> Row:
    """A run of no conversation (a housekeeping task) has null for it."""
    return (
        *(run.id, run.conversation_id or None, run.loop_id, run.channel, run.profile, run.state, run.started_at),
        *(run.title, run.model, run.text, run.thinking, *_usage_columns(run.usage)),
        *(run.finish_reason, run.failure, run.error, run.cancelled_by),
        *(run.queued, run.duration, run.first_token, run.task),
        *(run.parent_run_id, run.turn_id, run.cost_usd, run.usage.cache_write_tokens),
    )


def run_record(
    row: Row,
    steps: Sequence[Row] = (),
    tool_calls: Sequence[Row] = (),
    spans: Sequence[Row] = (),
    prompts: Sequence[Row] = (),
) -> RunRecord:
    id_, conversation_id, loop_id, channel, profile, state, started_at, title, model, text, thinking, *rest = row
    *rest, parent_run_id, turn_id, cost_usd, written = rest
    *usage, finish_reason, failure, error, cancelled_by, queued, duration, first_token, task = rest
    return RunRecord(
        *(id_, conversation_id or "", loop_id, channel, profile, state, started_at, title, model, text, thinking),
        *(_usage(usage, written), finish_reason, failure, error, cancelled_by, queued, duration, first_token),
        tuple(step_record(step) for step in steps),
        tuple(tool_call_record(call) for call in tool_calls),
        task,
        parent_run_id,
        tuple(_span(span) for span in spans),
        tuple(_prompt_record(prompt) for prompt in prompts),
        turn_id,
        cost_usd,
    )


def step_rows(run: RunRecord) -> list[Row]:
    return [
        (
            *(run.id, place, step.step, step.model, step.provider, *_usage_columns(step.usage)),
            *(step.finish_reason, step.started_at, step.duration, step.first_token, step.cost_usd),
            step.usage.cache_write_tokens,
        )
        for place, step in enumerate(run.steps)
    ]


def step_record(row: Row) -> StepRecord:
    _, _, step, model, provider, *usage, finish_reason, started_at, duration, first_token, cost_usd, written = row
    counts = _usage(usage, written)
    return StepRecord(step, model, provider, counts, finish_reason, started_at, duration, first_token, cost_usd)


def tool_call_rows(run: RunRecord) -> list[Row]:
    return [
        (
            *(run.id, place, call.id, call.conversation_id, call.step, call.name, call.arguments, call.result),
            *(call.ok, call.started_at, call.duration, call.owner),
        )
        for place, call in enumerate(run.tool_calls)
    ]


def tool_call_record(row: Row) -> ToolCallRecord:
    run_id, _, id_, conversation_id, step, name, arguments, result, ok, started_at, duration, owner = row
    return ToolCallRecord(
        id_, run_id, conversation_id, step, name, arguments, result, bool(ok), started_at, duration, owner
    )


def span_rows(run: RunRecord) -> list[Row]:
    """What only some spans have is JSON in the last column."""
    rows: list[Row] = []
    for place, span in enumerate(run.spans):
        extra = msgspec.to_builtins(span)
        columns = [extra.pop(name, 0) for name in _SPAN_COLUMNS]
        rows.append((run.id, place, *columns, _encode(extra).decode() if extra else None))
    return rows


def _span(row: Row) -> Span:
    _, _, *columns, extra = row
    return msgspec.convert(dict(zip(_SPAN_COLUMNS, columns, strict=True)) | msgspec.json.decode(extra or "{}"), Span)


def _prompt_record(row: Row) -> PromptRecord:
    place, step, node_hash, options, messages, tools, size = row
    return PromptRecord(place, step, node_hash.hex(), messages, tools, size, options)


def _usage_columns(usage: Usage) -> Row:
    return (
        *(usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens),
        usage.estimated,
    )


def _usage(columns: Sequence[int], written: int) -> Usage:
    *tokens, estimated = columns
    return Usage(*tokens, estimated=bool(estimated), cache_write_tokens=written)
