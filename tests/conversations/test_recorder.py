from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.loops.doubles import Events
from thane.conversations.recorder import Recorder
from thane.conversations.run_facts import RunFacts
from thane.redaction import Redactor
from thane.testing.clock import TrioClock
from thane.turn import (
    Message,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    ModelWaits,
    Prompt,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    Thinking,
    ToolCall,
    ToolFinished,
    ToolStarted,
    Usage,
)

FACTS = RunFacts("r_1", "c_1", "l_1", "ha", "thane:latest", "lights off", "Kitchen", 3)
CALL = ToolCall("call_1", "light.turn_off", {"name": "Lamp"})
STARTED = ModelStarted(1, "qwen3:8b", "ollama", 4, 2, 900, "the default model")
CALLED = ModelFinished(1, "qwen3:8b", "ollama", Usage(900, 12), "tool_calls", 1.5, 0.4, tool_calls=1)
AGAIN = ModelStarted(2, "qwen3:8b", "ollama", 6, 2, 950)
ANSWERED = ModelFinished(2, "qwen3:8b", "ollama", Usage(950, 8), "stop", 0.5)
FINISHED = RunFinished("r_1", "qwen3:8b", "It is off.", Usage(1850, 20), "stop", 2, 3.0)
START = 1_800_000_000.0


def recorder(events: Events) -> Recorder:
    return Recorder(FACTS, events, TrioClock())


async def whole_run(record: Recorder) -> None:
    await trio.sleep(1)
    record.begin(None)
    record.observe((RunStarted("r_1", "c_1", "ha", "thane:latest"), STARTED))
    record.observe((Thinking("hm"),))
    await trio.sleep(1.5)
    record.observe((CALLED, ToolStarted(1, CALL)))
    await trio.sleep(0.5)
    record.observe((ToolFinished(1, CALL, True, "ok " * 100, 0.5), AGAIN))
    await trio.sleep(0.25)
    record.observe((Text("It is"),))
    record.observe((Text(" off"), Text(".")))
    await trio.sleep(0.25)
    record.observe((ANSWERED,))


async def test_a_run_is_recorded_with_its_steps_tool_calls_and_times(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    await whole_run(record)
    run = record.end(FINISHED)
    assert ("done", "It is off.", "hm", "qwen3:8b", "stop", Usage(1850, 20)) == (
        run.state,
        run.text,
        run.thinking,
        run.model,
        run.finish_reason,
        run.usage,
    )
    assert (1.0, 3.5, 2.25, START, "lights off") == (
        run.queued,
        run.duration,
        run.first_token,
        run.started_at,
        run.title,
    )
    assert [(1, 1.5, 0.4, START + 1), (2, 0.5, None, START + 3)] == [
        (step.step, step.duration, step.first_token, step.started_at) for step in run.steps
    ]
    (call,) = run.tool_calls
    assert ("call_1", "light.turn_off", '{"name":"Lamp"}', True, 0.5, 300, "thane") == (
        call.id,
        call.name,
        call.arguments,
        call.ok,
        call.duration,
        len(call.result),
        call.owner,
    )


async def test_the_live_view_says_in_every_step_whether_the_answer_is_being_written(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    seen = list[str]()
    for batch in ((STARTED,), (Text("Let me see."),), (CALLED, AGAIN), (Text("It is off."),)):
        record.observe(batch)
        seen.append(record.view("processing").what)
    assert ["thinking", "writing the answer", "thinking", "writing the answer"] == seen


async def test_the_span_of_a_model_that_another_one_replaces_ends_there_as_an_error(autojump_clock: MockClock) -> None:
    events = Events()
    record = recorder(events)
    record.observe((STARTED,))
    await trio.sleep(2)
    spent = Usage(900, 3, estimated=True)
    record.observe((ModelFailed(1, "qwen3:8b", "ollama", "cut", 2.0, "fallback", "embedded", usage=spent),))
    assert spent == record.usage()
    record.observe((ModelStarted(1, "embedded", "embedded", 4, 2, 900, "in its place"),))
    await trio.sleep(1)
    record.observe((ModelFinished(1, "embedded", "embedded", Usage(900, 12), "stop", 1.0),))
    record.end(FINISHED)
    _, failed, hop, answered = record.view("processing").spans
    assert ("fallback", "embedded", "cut") == (hop.kind, hop.name, hop.note)
    assert [("qwen3:8b", "error", 2.0), ("embedded", "done", 1.0)] == [
        (span.name, span.state, span.duration) for span in (failed, answered)
    ]
    assert Usage(1800, 15, estimated=True) == record.usage()


@pytest.mark.parametrize(
    ("failed", "kind", "more"),
    [
        (ModelFailed(1, "a", "p", "busy", 0.1, "retry", "a", 0.5), "llm_retry", {"retry_in_ms": 500}),
        (ModelFailed(1, "a", "p", "busy", 0.1, "fallback", "b"), "llm_fallback", {"next_model": "b"}),
        (ModelFailed(1, "a", "p", "busy", 0.1), "llm_failed", {}),
    ],
)
async def test_every_failed_try_is_an_event(failed: ModelFailed, kind: str, more: dict[str, object]) -> None:
    events = Events()
    recorder(events).observe((failed,))
    said, data = events.all[-1]
    assert kind == said
    assert {"model": "a", "provider": "p", "error": "busy", "attempt": 1, **more}.items() <= data.items()


async def test_the_live_view_shows_what_goes_on(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    assert ("waiting, place 2", 2, "queued") == (
        record.view("queued", 2).what,
        record.view("queued", 2).position,
        record.view("queued", 2).state,
    )
    await trio.sleep(1)
    record.begin(None)
    record.observe((STARTED,))
    await trio.sleep(1.5)
    record.observe((CALLED, ToolStarted(1, CALL)))
    await trio.sleep(0.5)
    view = record.view("processing")
    assert ("light.turn_off", "qwen3:8b", "Kitchen", 3, None) == (
        view.what,
        view.model,
        view.title,
        view.turn_number,
        view.first_token,
    )
    assert (
        ("queue", "queue", START, 1.0, "done"),
        ("prompt", "prompt", START + 1, 0.0, "done"),
        ("model", "qwen3:8b", START + 1, 1.5, "done"),
        ("tool", "light.turn_off", START + 2.5, None, "running"),
    ) == tuple((span.kind, span.name, span.started_at, span.duration, span.state) for span in view.spans)
    record.observe((ToolFinished(1, CALL, False, "no such light", 0.5), AGAIN, Text("Sor"), Text("ry")))
    view = record.view("processing")
    assert ("writing the answer", 5, 2, 2.0) == (view.what, view.text_chars, view.output_tokens, view.first_token)
    assert ["done", "done", "done", "error", "running"] == [span.state for span in view.spans]


async def test_events_have_the_reference_names_and_payloads(autojump_clock: MockClock) -> None:
    events = Events()
    record = recorder(events)
    await whole_run(record)
    record.publish_end(record.end(FINISHED), FINISHED)
    assert [
        *("request_start", "llm_call", "llm_response", "tool_call", "tool_done"),
        *("llm_call", "llm_response", "request_complete"),
    ] == events.kinds()
    ids = {"run_id": "r_1", "conversation_id": "c_1", "loop_id": "l_1"}
    assert all(ids.items() <= data.items() for _, data in events.all)
    expected = {
        "llm_call": {
            "iter": 1,
            "model": "qwen3:8b",
            "provider": "ollama",
            "est_tokens": 900,
            "messages": 4,
            "tools": 2,
        },
        "llm_response": {
            "iter": 1,
            "model": "qwen3:8b",
            "tokens_in": 900,
            "tokens_out": 12,
            "tool_calls": 1,
            "duration_ms": 1500,
        },
        "tool_call": {"tool": "light.turn_off", "call_id": "call_1", "args": {"name": "Lamp"}},
        "request_complete": {
            "model": "qwen3:8b",
            "iterations": 2,
            "total_tokens_in": 1850,
            "total_tokens_out": 20,
            "elapsed_ms": 3500,
        },
    }
    for kind, data in expected.items():
        assert data.items() <= events.of(kind)[0].items()
    (done,) = events.of("tool_done")
    assert (True, 500, 200) == (done["ok"], done["duration_ms"], len(done["result"]))
    assert "error" not in done


async def test_a_result_is_cut_between_characters(autojump_clock: MockClock) -> None:
    events = Events()
    record = recorder(events)
    record.begin(None)
    record.observe((ToolStarted(1, CALL), ToolFinished(1, CALL, False, "ü🙂" * 150, 0.1)))
    (done,) = events.of("tool_done")
    assert ("ü🙂" * 99 + "ü…", False) == (done["error"], done["ok"])


async def test_parallel_calls_of_one_tool_are_told_apart(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    record.begin(None)
    other = ToolCall("call_2", CALL.name, {"name": "Hall"})
    record.observe((ToolStarted(1, CALL), ToolStarted(1, other)))
    await trio.sleep(1)
    record.observe((ToolFinished(1, other, True, "hall", 1.0),))
    assert [None, 1.0] == [span.duration for span in record.view("processing").spans[2:]]
    await trio.sleep(1)
    record.observe((ToolFinished(1, CALL, True, "lamp", 2.0),))
    run = record.end(FINISHED)
    assert [("call_2", "hall", 1.0), ("call_1", "lamp", 2.0)] == [
        (call.id, call.result, call.duration) for call in run.tool_calls
    ]


async def test_a_cancelled_run_keeps_what_it_had_and_counts_tokens_as_estimated(autojump_clock: MockClock) -> None:
    events = Events()
    record = recorder(events)
    record.begin(None)
    record.observe((STARTED, Thinking("hm"), Text("I"), Text(" am")))
    record.observe((CALLED, ToolStarted(1, CALL), AGAIN, Text("!")))
    cancelled = RunFailed("r_1", "cancelled", "The turn was stopped.", Usage(), 0.0)
    run = record.end(cancelled, "dashboard")
    assert ("cancelled", "dashboard", "cancelled", "I am!", Usage(1850, 13, estimated=True)) == (
        run.state,
        run.cancelled_by,
        run.failure,
        run.text,
        run.usage,
    )
    assert [False] == [call.ok for call in run.tool_calls]
    record.publish_end(run, cancelled)
    assert "dashboard" == events.of("request_cancelled")[0]["by"]
    assert all(span.duration is not None for span in record.view("processing").spans)


async def test_waiting_for_a_place_is_seen_while_it_lasts_and_costs_nothing(autojump_clock: MockClock) -> None:
    events = Events()
    record = recorder(events)
    record.begin(None)
    record.observe((STARTED, ModelWaits(1, "qwen3:8b", "ollama", waiting=True)))
    await trio.sleep(2)
    live = record.view("processing")
    assert ("waiting for a place at ollama", "queue", "running") == (
        live.what,
        live.spans[-1].kind,
        live.spans[-1].state,
    )
    assert "ollama" == events.of("llm_queued")[0]["provider"]
    assert Usage() == record.usage(), "nothing was sent"
    record.observe((ModelWaits(1, "qwen3:8b", "ollama", waiting=False),))
    live = record.view("processing")
    assert ("thinking", "done", 2.0) == (live.what, live.spans[-1].state, live.spans[-1].duration)
    assert Usage(900, 0, estimated=True) == record.usage()


async def test_a_run_cancelled_before_its_provider_had_a_place_is_charged_nothing(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    record.begin(None)
    record.observe((STARTED, ModelWaits(1, "qwen3:8b", "ollama", waiting=True)))
    run = record.end(RunFailed("r_1", "cancelled", "The turn was stopped.", Usage(), 0.0), "api")
    assert Usage() == run.usage
    assert [Usage()] == [entry.usage for entry in record.book.entries]


async def test_a_failed_run_says_why(autojump_clock: MockClock) -> None:
    events = Events()
    record = recorder(events)
    record.begin(None)
    failed = RunFailed("r_1", "model", "The model server is down.", Usage(5, 0), 0.0)
    run = record.end(failed, "")
    assert ("failed", "model", "The model server is down.", Usage(5, 0), "") == (
        run.state,
        run.failure,
        run.error,
        run.usage,
        run.cancelled_by,
    )
    record.publish_end(run, failed)
    assert {"failure": "model", "error": "The model server is down."}.items() <= (
        events.of("request_failed")[0].items()
    )


async def test_calls_of_the_clients_tools_are_recorded_as_its_own(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    record.begin(None)
    run = record.end(msgspec.structs.replace(FINISHED, client_calls=(CALL,), finish_reason="tool_calls"))
    assert [("client", "light.turn_off", "")] == [(call.owner, call.name, call.result) for call in run.tool_calls]


async def test_the_model_step_that_was_cut_off_is_kept_with_about_its_counts(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    record.begin(None)
    record.observe((STARTED,))
    await trio.sleep(0.4)
    record.observe((Text("I"), Text(" am")))
    await trio.sleep(0.6)
    run = record.end(RunFailed("r_1", "cancelled", "The turn was stopped.", Usage(), 0.0), "api")
    (step,) = run.steps
    assert (1, "qwen3:8b", "cancelled", Usage(900, 2, estimated=True), 1.0, 0.4) == (
        step.step,
        step.model,
        step.finish_reason,
        step.usage,
        step.duration,
        step.first_token,
    )
    span = run.spans[-1]
    assert ("model", "error", step.usage, "cancelled") == (span.kind, span.state, span.usage, span.finish_reason)
    assert step.usage == run.usage


async def test_every_failed_try_is_kept_with_what_it_has_cost_and_what_came_next(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    record.begin(None)
    prompt = Prompt((Message("user", "hello"),))
    failed = ModelFailed(1, "qwen3:8b", "ollama", "Bearer abcdef0123456789 is no key", 0.2, "retry", "qwen3:8b", 1.0)
    record.observe((msgspec.structs.replace(STARTED, prompt=prompt),))
    await trio.sleep(0.2)
    record.observe((failed,))
    await trio.sleep(1)
    record.observe((msgspec.structs.replace(STARTED, attempt=2, prompt=prompt), Text("I")))
    spent = Usage(900, 1, estimated=True)
    record.observe((msgspec.structs.replace(failed, next="fallback", next_model="embedded", usage=spent, attempt=2),))
    record.observe((msgspec.structs.replace(STARTED, model="embedded", prompt=prompt), ANSWERED))
    run = record.end(FINISHED)
    assert [("failed", Usage()), ("failed", spent), ("stop", Usage(950, 8))] == [
        (step.finish_reason, step.usage) for step in run.steps
    ]
    assert ["queue", "prompt", "model", "retry", "model", "fallback", "model"] == [span.kind for span in run.spans]
    assert (1.0, "Bearer [redacted] is no key") == (run.spans[3].duration, run.spans[3].note)
    assert [0, 0, 1] == [span.prompt for span in run.spans if span.kind == "model"]


async def test_the_prompts_of_all_steps_are_kept_and_their_spans_name_them(autojump_clock: MockClock) -> None:
    record = recorder(Events())
    record.begin(None)
    for place in range(2):
        prompt = Prompt((Message("user", f"ask {place}"),))
        record.observe((msgspec.structs.replace(STARTED, step=place + 1, prompt=prompt), CALLED))
    run = record.end(FINISHED)
    assert [(0, 1, "ask 0"), (1, 2, "ask 1")] == [
        (sent.place, sent.step, sent.prompt.messages[0].content) for sent in record.prompts
    ]
    assert [0, 1] == [span.prompt for span in run.spans if span.kind == "model"]


async def test_secrets_in_calls_and_answers_reach_neither_events_nor_the_record(autojump_clock: MockClock) -> None:
    events = Events()
    record = Recorder(FACTS, events, TrioClock(), Redactor(["hunter-seven"]))
    record.begin(None)
    call = ToolCall("call_1", "web.get", {"api_key": "whatever", "url": "http://x/?q=hunter-seven"})
    record.observe((ToolStarted(1, call), ToolFinished(1, call, True, "Bearer abcdef0123456789abcdef", 0.1)))
    record.observe((Text("It is hunter-seven."),))
    run = record.end(msgspec.structs.replace(FINISHED, text="It is hunter-seven.", client_calls=(call,)))
    record.publish_end(run, msgspec.structs.replace(FINISHED, client_calls=(call,)))
    shown = msgspec.json.encode([events.all, run]).decode()
    assert not [secret for secret in ("whatever", "hunter-seven", "abcdef0123") if secret in shown]
    assert "It is [redacted]." == run.text


async def test_what_a_step_waited_and_what_its_prompt_lost_is_told(autojump_clock: MockClock) -> None:
    events = Events()
    record = recorder(events)
    ended = msgspec.structs.replace(ANSWERED, truncated_tokens=1200, queue_duration=0.25)
    record.observe((STARTED,))
    record.observe((ended,))
    run = record.end(FINISHED)
    (span,) = [span for span in run.spans if span.kind == "model"]
    assert (1200, 0.25) == (span.truncated_tokens, span.queue_duration)
    (told,) = events.of("llm_response")
    assert (1200, 250) == (told["truncated_tokens"], told["queued_ms"])
