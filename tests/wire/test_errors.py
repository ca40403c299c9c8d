"""What went wrong, in each protocol's shape."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from tests.wire.stories import failed
from thane.errors import ClientError
from thane.turn import FailureKind
from thane.wire.errors import FieldError, Refusal, ollama_error, openai_error


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
