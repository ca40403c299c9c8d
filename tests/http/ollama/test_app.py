"""The Ollama listener: what clients ask before and around a chat."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import ollama
import pytest
from trio.testing import MockClock

from tests.http.scripted import Site, lines, ollama_chat, post, site
from thane.config.settings import Agent, Limits, Models, Settings
from thane.errors import ClientError
from thane.http.offers import check_turn
from thane.models.provider import ModelInfo
from thane.router.models import Model
from thane.wire.ollama_chat import decode as decode_chat


async def get(place: Site, path: str) -> Any:
    answer = await place.ollama.ask("GET", path)
    assert (200, "application/json; charset=utf-8") == (answer.status, answer.headers["content-type"])
    return msgspec.json.decode(answer.body)


async def test_the_root_says_that_it_runs(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await place.ollama.ask("GET", "/")
        head = await place.ollama.ask("HEAD", "/")
    assert (200, b"Ollama is running") == (answer.status, answer.body)
    assert (200, b"") == (head.status, head.body)
    assert answer.headers["content-type"].startswith("text/plain")


async def test_the_version_is_three_numbers(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await place.ollama.ask("GET", "/api/version")
    assert 3 == len([int(part) for part in msgspec.json.decode(answer.body)["version"].split(".")])
    assert "0.1.0" == answer.headers["x-thane-version"]


async def test_tags_list_profiles_and_models(autojump_clock: MockClock) -> None:
    async with site(models=(ModelInfo("embedded", "embedded"), ModelInfo("qwen3:8b", "ollama", 40_960))) as place:
        listed = await get(place, "/api/tags")
    entries = {entry["model"]: entry for entry in listed["models"]}
    assert {"thane:latest", "thane:premium", "thane:command", "embedded:latest", "qwen3:8b"} <= set(entries)
    assert "thane:fast" not in entries
    assert 40_960 == entries["qwen3:8b"]["details"]["context_length"]
    latest = entries["thane:latest"]
    assert ("thane:latest", 0, 64) == (latest["name"], latest["size"], len(bytes.fromhex(latest["digest"])) * 2)
    assert datetime.fromisoformat(latest["modified_at"]).tzinfo is not None
    ollama.ListResponse.model_validate(listed)


async def test_profiles_can_what_the_default_model_can(autojump_clock: MockClock) -> None:
    models = (ModelInfo("qwen3-vl", "ollama", 8192, supports_thinking=True, supports_images=True),)
    async with site(settings=Settings(models=Models(default="qwen3-vl")), models=models) as place:
        shown = msgspec.json.decode((await post(place.ollama, "/api/show", {"model": "thane"})).body)
    assert ["completion", "tools", "thinking", "vision"] == shown["capabilities"]
    assert 8192 == shown["model_info"]["thane.context_length"]


async def test_ps_lists_the_profiles_as_loaded(autojump_clock: MockClock) -> None:
    async with site() as place:
        loaded = await get(place, "/api/ps")
    assert 8 == len(loaded["models"])
    assert datetime.fromisoformat(loaded["models"][0]["expires_at"]).year > 2300
    ollama.ProcessResponse.model_validate(loaded)


@pytest.mark.parametrize("body", [{"model": "Thane"}, {"name": "thane:latest", "verbose": True}])
async def test_show_has_what_clients_look_for(body: dict[str, Any], autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/show", body)
    shown = msgspec.json.decode(answer.body)
    assert "tools" in shown["template"]
    assert ["completion", "tools"] == shown["capabilities"]
    assert isinstance(shown["model_info"], dict)
    assert next(iter(body.values())) == shown["model_info"]["general.basename"]
    ollama.ShowResponse.model_validate(shown)


async def test_pulling_a_known_model_succeeds(autojump_clock: MockClock) -> None:
    async with site() as place:
        streamed = await post(place.ollama, "/api/pull", {"model": "thane"})
        whole = await post(place.ollama, "/api/pull", {"name": "thane:latest", "stream": False, "insecure": True})
    assert ("application/x-ndjson", {"status": "success"}) == (
        streamed.headers["content-type"],
        lines(streamed.body)[-1],
    )
    assert {"status": "success"} == msgspec.json.decode(whole.body)


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/api/chat", ollama_chat(model="nope"), 404, "model 'nope' not found"),
        ("/api/chat", {"model": "nope"}, 404, "model 'nope' not found"),
        ("/api/chat", ollama_chat(model=""), 400, "model is required"),
        ("/api/show", {"model": "nope"}, 404, "model 'nope' not found"),
        ("/api/show", {}, 400, "model is required"),
        ("/api/show", [], 400, "the request body must be a JSON object"),
        ("/api/pull", {"model": "x"}, 404, "pull model manifest: Thane has no model 'x'"),
        (
            "/api/show",
            {"model": 1},
            400,
            "json: cannot unmarshal number into Go struct field ShowRequest.model of type string",
        ),
    ],
)
async def test_refusals_are_a_text(path: str, body: object, status: int, error: str, autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await post(place.ollama, path, body)
    told = msgspec.json.decode(answer.body)
    assert ["error"] == list(told)
    assert status == answer.status
    assert told["error"].startswith(error)


async def test_a_missing_body_is_named(autojump_clock: MockClock) -> None:
    async with site() as place:
        answer = await place.ollama.ask("POST", "/api/chat")
    assert (400, {"error": "missing request body"}) == (answer.status, msgspec.json.decode(answer.body))


async def test_bytes_after_the_request_and_half_characters_are_forgiven(autojump_clock: MockClock) -> None:
    body = b'{"Model":"thane","stream":false,"messages":[{"role":"user","content":"\\ud83d \xff"}]} trailing'
    async with site() as place:
        answer = await place.ollama.ask("POST", "/api/chat", body, "Content-Type: text/html")
        assert "\ufffd \ufffd" == place.turn.messages[0].content
    assert 200 == answer.status


@pytest.mark.parametrize(("body", "reason"), [({}, "load"), ({"keep_alive": 0}, "unload"), ({"messages": []}, "load")])
async def test_loading_is_one_object_even_when_streaming(
    body: dict[str, Any], reason: str, autojump_clock: MockClock
) -> None:
    async with site() as place:
        answer = await post(place.ollama, "/api/chat", {"model": "thane", "stream": True} | body)
        assert [] == place.conversations.turns
    told = msgspec.json.decode(answer.body)
    assert (True, reason, "") == (told["done"], told["done_reason"], told["message"]["content"])
    assert "application/json; charset=utf-8" == answer.headers["content-type"]


async def test_unknown_paths_and_methods_are_texts(autojump_clock: MockClock) -> None:
    async with site() as place:
        unknown = await place.ollama.ask("GET", "/api/nothing")
        method = await place.ollama.ask("GET", "/api/chat")
    assert (404, b"404 page not found", "text/plain") == (
        unknown.status,
        unknown.body,
        unknown.headers["content-type"].partition(";")[0],
    )
    assert (405, b"405 method not allowed") == (method.status, method.body)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)]
)
async def test_under_v1_every_error_is_one_of_openai(
    method: str, path: str, status: int, autojump_clock: MockClock
) -> None:
    async with site() as place:
        answer = await place.ollama.ask(method, path)
    error = msgspec.json.decode(answer.body)["error"]
    assert (status, "application/json; charset=utf-8", "false") == (
        answer.status,
        answer.headers["content-type"],
        answer.headers["x-should-retry"],
    )
    assert path in error["message"]


async def test_openais_models_are_here_too(autojump_clock: MockClock) -> None:
    async with site() as place:
        listed = await get(place, "/v1/models")
        unknown = await place.ollama.ask("GET", "/v1/models/nope")
    assert "thane:latest" == listed["data"][0]["id"]
    assert (404, "model_not_found") == (unknown.status, msgspec.json.decode(unknown.body)["error"]["code"])


WEATHER = {"type": "function", "function": {"name": "get_weather"}}
PNG = b64encode(b"\x89PNG\r\n\x1a\n").decode()
EMBEDDER = ModelInfo("nomic:latest", "ollama", capabilities=("embedding",))
PLAIN = ModelInfo("plain:latest", "ollama", supports_tools=False, supports_images=False, capabilities=("completion",))
SILENT = ModelInfo("silent:latest", "ollama")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (ollama_chat(model="nomic"), '"nomic" does not support chat'),
        (ollama_chat(model="Plain:latest", think="high"), '"Plain:latest" does not support thinking'),
        (ollama_chat(model="plain", think=False, stream=False), ""),
        (ollama_chat(model="silent", think=True), ""),
        (ollama_chat(model="plain", tools=[WEATHER]), "registry.ollama.ai/library/plain:latest does not support tools"),
        (
            ollama_chat(model="plain:latest", tools=[WEATHER]),
            "registry.ollama.ai/library/plain:latest does not support tools",
        ),
        (ollama_chat(model="silent", tools=[WEATHER]), ""),
        (ollama_chat(model="thane", tools=[WEATHER]), ""),
        (ollama_chat(model="plain", tools=[]), ""),
        (
            ollama_chat(model="plain", messages=[{"role": "user", "content": "?", "images": [PNG]}]),
            '"plain" does not support images',
        ),
        (ollama_chat(model="silent", messages=[{"role": "user", "content": "?", "images": [PNG]}]), ""),
        (ollama_chat(model="thane", think=True), ""),
        (ollama_chat(model="my model"), "invalid model name"),
    ],
)
async def test_a_named_model_is_not_asked_for_what_it_cannot(
    body: dict[str, Any], error: str, autojump_clock: MockClock
) -> None:
    async with site(models=(EMBEDDER, PLAIN, SILENT)) as place:
        answer = await post(place.ollama, "/api/chat", body)
        under_v1 = await post(place.ollama, "/v1/chat/completions", body)
    assert (400 if error else 200) == answer.status
    if error:
        assert {"error": error} == msgspec.json.decode(answer.body)
    if not body.get("think") and "images" not in body["messages"][-1]:  # both have another shape there
        assert (under_v1.status in (400, 404)) == bool(error)


@pytest.mark.parametrize(
    ("profile", "sees", "status"),
    [
        ("thane", (False, False), 400),
        ("thane", (False, True), 200),
        ("thane", (False, None), 200),
        ("thane:local", (False, True), 400),
    ],
)
async def test_a_profile_takes_an_image_where_one_of_its_models_may_see(
    profile: str, sees: tuple[bool | None, bool | None], status: int, autojump_clock: MockClock
) -> None:
    here, cloud = Model("plain", "ollama", images=sees[0]), Model("claude", "cloud", local=False, images=sees[1])
    body = ollama_chat(model=profile, stream=False, messages=[{"role": "user", "content": "?", "images": [PNG]}])
    async with site(models=(PLAIN,)) as place:
        turn = decode_chat(body, {}, Limits()).turn
        rooms = replace(place.rooms, candidates=lambda: (here, cloud))
        if status == 200:
            check_turn(rooms, turn)
        else:
            with pytest.raises(ClientError, match="no model that it may choose can see") as raised:
                check_turn(rooms, turn)
            assert raised.value.status == status


def assist(model: str) -> dict[str, Any]:
    """A turn of Home Assistant's with its tools."""
    return ollama_chat(model=model, tools=[{"type": "function", "function": {"name": "HassTurnOn"}}])


async def test_home_assistant_is_told_in_words_that_a_model_has_no_tools(autojump_clock: MockClock) -> None:
    async with site(models=(PLAIN,)) as place:
        answer = await post(place.ollama, "/api/chat", assist("plain"))
        assert [] == place.conversations.turns
    last = msgspec.json.decode(answer.body.splitlines()[-1])
    assert (200, True) == (answer.status, last["done"])
    assert b"The model plain cannot call tools" in answer.body


async def test_tools_that_thane_would_not_pass_on_ask_nothing_of_a_model(autojump_clock: MockClock) -> None:
    turn = decode_chat(assist("plain"), {}, Limits()).turn
    async with site(models=(PLAIN,)) as place:
        linked = replace(place.rooms, home=cast("Any", SimpleNamespace(name="homeassistant")))
        check_turn(linked, turn)
        passing = replace(linked, settings=Settings(agent=Agent(client_tools="pass")))
        with pytest.raises(ClientError, match="does not support tools"):
            check_turn(passing, turn)


async def test_open_webui_brings_its_tools_to_every_model(autojump_clock: MockClock) -> None:
    body = ollama_chat(model="plain", tools=[WEATHER])
    async with site(models=(PLAIN,)) as place:
        assert 200 == (await post(place.ollama, "/api/chat", body, "User-Agent: Python/3.11 aiohttp/3.9")).status
        insists = await post(
            place.native, "/v1/chat/completions", body | {"tool_choice": "required"}, "User-Agent: aiohttp/3.9"
        )
    assert (400, "unsupported") == (insists.status, msgspec.json.decode(insists.body)["error"]["code"])


async def test_only_a_model_with_tools_has_them_in_its_template(autojump_clock: MockClock) -> None:
    async with site(models=(PLAIN, SILENT)) as place:
        plain, silent = [
            msgspec.json.decode((await post(place.ollama, "/api/show", {"model": name})).body)["template"]
            for name in ("plain", "silent")
        ]
    assert (False, True) == ("tools" in plain.lower(), "tools" in silent.lower())


async def test_an_embedding_model_is_shown_as_one(autojump_clock: MockClock) -> None:
    async with site(models=(EMBEDDER, PLAIN)) as place:
        shown = msgspec.json.decode((await post(place.ollama, "/api/show", {"model": "nomic"})).body)
        listed = await get(place, "/api/tags")
    assert ["embedding"] == shown["capabilities"]
    assert [["embedding"], ["completion"]] == [each["capabilities"] for each in listed["models"][-2:]]
