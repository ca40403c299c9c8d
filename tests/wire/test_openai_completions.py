"""OpenAI's older completions, read and written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from openai.types import Completion

from tests.wire.stories import OPENING, beginning, documents, failed, finished, request, story
from tests.wire.test_openai_reply import USAGE, frames
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import AgentEvent, Message, Options, Text, Thinking
from thane.wire import openai_completions
from thane.wire.chat import ChatRequest
from thane.wire.errors import FieldError
from thane.wire.openai_completions import CompletionStream, CompletionWhole

HEAD = {"id": "cmpl-r_0123456789abcdef", "object": "text_completion", "created": 1_800_000_000, "model": "thane"}


def read(**body: Any) -> ChatRequest:
    return openai_completions.decode({"model": "thane", "prompt": "hi"} | body, {}, Limits())


def streamed(events: list[AgentEvent], **options: Any) -> list[Any]:
    encoder = CompletionStream(request(**options), OPENING)
    return [frame for event in events for frame in frames(encoder.feed((event,)))]


def whole(events: list[AgentEvent]) -> dict[str, Any]:
    return msgspec.json.decode(CompletionWhole(request(stream=False), OPENING).feed(events))


def choice(text: str, reason: str | None = None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}


@pytest.mark.parametrize("prompt", ["hi", ["hi"]])
def test_a_prompt_is_what_a_user_says(prompt: object) -> None:
    got = read(prompt=prompt)
    assert ((Message("user", "hi"),), "thane", False) == (got.turn.messages, got.turn.model, got.stream)
    assert read(stream=True, stream_options={"include_usage": True}).wants_usage


def test_sampling_is_read() -> None:
    got = read(temperature=0.5, top_p=1, seed=3, max_tokens=7, stop=["a", "b"], presence_penalty=1, user="u").turn
    assert Options(0.5, 1, 3, 7, ("a", "b"), extra={"presence_penalty": 1}) == got.options
    assert "u" == got.caller.user


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1]]}, "prompt"),
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 21}, "logprobs"),
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"stop": 7}, "stop"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(FieldError) as caught:
        read(**body)
    assert (400, param) == (caught.value.status, caught.value.param)


def test_what_asks_for_nothing_is_let_through() -> None:
    assert Options() == read(n=1, best_of=None, suffix="", echo=False, logprobs=None, max_tokens=0).turn.options


@given(documents("prompt", "stop", "max_tokens", "echo", "stream_options"))
def test_anything_is_read_or_refused(document: Any) -> None:
    try:
        assert "user" == openai_completions.decode(document, {}, Limits()).turn.messages[0].role
    except ClientError as error:
        assert 400 == error.status  # noqa: PT017 either outcome is right


def test_a_stream_is_pieces_reason_usage_done() -> None:
    got = streamed(story("Hello ", "there."), wants_usage=True)
    assert [
        HEAD | {"choices": [choice("Hello ")]},
        HEAD | {"choices": [choice("there.")]},
        HEAD | {"choices": [choice("", "stop")]},
        HEAD | {"choices": [], "usage": USAGE},
        "[DONE]",
    ] == got
    assert "usage" not in streamed(story("a"))[-2]


def test_neither_thinking_nor_thanes_tools_are_shown() -> None:
    assert b"" == CompletionStream(request(), OPENING).feed((*beginning(), Thinking("hm"), Text("")))


def test_an_answer_that_was_not_streamed_is_said_at_the_end() -> None:
    assert [[choice("Hello there.")], [choice("", "stop")]] == [
        part["choices"] for part in streamed([finished("Hello there.")])[:-1]
    ]


def test_a_failure_in_mid_stream_is_a_frame_without_choices_and_no_done() -> None:
    last = streamed([Text("So"), failed()])[-1]
    assert ("The model server stopped answering.", ["error"]) == (last["error"]["message"], list(last))


def test_the_whole_answer() -> None:
    assert HEAD | {"choices": [choice("ab", "stop")], "usage": USAGE} == whole(story("a", "b"))
    assert "length" == whole([finished(finish_reason="length")])["choices"][0]["finish_reason"]


def test_the_official_types_accept_everything() -> None:
    events = story("a\u2028b", "<&>")
    for part in streamed(events, wants_usage=True)[:-1]:
        Completion.model_construct(**part)
        if part["choices"] and part["choices"][0]["finish_reason"]:
            Completion.model_validate(part, strict=True)
    Completion.model_validate(whole(events), strict=True)
