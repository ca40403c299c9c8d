"""The page of a run: what it says of one that goes on, of one that was answered, and of one that was not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio.testing

from tests.http.dashboard.fakes import World
from tests.http.dashboard.test_live import watching
from thane.http.dashboard.live import feed_run
from thane.http.dashboard.run_page import RunPage, cost
from thane.http.dashboard.run_prompt import MESSAGE_CHARS, prompt_markup, shown
from thane.http.dashboard.run_rows import run_axis, run_rows
from thane.memory.prompts import KeptPrompt
from thane.memory.records import PromptRecord, RunRecord, Span, StepRecord, ToolCallRecord
from thane.turn import ToolSpec, Usage

NOW = 1_800_000_000.0
EVIL = "<script>alert(1)</script>"


def model(started: float, duration: float | None, **more: Any) -> Span:
    plain = Span("model", "qwen3", NOW + started, duration, "done" if duration else "running", 1, provider="ollama")
    return msgspec.structs.replace(plain, **more)


def record(*spans: Span, **more: Any) -> RunRecord:
    plain = RunRecord(
        "r_1", "c_1", "l_1", "api", "thane:latest", "done", NOW, "lights off", "qwen3", "They are off.", spans=spans
    )
    return msgspec.structs.replace(plain, **more)


def rows(run: RunRecord, now: float = NOW + 10) -> list[str]:
    return [row.markup for row in run_rows(run, run_axis(run, now), now)]


async def drawn(run: RunRecord) -> str:
    world = World()
    world.archive.past[run.id] = run
    page = await RunPage(world.rooms(), run.id).page()
    return "".join(part.whole(NOW) for part in page.values())


def test_a_model_step_is_prefill_until_its_first_token_and_decode_after_it() -> None:
    (row,) = rows(record(model(0, 2.0, first_token=0.5, usage=Usage(400, 60, 100)), duration=2.0))
    assert 'class="k-prefill" x="0.00%" width="25.00%"' in row
    assert 'class="k-model" x="25.00%" width="75.00%"' in row
    for words in ("40 tok/s", "400 tokens, 100 from cache", "500 ms", "ollama"):
        assert words in row


def test_a_failed_span_is_red_says_why_and_a_cancelled_one_says_that() -> None:
    failed, cancelled = rows(
        record(
            model(0, 1.0, state="error", note="529 overloaded", finish_reason="failed"),
            model(1, 1.0, state="error", note="stopped", finish_reason="cancelled", usage=Usage(9, 1, estimated=True)),
            duration=2.0,
        )
    )
    assert "k-error" in failed
    assert "529 overloaded" in failed
    assert "Failed" in failed
    assert "Cancelled" in cancelled
    assert "≈ est." in cancelled


def test_a_tool_shows_what_it_was_given_and_what_came_of_it() -> None:
    call = ToolCallRecord("call", "r_1", "c_1", 1, "light.off", '{"name":"Lamp"}', f"no: {EVIL}", False, NOW, 0.1)
    (row,) = rows(record(Span("tool", "light.off", NOW, 0.1, "error", 1, call_id="call"), tool_calls=(call,)))
    assert "Lamp" in row
    assert "Error, given to the model" in row
    assert EVIL not in row
    assert "&lt;script&gt;" in row


def test_two_calls_with_one_id_keep_their_own_results() -> None:
    calls = [ToolCallRecord("same", "r_1", "c_1", 1, "t", "{}", f"result {n}", True, NOW, 0.1) for n in range(2)]
    spans = [Span("tool", "t", NOW + n, 0.1, "done", 1, call_id="same") for n in range(2)]
    first, second = rows(record(*spans, tool_calls=tuple(calls)))
    assert "result 0" in first
    assert "result 1" in second


def test_a_pause_and_a_fall_back_are_rows_of_their_own() -> None:
    pause, hop = rows(
        record(Span("retry", "a", NOW, 1.0, "done", 1, note="busy"), Span("fallback", "b", NOW + 1, 0.0, "done", 1))
    )
    assert "Pause" in pause
    assert "busy" in pause
    assert "to b" in hop


async def test_the_page_says_what_was_asked_answered_and_paid() -> None:
    step = StepRecord(1, "qwen3", "ollama", Usage(400, 60, 100), "stop", NOW, 2.0, 0.5, cost_usd=0.0041)
    run = record(
        model(0, 2.0, first_token=0.5),
        steps=(step,),
        usage=Usage(400, 60, 100),
        cost_usd=0.0041,
        first_token=0.5,
        duration=2.0,
        title=f"lights off {EVIL}",
        text=EVIL,
    )
    page = await drawn(run)
    for words in ("Done", "400 in · 60 out", "100 cached (25 %)", "$0.0041", "500 ms", "lights off", "2.0 s"):
        assert words in page
    assert EVIL not in page
    assert "hx-delete" not in page
    assert 'href="/conversations/c_1"' in page
    assert 'href="/models?run=r_1"' not in page  # no prompt, no decision


async def test_a_failed_run_says_what_went_wrong_and_a_stopped_one_by_whom() -> None:
    page = await drawn(record(state="failed", error="No model server answers.", failure="unavailable", text=""))
    assert 'role="alert"' in page
    assert "No model server answers." in page
    page = await drawn(record(state="cancelled", error="It was stopped.", cancelled_by="dashboard"))
    assert "Stopped by dashboard." in page


async def test_an_interrupted_run_has_its_steps_though_no_spans_are_kept() -> None:
    step = StepRecord(2, "qwen3", "ollama", Usage(400, 0, estimated=True), "cancelled", NOW, 0.0)
    page = await drawn(record(state="interrupted", error="Thane stopped.", steps=(step,), text=""))
    assert "<dt>Steps</dt><dd>2" in page.replace("\n", "").replace("  ", "")


async def test_a_run_that_goes_on_can_be_stopped_and_names_the_runs_it_started() -> None:
    world = World()
    world.conversations.records["r_1"] = record(model(0, None), state="running", text="They")
    world.archive.past["r_2"] = record(id="r_2", parent_run_id="r_1", title="look it up")
    page = RunPage(world.rooms(), "r_1")
    text = "".join(part.whole(NOW) for part in (await page.page()).values())
    assert 'hx-delete="/v1/runs/r_1"' in text
    assert 'href="/runs/r_2">look it up' in text
    assert page.moving


async def test_secrets_of_the_question_are_not_shown() -> None:
    page = await drawn(record(title="the word is opensesame"))
    assert "opensesame" not in page


async def test_an_open_page_follows_its_run_to_the_end(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    world.conversations.records["r_1"] = record(model(0, None), state="running", text="They")
    async with watching(lambda send: feed_run(world.rooms(), "r_1", send)) as screen:
        assert 'hx-target="#run-head"' in screen.content
        assert "Running" in screen.content
        await trio.sleep(5)
        screen.clear()
        del world.conversations.records["r_1"]
        world.archive.past["r_1"] = record(model(0, 3.0, first_token=1.0), duration=3.0)
        world.bus.publish("agent", "request_complete", run_id="r_1")
        await trio.sleep(0.5)
        assert "Done" in screen.content
        assert "They are off." in screen.content
        screen.clear()
        await trio.sleep(60)
        assert "" == screen.content


def test_a_prompt_shows_its_tools_first_and_is_never_markup() -> None:
    message = {"role": "user", "content": EVIL, "images": [{"media_type": "image/png", "bytes": 12, "sha256": "ab"}]}
    prompt = KeptPrompt("ab", (ToolSpec("light.off"),), ({"role": "system", "content": "You are."}, message))
    text = prompt_markup(prompt, "/v1/prompts/ab", most_chars=1000)
    assert text.index("light.off") < text.index("You are.") < text.index("&lt;script&gt;")
    assert "[image/png, 12 bytes]" in text
    assert 'href="/v1/prompts/ab"' in text


def test_a_long_prompt_is_bounded_and_says_so() -> None:
    messages = tuple({"role": "user", "content": f"{n} " + "x" * 9000} for n in range(100))
    text = prompt_markup(KeptPrompt("ab", (), messages), "/v1/prompts/ab", most_chars=20_000)
    assert "messages not shown here" in text
    assert "more characters" in text
    assert len(text) < 30_000
    assert "99 xxx" in text
    assert "50 xxx" not in text


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([10, 10, 10], 100, (3, 0)),
        ([10, 10, 10], 25, (1, 1)),
        ([MESSAGE_CHARS * 2] * 3, 10, (1, 1)),
        ([50], 10, (1, 0)),
    ],
)
def test_which_messages_are_shown(sizes: list[int], most: int, expected: tuple[int, int]) -> None:
    assert expected == shown([{"role": "user", "content": "x" * size} for size in sizes], most)


@pytest.mark.parametrize(
    ("dollars", "said"), [(None, "–"), (0.0, "$0.00"), (0.0041, "$0.0041"), (1.5, "$1.50"), (1234.5, "$1,234.50")]
)
def test_money_is_said_as_exactly_as_it_matters(dollars: float | None, said: str) -> None:
    assert said == cost(dollars)


def test_the_prompt_row_says_how_much_was_sent() -> None:
    told = PromptRecord(0, 1, "ab", 5, 7, 100)
    (row,) = rows(record(Span("prompt", "prompt", NOW, 0.1, "done"), prompts=(told,)))
    assert "5 messages, 7 tools" in row
