"""Tells of a run as it goes by: on the bus, in the log, and to the iteration of its loop. It keeps nothing.

Secrets are taken out of everything that others have said: of calls, of results, of errors.
"""

from __future__ import annotations

from typing import Any

from thane.conversations.run_facts import RunFacts
from thane.conversations.told import tell
from thane.conversations.words import cut
from thane.events.event import Publisher
from thane.loops.loop import Iteration
from thane.memory.records import RunRecord
from thane.redaction import Redactor
from thane.turn import (
    ModelFailed,
    ModelFinished,
    ModelStarted,
    ModelWaits,
    Routed,
    RunFailed,
    RunFinished,
    ToolFinished,
    ToolStarted,
)

RESULT_CHARS = 200
"""Longest tool result in an event (REFERENCE 3); the archive has the whole."""


class Teller:
    """Of one run. `begin` comes first."""

    def __init__(self, facts: RunFacts, events: Publisher, redactor: Redactor) -> None:
        self._facts = facts
        self._events = events
        self._redactor = redactor
        self._iteration: Iteration | None = None
        self._kind = {"complexity": "", "intent": ""}

    def begin(self, iteration: Iteration | None) -> None:
        self._iteration = iteration
        facts = self._facts
        self._publish(
            "request_start",
            request_id=facts.run_id,
            turn_id=facts.turn_id or facts.run_id,
            channel=facts.channel,
            profile=facts.profile,
            title=self._redactor.text(facts.title),
        )

    def routed(self, event: Routed) -> None:
        self._kind = {"complexity": event.complexity, "intent": event.intent}
        self._publish(
            "routed",
            model=event.model,
            provider=event.provider,
            profile=self._facts.profile,
            reasoning=event.reason,
            **self._kind,
            candidates=event.candidates,
        )

    def model_started(self, event: ModelStarted) -> None:
        sizes = {"est_tokens": event.estimated_tokens, "messages": event.messages, "tools": event.tools}
        left_out = {"left_out": event.left_out} if event.left_out else {}
        self._publish("llm_call", iter=event.step, model=event.model, provider=event.provider, **sizes, **left_out)
        about = {"iteration": event.step, "reasoning": event.reason, **self._kind}
        self._progress("loop_llm_start", model=event.model, **about, **sizes)

    def model_waits(self, event: ModelWaits) -> None:
        self._publish("llm_queued", iter=event.step, model=event.model, provider=event.provider)

    def model_finished(self, event: ModelFinished, cost_usd: float | None) -> None:
        self._publish(
            "llm_response",
            iter=event.step,
            model=event.model,
            tokens_in=event.usage.input_tokens,
            tokens_out=event.usage.output_tokens,
            tool_calls=event.tool_calls,
            cost_usd=cost_usd,
            duration_ms=round(event.duration * 1000),
            **({"truncated_tokens": event.truncated_tokens} if event.truncated_tokens else {}),
            **({"queued_ms": round(event.queue_duration * 1000)} if event.queue_duration else {}),
        )
        self._progress(
            "loop_llm_response",
            model=event.model,
            input_tokens=event.usage.input_tokens,
            output_tokens=event.usage.output_tokens,
        )

    def model_failed(self, event: ModelFailed) -> None:
        kind, more = "llm_failed", dict[str, Any]()
        if event.next == "retry":
            kind, more = "llm_retry", {"retry_in_ms": round(event.pause * 1000)}
        elif event.next == "fallback":
            kind, more = "llm_fallback", {"next_model": event.next_model}
        about = {
            "model": event.model,
            "provider": event.provider,
            "error": self._redactor.text(event.error),
            "attempt": event.attempt,
        }
        self._publish(kind, iter=event.step, **about, **more)

    def tool_started(self, event: ToolStarted) -> None:
        arguments = self._redactor.value(event.call.arguments)
        about = {"tool": event.call.name, "call_id": event.call.id, "args": arguments}
        self._publish("tool_call", **about)
        self._progress("loop_tool_start", **about)

    def tool_finished(self, event: ToolFinished) -> None:
        about: dict[str, Any] = {"tool": event.call.name, "call_id": event.call.id}
        about["result" if event.ok else "error"] = cut(self._redactor.text(event.result), RESULT_CHARS)
        self._publish("tool_done", ok=event.ok, duration_ms=round(event.duration * 1000), **about)
        self._progress("loop_tool_done", **about)

    def end(self, record: RunRecord, final: RunFinished | RunFailed) -> None:
        """Publish how the run ended, once it is recorded, and tell its iteration."""
        elapsed_ms = round(record.duration * 1000)
        if isinstance(final, RunFinished):
            if final.client_calls:
                hide = self._redactor.value
                calls = [
                    {"id": call.id, "name": call.name, "args": hide(call.arguments)} for call in final.client_calls
                ]
                self._publish("client_tool_call", calls=calls)
            self._publish(
                "request_complete",
                model=final.model,
                iterations=final.steps,
                total_tokens_in=final.usage.input_tokens,
                total_tokens_out=final.usage.output_tokens,
                total_cost_usd=record.cost_usd,
                elapsed_ms=elapsed_ms,
            )
        elif final.failure == "cancelled":
            self._publish(
                "request_cancelled", by=record.cancelled_by, total_cost_usd=record.cost_usd, elapsed_ms=elapsed_ms
            )
        else:
            self._publish(
                "request_failed",
                failure=final.failure,
                error=final.message,
                total_cost_usd=record.cost_usd,
                elapsed_ms=elapsed_ms,
            )
        if self._iteration is not None:
            self._tell(self._iteration, record)

    def _tell(self, iteration: Iteration, record: RunRecord) -> None:
        iteration.model = record.model
        iteration.input_tokens = record.usage.input_tokens
        iteration.output_tokens = record.usage.output_tokens
        iteration.cost_usd = record.cost_usd
        if record.steps:
            last = record.steps[-1].usage
            iteration.context_tokens = last.input_tokens + last.output_tokens
        for call in record.tool_calls:
            iteration.tools_used[call.name] = iteration.tools_used.get(call.name, 0) + 1
        iteration.summary["state"] = record.state
        if record.cancelled_by:
            iteration.summary["cancelled_by"] = record.cancelled_by

    def _publish(self, kind: str, /, **data: object) -> None:
        facts = self._facts
        if facts.task:
            data["task"] = facts.task
        if facts.parent_run_id:
            data["parent_run_id"] = facts.parent_run_id
        ids = {"run_id": facts.run_id, "conversation_id": facts.conversation_id, "loop_id": facts.loop_id}
        self._events.publish("agent", kind, **ids, **data)
        tell(kind, data)

    def _progress(self, kind: str, /, **data: object) -> None:
        if self._iteration is not None:
            self._iteration.progress(kind, **data)
