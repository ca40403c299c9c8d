"""The model that does what it is asked."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from thane.testing.obliging_model import oblige
from thane.testing.ollama_script import Call, Fail, Reply, Say, Stop

ADD = {
    "type": "function",
    "function": {
        "name": "add_numbers",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "why": {"type": "string"}}},
    },
}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["leaf", "branch"]},
        "size": {"type": "integer", "minimum": 3},
        "sure": {"type": ["boolean", "null"]},
        "parts": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/part"}},
        "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
    },
    "required": ["kind", "size", "sure", "parts", "note"],
    "$defs": {"part": {"type": "object", "properties": {"next": {"$ref": "#/$defs/part"}}}},
}


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def text_of(reply: Reply) -> str:
    return "".join(piece for step in reply.steps if isinstance(step, Say) for piece in step.pieces)


def test_it_calls_the_tool_that_is_named_with_the_number_that_is_said() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    reply = oblige(asked("What is add_numbers(3)?", tools=[other, ADD]))
    assert Call((("add_numbers", {"a": 3, "why": "What is add_numbers(3)?"}),)) == reply.steps[0]


def test_it_calls_none_of_several_where_the_text_is_about_none() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    assert "You said: Hello!." == text_of(oblige(asked("Hello!", tools=[other, ADD])))
    assert Call((("other", {}),)) == oblige(asked("Hello!", tools=[other])).steps[0]


def test_it_answers_once_the_tool_has() -> None:
    messages = [{"role": "user", "content": "add"}, {"role": "tool", "content": "5"}]
    assert "The tool says: 5" == text_of(oblige({"messages": messages, "tools": [ADD]}))


def test_its_json_fits_the_schema() -> None:
    jsonschema.validate(msgspec.json.decode(text_of(oblige(asked("a long text", format=TREE)))), TREE)


def test_its_json_has_the_keys_that_are_asked_for() -> None:
    said = text_of(oblige(asked("with the keys 'setup' and 'punchline'", format="json")))
    assert {"setup", "punchline"} == set(msgspec.json.decode(said))


def test_it_plays_what_is_written() -> None:
    reply = oblige(asked('play: [["say",["a","b"]],["fail","broken"]]', tools=[ADD]))
    assert (Say(("a", "b")), Fail("broken")) == reply.steps
    assert (Say(("a",)), Stop()) == oblige(asked('play: [["say",["a"]]]\n\nIt is noon.')).steps
    assert (503, "busy") == ((reply := oblige(asked('play: [["status",503,"busy"]]'))).status, reply.error)


def test_it_tells_what_reached_it() -> None:
    body = asked('play: [["echo"]]', options={"seed": 7})
    reply = oblige(body)
    assert body == msgspec.json.decode(text_of(reply))
    assert isinstance(reply.steps[-1], Stop)


def test_a_step_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown step 'dance'"):
        oblige(asked('play: [["dance"]]'))
