"""The OpenAPI document of both listeners: complete, documented, valid, and true to what is served."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import jsonschema
import msgspec
import pytest
import trio
from openapi_spec_validator import OpenAPIV31SpecValidator
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import Gate, turn
from tests.http.native.native import site as native_site
from tests.http.openapi.fitting import check
from tests.http.scripted import post, site
from thane.config.settings import Auth, OllamaApi, Settings
from thane.http.native.app import build_native
from thane.http.ollama.app import build_ollama
from thane.http.openapi.document import describe, first_sentence
from thane.http.openapi.table import TABLE
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms
from thane.turn import Message, ToolCall

type Build = Callable[[Rooms], ThaneApp]

BOTH = pytest.mark.parametrize("build", [build_native, build_ollama], ids=["native", "ollama"])


def document(build: Build, settings: Settings | None = None) -> tuple[ThaneApp, dict[str, Any]]:
    # Nothing of what the routes are handed is used until a request comes.
    app = build(MagicMock(settings=settings or Settings()))
    return app, describe(app, "0.1.0", Auth())


def operations(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    }


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


@BOTH
@pytest.mark.parametrize("settings", [Settings(), Settings(ollama_api=OllamaApi(port=0))], ids=["two", "one port"])
def test_every_route_is_in_it_and_documented(build: Build, settings: Settings) -> None:
    app, told = document(build, settings)
    found = operations(told)
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        methods = set(rule.methods or ()) - {"OPTIONS"}
        for method in methods - {"HEAD"} or methods:
            operation = found[f"{method} {path}"]
            assert operation["summary"], path
            assert operation["description"], path
            assert app.view_functions[rule.endpoint].__doc__, path


@BOTH
def test_it_is_valid_openapi(build: Build) -> None:
    _, told = document(build)
    assert "3.1.1" == told["openapi"]
    assert [] == [error.message for error in OpenAPIV31SpecValidator(told).iter_errors()]


@BOTH
def test_every_reference_leads_somewhere_and_every_shape_is_referred_to(build: Build) -> None:
    _, told = document(build)
    shapes = {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}
    assert shapes == set(references(told))


@BOTH
def test_every_parameter_of_a_path_is_told(build: Build) -> None:
    _, told = document(build)
    for key, operation in operations(told).items():
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert set(re.findall(r"\{(\w+)\}", key)) == named, key


def test_the_table_tells_of_no_route_that_there_is_not() -> None:
    known = {*operations(document(build_native)[1]), *operations(document(build_ollama)[1])}
    assert set() == set(TABLE) - known


def test_every_route_of_the_api_is_in_the_table() -> None:
    for build in (build_native, build_ollama):
        _, told = document(build)
        api = {key for key, each in operations(told).items() if each["tags"] != ["Dashboard"]}
        assert set() == api - set(TABLE) - {"GET /"}


@BOTH
def test_every_example_fits_its_shape(build: Build) -> None:
    _, told = document(build)
    for key, operation in operations(told).items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if content:
            jsonschema.validate(content["example"], content["schema"] | {"components": told["components"]})
            assert content["example"], key


def test_it_tells_whether_a_key_is_needed() -> None:
    app = build_native(MagicMock(settings=Settings()))
    optional, needed = describe(app, "", Auth()), describe(app, "", Auth(keys=("opensesame",)))
    assert [{}, {"bearer": []}, {"apiKey": []}] == optional["security"]
    assert [{"bearer": []}, {"apiKey": []}] == needed["security"]
    assert "opensesame" not in msgspec.json.encode(needed).decode()
    assert [] == needed["paths"]["/health/ready"]["get"]["security"]


def test_a_websocket_beside_a_get_is_told_with_it() -> None:
    _, told = document(build_native)
    assert {"200", "101"} <= set(told["paths"]["/v1/events"]["get"]["responses"])
    assert "Over a WebSocket: " in told["paths"]["/v1/events"]["get"]["description"]
    assert ["101", "4XX", "5XX"] == list(told["paths"]["/ws/events"]["get"]["responses"])


def test_times_are_told_as_they_leave() -> None:
    _, told = document(build_native)
    run = told["components"]["schemas"]["RunRecord"]
    assert {"type": "string", "format": "date-time"} == run["properties"]["started_at"]
    assert set(run["properties"]) == set(run["required"])


def test_what_may_be_left_out_of_a_request_may_be_null() -> None:
    _, told = document(build_native)
    chat = told["components"]["schemas"]["ChatCompletionRequest"]["properties"]
    assert {"anyOf": [{"type": "boolean"}, {"type": "null"}]}.items() <= chat["stream"].items()
    assert {"minItems": 1, "type": "array"}.items() <= chat["messages"].items()
    close = told["components"]["schemas"]["CloseRequest"]["properties"]["reason"]
    assert [{"type": "string"}, {"type": "null"}] == close["anyOf"]
    answered = told["components"]["schemas"]["ChatAnswerMessage"]["properties"]["reasoning"]
    assert "string" == answered["type"]


def test_what_holds_between_fields_is_told() -> None:
    _, told = document(build_native)
    shapes = told["components"]["schemas"]
    whole = {"$ref": "#/components/schemas/FactRequest", "components": {"schemas": shapes}}
    fact = {"category": "home", "key": "bins", "value": "Monday"}
    for more, good in (({}, True), ({"scope": "person"}, False), ({"scope": "person", "subject": "Ann"}, True)):
        assert good == jsonschema.Draft202012Validator(whole).is_valid(fact | more), more


def test_a_query_is_told_with_its_words() -> None:
    _, told = document(build_native)
    queries = {each["name"]: each for each in told["paths"]["/v1/archive/search"]["get"]["parameters"]}
    assert queries["q"]["required"]
    assert {"type": "integer", "minimum": 1} == queries["limit"]["schema"]
    assert "allowEmptyValue" in queries["since"]
    assert "date-time" == queries["since"]["schema"]["format"]
    assert ["user", "assistant", "system", "tool"] == queries["role"]["schema"]["enum"]


def test_a_first_sentence_is_cut_from_a_text() -> None:
    assert "Always" == first_sentence("`Always`. Or\nnot.")
    assert "A run with its steps" == first_sentence("A run with\nits steps; while it goes on, how it stands.")


ANSWERS = [
    ("ollama", "POST /api/chat", {"stream": False}),
    ("ollama", "POST /api/generate", {}),
    ("ollama", "POST /api/show", {}),
    ("ollama", "GET /api/tags", {}),
    ("ollama", "GET /api/ps", {}),
    ("ollama", "GET /api/status", {}),
    ("native", "POST /v1/chat", {}),
    ("native", "POST /v1/chat/completions", {}),
    ("native", "POST /v1/completions", {}),
    ("native", "POST /v1/responses", {}),
    ("native", "POST /v1/messages", {}),
    ("native", "POST /v1/messages/count_tokens", {}),
    ("native", "GET /v1/models", {}),
    ("native", "GET /v1/version", {}),
    ("native", "GET /health", {}),
    ("native", "GET /v1/events/log", {}),
]


@pytest.mark.parametrize(("listener", "key", "more"), ANSWERS, ids=[key for _, key, _ in ANSWERS])
async def test_what_is_served_has_the_shape_that_is_told(
    listener: str, key: str, more: dict[str, object], autojump_clock: MockClock
) -> None:
    method, path = key.split()
    async with site() as place:
        served = place.native if listener == "native" else place.ollama
        told = msgspec.json.decode((await served.ask("GET", "/openapi.json")).body)
        operation = told["paths"][path][method.lower()]
        if method == "POST":
            body = operation["requestBody"]["content"]["application/json"]["example"] | more
            answer = await post(served, path, body)
        else:
            answer = await served.ask("GET", path)
    assert 200 == answer.status, answer.body
    check(told, key, msgspec.json.decode(answer.body))


async def test_what_is_kept_and_what_runs_has_the_shape_that_is_told(autojump_clock: MockClock) -> None:
    _, told = document(build_native)
    call = ToolCall("call_1", "light", {"on": True})
    said = (Message("assistant", tool_calls=(call,)), Message("tool", "{}", tool_call_id="call_1"))
    async with native_site() as web, trio.open_nursery() as nursery:
        done = await web.house.ask(turn("on", *said, Message("user", "and?", images=("aGk=",))))
        gate = web.house.agent.script = Gate()
        nursery.start_soon(web.house.ask, turn("running"))
        await wait_all_tasks_blocked()
        running = (await web.get("/v1/runs"))["running"][0]["run_id"]
        loop = (await web.get("/v1/loops"))[0]["id"]
        for key, path in {
            "GET /v1/conversations": "/v1/conversations",
            "GET /v1/conversations/{conversation_id}": f"/v1/conversations/{done.conversation_id}",
            "GET /v1/runs": "/v1/runs",
            "GET /v1/loops": "/v1/loops",
            "GET /v1/loops/{loop_id}": f"/v1/loops/{loop}",
        }.items():
            check(told, key, await web.get(path))
        for run in (done.run_id, running):
            check(told, "GET /v1/runs/{run_id}", await web.get(f"/v1/runs/{run}"))
        gate.open.set()
