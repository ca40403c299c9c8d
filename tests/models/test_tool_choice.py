"""That a required tool call reaches the servers that know such a thing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thane.config.providers import ModelProvider
from thane.models import anthropic_request, openai_format
from thane.models.provider import ModelRequest
from thane.turn import Message, Options, ToolSpec

REQUEST = ModelRequest("m", (Message("user", "hi"),), tools=(ToolSpec("paint"),), options=Options(think=True))


def openai(choice: str) -> Any:
    request = msgspec.structs.replace(REQUEST, tool_choice=choice)
    return msgspec.json.decode(openai_format.encode_request(request, local=False))


def anthropic(choice: str) -> Any:
    request = msgspec.structs.replace(REQUEST, tool_choice=choice)
    return msgspec.json.decode(anthropic_request.encode_request(request, ModelProvider(name="a", type="anthropic"), {}))


@pytest.mark.parametrize(
    ("choice", "told"),
    [("required", "required"), ("paint", {"type": "function", "function": {"name": "paint"}}), ("auto", None)],
)
def test_openai_is_told(choice: str, told: object) -> None:
    assert told == openai(choice).get("tool_choice")


@pytest.mark.parametrize(
    ("choice", "told"), [("required", {"type": "any"}), ("paint", {"type": "tool", "name": "paint"}), ("auto", None)]
)
def test_anthropic_is_told_and_does_not_think_then(choice: str, told: object) -> None:
    body = anthropic(choice)
    assert told == body.get("tool_choice")
    assert (choice == "auto") == ("thinking" in body)
