"""What went wrong, in each protocol's shape."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from tests.wire.stories import failed
from thane.errors import ClientError
from thane.turn import FailureKind
from thane.wire.errors import FieldError, Refusal, anthropic_error, native_error, ollama_error, openai_error


@pytest.mark.parametrize(
    ("status", "openai", "native"),
    [
        (400, "invalid_request_error", "invalid_request_error"),
        (404, "not_found_error", "not_found"),
        (502, "api_error", "server_error"),
        (503, "api_error", "unavailable"),
    ],
)
def test_the_same_shape_has_the_types_of_whoever_is_asked(status: int, openai: str, native: str) -> None:
    refusal = Refusal(status, "no", "code")
    assert openai == json.loads(openai_error(refusal))["error"]["type"]
    assert native == json.loads(native_error(refusal))["error"]["type"]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        ("cancelled", 499),
        ("model", 502),
        ("unavailable", 503),
        ("overloaded", 503),
        ("deadline", 504),
        ("internal", 500),
    ],
)
def test_every_failure_has_a_status(failure: FailureKind, status: int) -> None:
    assert status == Refusal.of_run(failed(failure=failure)).status


def test_no_failure_is_forgotten() -> None:
    for failure in get_args(FailureKind.__value__):
        assert Refusal.of_run(failed(failure=failure)).status >= 400


def test_only_what_has_not_run_is_worth_a_retry() -> None:
    useful = [ClientError("busy", status=429, code="queue_full"), ClientError("draining", status=503, code="draining")]
    assert [False, False] == [Refusal.of_error(error).useless_retry for error in useful]
    assert Refusal.of_error(ClientError("no")).useless_retry
    assert Refusal.of_run(failed()).useless_retry
    assert not Refusal.of_run(failed(failure="overloaded")).useless_retry


def test_ollamas_shape_is_a_text() -> None:
    assert {"error": "no <such> model"} == json.loads(ollama_error(Refusal(404, "no <such> model", "model_not_found")))


def test_openais_shape_names_the_place() -> None:
    error = json.loads(openai_error(Refusal.of_error(FieldError("wrong", "messages[0].role", code="invalid_value"))))
    assert {
        "error": {
            "message": "wrong",
            "type": "invalid_request_error",
            "param": "messages[0].role",
            "code": "invalid_value",
        }
    } == error


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (499, "invalid_request_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_anthropics_shape_is_an_error_in_an_error(status: int, kind: str) -> None:
    error = json.loads(anthropic_error(Refusal(status, "no", "some_code")))
    assert {"type": "error", "error": {"type": kind, "message": "no"}} == error
    assert "r_1" == json.loads(anthropic_error(Refusal(status, "no", "x", run_id="r_1")))["request_id"]
