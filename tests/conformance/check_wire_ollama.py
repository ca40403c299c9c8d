"""The contract's rows of Ollama's API, on the raw wire."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.clients.asking import WEATHER, Doors
from tests.conformance.wire import Answer, Row, play

HI = [{"role": "user", "content": "turn on the kitchen lights"}]
MODEL = "thane:latest"


def _json(answer: Answer) -> bool:
    return answer.headers["content-type"].startswith("application/json")


def _is_error(answer: Answer, *parts: str) -> bool:
    return _json(answer) and all(part in answer.json["error"] for part in parts)


def _is_stream(answer: Answer) -> bool:
    lines = answer.lines
    last = lines[-1]
    return (
        answer.headers["content-type"].startswith("application/x-ndjson")
        and all(line["message"]["role"] == "assistant" and not line["done"] for line in lines[:-1])
        and all(line["model"] == MODEL and line["created_at"].endswith("Z") for line in lines)
        and last["done"] is True
        and last["done_reason"] == "stop"
        and all(isinstance(last[key], int) for key in ("total_duration", "eval_count", "prompt_eval_count"))
        and not answer.text.startswith("\n")
        and "\n\n" not in answer.text
    )


def _is_whole(answer: Answer) -> bool:
    return _json(answer) and answer.json["done"] is True and "light" in answer.json["message"]["content"]


def _echoed(answer: Answer) -> Any:
    """The request as it came to the model."""
    return Answer(200, {}, answer.json["message"]["content"].encode()).json


def chat(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": HI, "stream": False} | more


def echo(**more: Any) -> dict[str, Any]:
    return chat(messages=play(["echo"])) | more


ROWS = (
    # 1. General
    Row("the root says what it is", "/", holds=lambda a: a.text == "Ollama is running"),
    Row("the root answers HEAD", "/", method="HEAD", holds=lambda a: a.body == b""),
    Row(
        "the version",
        "/api/version",
        holds=lambda a: _json(a) and all(p.isdigit() for p in a.json["version"].split("-")[0].split(".")),
    ),
    Row("a wrong method on a known path", "/api/chat", status=405, holds=lambda a: "405 method not allowed" in a.text),
    Row("an unknown path", "/api/nothing", status=404, holds=lambda a: "404" in a.text),
    Row("an empty body", "/api/chat", b"", 400, lambda a: a.json == {"error": "missing request body"}),
    Row("a body that is no JSON", "/api/chat", b"{nope", 400, _is_error),
    Row("a value of a wrong type", "/api/chat", chat(messages="x"), 400, lambda a: _is_error(a, "messages")),
    Row(
        "the content type is not looked at",
        "/api/chat",
        chat(),
        holds=_is_whole,
        headers={"Content-Type": "text/plain"},
    ),
    Row("unknown keys are ignored", "/api/chat", chat(whatever=[1]), holds=_is_whole),
    Row("null is absent", "/api/chat", chat(options=None, tools=None, format=None, think=None), holds=_is_whole),
    Row("keys of any case", "/api/chat", {"Model": MODEL, "MESSAGES": HI, "Stream": False}, holds=_is_whole),
    Row(
        "what follows the JSON is ignored",
        "/api/chat",
        b'{"model":"thane","messages":[{"role":"user","content":"turn on the kitchen lights"}],"stream":false} trailing',
        holds=_is_whole,
    ),
    Row(
        "a gzip body",
        "/api/chat",
        gzip.compress(
            b'{"model":"thane","messages":[{"role":"user","content":"turn on the kitchen lights"}],"stream":false}'
        ),
        holds=_is_whole,
        headers={"Content-Encoding": "gzip"},
    ),
    Row("any Authorization", "/api/tags", headers={"Authorization": "Bearer whatever"}),
    Row(
        "an origin of this machine",
        "/api/tags",
        headers={"Origin": "http://localhost:3000"},
        holds=lambda a: "access-control-allow-origin" in a.headers,
    ),
    Row("a strange origin", "/api/tags", headers={"Origin": "https://evil.example"}, status=403),
    Row(
        "a preflight",
        "/api/chat",
        method="OPTIONS",
        headers={"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"},
        status=204,
    ),
    Row("a strange host", "/api/tags", headers={"Host": "evil.example"}, status=403),
    # Names
    Row("a name without a tag is echoed", "/api/chat", chat(model="thane"), holds=lambda a: a.json["model"] == "thane"),
    Row(
        "a name in any case is echoed",
        "/api/chat",
        chat(model="Thane:LATEST"),
        holds=lambda a: a.json["model"] == "Thane:LATEST",
    ),
    Row("no model for a chat", "/api/chat", chat(model=""), 400, lambda a: _is_error(a, "model is required")),
    Row("no model for generate", "/api/generate", {"prompt": "x"}, 404, lambda a: _is_error(a, "model '' not found")),
    Row("an unknown model", "/api/chat", chat(model="nope"), 404, lambda a: _is_error(a, "model 'nope' not found")),
    Row(
        "an unknown model is not worth a retry",
        "/v1/chat/completions",
        chat(model="nope"),
        404,
        lambda a: a.headers["x-should-retry"] == "false",
    ),
    Row("an unknown model to show", "/api/show", {"model": "nope"}, 404, lambda a: _is_error(a, "nope")),
    # 2. Chat
    Row("a stream", "/api/chat", {"model": MODEL, "messages": HI}, holds=_is_stream),
    Row("stream null is a stream", "/api/chat", {"model": MODEL, "messages": HI, "stream": None}, holds=_is_stream),
    Row("a whole answer", "/api/chat", chat(), holds=_is_whole),
    Row(
        "without messages it loads",
        "/api/chat",
        {"model": MODEL},
        holds=lambda a: _json(a) and a.json["done_reason"] == "load",
    ),
    Row(
        "with keep_alive 0 it unloads",
        "/api/chat",
        {"model": MODEL, "keep_alive": 0},
        holds=lambda a: a.json["done_reason"] == "unload",
    ),
    *(
        Row(f"keep_alive {value!r}", "/api/chat", chat(keep_alive=value), holds=_is_whole)
        for value in (-1, -1.0, 0.5, "5m", "1h30m", "300ms", "-1s", "0")
    ),
    *(
        Row(f"keep_alive {value!r} is refused", "/api/chat", chat(keep_alive=value), 400, _is_error)
        for value in (True, [1], "soon")
    ),
    *(Row(f"think {value!r}", "/api/chat", chat(think=value), holds=_is_whole) for value in (False,)),
    Row("think of an unknown strength", "/api/chat", chat(think="hard"), 400, _is_error),
    Row(
        "top_logprobs out of range",
        "/api/chat",
        chat(logprobs=True, top_logprobs=21),
        400,
        lambda a: _is_error(a, "top_logprobs"),
    ),
    Row("a format that is none", "/api/chat", chat(format="xml"), 400, _is_error),
    Row(
        "an image that is no base64",
        "/api/chat",
        chat(messages=[{"role": "user", "content": "x", "images": ["*"]}]),
        400,
        _is_error,
    ),
    Row(
        "options reach the model",
        "/api/chat",
        echo(options={"temperature": 0.25, "seed": 7, "stop": ["END"], "num_predict": 99}),
        script=True,
        holds=lambda a: (
            {"temperature": 0.25, "seed": 7, "stop": ["END"], "num_predict": 99}.items()
            <= _echoed(a)["options"].items()
        ),
    ),
    Row("a floating number of tokens", "/api/chat", chat(options={"num_ctx": 8192.0}), holds=_is_whole),
    Row(
        "a model without thinking",
        "/api/chat",
        chat(model="plain:1b", think=True),
        400,
        lambda a: _is_error(a, "does not support thinking"),
        script=True,
    ),
    Row(
        "a model without tools that is asked for them",
        "/api/chat",
        chat(model="plain:1b", tools=[WEATHER]),
        400,
        lambda a: a.json == {"error": "registry.ollama.ai/library/plain:1b does not support tools"},
        script=True,
    ),
    Row(
        "Open WebUI brings its tools to such a model too",
        "/api/chat",
        chat(model="plain:1b", tools=[WEATHER]),
        headers={"X-OpenWebUI-Chat-Id": "6f1c1f0e-0000-4000-8000-000000000002"},
        holds=lambda a: a.json["message"]["content"],
        script=True,
    ),
    Row(
        "a failure in mid-stream is a line",
        "/api/chat",
        {"model": MODEL, "messages": play(["say", ["So"]], ["wait", 0.3], ["fail", "broken"])},
        script=True,
        holds=lambda a: "error" in a.lines[-1] or a.lines[-1].get("done"),
    ),
    Row(
        "JSON is escaped as Go does",
        "/api/chat",
        chat(messages=play(["say", ["<a>&\u2028"]])),
        script=True,
        holds=lambda a: b"<" not in a.body and "\u2028".encode() not in a.body,
    ),
    # Generate
    Row(
        "generate",
        "/api/generate",
        {"model": MODEL, "prompt": "turn on the kitchen lights", "stream": False},
        holds=lambda a: "light" in a.json["response"] and isinstance(a.json["context"], list),
    ),
    Row(
        "generate streams",
        "/api/generate",
        {"model": MODEL, "prompt": "turn on the kitchen lights"},
        holds=lambda a: a.lines[-1]["done"] and all("response" in line for line in a.lines),
    ),
    Row(
        "generate without a prompt loads",
        "/api/generate",
        {"model": MODEL},
        holds=lambda a: a.json["done_reason"] == "load",
    ),
    Row(
        "Open WebUI's unload button",
        "/api/generate",
        {"model": MODEL, "keep_alive": 0, "prompt": ""},
        holds=lambda a: a.json["done_reason"] == "unload",
    ),
    # Models
    Row(
        "tags",
        "/api/tags",
        holds=lambda a: (
            _json(a)
            and all({"name", "model", "modified_at", "size", "digest", "details"} <= m.keys() for m in a.json["models"])
            and MODEL in [m["model"] for m in a.json["models"]]
        ),
    ),
    Row(
        "ps",
        "/api/ps",
        holds=lambda a: all({"name", "model", "expires_at", "size_vram"} <= m.keys() for m in a.json["models"]),
    ),
    Row(
        "show",
        "/api/show",
        {"model": MODEL},
        holds=lambda a: (
            isinstance(a.json["model_info"], dict)
            and "completion" in a.json["capabilities"]
            and "tools" in a.json["template"].lower()
        ),
    ),
    Row(
        "show by its older key", "/api/show", {"name": "thane"}, holds=lambda a: isinstance(a.json["model_info"], dict)
    ),
    Row(
        "embed",
        "/api/embed",
        {"model": "vectors:1b", "input": ["one", "two"]},
        script=True,
        holds=lambda a: len(a.json["embeddings"]) == 2,
    ),
    Row(
        "embed nothing",
        "/api/embed",
        {"model": "vectors:1b", "input": []},
        script=True,
        holds=lambda a: a.json["embeddings"] == [],
    ),
    Row("embed what is no text", "/api/embed", {"model": "vectors:1b", "input": 5}, 400, _is_error, script=True),
    Row(
        "the older embeddings",
        "/api/embeddings",
        {"model": "vectors:1b", "prompt": "one"},
        script=True,
        holds=lambda a: len(a.json["embedding"]) == 3,
    ),
    Row(
        "pull of a known model",
        "/api/pull",
        {"name": "thane", "stream": False},
        holds=lambda a: a.json == {"status": "success"},
    ),
    Row(
        "pull of a known model streams",
        "/api/pull",
        {"model": MODEL},
        holds=lambda a: a.lines[-1] == {"status": "success"},
    ),
    Row("pull of an unknown model", "/api/pull", {"model": "nope", "stream": False}, 404, _is_error),
    *(
        Row(
            f"{path[5:]} is refused in JSON",
            path,
            {"model": MODEL, "source": MODEL, "destination": "x"},
            501,
            _is_error,
            method,
        )
        for path, method in (
            ("/api/push", "POST"),
            ("/api/create", "POST"),
            ("/api/copy", "POST"),
            ("/api/delete", "DELETE"),
        )
    ),
    Row("a blob that is not there", "/api/blobs/sha256:" + "0" * 64, method="HEAD", status=404),
)


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.name, marks=[pytest.mark.script] if row.script else []) for row in ROWS]
)
def test_row(row: Row, doors: Doors) -> None:
    answer = row.ask(doors)
    assert row.status == answer.status, answer.text[:500]
    assert row.holds(answer) or row.holds is bool, answer.text[:2000]
    assert answer.headers.get("x-request-id") or answer.status in (403, 204)
