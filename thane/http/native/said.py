"""Messages and tool calls as the native API gives them: the reference's fields (REFERENCE 7.6) and ours."""

from __future__ import annotations

from typing import Any

from thane.clock import iso
from thane.http.native.answers import fields
from thane.memory.records import MessageRecord, StepRecord, ToolCallRecord


def message(record: MessageRecord) -> dict[str, Any]:
    """What a message does not have is left out; images are given as their number."""
    found, said = fields(record), record.message
    del found["message"]
    found["timestamp"] = found.pop("at")
    found |= {"role": said.role, "content": said.content}
    optional = {
        "thinking": said.thinking,
        "tool_calls": [fields(call) for call in said.tool_calls],
        "tool_call_id": said.tool_call_id,
        "tool_name": said.tool_name,
        "images": len(said.images),
    }
    return found | {name: value for name, value in optional.items() if value}


def iteration(run_id: str, step: StepRecord, tool_calls: int) -> dict[str, Any]:
    """A model step of a session, by the names of the reference's `archive_iterations` (REFERENCE 7.1)."""
    return {
        "run_id": run_id,
        "iteration_index": step.step,
        "model": step.model,
        "provider": step.provider,
        "input_tokens": step.usage.input_tokens,
        "output_tokens": step.usage.output_tokens,
        "estimated": step.usage.estimated,
        "cost_usd": step.cost_usd,
        "tool_call_count": tool_calls,
        "has_tool_calls": tool_calls > 0,
        "started_at": iso(step.started_at),
        "duration_ms": round(step.duration * 1000),
        "break_reason": step.finish_reason,
    }


def tool_call(record: ToolCallRecord) -> dict[str, Any]:
    """The reference's `tool_name`, `error`, `completed_at` and `duration_ms` beside our own fields."""
    more = {
        "tool_name": record.name,
        "completed_at": iso(record.started_at + record.duration),
        "duration_ms": round(record.duration * 1000),
    }
    return fields(record) | more | ({} if record.ok else {"error": record.result})
