"""Formats of answers."""

from __future__ import annotations

from typing import Any

import pytest

from thane.answer_format import AnswerFormat

ROOM: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "lights": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name"],
}


@pytest.mark.parametrize("text", ['{"name":"a"}', ' {"name": "a", "lights": [1], "more": null}\n'])
def test_an_answer_by_the_schema_is_left_as_it_is(text: str) -> None:
    assert (text, "") == AnswerFormat(ROOM).read(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is not JSON"),
        ('Sure: {"name":"a"}', "it is not JSON"),
        ('{"name":"a"', "it is not JSON"),
        ("{}", '"name" is a required property'),
        ('{"name":"a","lights":[1,"x"]}', 'lights[1]: "x" is not of type "integer"'),
        ('{"name":1,"lights":{}}', 'name: 1 is not of type "string"; lights: {} is not of type "array"'),
        ('{"name":"a","lights":["a","b","c","d"]}', "; and more"),
        ("[" * 5000, "it is not JSON"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, problem: str) -> None:
    assert problem in AnswerFormat(ROOM).read(text)[1]


def test_a_fence_around_the_answer_is_left_out() -> None:
    assert ('{"name":"a"}', "") == AnswerFormat(ROOM).read('```json\n{"name":"a"}\n```\n')
    assert ('{"a":"```"}', "") == AnswerFormat("json").read('{"a":"```"}')


def test_words_around_the_only_fence_are_left_out_and_two_fences_are_not_chosen_from() -> None:
    assert ('{"name":"a"}', "") == AnswerFormat(ROOM).read('Here you are:\n```json\n{"name":"a"}\n```\nEnjoy!')
    assert AnswerFormat(ROOM).read('```\n{"name":"a"}\n```\nor\n```\n{"name":"b"}\n```')[1]
    assert AnswerFormat(ROOM).read("Here: ```json {} ```")[1]


@pytest.mark.parametrize(
    ("text", "good"), [("{}", True), ("[]", False), ("1", False), ("no", False), ('{"a":\ud800}', False)]
)
def test_plain_json_is_an_object(text: str, good: bool) -> None:
    assert good == (AnswerFormat("json").read(text)[1] == "")


def test_nullable_is_understood_but_is_also_a_name() -> None:
    one = {"type": "string", "nullable": True, "enum": ["a"]}
    wanted = AnswerFormat({"properties": {"nullable": one, "strict": {"type": "string", "nullable": False}}})
    assert "" == wanted.read('{"nullable":null}')[1]
    assert "" == wanted.read('{"nullable":"a","strict":"x"}')[1]
    assert wanted.read('{"nullable":1}')[1]
    assert wanted.read('{"strict":null}')[1]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "nope"}, "nope"),
        ({"properties": []}, "[] is not of type"),
        ({"$ref": "http://example.org/schema.json"}, "is not fetched"),
        ({"$ref": "file:///etc/passwd"}, "is not fetched"),
        ({"pattern": "("}, "("),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        AnswerFormat(schema)
    assert why in str(caught.value)


def test_a_schema_of_endless_ways_is_refused_and_a_circle_is_none() -> None:
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)} | {"d60": {}}
    for schema in ({"$ref": "#/$defs/d0", "$defs": doubling}, {"items": {"$ref": "#/$defs/d0"}, "$defs": doubling}):
        with pytest.raises(ValueError, match="refer to each other too often"):
            AnswerFormat(schema)
    tree = {"$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"}
    assert "" == AnswerFormat(tree).read('{"n":{"n":{}}}')[1]
    assert "n.n: 1 is not of type" in AnswerFormat(tree).read('{"n":{"n":1}}')[1]
    AnswerFormat({"allOf": [{"$ref": "#"}]}).read("1")


def test_a_pattern_takes_no_longer_than_its_text() -> None:
    assert AnswerFormat({"properties": {"a": {"pattern": "(a+)+$"}}}).read('{"a":"%s!"}' % ("a" * 50_000))[1]
