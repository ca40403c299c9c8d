"""What tests of the application class share."""

from __future__ import annotations

import msgspec

from thane.config.settings import Limits
from thane.testing.serving import Answer

LIMITS = Limits(body_bytes=1000)


def error_of(answer: Answer) -> dict[str, str]:
    assert "application/json; charset=utf-8" == answer.headers["content-type"]
    return msgspec.json.decode(answer.body)["error"]
