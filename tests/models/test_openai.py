from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from tests.models.servers import MODEL, REQUEST, ask, fail, fake_server, provider_of
from thane.clock import SystemClock
from thane.ids import Ids
from thane.models.failures import Failures
from thane.models.openai import base_url
from thane.models.openai_format import CompletionReader, encode_request
from thane.models.provider import ModelCalls, ModelDone, ModelInfo, ModelOutput, ModelRequest
from thane.testing.fake_openai import FakeOpenAI
from thane.testing.fake_server import FakeModel
from thane.testing.script import Reply
from thane.turn import JSON, Message, Options, Text, Thinking, ToolCall, ToolSpec, Usage


def reader() -> CompletionReader:
    failures = Failures("box", "http://box", "an OpenAI-compatible server")
    return CompletionReader(Ids(random.Random(1), SystemClock()), failures=failures, line_bytes=1 << 16)


def event(payload: object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(payload)


def delta(reason: str | None = None, **fields: object) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]})


def read(*parts: bytes) -> tuple[list[ModelOutput], CompletionReader]:
    answer = reader()
    outputs = [output for part in parts for output in answer.receive(part)]
    return [*outputs, *answer.end()], answer


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_found_under_each_of_its_names_and_once(name: str):
    outputs, _ = read(delta(**{name: "Hm"}), delta(reasoning="a", reasoning_content="a"), delta("stop", content="x"))
    assert [Thinking("Hm"), Thinking("a"), Text("x")] == outputs[:3]


@pytest.mark.parametrize(
    "pieces",
    [
        [  # as OpenAI does
            [{"index": 0, "id": "c1", "function": {"name": "a", "arguments": ""}}],
            [{"index": 0, "function": {"arguments": '{"x"'}}],
            [{"index": 1, "id": "c2", "function": {"name": "b", "arguments": "{}"}}],
            [{"index": 0, "function": {"arguments": ":1}"}}],
        ],
        [  # each whole, without a number
            [{"id": "c1", "function": {"name": "a", "arguments": '{"x":1}'}}],
            [{"id": "c2", "function": {"name": "b", "arguments": "{}"}}],
        ],
        [  # each whole, all with the same number
            [{"index": 0, "id": "c1", "function": {"name": "a", "arguments": '{"x":1}'}}],
            [{"index": 0, "id": "c2", "function": {"name": "b", "arguments": ""}}],
        ],
        [  # the name and the id again in every piece, arguments as an object
            [{"index": 0, "id": "c1", "function": {"name": "a", "arguments": '{"x"'}}],
            [{"index": 0, "id": "c1", "function": {"name": "a", "arguments": ":1}"}}],
            [{"index": 1, "id": "c2", "function": {"name": "b", "arguments": {}}}],
        ],
    ],
    ids=["in pieces", "without a number", "one number", "named again"],
)
def test_calls_are_told_apart_however_a_server_numbers_them(pieces: list[list[dict[str, Any]]]):
    outputs, _ = read(*(delta(tool_calls=piece) for piece in pieces), delta("stop"), DONE)
    calls, done = outputs
    assert ModelCalls((ToolCall("c1", "a", {"x": 1}), ToolCall("c2", "b", {}))) == calls
    assert isinstance(done, ModelDone)
    assert "tool_calls" == done.finish_reason


@pytest.mark.parametrize(
    ("reason", "words"),
    [("length", "became too long in the middle of a tool call"), ("tool_calls", "tool call that cannot be read")],
)
def test_a_call_that_was_cut_is_no_call(reason: str, words: str):
    outputs, answer = read(
        delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "a", "arguments": '{"x"'}}]), delta(reason), DONE
    )
    assert [] == outputs
    assert answer.failure is not None
    assert words in answer.failure.message


@pytest.mark.parametrize(
    ("parts", "usage"),
    [
        ([event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}})], Usage(9, 2)),
        (
            [
                event(
                    {
                        "usage": {
                            "prompt_tokens": 9,
                            "completion_tokens": 2,
                            "prompt_tokens_details": {"cached_tokens": 8},
                            "completion_tokens_details": {"reasoning_tokens": 1},
                        }
                    }
                )
            ],
            Usage(9, 2, 8, 1),
        ),
        (
            [event({"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 5}})],
            Usage(9, 2, 5),
        ),
        (
            [event({"choices": [], "timings": {"cache_n": 5, "prompt_n": 4, "predicted_n": 2, "prompt_ms": 1.5}})],
            Usage(9, 2, 5),
        ),
        ([], Usage(0, 1, estimated=True)),
    ],
    ids=["plain", "details", "DeepSeek", "llama.cpp", "none"],
)
def test_counts_are_read_in_each_of_their_forms(parts: list[bytes], usage: Usage):
    outputs, _ = read(delta("stop", content="x"), *parts, DONE)
    assert isinstance(outputs[-1], ModelDone)
    assert usage == outputs[-1].usage


def test_the_end_is_a_reason_to_finish_and_not_the_mark_that_a_proxy_sends_at_every_end():
    for parts, complete in (
        ((delta(content="x"), DONE), False),
        ((delta(content="x"), delta("stop")), True),
        ((delta(content="x"), delta("stop"), b"data: [DONE]"), True),
        ((delta(content="x"), delta("content_filter"), DONE), False),
    ):
        outputs, answer = read(*parts)
        assert (complete, not complete) == (isinstance(outputs[-1], ModelDone), answer.failure is not None)


def test_a_page_or_a_bare_error_in_place_of_a_stream_is_told():
    _, answer = read(b'{"error": {"message": "no such model"}}')
    assert answer.failure is not None
    assert "failed in the middle of its answer: no such model." in answer.failure.message
    _, answer = read(event({"error": {"message": "slow down", "code": 429}}))
    assert answer.failure is not None
    assert 429 == answer.failure.status


def test_log_probabilities_come_with_their_text():
    logprob = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "x"}, "logprobs": {"content": [logprob]}, "finish_reason": "stop"}
    outputs, _ = read(event({"choices": [choice]}))
    assert isinstance(outputs[0], Text)
    assert -0.5 == outputs[0].logprobs[0].logprob


def test_a_request_is_written_as_the_protocol_has_it():
    request = ModelRequest(
        "m",
        (
            Message("system", "Be brief."),
            Message("user", "Look", images=("iVBORw0KGgoAAA",)),
            Message("assistant", "", thinking="Hm", tool_calls=(ToolCall("c1", "get", {"x": 1}),)),
            Message("tool", "done", tool_call_id="c1", tool_name="get"),
        ),
        tools=(ToolSpec("get", "Gets."),),
        options=Options(
            temperature=0.5,
            max_tokens=40,
            stop=("END",),
            format={"type": "object"},
            think=True,
            extra={"num_ctx": 4096, "top_k": 3, "presence_penalty": 1},
        ),
    )
    body = msgspec.json.decode(encode_request(request, local=True))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAA"}}
    call = {"id": "c1", "type": "function", "function": {"name": "get", "arguments": '{"x":1}'}}
    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "done", "tool_call_id": "c1"},
    ] == body["messages"]
    assert {"include_usage": True} == body["stream_options"]
    assert (True, 40, 3, 1) == (body["stream"], body["max_tokens"], body["top_k"], body["presence_penalty"])
    assert {"enable_thinking": True} == body["chat_template_kwargs"]
    assert {"type": "object"} == body["response_format"]["json_schema"]["schema"]
    assert "num_ctx" not in body
    away = msgspec.json.decode(encode_request(request, local=False, completion_tokens=True))
    assert 40 == away["max_completion_tokens"]
    assert not {"max_tokens", "top_k", "chat_template_kwargs"} & set(away), "what a cloud would refuse"


async def test_models_and_what_servers_add_to_them_are_read():
    names = ("llama", "vllm", "lmstudio", "router", "mistral", "plain")
    fake = FakeOpenAI(models=tuple(map(FakeModel, names)))
    fake.listing = {
        "llama": {"meta": {"n_ctx_train": 8192, "n_params": 1}, "aliases": ["small"], "capabilities": ["completion"]},
        "vllm": {"max_model_len": 16_384},
        "lmstudio": {"max_context_length": 32_768, "loaded_context_length": 4096, "capabilities": ["tool_use"]},
        "router": {
            "context_length": 128_000,
            "supported_parameters": ["max_tokens", "reasoning"],
            "architecture": {"input_modalities": ["text", "image"]},
        },
        "mistral": {"max_context_length": 65_536, "capabilities": {"function_calling": False, "vision": True}},
    }
    async with provider_of(fake, "openai") as provider:
        told = await provider.models()
    assert (
        ModelInfo("llama", "box", 8192, aliases=("small",)),
        ModelInfo("vllm", "box", 16_384),
        ModelInfo("lmstudio", "box", 4096),
        ModelInfo("router", "box", 128_000, supports_tools=False, supports_thinking=True, supports_images=True),
        ModelInfo("mistral", "box", 65_536, supports_tools=False, supports_images=True),
        ModelInfo("plain", "box"),
    ) == told


async def test_the_key_goes_along_as_a_bearer():
    fake = fake_server("openai")
    async with provider_of(fake, "openai", url="http://fake/v1") as provider:
        await ask(provider, REQUEST)
        await provider.models()
    assert ["/v1/chat/completions", "/v1/models"] == [request.path for request in fake.requests]
    assert {"Bearer sk-secret"} == {request.headers["authorization"] for request in fake.requests}
    assert MODEL == fake.requests[0].body["model"]


def test_an_address_is_taken_with_and_without_its_path():
    assert "http://box:8080/v1" == base_url("http://box:8080")
    assert "http://box/api/v1" == base_url("http://box/api/v1/")
    assert "http://box/v1" == base_url("http://box/v1/chat/completions")


@pytest.mark.parametrize(
    ("words", "options", "field", "instead"),
    [
        (
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) is supported.",
            Options(temperature=0.5),
            "temperature",
            {},
        ),
        (
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
            Options(max_tokens=9),
            "max_tokens",
            {"max_completion_tokens": 9},
        ),
        ("Unrecognized request argument supplied: stream_options", Options(), "stream_options", {}),
        ("body.seed: Extra inputs are not permitted", Options(seed=3), "seed", {}),
        ("Unknown field 'user'", Options(extra={"user": "ann"}), "user", {}),
    ],
)
async def test_what_a_model_does_not_take_is_left_out_from_then_on(
    words: str, options: Options, field: str, instead: JSON, autojump_clock: object
):
    fake = fake_server("openai")
    fake.script(Reply(status=400, error=words))
    request = ModelRequest(MODEL, (Message("user", "hi"),), options=options)
    async with provider_of(fake, "openai") as provider:
        for _ in range(2):
            assert isinstance((await ask(provider, request))[-1], ModelDone)
        await ask(provider, msgspec.structs.replace(request, model="another"))
    refused, first, second, another = (each.body for each in fake.requests)
    assert first == second
    assert first == {name: value for name, value in refused.items() if name != field} | instead
    assert field in another, "of that model alone"


@pytest.mark.parametrize(
    "words",
    ["Invalid value: 'temperature' must be at most 2", "This user is not allowed to use the model", "too long"],
)
async def test_another_refusal_is_a_failure_at_once(words: str, autojump_clock: object):
    fake = fake_server("openai")
    fake.script(Reply(status=400, error=words))
    options = Options(temperature=3, extra={"user": "ann"})
    async with provider_of(fake, "openai") as provider:
        error = await fail(provider, request=ModelRequest(MODEL, (Message("user", "hi"),), options=options))
    assert (400, 1) == (error.status, len(fake.requests))


async def test_a_server_that_refuses_all_the_same_is_asked_no_third_time(autojump_clock: object):
    fake = fake_server("openai")
    fake.script(*[Reply(status=400, error="'temperature' is not supported")] * 3)
    async with provider_of(fake, "openai") as provider:
        await fail(provider, request=ModelRequest(MODEL, (Message("user", "hi"),), options=Options(temperature=1)))
    assert 2 == len(fake.requests)
