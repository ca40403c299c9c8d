"""Watches one run go by: what it says becomes events, the live view, and in the end the run's record.

It stands beside the stream, never in it: a piece of text costs an append, and nothing is published for it.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import trio

from thane.clock import Clock
from thane.conversations.call_book import CallBook
from thane.conversations.live import LiveRun
from thane.conversations.run_facts import RunFacts
from thane.conversations.spans import OpenSpan, Spans
from thane.conversations.telling import Teller
from thane.events.event import Publisher
from thane.ledger.accounts import Accounts, NoAccounts
from thane.loops.loop import Iteration
from thane.memory.records import RunRecord, RunState, SentPrompt, StepEnd, StepRecord, ToolCallRecord
from thane.redaction import Redactor
from thane.turn import (
    AgentEvent,
    Batch,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    ModelWaits,
    Routed,
    RunFailed,
    RunFinished,
    Text,
    Thinking,
    ToolCall,
    ToolFinished,
    ToolStarted,
    Usage,
)

_encoder = msgspec.json.Encoder()
_TELL_SECONDS = 5.0
"""How often the ledger is told how far a long answer has come."""


class Recorder:
    """One run, from when it was accepted. `begin` when it starts to be worked on, `observe` each batch, then `end`."""

    def __init__(
        self,
        facts: RunFacts,
        events: Publisher,
        clock: Clock,
        redactor: Redactor | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self.facts = facts
        self.book = CallBook(facts, accounts or NoAccounts())
        self.accepted_at = clock.time()
        self._clock = clock
        self._redactor = redactor or Redactor()
        self._teller = Teller(facts, events, self._redactor)
        self._accepted = trio.current_time()
        self._began: float | None = None
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._chars = 0
        self._first_token: float | None = None
        self._model = ""
        self._step: ModelStarted | None = None
        self._step_at = 0.0
        self._told_at = 0.0  # when the ledger was told how far that has come
        self._step_pieces = 0
        self._model_span: OpenSpan | None = None
        self._waits: OpenSpan | None = None  # for a place at the provider
        self._is_silent = False  # a model step goes on and nothing has come of it
        self._tools: dict[str, tuple[ToolStarted, OpenSpan]] = {}
        self._prompts: list[SentPrompt] = []
        self.left_out = 0
        """The most messages of the conversation for which a step had no room."""
        self._steps: list[StepRecord] = []
        self._calls: list[ToolCallRecord] = []
        self._spans = Spans(clock)
        self._open = self._spans.open("queue", "queue")  # what goes on before the first model step
        self._what = "waiting"

    @property
    def prompts(self) -> tuple[SentPrompt, ...]:
        """What the model steps were sent, so far."""
        return tuple(self._prompts)

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._text)

    def elapsed(self) -> float:
        """Seconds since the run was accepted."""
        return trio.current_time() - self._accepted

    def begin(self, iteration: Iteration | None) -> None:
        """The run is being worked on, by this iteration of its loop if it has one."""
        self._began = trio.current_time()
        self._open.end("done")
        self._open = self._spans.open("prompt", "prompt")
        self._what = "thinking"
        self._teller.begin(iteration)

    def observe(self, batch: Batch) -> None:
        """Take note of a batch. Called for every piece of an answer: the common case is an append."""
        for event in batch:
            if type(event) is Text:
                if self._is_silent:
                    self._first_piece()
                if self._first_token is None:
                    self._first_token = trio.current_time() - (self._began or self._accepted)
                self._what = "writing the answer"
                self._text.append(event.text)
                self._chars += len(event.text)
            elif type(event) is Thinking:
                if self._is_silent:
                    self._first_piece()
                self._thinking.append(event.text)
            else:
                self._note(event)
        if self._step is not None and trio.current_time() >= self._told_at + _TELL_SECONDS:
            self._tell_progress(self._step)

    def _note(self, event: AgentEvent) -> None:
        """Take note of what is no piece of an answer."""
        match event:
            case Routed():
                self._teller.routed(event)
            case ModelStarted():
                self._model_started(event)
            case ModelWaits():
                self._model_waits(event)
            case ModelFinished():
                self._model_finished(event)
            case ModelFailed():
                self._model_failed(event)
            case ToolStarted():
                self._tool_started(event)
            case ToolFinished():
                self._tool_finished(event)
            case _:
                pass

    def view(self, state: Literal["queued", "processing", "waiting"], position: int = 0) -> LiveRun:
        """The run as it stands."""
        facts = self.facts
        return LiveRun(
            run_id=facts.run_id,
            conversation_id=facts.conversation_id,
            loop_id=facts.loop_id,
            channel=facts.channel,
            title=facts.conversation_title,
            turn_number=facts.turn_number,
            state=state,
            position=position,
            started_at=self.accepted_at,
            profile=facts.profile,
            model=self._model,
            what=f"waiting, place {position}" if position else self._what,
            text_chars=self._chars,
            output_tokens=len(self._text),
            first_token=self._first_token,
            spans=self._spans.view(),
            task=facts.task,
            parent_run_id=facts.parent_run_id,
            turn_id=facts.turn_id or facts.run_id,
        )

    def opening(self, state: RunState) -> RunRecord:
        """The run's record before it has ended."""
        facts = self.facts
        return RunRecord(
            id=facts.run_id,
            conversation_id=facts.conversation_id,
            loop_id=facts.loop_id,
            channel=facts.channel,
            profile=facts.profile,
            state=state,
            started_at=self.accepted_at,
            title=self._redactor.text(facts.title),
            task=facts.task,
            parent_run_id=facts.parent_run_id,
            turn_id=facts.turn_id or facts.run_id,
        )

    def so_far(self, state: RunState) -> RunRecord:
        """The run's record as it would be now."""
        now = trio.current_time()
        going = [self._call(started.step, started.call, span, "", ok=False) for started, span in self._tools.values()]
        return msgspec.structs.replace(
            self.opening(state),
            model=self._model,
            text=self._redactor.text(self.text),
            thinking=self._redactor.text("".join(self._thinking)),
            usage=self.usage(),
            queued=(now if self._began is None else self._began) - self._accepted,
            duration=now - self._accepted,
            first_token=self._first_token,
            steps=tuple(self._steps),
            tool_calls=(*self._calls, *going),
            spans=self._spans.view(),
            cost_usd=self.book.cost_usd,
        )

    def end(self, final: RunFinished | RunFailed, cancelled_by: str = "") -> RunRecord:
        """Close what is open and make the run's record."""
        self._what = "storing"
        if isinstance(final, RunFailed):
            self._cut_off(final)
        else:
            self._calls += [self._client_call(call, final.steps) for call in final.client_calls]
        self._spans.close_all("error" if isinstance(final, RunFailed) else "done")
        for started, span in self._tools.values():
            self._calls.append(self._call(started.step, started.call, span, "", ok=False))
        self._tools.clear()
        record = self.so_far("done")
        if isinstance(final, RunFinished):
            return msgspec.structs.replace(
                record,
                model=final.model,
                text=self._redactor.text(final.text) or record.text,
                usage=final.usage,
                finish_reason=final.finish_reason,
            )
        return msgspec.structs.replace(
            record,
            state="cancelled" if final.failure == "cancelled" else "failed",
            usage=self.usage() if self._steps else final.usage,
            failure=final.failure,
            error=self._redactor.text(final.message),
            cancelled_by=cancelled_by,
        )

    def usage(self) -> Usage:
        """Tokens so far: of the steps as counted, failed tries too, and of the one that goes on about."""
        total = sum((step.usage for step in self._steps), Usage())
        return total if self._step is None else total + self._cut_usage(self._step)

    def _cut_usage(self, step: ModelStarted) -> Usage:
        """About what a step has cost that was cut off: its prompt was read, and so many pieces came.

        Nothing while it waited for a place: then nothing was sent.
        """
        if self._waits is not None:
            return Usage()
        pieces = len(self._text) + len(self._thinking) - self._step_pieces
        return Usage(step.estimated_tokens, pieces, estimated=True)

    def _cut_off(self, final: RunFailed) -> None:
        """Keep the model step that the run's end cut off."""
        if self._step is None:
            return
        ended = "cancelled" if final.failure == "cancelled" else "failed"
        usage, note = self._cut_usage(self._step), self._redactor.text(final.message)
        if self._model_span is not None:
            self._model_span.end("error", usage=usage, finish_reason=ended, note=note)
        self._keep_step(self._step, usage, ended)

    def _keep_step(self, call: ModelStarted | ModelFinished, usage: Usage, ended: StepEnd) -> None:
        """Keep a call of a model that has ended: one record for each try, whatever came of it."""
        span = self._model_span
        step = StepRecord(
            step=call.step,
            model=call.model,
            provider=call.provider,
            usage=usage,
            finish_reason=ended,
            started_at=self._step_at or self._clock.time(),
            duration=(span.duration if span else None) or 0.0,
            first_token=span.about.get("first_token") if span else None,
        )
        self._steps.append(self.book.add(step, call if isinstance(call, ModelFinished) else None))
        self._step = None

    def _tell_progress(self, step: ModelStarted) -> None:
        """Tell the ledger how much of a long answer has come, in case Thane is killed before its end."""
        self._told_at = trio.current_time()
        if self._waits is None:
            self.book.begin(step, self._step_at, self._cut_usage(step).output_tokens)

    def _first_piece(self) -> None:
        self._is_silent = False
        if self._model_span is not None:
            self._model_span.about["first_token"] = trio.current_time() - self._model_span.began

    def publish_end(self, record: RunRecord, final: RunFinished | RunFailed) -> None:
        """Publish how the run ended, once it is recorded, and tell its iteration."""
        self._teller.end(record, final)

    def _model_started(self, event: ModelStarted) -> None:
        self._open.end("done")
        self._waits = None
        self._step, self._step_at, self._told_at = event, self._clock.time(), trio.current_time()
        self.book.begin(event, self._step_at)
        place = None
        if event.prompt is not None:
            if event.attempt == 1 or not self._prompts:  # another try is sent the same
                self._prompts.append(SentPrompt(len(self._prompts), event.step, event.prompt))
            place = len(self._prompts) - 1
        self.left_out = max(self.left_out, event.left_out)
        self._is_silent = True
        self._step_pieces = len(self._text) + len(self._thinking)
        self._model = event.model
        self._what = "thinking"
        self._model_span = self._spans.open(
            "model", event.model, step=event.step, provider=event.provider, note=event.reason, prompt=place
        )
        self._teller.model_started(event)

    def _model_waits(self, event: ModelWaits) -> None:
        if event.waiting:
            self.book.go_on()  # nothing was sent yet
            self._waits = self._spans.open("queue", event.provider, step=event.step, provider=event.provider)
            self._what = f"waiting for a place at {event.provider}"
            self._teller.model_waits(event)
        elif self._waits is not None:
            self._waits.end("done")
            self._waits, self._what = None, "thinking"
            if self._step is not None:
                self.book.begin(self._step, self._clock.time())

    def _model_finished(self, event: ModelFinished) -> None:
        if self._model_span is not None:
            about = {"usage": event.usage, "finish_reason": event.finish_reason, "first_token": event.first_token}
            further = ("prompt_duration", "decode_duration", "load_duration", "queue_duration", "truncated_tokens")
            about |= {name: getattr(event, name) for name in further}
            self._model_span.end("done", event.duration, **about)
        self._keep_step(event, event.usage, event.finish_reason)
        self._teller.model_finished(event, self._steps[-1].cost_usd)

    def _model_failed(self, event: ModelFailed) -> None:
        usage, note = event.usage or Usage(), self._redactor.text(event.error)
        if self._model_span is not None:
            self._model_span.end("error", event.duration, usage=event.usage, finish_reason="failed", note=note)
        if self._step is not None:
            self._keep_step(self._step, usage, "failed")
        if event.next == "retry":
            self._open = self._spans.open("retry", event.next_model, step=event.step, note=note)
        elif event.next == "fallback":
            self._spans.open("fallback", event.next_model, step=event.step, note=note).end("done", 0.0)
        self._teller.model_failed(event)

    def _tool_started(self, event: ToolStarted) -> None:
        span = self._spans.open("tool", event.call.name, step=event.step, call_id=event.call.id)
        self._tools[event.call.id] = (event, span)
        self.book.go_on()
        self._what = event.call.name
        self._teller.tool_started(event)

    def _tool_finished(self, event: ToolFinished) -> None:
        _, span = self._tools.pop(event.call.id, (event, None))
        span = span or self._spans.open("tool", event.call.name, step=event.step, call_id=event.call.id)
        span.end("done" if event.ok else "error", event.duration)
        self._calls.append(self._call(event.step, event.call, span, event.result, ok=event.ok))
        self._what = next((started.call.name for started, _ in self._tools.values()), "thinking")
        self._teller.tool_finished(event)

    def _call(self, step: int, call: ToolCall, span: OpenSpan, result: str, *, ok: bool) -> ToolCallRecord:
        return ToolCallRecord(
            id=call.id,
            run_id=self.facts.run_id,
            conversation_id=self.facts.conversation_id,
            step=step,
            name=call.name,
            arguments=_encoder.encode(self._redactor.value(call.arguments)).decode(),
            result=self._redactor.text(result),
            ok=ok,
            started_at=span.at,
            duration=span.duration or 0.0,
        )

    def _client_call(self, call: ToolCall, step: int) -> ToolCallRecord:
        """A call that the client now runs: how it went is in the tool message that comes back."""
        span = self._spans.open("tool", call.name, step=step, call_id=call.id, note="for the client to run")
        span.end("done", 0.0)
        record = self._call(step, call, span, "", ok=True)
        return msgspec.structs.replace(record, owner="client")
