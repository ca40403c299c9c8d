"""The whole program with a model server of each kind."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.test_service import answers, becomes, configured, serving
from thane.config import settings
from thane.testing.fake_anthropic import open_fake_anthropic
from thane.testing.fake_ollama import open_fake_ollama
from thane.testing.fake_openai import open_fake_openai
from thane.testing.script import Reply, Say, Stop

pytestmark = pytest.mark.usefixtures("process_as_before")


def saying(text: str) -> Reply:
    return Reply((Say((text,)), Stop(prompt_tokens=40, output_tokens=3)))


async def test_each_model_is_answered_by_the_server_that_has_it_and_counted_by_what_it_says(tmp_path: Path):
    async with (
        open_fake_ollama(saying("I am Qwen.")) as ollama,
        open_fake_openai(saying("I am an open one.")) as other,
        open_fake_anthropic(saying("I am Claude.")) as anthropic,
    ):
        providers = (
            settings.ModelProvider(name="box", type="openai", url=f"{other.url}/v1", api_key="sk-secret-1"),
            settings.ModelProvider(name="anthropic", type="anthropic", url=anthropic.url, api_key="sk-secret-2"),
        )
        models = settings.Models(default="qwen3:4b", ollama_url=ollama.url, providers=providers)
        chosen = configured(tmp_path, models=models)
        native = f"http://127.0.0.1:{chosen.listen.port}"
        async with serving(chosen) as client:
            await answers(client, f"{native}/health")
            await becomes("healthy", client, native)
            health = await client.get(f"{native}/health")
            said: dict[str, str] = {}
            for model in ("qwen3:4b", "gpt-oss", "claude-sonnet-4-5"):
                asked = {"model": model, "messages": [{"role": "user", "content": "Who are you, in a few words?"}]}
                answer = (await client.post(f"{native}/v1/chat/completions", json=asked, timeout=20)).json()
                said[model] = answer["choices"][0]["message"]["content"]
                assert (40, 3) == (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"])
            other.script(Reply(status=401, error="bad key sk-secret-1"))
            asked = {"model": "gpt-oss", "messages": [{"role": "user", "content": "And now?"}]}
            refused = await client.post(f"{native}/v1/chat/completions", json=asked, timeout=20)
            runs = await client.get(f"{native}/v1/runs")
    assert ["I am Qwen.", "I am an open one.", "I am Claude."] == list(said.values())
    assert {"ollama", "box", "anthropic"} <= set(msgspec.json.decode(health.content)["dependencies"])
    assert "refuses access" in refused.text
    for fake, model in ((ollama, "qwen3:4b"), (other, "gpt-oss"), (anthropic, "claude-sonnet-4-5")):
        counts = fake.counts[model]
        assert (1, 40, 3) == (counts.finished, counts.input_tokens, counts.output_tokens)
    for page in (health.text, refused.text, runs.text):
        assert "sk-secret" not in page
