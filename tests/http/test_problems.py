from __future__ import annotations

import msgspec
import pytest

from thane.http.problems import METHOD_NOT_ALLOWED, UNKNOWN_PATH, Problem, native_problem, ollama_problem
from thane.wire.errors import error_type


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "unavailable"),
    ],
)
def test_each_status_has_a_type(status: int, kind: str) -> None:
    assert kind == error_type(status)


def test_the_native_shape_is_openais() -> None:
    page = native_problem(Problem(500, "internal error", "internal_error", request_id="r_1"))
    error = {"message": "internal error", "type": "server_error", "code": "internal_error", "request_id": "r_1"}
    assert {"error": error} == msgspec.json.decode(page.body)
    assert "request_id" not in msgspec.json.decode(native_problem(Problem(400, "no", "no")).body)["error"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_anthropics_paths_are_answered_in_anthropics_shape(path: str) -> None:
    problem = Problem(401, "a key is needed", "invalid_api_key", path, "r_1")
    error = {"type": "authentication_error", "message": "a key is needed"}
    assert {"type": "error", "error": error, "request_id": "r_1"} == msgspec.json.decode(native_problem(problem).body)
    assert native_problem(problem) == ollama_problem(problem)


def test_the_ollama_shape_is_a_text() -> None:
    assert b'{"error":"no"}' == ollama_problem(Problem(400, "no", "no", "/api/chat")).body
    assert b'{"error":"no (request r_1)"}' == ollama_problem(Problem(500, "no", "no", "/api/chat", "r_1")).body


def test_the_ollama_port_answers_openais_paths_in_openais_shape() -> None:
    problem = Problem(400, "no", "no", "/v1/chat/completions")
    assert native_problem(problem) == ollama_problem(problem)


@pytest.mark.parametrize(
    ("code", "text"), [(UNKNOWN_PATH, b"404 page not found"), (METHOD_NOT_ALLOWED, b"405 method not allowed")]
)
def test_the_ollama_port_says_in_plain_text_that_there_is_no_such_path(code: str, text: bytes) -> None:
    page = ollama_problem(Problem(404, "x", code, "/nothing"))
    assert (text, "text/plain") == (page.body, page.content_type)
