"""Every fault of the fake servers, for every protocol, each with the outcome that is promised for it."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
import trio
from msgspec.structs import replace

from tests.models.servers import MODEL, PROTOCOLS, REQUEST, Protocol, ask, fail, fake_server, provider_of
from thane.config.settings import AvailableModel, Models
from thane.models.provider import ModelCalls, ModelDone, ModelError, ModelOutput
from thane.testing.cancellation import run_cancelled_at
from thane.testing.fake_server import Counts
from thane.testing.script import Call, Cut, Fail, Raw, Reply, Say, Step, Stop, Think, Wait
from thane.turn import Options, Text, Thinking, Usage

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)

HALF = Say(("Half",))


@every_protocol
async def test_an_answer_comes_whole_with_its_counts(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    stop = Stop(prompt_tokens=30, output_tokens=9, cached_tokens=20, reasoning_tokens=4)
    fake.script(Reply((Think(("Hm", ".")), Say(("Yes", "!")), stop)))
    async with provider_of(fake, protocol) as provider:
        *words, done = await ask(provider)
    assert [Thinking("Hm"), Thinking("."), Text("Yes"), Text("!")] == words
    assert isinstance(done, ModelDone)
    told = {
        "ollama": Usage(30, 9),  # its protocol has neither count
        "openai": Usage(30, 9, 20, 4),
        "anthropic": Usage(30, 9, 20),
    }
    assert (told[protocol], "stop") == (done.usage, done.finish_reason)
    assert Counts(1, 0, 1, 4, 30, 9, 20, 0, 4) == fake.counts[MODEL]


@every_protocol
async def test_calls_are_put_together_and_come_once(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    wanted = (("turn_on", {"name": "Lamp", "level": 3}), ("get", {}))
    fake.script(Reply((Say(("Now.",)), Call(wanted, ("call_7", "call_8")), Stop())))
    async with provider_of(fake, protocol) as provider:
        outputs = await ask(provider)
    calls = [call for output in outputs if isinstance(output, ModelCalls) for call in output.calls]
    assert [("call_7", *wanted[0]), ("call_8", *wanted[1])] == [(c.id, c.name, c.arguments) for c in calls]
    assert isinstance(outputs[-1], ModelDone)
    assert "tool_calls" == outputs[-1].finish_reason


@every_protocol
async def test_an_answer_that_was_too_long_says_so(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    fake.script(Reply((HALF, Stop("length"))))
    async with provider_of(fake, protocol) as provider:
        done = (await ask(provider))[-1]
    assert isinstance(done, ModelDone)
    assert "length" == done.finish_reason


@every_protocol
@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((HALF, Cut()), "closed the connection before its answer was complete"),
        ((HALF,), "ended its answer before it was complete"),
        ((HALF, Fail("out of memory")), "failed in the middle of its answer: out of memory."),
        ((HALF, Raw(b"<html>\n\n")), "sent something that is not "),
        ((HALF, Raw(b'data: {"choices":[{"del\n\n')), "sent something that is not "),
        ((HALF, Raw(b'{"message":{"content":"tru')), ("ended its answer before", "sent something that is not ")),
        ((HALF, Wait()), "stopped in the middle of its answer: nothing came for 10 s."),
    ],
    ids=["cut", "no end mark", "error in the stream", "garbage", "truncated JSON", "half a line", "stall"],
)
async def test_a_broken_stream_keeps_its_text_and_is_a_failure(
    protocol: Protocol, steps: tuple[Step, ...], words: str | tuple[str, ...], autojump_clock: object
):
    fake = fake_server(protocol)
    fake.script(Reply(steps))
    async with provider_of(fake, protocol) as provider:
        outputs: list[ModelOutput] = []
        error = await fail(provider, outputs)
        assert 0 == provider.statistics().running
        stalls_or_cut = isinstance(steps[-1], Wait | Cut)
        await trio.testing.wait_all_tasks_blocked()
        assert not (stalls_or_cut and fake.live), "its connection is closed"
    assert [Text("Half")] == outputs
    assert any(each in error.message for each in ((words,) if isinstance(words, str) else words))
    assert "box" == error.dependency
    assert (1, 0, 1) == (fake.counts[MODEL].calls, fake.counts[MODEL].finished, fake.counts[MODEL].pieces)


@every_protocol
@pytest.mark.parametrize("reply", [Reply((Wait(),)), Reply(head_after=math.inf)], ids=["after the head", "before it"])
async def test_a_stall_before_the_first_token_ends_with_its_time_out(
    protocol: Protocol, reply: Reply, autojump_clock: object
):
    fake = fake_server(protocol)
    fake.script(reply)
    async with provider_of(fake, protocol) as provider:
        started = trio.current_time()
        error = await fail(provider)
        assert 30 == pytest.approx(trio.current_time() - started, abs=0.01)
    assert "The model gave no answer within 30 s." == error.message
    assert error.temporary


@every_protocol
async def test_a_slow_trickle_goes_on_as_long_as_something_comes(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    fake.script(Reply((Say(tuple("slowly"), interval=9.9), Stop())))
    async with provider_of(fake, protocol) as provider:
        outputs = await ask(provider)
    assert [*map(Text, "slowly")] == outputs[:-1]


@pytest.mark.parametrize(
    ("protocol", "sign"),
    [
        ("openai", b": still here\n\n"),
        ("anthropic", b'event: ping\ndata: {"type":"ping"}\n\n'),
        ("ollama", b" "),
    ],
)
async def test_signs_of_life_are_no_answer(protocol: Protocol, sign: bytes, autojump_clock: object):
    fake = fake_server(protocol)
    signs = tuple(step for _ in range(20) for step in (Raw(sign), Wait(5.0)))
    fake.script(Reply((*signs, HALF, Stop())), Reply((HALF, *signs, Stop())))
    async with provider_of(fake, protocol) as provider:
        started = trio.current_time()
        assert "gave no answer within 30 s" in (await fail(provider)).message
        assert "nothing came for 10 s" in (await fail(provider)).message
        assert 40 == pytest.approx(trio.current_time() - started, abs=0.1)


@every_protocol
@pytest.mark.parametrize(
    ("status", "words", "temporary"),
    [
        (400, "does not accept the request (HTTP 400): no", False),
        (401, "refuses access (HTTP 401): no", False),
        (404, "does not have the model “some-model”: no", False),
        (429, "is busy (HTTP 429): no", True),
        (500, "failed (HTTP 500): no", True),
        (503, "is busy (HTTP 503): no", True),
        (529, "is busy (HTTP 529): no", True),
    ],
)
async def test_a_refusal_is_told_with_its_status_and_when_to_ask_again(
    protocol: Protocol, status: int, words: str, temporary: bool, autojump_clock: object
):
    fake = fake_server(protocol)
    fake.script(Reply(status=status, error="no", retry_after=7))
    async with provider_of(fake, protocol) as provider:
        error = await fail(provider)
        assert words in error.message
        assert (status, temporary, 7.0) == (error.status, error.temporary, error.retry_after)
        assert await ask(provider), "the connection is as good as before"
    assert 1 == len(fake.connections)
    assert (1, 1) == (fake.counts[MODEL].refused, fake.counts[MODEL].finished)


@every_protocol
async def test_a_server_that_hangs_up_at_once_has_not_answered(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    fake.script(Reply(cut_before_head=True))
    async with provider_of(fake, protocol) as provider:
        error = await fail(provider)
    assert "closed the connection before its answer was complete" in error.message


@every_protocol
@pytest.mark.parametrize("count", [None, -1, "many", 1.5])
async def test_counts_that_can_be_none_leave_the_answer_as_it_is_and_are_estimated(
    protocol: Protocol, count: int | str | float | None, autojump_clock: object
):
    fake = fake_server(protocol)
    fake.script(Reply((Say(("Yes",)), Stop(prompt_tokens=count, output_tokens=count))))
    async with provider_of(fake, protocol) as provider:
        text, done = await ask(provider)
    assert Text("Yes") == text
    assert isinstance(done, ModelDone)
    assert done.usage.estimated


@every_protocol
async def test_more_cached_than_read_is_not_believed(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    fake.script(Reply((HALF, Stop(prompt_tokens=5, cached_tokens=900, output_tokens=1, reasoning_tokens=70))))
    async with provider_of(fake, protocol) as provider:
        done = (await ask(provider))[-1]
    assert isinstance(done, ModelDone)
    assert done.usage.cached_tokens <= done.usage.input_tokens
    assert done.usage.reasoning_tokens <= done.usage.output_tokens


@every_protocol
async def test_neither_key_nor_headers_are_told_when_the_server_repeats_them(
    protocol: Protocol, autojump_clock: object
):
    fake = fake_server(protocol)
    fake.script(Reply(status=401, error="wrong key sk-secret, and hush-hush"))
    async with provider_of(fake, protocol, headers={"x-team": "hush-hush"}) as provider:
        error = await fail(provider)
        assert "wrong key …, and …" in error.message
        assert error.whole_server, "no model of it can be used"
    assert "hush-hush" == fake.requests[0].headers["x-team"]
    assert any("sk-secret" in value for value in fake.requests[0].headers.values())


@every_protocol
async def test_calls_beyond_the_places_wait_in_order_and_say_for_how_long(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    fake.default = Reply((Wait(2.0), Say(("Yes",)), Stop()))
    waits: list[float] = []
    async with provider_of(fake, protocol, concurrency=1) as provider:

        async def one() -> None:
            done = (await ask(provider))[-1]
            assert isinstance(done, ModelDone)
            waits.append(done.queue_duration)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(one)
            await trio.testing.wait_all_tasks_blocked()
            assert (1, 2) == (provider.statistics().running, provider.statistics().waiting)
    assert [0, 2, 4] == pytest.approx(waits, abs=0.1)


@every_protocol
async def test_who_waits_for_a_place_is_told_so_before_anything_is_sent(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    fake.default = Reply((Wait(2.0), Say(("Yes",)), Stop()))
    told: list[tuple[bool, int]] = []

    async def waits(waiting: bool) -> None:
        told.append((waiting, len(fake.requests)))

    request = replace(REQUEST, waits=waits)
    async with provider_of(fake, protocol, concurrency=1) as provider, trio.open_nursery() as nursery:
        nursery.start_soon(ask, provider)
        await trio.testing.wait_all_tasks_blocked()
        await ask(provider, request)
        await ask(provider, request)
    assert [(True, 1), (False, 1)] == told


@every_protocol
async def test_a_place_is_free_again_where_telling_of_it_is_cancelled(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    fake.default = Reply((Wait(2.0), Say(("Yes",)), Stop()))

    async def waits(waiting: bool) -> None:
        if not waiting:
            await trio.sleep_forever()

    async with provider_of(fake, protocol, concurrency=1) as provider, trio.open_nursery() as nursery:
        nursery.start_soon(ask, provider)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(5):
            await ask(provider, replace(REQUEST, waits=waits))
        with trio.fail_after(5):
            await ask(provider)


@every_protocol
async def test_waiting_for_a_place_is_no_silence_of_the_model_and_can_be_cancelled(
    protocol: Protocol, autojump_clock: object
):
    fake = fake_server(protocol)
    fake.default = Reply((HALF, *(step for _ in range(10) for step in (Wait(9.0), HALF)), Stop()))
    async with provider_of(fake, protocol, concurrency=1) as provider, trio.open_nursery() as nursery:
        nursery.start_soon(ask, provider)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await ask(provider)
        assert scope.cancelled_caught
        assert 0 == provider.statistics().waiting
        done = (await ask(provider))[-1]
        assert isinstance(done, ModelDone)
        assert done.queue_duration > 30, "longer than the first token may take"


@every_protocol
async def test_cancelled_anywhere_the_connection_is_closed_and_the_place_free(protocol: Protocol):
    fake = fake_server(protocol)
    settings = Models(first_token_timeout_seconds=5, idle_timeout_seconds=5)
    async with provider_of(fake, protocol, settings, concurrency=1) as provider:
        step = 0
        for step in itertools.count(1):
            fake.script(Reply((Say(("a", "b")), Call((("get", {}),)), Stop())))
            cancelled = await run_cancelled_at(step, lambda: ask(provider))
            await trio.testing.wait_all_tasks_blocked()
            assert 0 == provider.statistics().running
            if not cancelled:
                break
            fake._script.clear()  # pyright: ignore[reportPrivateUsage]  what the cancelled call did not come to
        assert step > 3
        assert Text("Hello") == (await ask(provider, REQUEST))[0]


@every_protocol
async def test_models_are_asked_for_and_a_server_of_another_kind_is_told(protocol: Protocol, autojump_clock: object):
    fake = fake_server(protocol)
    async with provider_of(fake, protocol) as provider:
        (info,) = await provider.models()
        assert (MODEL, "box", True) == (info.name, info.provider, info.supports_tools)
        assert (protocol != "anthropic") == info.local
    other: Protocol = "openai" if protocol == "ollama" else "ollama"
    async with provider_of(fake_server(other), protocol) as provider:
        error = await fail(provider)
    assert "At http://fake" in error.message or "is not" in error.message or "does not have" in error.message


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_a_server_without_a_list_of_models_is_well_if_the_owner_has_written_one(
    protocol: Protocol, autojump_clock: object
):
    fake = fake_server(protocol)
    at_another_place = "http://fake/elsewhere/v1"
    async with provider_of(fake, protocol, url=at_another_place) as provider:
        with pytest.raises(ModelError, match="HTTP 404"):
            await provider.models()
    written = Models(available=(AvailableModel(name=MODEL, provider="box"),))
    async with provider_of(fake, protocol, written, url=at_another_place) as provider:
        assert () == await provider.models()


async def test_an_account_without_money_is_not_busy(autojump_clock: object):
    fake = fake_server("openai")
    fake.error = lambda status, message: {"error": {"message": message, "code": "insufficient_quota"}}  # type: ignore[method-assign]  # of this one
    fake.script(Reply(status=429, error="You exceeded your current quota"))
    async with provider_of(fake, "openai") as provider:
        error = await fail(provider)
    assert "does not accept the request (HTTP 429): You exceeded your current quota." in error.message
    assert not error.temporary


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_cancelled_anywhere_between_a_refusal_and_the_answer_to_what_is_left(protocol: Protocol):
    fake = fake_server(protocol)
    async with provider_of(fake, protocol, concurrency=1) as provider:
        step = 0
        for step in itertools.count(1):
            request = replace(REQUEST, model=f"model {step}", options=Options(temperature=0.5))  # it learns of each
            fake.script(Reply(status=400, error="'temperature' is not supported"), Reply((HALF, Stop())))
            cancelled = await run_cancelled_at(step, partial(ask, provider, request))
            await trio.testing.wait_all_tasks_blocked()
            assert 0 == provider.statistics().running
            fake._script.clear()  # pyright: ignore[reportPrivateUsage]  what the cancelled call did not come to
            if not cancelled:
                break
        assert step > 5
