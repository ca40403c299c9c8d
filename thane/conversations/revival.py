"""What a conversation's loop had done before a restart, as the loop tells it. Pure."""

from __future__ import annotations

from thane.clock import iso
from thane.loops.spec import Past
from thane.loops.status import IterationSnapshot
from thane.memory.lately import Lately, LateRun

_COUNTED = ("done", "cancelled")  # as in a loop: being cancelled is no failure


def past(lately: Lately) -> Past:
    """Its turns were iterations; the first that failed has no number, as everywhere."""
    number, recent = lately.succeeded, list[IterationSnapshot]()
    for run in lately.runs:
        counted = run.state in _COUNTED
        recent.append(_snapshot(run, lately.record.id, number if counted else 0))
        number -= counted
    return Past(
        iterations=lately.succeeded,
        attempts=lately.ended,
        input_tokens=lately.input_tokens,
        output_tokens=lately.output_tokens,
        cost_usd=lately.cost_usd,
        conversations=(lately.record.id,) if lately.runs else (),
        recent=tuple(recent),
        last_wake_at=lately.runs[0].started_at if lately.runs else None,
        context_tokens=next((run.context_tokens for run in lately.runs if run.context_tokens), 0),
    )


def _snapshot(run: LateRun, conversation_id: str, number: int) -> IterationSnapshot:
    summary = {"state": run.state} | ({"cancelled_by": run.cancelled_by} if run.cancelled_by else {})
    return IterationSnapshot(
        number=number,
        started_at=iso(run.started_at),
        completed_at=iso(run.started_at + run.duration),
        elapsed_ms=round(run.duration * 1000),
        conv_id=conversation_id,
        run_id=run.id,
        model=run.model,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        cost_usd=run.cost_usd,
        tools_used=run.tools_used,
        error="" if number else run.error or run.state,
        wait_after=True,
        summary=summary,
    )
