"""What went wrong, as each protocol says it: the status of a failed run, and the envelopes of errors. Pure.

Sources: Ollama's api/client.go and openai/openai.go, the retry rules of both OpenAI SDKs, Anthropic's API reference.
"""

from __future__ import annotations

import msgspec

from thane.errors import ClientError
from thane.turn import FailureKind, RunFailed
from thane.wire.json_text import dump

CANCELLED_STATUS = 499
"""Ollama's (and nginx') status for a request that was given up; no client retries it."""

_STATUSES: dict[FailureKind, int] = {
    "cancelled": CANCELLED_STATUS,
    "model": 502,
    "unavailable": 503,
    "overloaded": 503,
    "deadline": 504,
    "internal": 500,
}
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found",
    429: "rate_limit_error",
    503: "unavailable",
}
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class FieldError(ClientError):
    """One field of a request cannot be what it is. `param` is its place, e.g. `messages[0].content`."""

    def __init__(self, message: str, param: str, *, code: str = "invalid_request") -> None:
        super().__init__(message, code=code)
        self.param = param


class Refusal(msgspec.Struct, frozen=True):
    """Why a request gets no answer, ready to be written. `retry_after` is in seconds.

    `useless_retry`: the same request again would do no good, or would do again what was done.
    """

    status: int
    message: str
    code: str
    param: str | None = None
    run_id: str = ""
    retry_after: float | None = None
    useless_retry: bool = True

    @classmethod
    def of_error(cls, error: ClientError) -> Refusal:
        """A request that was refused before anything ran. A full queue is worth another try."""
        return cls(
            error.status,
            error.message,
            error.code,
            param=error.param if isinstance(error, FieldError) else None,
            retry_after=error.retry_after,
            useless_retry=error.status not in (429, 503),
        )

    @classmethod
    def of_run(cls, failed: RunFailed) -> Refusal:
        """A run that failed. Its tools may have acted, so the SDKs' own retries would act twice."""
        return cls(
            _STATUSES[failed.failure],
            failed.message,
            failed.failure,
            run_id=failed.run_id,
            useless_retry=failed.failure != "overloaded",
        )


def ollama_error(refusal: Refusal) -> bytes:
    """`{"error":"text"}`."""
    return dump({"error": refusal.message})


def openai_error(refusal: Refusal) -> bytes:
    """`{"error":{"message","type","param","code"}}`, with `request_id` where there was a run. Types are Ollama's."""
    kind = _OPENAI_TYPES.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    return dump(_error_object(refusal, kind))


def native_error(refusal: Refusal) -> bytes:
    """The same shape, with the types of Thane's own API."""
    return dump(error_object(refusal))


def anthropic_error(refusal: Refusal) -> bytes:
    """`{"type":"error","error":{"type","message"}}`, with `request_id` where there was a run."""
    kind = _ANTHROPIC_TYPES.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    error: dict[str, object] = {"type": "error", "error": {"type": kind, "message": refusal.message}}
    return dump(error | ({"request_id": refusal.run_id} if refusal.run_id else {}))


def error_object(refusal: Refusal) -> dict[str, dict[str, str | None]]:
    """The error of Thane's own API, as an object."""
    return _error_object(refusal, error_type(refusal.status))


def _error_object(refusal: Refusal, kind: str) -> dict[str, dict[str, str | None]]:
    error = {
        "message": refusal.message,
        "type": kind,
        "param": refusal.param,
        "code": refusal.code,
    }
    return {"error": error | ({"request_id": refusal.run_id} if refusal.run_id else {})}


def error_type(status: int) -> str:
    """The `type` of an error of Thane's own API."""
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
