from __future__ import annotations

import errno
import itertools
import math
import random
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio.testing

from thane.clock import SystemClock
from thane.config.settings import Models
from thane.ids import Ids
from thane.models.ollama import OllamaProvider
from thane.models.opening import open_ollama
from thane.models.provider import ModelCalls, ModelDone, ModelError, ModelInfo, ModelOutput, ModelRequest
from thane.testing.cancellation import run_cancelled_at
from thane.testing.fake_ollama import FakeModel, FakeOllama, open_fake_ollama
from thane.testing.ollama_script import Call, Cut, Fail, Raw, Reply, Say, Stop, Think, Wait, answer
from thane.turn import Logprob, Message, Options, Text, Thinking, Usage

REQUEST = ModelRequest("qwen3:4b", (Message("user", "hi"),))


@asynccontextmanager
async def open_provider(url: str, settings: Models | None = None) -> AsyncGenerator[OllamaProvider]:
    source = random.Random(1)
    async with open_ollama(url, settings or Models(), Ids(source, SystemClock()), source=source) as provider:
        yield provider


@asynccontextmanager
async def open_in_memory(fake: FakeOllama, settings: Models | None = None) -> AsyncGenerator[OllamaProvider]:
    """The provider in front of a fake server without sockets, so that the clock may be a mock."""
    source = random.Random(1)
    async with trio.open_nursery() as nursery:

        async def connect(host: str, port: int) -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(fake.serve, theirs)
            await trio.lowlevel.checkpoint()
            return ours

        ids = Ids(source, SystemClock())
        async with open_ollama("http://fake", settings or Models(), ids, source=source, connect=connect) as provider:
            yield provider
        nursery.cancel_scope.cancel()


async def ask(provider: OllamaProvider, request: ModelRequest = REQUEST) -> list[ModelOutput]:
    async with provider.stream(request) as stream:
        return [output async for batch in stream for output in batch]


async def fail(provider: OllamaProvider, collected: list[ModelOutput] | None = None) -> ModelError:
    """The error of a call that must fail; what came before it is put into `collected`."""
    with pytest.raises(ModelError) as caught:
        async with provider.stream(REQUEST) as stream:
            async for batch in stream:
                if collected is not None:
                    collected += batch
    return caught.value


async def test_text_thinking_calls_counts_and_durations_come_through():
    reply = Reply((Think(("Hm", ".")), Say(("Yes", "!")), Call((("turn_on", {"name": "Lamp"}),), ("call_7",)), Stop()))
    async with open_fake_ollama(reply) as fake, open_provider(fake.url) as provider:
        outputs = await ask(provider)
        assert [Thinking("Hm"), Thinking("."), Text("Yes"), Text("!")] == outputs[:4]
        calls, last = outputs[4:]
        assert isinstance(calls, ModelCalls)
        assert ("call_7", "turn_on", {"name": "Lamp"}) == (
            calls.calls[0].id,
            calls.calls[0].name,
            calls.calls[0].arguments,
        )
        assert ModelDone(Usage(11, 7), "tool_calls", 0.02, 0.1, 0.005) == last
        assert "qwen3:4b" == fake.requests[0].body["model"]
        assert fake.requests[0].headers["user-agent"].startswith("thane/")


async def test_what_leaves_in_one_write_arrives_in_one_batch():
    reply = Reply((Say(tuple("abcdefgh")), Stop()), burst=20)
    async with open_fake_ollama(reply) as fake, open_provider(fake.url) as provider:
        async with provider.stream(REQUEST) as stream:
            batches = [batch async for batch in stream]
        assert [9] == [len(batch) for batch in batches]


async def test_a_connection_serves_one_call_after_another():
    async with open_fake_ollama() as fake, open_provider(fake.url) as provider:
        for _ in range(5):
            await ask(provider)
        assert 1 == len(fake.connections)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((Say(("Half",)), Cut()), "closed the connection before"),
        ((Say(("Half",)),), "ended its answer before it was complete"),
        ((Say(("Half",)), Fail("out of memory")), "failed in the middle of its answer: out of memory."),
        ((Say(("Half",)), Raw(b"<html>\n")), "not an Ollama answer"),
        ((Say(("Half",)), Raw(b'{"message":{"content":"tru')), "ended its answer before it was complete"),
    ],
)
async def test_a_broken_stream_keeps_its_text_and_ends_in_an_error(steps: tuple[Say, ...], words: str):
    async with open_fake_ollama(Reply(steps)) as fake, open_provider(fake.url) as provider:
        outputs: list[ModelOutput] = []
        error = await fail(provider, outputs)
        assert [Text("Half")] == outputs
        assert words in error.message
        assert "ollama" == error.dependency


async def test_the_connection_is_kept_when_the_end_of_the_body_follows_the_last_line(
    autojump_clock: trio.testing.MockClock,
):
    fake = FakeOllama(Reply((Say(("Whole",)), Stop(), Wait(0.001))))
    async with open_in_memory(fake) as provider:
        for _ in range(3):
            await ask(provider)
        assert 1 == len(fake.connections)


@pytest.mark.parametrize("end", [Cut(), Wait()])
async def test_after_the_last_line_nothing_can_spoil_the_answer(end: Cut | Wait):
    reply = Reply((Say(("Whole",)), Stop(), end))
    async with open_fake_ollama(reply) as fake, open_provider(fake.url) as provider:
        assert [Text("Whole"), ModelDone(Usage(11, 7), "stop", 0.02, 0.1, 0.005)] == await ask(provider)
        await fake.wait_until(lambda: fake.live == 0)


@pytest.mark.parametrize(
    ("status", "said", "words", "temporary"),
    [
        (404, "model 'qwen3:4b' not found", "does not have the model “qwen3:4b”: model 'qwen3:4b' not found.", False),
        (400, "m does not support tools", "does not accept the request (HTTP 400): m does not support tools.", False),
        (401, "", "refuses access (HTTP 401).", False),
        (429, "", "is busy (HTTP 429).", True),
        (500, "llama runner at /usr/lib/ollama/x died", "failed (HTTP 500): llama runner at … died.", True),
    ],
)
async def test_a_status_is_told_in_a_sentence(status: int, said: str, words: str, temporary: bool):
    async with open_fake_ollama(Reply(status=status, error=said)) as fake, open_provider(fake.url) as provider:
        error = await fail(provider)
        assert words in error.message
        assert (status, temporary) == (error.status, temporary)


async def test_a_head_that_never_comes_because_the_server_hangs_up_is_an_error():
    async with open_fake_ollama(Reply(cut_before_head=True)) as fake, open_provider(fake.url) as provider:
        assert "closed the connection" in (await fail(provider)).message


async def test_a_refused_connection_is_tried_again_and_then_told():
    async with open_fake_ollama() as fake:
        url = fake.url
    async with open_provider(url, Models(connect_tries=3, connect_retry_seconds=0.001)) as provider:
        error = await fail(provider)
    assert f"No model server answers at {url}: the connection was refused. Is it running?" == error.message


async def test_a_server_that_comes_up_between_the_tries_answers():
    async with open_fake_ollama() as fake:
        port, url = fake.port, fake.url
    answered = trio.Event()

    async def come_up() -> None:
        await trio.sleep(0.02)
        async with open_fake_ollama(answer("late"), port=port):
            await answered.wait()

    settings = Models(connect_tries=9, connect_retry_seconds=0.01)
    async with open_provider(url, settings) as provider, trio.open_nursery() as nursery:
        nursery.start_soon(come_up)
        outputs = await ask(provider)
        answered.set()
    assert Text("late") == outputs[0]


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "The host of the model server at https://far cannot be found.",
        ),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "The model server at https://far cannot be reached."),
        (untrusted(), "The certificate of the model server at https://far is not trusted: self-signed certificate."),
    ],
)
async def test_why_a_server_cannot_be_reached_is_said_in_words(error: OSError, words: str):
    tries = 0

    async def connect(host: str, port: int) -> trio.abc.Stream:
        nonlocal tries
        tries += 1
        await trio.lowlevel.checkpoint()
        raise error

    source = random.Random(1)
    ids = Ids(source, SystemClock())
    async with open_ollama("https://far", Models(), ids, source=source, connect=connect) as provider:
        assert words == (await fail(provider)).message
    assert 1 == tries, "only a refused connection is tried again"


async def test_the_password_in_an_address_is_not_told():
    async with open_fake_ollama() as fake:
        url = fake.url.replace("://", "://me:secret@")
    async with open_provider(url, Models(connect_tries=1)) as provider:
        assert "secret" not in (await fail(provider)).message


async def test_an_address_that_is_none_is_refused_at_once():
    with pytest.raises(ValueError, match="should look like"):
        async with open_provider("localhost:11434"):
            pass


async def test_a_silent_server_is_given_up_after_the_first_token_time_out(autojump_clock: trio.testing.MockClock):
    for reply in (Reply(head_after=math.inf), Reply((Wait(), Stop()))):
        async with open_in_memory(FakeOllama(reply), Models(first_token_timeout_seconds=9.0)) as provider:
            started = trio.current_time()
            error = await fail(provider)
            assert 9.0 == trio.current_time() - started
            assert "The model gave no answer within 9 s." == error.message


async def test_a_stall_between_tokens_is_given_up_after_the_idle_time_out(autojump_clock: trio.testing.MockClock):
    async with open_in_memory(FakeOllama(Reply((Say(("a",)), Wait()))), Models(idle_timeout_seconds=7.0)) as provider:
        started = trio.current_time()
        outputs: list[ModelOutput] = []
        error = await fail(provider, outputs)
        assert 7.0 == trio.current_time() - started
        assert [Text("a")] == outputs
        assert "The model stopped in the middle of its answer: nothing came for 7 s." == error.message


async def test_a_slow_model_has_no_total_time_out(autojump_clock: trio.testing.MockClock):
    reply = Reply((Say(("a",) * 100, 50.0), Stop()))
    async with open_in_memory(FakeOllama(reply), Models(idle_timeout_seconds=60.0)) as provider:
        assert 101 == len(await ask(provider))


async def test_a_slow_reader_is_no_stall_of_the_model(autojump_clock: trio.testing.MockClock):
    settings = Models(idle_timeout_seconds=1.0)
    async with open_in_memory(FakeOllama(answer("a", "b")), settings) as provider, provider.stream(REQUEST) as stream:
        async for _ in stream:
            await trio.sleep(5)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(head_after=math.inf),
        Reply((Wait(), Stop())),
        Reply((Say(("a", "b", "c"), 0.002), Wait())),
    ],
    ids=["waiting for the head", "waiting for the first token", "between tokens"],
)
async def test_cancelled_the_model_server_sees_it_within_50_ms(reply: Reply):
    async with open_fake_ollama(reply) as fake, open_provider(fake.url) as provider:
        with trio.move_on_after(0.02):
            await ask(provider)
        cancelled_at = trio.current_time()
        await fake.wait_until(lambda: fake.live == 0)
        closed_at = fake.connections[0].closed_at
        assert closed_at is not None
        assert closed_at - cancelled_at < 0.05


async def test_leaving_early_closes_the_connection():
    async with open_fake_ollama(Reply((Say(("a",)), Wait()))) as fake, open_provider(fake.url) as provider:
        with pytest.raises(ZeroDivisionError):
            async with provider.stream(REQUEST) as stream:
                async for _ in stream:
                    raise ZeroDivisionError
        await fake.wait_until(lambda: fake.live == 0)


async def test_cancelled_at_any_await_nothing_stays_open():
    reply = Reply((Say(("a", "b"), 0.001), Stop()), head_after=0.001)
    async with open_fake_ollama(reply) as fake, open_provider(fake.url) as provider:
        step = 0
        for step in itertools.count(1):
            cancelled = await run_cancelled_at(step, lambda: ask(provider))
            if not cancelled:
                break
            started = trio.current_time()
            await fake.wait_until(lambda: fake.live == 0)
            assert trio.current_time() - started < 0.05
        assert step > 3


async def test_models_tells_context_and_abilities_and_asks_for_each_once():
    models = (
        FakeModel("qwen3:4b", 40_960, ("completion", "tools", "thinking")),
        FakeModel("llava:7b", 4096, ("vision",)),
    )
    async with open_fake_ollama(models=models) as fake, open_provider(fake.url) as provider:
        expected = (
            ModelInfo(
                "qwen3:4b",
                "ollama",
                40_960,
                supports_tools=True,
                supports_thinking=True,
                capabilities=models[0].capabilities,
            ),
            ModelInfo(
                "llava:7b",
                "ollama",
                4096,
                supports_tools=False,
                supports_images=True,
                capabilities=models[1].capabilities,
            ),
        )
        assert expected == await provider.models()
        assert expected == await provider.models()
        assert ["/api/tags", "/api/show", "/api/show", "/api/tags"] == [request.path for request in fake.requests]


async def test_models_of_a_dead_server_is_an_error():
    async with open_fake_ollama() as fake:
        url = fake.url
    async with open_provider(url, Models(connect_tries=1)) as provider:
        with pytest.raises(ModelError, match="refused"):
            await provider.models()


async def test_a_list_of_models_that_is_too_large_is_not_read_to_its_end():
    models = tuple(FakeModel(f"model-{number}") for number in range(100))
    async with open_fake_ollama(models=models) as fake, open_provider(fake.url, Models(answer_bytes=2000)) as provider:
        with pytest.raises(ModelError, match=r"more than 2000 bytes \(models\.answer_bytes\)"):
            await provider.models()


async def test_logprobs_are_asked_for_and_told():
    top = {"token": "Hi", "logprob": -2.0}
    line = {"token": "Hello", "logprob": -0.1, "bytes": [72], "top_logprobs": [top]}
    reply = Reply(
        (
            Raw(f'{{"message":{{"content":"Hello"}},"logprobs":[{msgspec.json.encode(line).decode()}]}}\n'.encode()),
            Stop(),
        )
    )
    request = msgspec.structs.replace(REQUEST, options=Options(logprobs=True, top_logprobs=1))
    async with open_fake_ollama(reply) as fake, open_provider(fake.url) as provider:
        text = (await ask(provider, request))[0]
        body = fake.requests[0].body
    assert Text("Hello", (Logprob("Hello", -0.1, (72,), (Logprob("Hi", -2.0),)),)) == text
    assert (True, 1) == (body["logprobs"], body["top_logprobs"])


async def test_logprobs_are_not_asked_for_by_themselves():
    async with open_fake_ollama() as fake, open_provider(fake.url) as provider:
        await ask(provider)
        assert not {"logprobs", "top_logprobs"} & set(fake.requests[0].body)
