"""Errors as an answer: one `Problem` for each failed request, and how each listener writes it.

Not here: which error is which problem (`thane.http.quart_app`), and errors inside a stream (`thane.wire`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from thane.wire.errors import Refusal, anthropic_error, error_type

UNKNOWN_PATH = "unknown_path"
METHOD_NOT_ALLOWED = "method_not_allowed"
INTERNAL = "internal_error"

REQUEST_ID = "X-Request-Id"
"""The run's id where there is a run, otherwise the request's; the log has the same one."""

SHOULD_RETRY = "X-Should-Retry"
"""`false` keeps both OpenAI SDKs from sending a request again on their own, as they do with every 5xx."""

RETRIED = frozenset({408, 429, 503})
"""Statuses after which the same request may well succeed, and has done nothing yet."""

_ANTHROPIC = "/v1/messages"
_encoder = msgspec.json.Encoder()


class Problem(msgspec.Struct, frozen=True):
    """Why a request failed, in words for the one who sent it. `retry_after` is in seconds."""

    status: int
    message: str
    code: str
    path: str = ""
    request_id: str = ""
    retry_after: float | None = None


class Page(msgspec.Struct, frozen=True):
    """A body and its type."""

    body: bytes
    content_type: str = "application/json; charset=utf-8"


type RenderProblem = Callable[[Problem], Page]


def native_problem(problem: Problem) -> Page:
    """`{"error":{"message","type","code"}}`, with `request_id` where there is one; Anthropic's shape on its paths."""
    if problem.path == _ANTHROPIC or problem.path.startswith(f"{_ANTHROPIC}/"):
        why = Refusal(problem.status, problem.message, problem.code, run_id=problem.request_id)
        return Page(anthropic_error(why))
    error = {"message": problem.message, "type": error_type(problem.status), "code": problem.code}
    if problem.request_id:
        error["request_id"] = problem.request_id
    return Page(_encoder.encode({"error": error}))


def ollama_problem(problem: Problem) -> Page:
    """As Ollama writes it: `{"error":"text"}`, plain text for an unknown path or method. Under `/v1` OpenAI's shape for
    everything, which its clients read."""
    if problem.path == "/v1" or problem.path.startswith("/v1/"):
        return native_problem(problem)
    if problem.code == UNKNOWN_PATH:
        return Page(b"404 page not found", "text/plain")
    if problem.code == METHOD_NOT_ALLOWED:
        return Page(b"405 method not allowed", "text/plain")
    message = problem.message
    if problem.request_id:
        message = f"{message} (request {problem.request_id})"
    return Page(_encoder.encode({"error": message}))


def shared_problem(problem: Problem) -> Page:
    """On a native listener that serves Ollama's API too: a failure is told in the shape of the API that was asked."""
    if problem.path.startswith("/api/") and not problem.path.startswith("/api/loops"):
        return ollama_problem(problem)
    return native_problem(problem)
