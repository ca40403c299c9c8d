from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.models.servers import REQUEST, ask, fail, fake_server, provider_of
from thane.config.settings import ModelProvider
from thane.models.anthropic_abilities import Abilities, read
from thane.models.anthropic_request import encode_request
from thane.models.provider import ModelCalls, ModelDone, ModelRequest
from thane.testing.anthropic_script import SIGNATURE
from thane.testing.fake_anthropic import FakeAnthropic
from thane.testing.fake_server import FakeModel
from thane.testing.script import Call, Raw, Reply, Say, Stop, Think
from thane.turn import Message, Options, Text, ToolCall, ToolSpec, Usage

PROVIDER = ModelProvider(name="anthropic", type="anthropic", url="https://api.anthropic.com")
TOOLS = (ToolSpec("a", "A."), ToolSpec("b", "B."))
USUAL = Abilities()
NEWER = Abilities(most_tokens=9000, adaptive=True, disabled=True, efforts=("low", "high"), samples=False)
KEEP = {"type": "ephemeral"}
EARLIER = (Message("system", "Be brief."), Message("user", "Hello"), Message("assistant", "Hi!"))


def encoded(
    *messages: Message,
    provider: ModelProvider = PROVIDER,
    thoughts: Any = None,
    abilities: Abilities = USUAL,
    **fields: Any,
) -> Any:
    request = ModelRequest("claude", messages, **fields)
    return msgspec.json.decode(encode_request(request, provider, thoughts or {}, abilities))


def marks(body: Any) -> list[str]:
    """Where the body has marks, as `tools 1`, `system 0`, `message 2`."""
    found = [f"{name} {index}" for name in ("tools", "system") for index, each in enumerate(body.get(name, ()))
             if "cache_control" in each]  # fmt: skip
    for index, message in enumerate(body["messages"]):
        found += [f"message {index}" for block in message["content"] if "cache_control" in block]
    return found


def test_marks_stand_after_tools_system_and_the_last_message_that_stays():
    body = encoded(*EARLIER, Message("user", "On?\n\n[It is 10:00.]"), tools=TOOLS)
    assert ["tools 1", "system 0", "message 1", "message 2"] == marks(body)
    assert KEEP == body["system"][0]["cache_control"]
    assert ["system 0", "message 1"] == marks(encoded(*EARLIER, Message("user", "On?")))
    assert ["system 0"] == marks(encoded(Message("system", "x"), Message("user", "On?")))
    without = msgspec.structs.replace(PROVIDER, cache_prompts=False)
    assert [] == marks(encoded(*EARLIER, Message("user", "On?"), tools=TOOLS, provider=without))


def test_two_successive_prompts_begin_with_the_same_bytes_up_to_the_mark():
    first = encoded(*EARLIER, Message("user", "On?\n\n[It is 10:00.]"), tools=TOOLS)
    second = encoded(
        *EARLIER,
        Message("user", "On?"),
        Message("assistant", "Yes."),
        Message("user", "Off?\n\n[It is 10:01.]"),
        tools=TOOLS,
    )
    assert first["tools"] == second["tools"]
    assert first["system"] == second["system"]
    kept = [
        [{k: v for k, v in block.items() if k != "cache_control"} for block in m["content"]] for m in second["messages"]
    ]
    assert [[{"type": "text", "text": "Hello"}], [{"type": "text", "text": "Hi!"}]] == kept[:2]
    assert "message 1" in marks(first), "what the second shares with it is what the first had kept"


def test_results_of_calls_are_grouped_into_one_message_with_what_the_user_says_then():
    calls = (ToolCall("c1", "a", {"x": 1}), ToolCall("c2", "b", {}))
    body = encoded(
        Message("user", "Go"),
        Message("assistant", "Now.", tool_calls=calls),
        Message("tool", "one", tool_call_id="c1"),
        Message("tool", "", tool_call_id="c2"),
        Message("user", "And?"),
        provider=msgspec.structs.replace(PROVIDER, cache_prompts=False),
    )
    assert [
        {"role": "user", "content": [{"type": "text", "text": "Go"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Now."},
                {"type": "tool_use", "id": "c1", "name": "a", "input": {"x": 1}},
                {"type": "tool_use", "id": "c2", "name": "b", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "(nothing)"},
                {"type": "text", "text": "And?"},
            ],
        },
    ] == body["messages"]


def test_a_history_that_begins_with_an_answer_gets_a_beginning():
    body = encoded(Message("assistant", "Hi!"), Message("user", "On?"))
    assert ["user", "assistant", "user"] == [message["role"] for message in body["messages"]]


def test_options_are_written_as_the_api_takes_them():
    body = encoded(Message("user", "x", images=("/9j/AA",)), options=Options(temperature=1.7, top_p=0.5, stop=("E",)))
    assert (8192, 1.0, ["E"]) == (body["max_tokens"], body["temperature"], body["stop_sequences"])
    assert "top_p" not in body
    assert "image/jpeg" == body["messages"][0]["content"][0]["source"]["media_type"]
    body = encoded(Message("user", "x"), options=Options(think="high", max_tokens=100, temperature=0.2))
    assert {"type": "enabled", "budget_tokens": 8192} == body["thinking"]
    assert 8292 == body["max_tokens"], "the limit is on thinking and answer together"
    assert "temperature" not in body
    body = encoded(Message("user", "x"), options=Options(format={"type": "object"}))
    assert '{"type":"object"}' in body["system"][-1]["text"]


def test_a_model_that_decides_about_thinking_is_told_the_effort():
    said = Message("user", "x")
    body = encoded(said, options=Options(think="high", max_tokens=100), abilities=NEWER)
    assert ({"type": "adaptive", "display": "summarized"}, {"effort": "high"}) == (
        body["thinking"],
        body["output_config"],
    )
    assert 8292 == body["max_tokens"]
    assert 9000 == encoded(said, options=Options(think=True), abilities=NEWER)["max_tokens"], "as many as it can"
    for wanted in (True, "medium"):
        assert "output_config" not in encoded(said, options=Options(think=wanted), abilities=NEWER)  # type: ignore[arg-type]  # both are
    body = encoded(said, options=Options(think=False, temperature=0.5), abilities=NEWER)
    assert {"type": "disabled"} == body["thinking"]
    assert "temperature" not in body
    assert "thinking" not in encoded(said, options=Options(think=False))


def test_thinking_leaves_room_for_an_answer_where_the_limit_is_known():
    few = Abilities(most_tokens=4000)
    body = encoded(Message("user", "x"), options=Options(think=True), abilities=few)
    assert (4000, 3999) == (body["max_tokens"], body["thinking"]["budget_tokens"])


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("`temperature` is deprecated for this model.", Options(temperature=0.5)),
        ("top_p: not supported by this model", Options(top_p=0.5)),
        ('"thinking.type.enabled" is not supported. Use "thinking.type.adaptive".', Options(think=True)),
    ],
)
async def test_what_a_model_refuses_is_left_out_from_then_on(words: str, options: Options, autojump_clock: object):
    fake = fake_server("anthropic")
    fake.script(Reply(status=400, error=words))
    request = ModelRequest("some-model", (Message("user", "hi"),), options=options)
    async with provider_of(fake, "anthropic") as provider:
        assert isinstance((await ask(provider, request))[-1], ModelDone)
        await provider.models()
        await ask(provider, request)
    asked = [request.body for request in fake.requests if request.path == "/v1/messages"]
    assert 3 == len(asked)
    refused, *taken = [{name: body.get(name) for name in ("temperature", "top_p", "thinking")} for body in asked]
    assert taken[0] == taken[1] != refused


async def test_a_model_is_asked_as_the_list_says_and_a_retired_one_is_not_offered(autojump_clock: object):
    fake = FakeAnthropic(None, (FakeModel("newer"), FakeModel("gone")))
    types = {"adaptive": {"supported": True}, "enabled": {"supported": False}, "disabled": {"supported": True}}
    thinks = {"thinking": {"supported": True, "types": types}}
    newer = {"max_input_tokens": 1_000_000, "max_tokens": 128_000, "lifecycle": "active", "capabilities": thinks}
    fake.listing = {"newer": newer, "gone": {"lifecycle": "retired"}}
    async with provider_of(fake, "anthropic") as provider:
        assert [("newer", 1_000_000)] == [(each.name, each.context_tokens) for each in await provider.models()]
        await ask(provider, ModelRequest("newer", (Message("user", "hi"),), options=Options(think=True)))
    assert "adaptive" == fake.requests[-1].body["thinking"]["type"]


async def test_another_refusal_is_a_failure_at_once(autojump_clock: object):
    fake = fake_server("anthropic")
    fake.script(*[Reply(status=400, error="messages: too long")] * 2)
    async with provider_of(fake, "anthropic") as provider:
        error = await fail(provider, request=ModelRequest("some-model", (Message("user", "hi"),)))
    assert (400, 1) == (error.status, len(fake.requests))


def test_what_the_list_of_models_tells_is_read_as_the_sdk_has_it():
    no, yes = {"supported": False}, {"supported": True}
    types = {"adaptive": yes, "enabled": no, "disabled": yes, "between_tools": no}
    told = {
        "thinking": {"supported": True, "types": types},
        "effort": {"supported": True, "low": yes, "medium": no, "high": yes, "max": yes},
    }
    assert Abilities(64_000, adaptive=True, disabled=True, efforts=("low", "high", "max")) == read(64_000, told)
    assert Abilities() == read(None, None) == read("many", {"thinking": {"types": 3}, "effort": []})


async def test_thoughts_go_back_with_the_results_of_the_calls_that_they_led_to(autojump_clock: object):
    fake = fake_server("anthropic")
    fake.script(Reply((Think(("Let me", " see.")), Say(("Now.",)), Call((("a", {}),), ("c1",)), Stop())))
    options = Options(think=True)
    async with provider_of(fake, "anthropic") as provider:
        outputs = await ask(provider, ModelRequest("some-model", (Message("user", "Go"),), TOOLS, options))
        calls = next(output for output in outputs if isinstance(output, ModelCalls))
        answered = (
            Message("user", "Go"),
            Message("assistant", "Now.", thinking="Let me see.", tool_calls=calls.calls),
            Message("tool", "done", tool_call_id="c1"),
        )
        await ask(provider, ModelRequest("some-model", answered, TOOLS, options))
        foreign = (*answered[:1], Message("assistant", "", tool_calls=(ToolCall("x", "a", {}),)), answered[2])
        await ask(provider, ModelRequest("some-model", foreign, TOOLS, options))
    second, third = fake.requests[1].body, fake.requests[2].body
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": SIGNATURE}
    assert thought == second["messages"][1]["content"][0]
    assert "thinking" in second
    assert "thinking" not in third, "the API refuses results whose thoughts are not there"


async def test_counts_are_of_the_whole_prompt_and_tell_what_the_cache_gave_and_took(autojump_clock: object):
    fake = fake_server("anthropic")
    fake.script(Reply((Say(("x",)), Stop(prompt_tokens=100, cached_tokens=60, cache_write_tokens=30))))
    async with provider_of(fake, "anthropic") as provider:
        done = (await ask(provider))[-1]
    assert isinstance(done, ModelDone)
    assert Usage(100, 7, 60, cache_write_tokens=30) == done.usage


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("something_new", "stop"),
    ],
)
async def test_each_reason_to_stop_is_known(reason: str, told: str, autojump_clock: object):
    fake = fake_server("anthropic")
    fake.script(Reply((Say(("x",)), Stop(reason))))
    async with provider_of(fake, "anthropic") as provider:
        done = (await ask(provider))[-1]
    assert isinstance(done, ModelDone)
    assert told == done.finish_reason


async def test_a_refusal_of_the_model_and_an_overload_in_the_stream_are_failures(autojump_clock: object):
    fake = fake_server("anthropic")
    overloaded = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    fake.script(Reply((Say(("x",)), Stop("refusal"))), Reply((Raw(overloaded),)))
    async with provider_of(fake, "anthropic") as provider:
        error = await fail(provider)
        assert ("The model refused to go on with this answer.", False) == (error.message, error.temporary)
        error = await fail(provider)
        assert ("The model failed in the middle of its answer: Overloaded.", 529) == (error.message, error.status)


async def test_events_that_nobody_knows_are_passed_over(autojump_clock: object):
    fake = fake_server("anthropic")
    new = b'event: news\ndata: {"type":"news","index":0}\n\n'
    fake.script(Reply((Raw(new), Say(("x",)), Stop())))
    async with provider_of(fake, "anthropic") as provider:
        assert Text("x") == (await ask(provider))[0]


async def test_the_key_and_the_version_go_along(autojump_clock: object):
    fake = fake_server("anthropic")
    async with provider_of(fake, "anthropic", url="http://fake/v1") as provider:
        await ask(provider, REQUEST)
        await provider.models()
    assert ["/v1/messages", "/v1/models"] == [request.path for request in fake.requests]
    for request in fake.requests:
        assert ("sk-secret", "2023-06-01") == (request.headers["x-api-key"], request.headers["anthropic-version"])
