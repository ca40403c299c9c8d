"""The context that Ollama is told to load a model with, and what is told when a prompt does not fit it."""

from __future__ import annotations

import pytest
import trio

from tests.models.servers import MODEL, ask, fake_server, provider_of
from thane.config.settings import Models
from thane.models.context import ContextSizes, Sent
from thane.models.counts import counted, prompt_tokens
from thane.models.provider import ModelDone, ModelRequest
from thane.testing.script import Reply, Say, Stop
from thane.turn import Message, Options, ToolCall, ToolSpec

SETTINGS = Models(context_tokens_min=4096, context_tokens_max=16_384, context_answer_tokens=1000)


def words(tokens: int) -> str:
    return "abc " * tokens


def asking(tokens: int, **options: object) -> ModelRequest:
    return ModelRequest(MODEL, (Message("user", words(tokens)),), options=Options(**options))  # type: ignore[arg-type]  # the test's


async def test_the_context_is_the_next_doubling_that_the_prompt_and_the_answer_fit_in(autojump_clock: object):
    sizes = ContextSizes(SETTINGS)
    assert [4096, 8192, 16_384, 16_384] == [
        sizes.size(f"m{prompt}", prompt, None) for prompt in (3000, 3100, 9000, 90_000)
    ]
    assert 8192 == sizes.size("answer", 1000, 5000), "an answer as long as the request allows"
    assert 6000 == sizes.size("small", 90_000, None, has=6000), "never more than the model has"
    assert 6000 == sizes.size("modelfile", 10, None, least=6000), "never less than its Modelfile sets"
    assert 32_768 == sizes.size("larger modelfile", 10, None, has=131_072, least=32_768)


async def test_a_context_does_not_shrink_while_the_model_is_loaded(autojump_clock: object):
    sizes = ContextSizes(SETTINGS)
    assert [8192, 8192] == [sizes.size("m", prompt, None) for prompt in (5000, 10)]
    await trio.sleep(SETTINGS.context_kept_seconds - 1)
    assert 8192 == sizes.size("m", 10, None)
    await trio.sleep(SETTINGS.context_kept_seconds + 1)
    assert 4096 == sizes.size("m", 10, None)


async def test_requests_carry_the_context_and_turns_of_one_talk_carry_the_same(autojump_clock: object):
    fake = fake_server("ollama")
    async with provider_of(fake, "ollama", SETTINGS) as provider:
        await provider.models()  # it tells of a context of 32,768
        for tokens in (100, 200, 5000, 100):
            await ask(provider, asking(tokens))
        await ask(provider, asking(100, extra={"num_ctx": 2048, "top_k": 3}))
        await ask(provider, asking(100, extra={"num_ctx": 1_000_000}))
    told = [request.body["options"]["num_ctx"] for request in fake.requests if request.path == "/api/chat"]
    assert [4096, 4096, 8192, 8192, 2048, 16_384] == told


async def test_a_context_is_the_servers_own_matter_when_the_owner_says_so_or_it_runs_elsewhere(autojump_clock: object):
    fake = fake_server("ollama")
    async with provider_of(fake, "ollama", Models(manage_context=False)) as provider:
        await ask(provider, asking(100))
    async with provider_of(fake, "ollama", SETTINGS) as provider:
        await ask(provider, ModelRequest("glm-4.6:cloud", (Message("user", "hi"),)))
    assert [None, None] == [request.body.get("options") for request in fake.requests]


async def test_what_did_not_fit_is_told(autojump_clock: object):
    fake = fake_server("ollama")
    fake.script(
        Reply((Say(("Yes",)), Stop(prompt_tokens=16_000))),
        Reply((Say(("Yes",)), Stop(prompt_tokens=None))),
        Reply((Say(("Yes",)), Stop(prompt_tokens=90))),
    )
    cut: list[int] = []
    async with provider_of(fake, "ollama", SETTINGS) as provider:
        for tokens in (20_000, 20_000, 100):
            done = (await ask(provider, asking(tokens)))[-1]
            assert isinstance(done, ModelDone)
            cut.append(done.truncated_tokens)
    assert [4006, 3622, 0] == cut


@pytest.mark.parametrize(
    ("prompt", "context", "read", "cut"),
    [
        (5000, 8192, 4900, 0),
        (9000, 8192, 8000, 1000),
        (9000, 8192, 7000, 0),
        (20_000, 8192, 5000, 15_000),
        (20_000, 8192, 12, 0),
        (9000, 0, 8000, 0),
        (9000, 8192, 9100, 0),
    ],
)
def test_a_prompt_counts_as_cut_only_where_it_cannot_have_fitted(prompt: int, context: int, read: int, cut: int):
    assert cut == Sent(prompt, context).truncated(read)


def test_the_size_of_a_prompt_counts_words_calls_tools_and_pictures():
    messages = (
        Message("user", "four" * 4, images=("AAAA",)),
        Message("assistant", tool_calls=(ToolCall("c", "get", {"x": "y" * 400}),)),
    )
    small = prompt_tokens(ModelRequest("m", messages[:1]))
    assert 4 + 6 + 1024 == small
    assert prompt_tokens(ModelRequest("m", messages)) > small + 100
    assert prompt_tokens(ModelRequest("m", messages[:1], (ToolSpec("a", "b" * 400),))) > small + 100
    assert 3 + 6 == prompt_tokens(ModelRequest("m", (Message("user", "日本語時"),))), "three bytes a letter"


@pytest.mark.parametrize(
    ("value", "count"), [(3, 3), (3.0, 3), (0, 0), (-1, None), (True, None), ("3", None), (1e300, None), (None, None)]
)
def test_only_a_whole_number_is_a_count(value: object, count: int | None):
    assert count == counted(value)
