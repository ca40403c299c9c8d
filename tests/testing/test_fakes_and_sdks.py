"""The fake model servers, read by the makers' own clients: a fake that only Thane understands would prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import anthropic
import ollama
import openai
import pytest
import trio

from thane.testing.anthropic_script import SIGNATURE
from thane.testing.fake_anthropic import open_fake_anthropic
from thane.testing.fake_ollama import open_fake_ollama
from thane.testing.fake_openai import open_fake_openai
from thane.testing.fake_server import FakeModel
from thane.testing.script import Call, Fail, Reply, Say, Stop, Think

CLAUDE = "claude-some-day"
ANSWER = Reply(
    (
        Think(("Let me", " see.")),
        Say(("It is ", "on.")),
        Call((("light", {"name": "Lamp"}),), ("c1",)),
        Stop(prompt_tokens=100, output_tokens=20, cached_tokens=60, cache_write_tokens=30),
    )
)


async def talk[T](work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work)


async def test_anthropics_client_reads_its_fake() -> None:
    async with open_fake_anthropic(ANSWER, models=(FakeModel(CLAUDE),)) as fake:
        with anthropic.Anthropic(base_url=fake.url, api_key="k", max_retries=0) as client:

            def ask() -> Any:
                with client.messages.stream(
                    model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "hi"}]
                ) as stream:
                    return stream.get_final_message()

            message = await talk(ask)
            thought, text, call = message.content
            assert ("thinking", "Let me see.", SIGNATURE) == (thought.type, thought.thinking, thought.signature)
            assert ("text", "It is on.") == (text.type, text.text)
            assert ("tool_use", "c1", "light", {"name": "Lamp"}) == (call.type, call.id, call.name, call.input)
            usage = message.usage
            assert ("tool_use", 10, 60, 30, 20) == (
                message.stop_reason,
                usage.input_tokens,
                usage.cache_read_input_tokens,
                usage.cache_creation_input_tokens,
                usage.output_tokens,
            )
            fake.script(Reply(status=529, error="too many"), Reply((Say(("Half",)), Fail("out of memory"))))
            with pytest.raises(anthropic.InternalServerError, match="too many"):
                await talk(ask)
            with pytest.raises(anthropic.APIStatusError, match="out of memory"):
                await talk(ask)
            models = await talk(lambda: [model.id for model in client.models.list()])
            assert [CLAUDE] == models


async def test_openais_client_reads_its_fake() -> None:
    async with open_fake_openai(ANSWER) as fake:
        with openai.OpenAI(base_url=f"{fake.url}/v1", api_key="k", max_retries=0) as client:

            def ask() -> Any:
                with client.chat.completions.stream(
                    model="gpt-oss",
                    messages=[{"role": "user", "content": "hi"}],
                    stream_options={"include_usage": True},
                ) as stream:
                    return stream.get_final_completion()

            completion = await talk(ask)
            choice = completion.choices[0]
            assert ("tool_calls", "It is on.") == (choice.finish_reason, choice.message.content)
            (call,) = choice.message.tool_calls
            assert ("c1", "light", '{"name":"Lamp"}') == (call.id, call.function.name, call.function.arguments)
            assert (100, 60, 20) == (
                completion.usage.prompt_tokens,
                completion.usage.prompt_tokens_details.cached_tokens,
                completion.usage.completion_tokens,
            )
            fake.script(Reply(status=429, error="slow down"), Reply((Say(("Half",)), Fail("out of memory"))))
            with pytest.raises(openai.RateLimitError, match="slow down"):
                await talk(ask)
            with pytest.raises(openai.APIError, match="out of memory"):
                await talk(ask)
            assert ["gpt-oss"] == await talk(lambda: [model.id for model in client.models.list()])


async def test_ollamas_client_reads_its_fake() -> None:
    async with open_fake_ollama(ANSWER) as fake:
        client = ollama.Client(host=fake.url)
        with closing(client._client):  # pyright: ignore[reportPrivateUsage] it has no close of its own

            def ask() -> Any:
                return list(client.chat(model="qwen3:4b", messages=[{"role": "user", "content": "hi"}], stream=True))

            parts = await talk(ask)
            assert "It is on." == "".join(part.message.content or "" for part in parts)
            assert "Let me see." == "".join(part.message.thinking or "" for part in parts)
            calls = [call for part in parts for call in part.message.tool_calls or ()]
            assert [("light", {"name": "Lamp"})] == [(call.function.name, call.function.arguments) for call in calls]
            assert (True, 100, 20) == (parts[-1].done, parts[-1].prompt_eval_count, parts[-1].eval_count)
            fake.script(Reply(status=500, error="broke"), Reply((Say(("Half",)), Fail("out of memory"))))
            with pytest.raises(ollama.ResponseError, match="broke"):
                await talk(ask)
            with pytest.raises(ollama.ResponseError, match="out of memory"):
                await talk(ask)
            assert ["qwen3:4b"] == [model.model for model in (await talk(client.list)).models]
