"""Ollama's `/api/generate`: reading one prompt, writing its answer."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.stories import CONVERSATION, OPENING, StoppedClock, documents, failed, finished, request, story
from thane.config.settings import Limits
from thane.errors import ClientError
from thane.turn import Message, Options, Text, Thinking
from thane.wire import ollama_generate
from thane.wire.chat import ChatRequest, Opening
from thane.wire.ollama_chat import load_reason
from thane.wire.ollama_generate import GenerateStream, GenerateWhole, context_of, conversation_of, loaded

AT = "2027-01-15T08:00:00.250000Z"
PIXEL = "iVBORw0KGgo="
CONTEXT = [0x7468616E, 0x0123, 0x4567, 0x89AB, 0xCDEF]
METRICS = {
    "total_duration": 1_500_000_000,
    "prompt_eval_count": 12,
    "prompt_eval_duration": 125_000_000,
    "eval_count": 5,
    "eval_duration": 500_000_000,
}


def read(headers: dict[str, str] | None = None, **body: Any) -> ChatRequest:
    return ollama_generate.decode({"model": "thane", "prompt": "hi"} | body, headers or {}, Limits())


def refused(**body: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        read(**body)
    return caught.value.status, caught.value.message


def test_a_prompt_is_one_user_message() -> None:
    asked = read()
    assert ("thane", (Message("user", "hi"),), True) == (asked.turn.model, asked.turn.messages, asked.stream)
    assert not read(stream=False).stream
    system = read(system="Be brief.", images=[PIXEL]).turn.messages
    assert (Message("system", "Be brief."), Message("user", "hi", images=(PIXEL,))) == system


def test_keys_are_folded_null_is_absent_and_unknown_keys_are_ignored() -> None:
    document = {"Model": "thane", "PROMPT": "hi", "unknown": 1}
    document |= dict.fromkeys(("system", "template", "suffix", "raw", "context", "images", "options", "think"))
    turn = ollama_generate.decode(document, {}, Limits()).turn
    assert (Message("user", "hi"),) == turn.messages
    assert Options() == turn.options


def test_the_knobs_are_those_of_chat() -> None:
    options = read(
        options={"temperature": 0, "num_ctx": 8192.0, "num_predict": 5, "stop": "x"},
        format={"type": "object"},
        think="high",
        keep_alive="5m",
    ).turn.options
    wanted = Options(0.0, None, None, 5, ("x",), {"type": "object"}, "high", 300.0, {"num_ctx": 8192})
    assert wanted == options


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"prompt": ""}, "load"),
        ({"prompt": None, "keep_alive": -1, "system": "s"}, "load"),
        ({"prompt": "", "keep_alive": 0}, "unload"),
        ({"prompt": "", "keep_alive": "0s"}, "unload"),
        ({"prompt": "hi", "keep_alive": 0}, None),
    ],
)
def test_without_a_prompt_a_model_is_loaded_or_unloaded(body: dict[str, Any], reason: str | None) -> None:
    assert reason == load_reason(read(**body).turn)


@pytest.mark.parametrize("named", [{"x-openwebui-chat-id": "chat"}, {}])
def test_a_prompt_belongs_to_no_ongoing_conversation(named: dict[str, str]) -> None:
    turn = read(named, conversation="mine", metadata={"chat_id": "other"}, user="Ann").turn
    assert ("", "api", "Ann", False) == (
        turn.caller.conversation_id,
        turn.caller.channel,
        turn.caller.user,
        turn.continues,
    )


def test_a_context_that_thane_gave_continues_its_conversation() -> None:
    turn = read(context=CONTEXT).turn
    assert (CONVERSATION, True) == (turn.caller.conversation_id, turn.continues)


@pytest.mark.parametrize("context", [[], [1, 2, 3], [128006, 882, 128007, 271, 1], [0x7468616E, 1, 2, 3, -1]])
def test_a_context_of_another_server_is_ignored(context: list[int]) -> None:
    turn = read(context=context).turn
    assert ("", False) == (turn.caller.conversation_id, turn.continues)


@given(st.text("0123456789abcdef", min_size=16, max_size=16))
def test_a_context_leads_back_to_its_conversation(digits: str) -> None:
    assert f"c_{digits}" == conversation_of(context_of(f"c_{digits}"))


def test_a_conversation_without_an_id_of_ours_has_no_context() -> None:
    assert [] == context_of("") == context_of("owu:chat") == context_of("c_0123456789ABCDEF")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": ""}, 404, "model '' not found"),
        ({"model": None}, 404, "model '' not found"),
        ({"suffix": "}"}, 400, '"thane" does not support insert'),
        ({"template": "{{ .Prompt }}"}, 400, '"template" is not supported'),
        ({"raw": True, "system": "s"}, 400, "raw mode does not support template, system, or context"),
        ({"raw": True, "template": "t"}, 400, "raw mode does not support template, system, or context"),
        ({"raw": True, "context": CONTEXT}, 400, "raw mode does not support template, system, or context"),
        ({"top_logprobs": 21}, 400, "top_logprobs must be between 0 and 20"),
        ({"think": "very"}, 400, 'invalid think value: "very"'),
        ({"images": ["%"]}, 400, "images[0] is not base64"),
        (
            {"prompt": []},
            400,
            "json: cannot unmarshal array into Go struct field GenerateRequest.prompt of type string",
        ),
        (
            {"context": "x"},
            400,
            "json: cannot unmarshal string into Go struct field GenerateRequest.context of type []int",
        ),
        (
            {"context": [1, "x"]},
            400,
            "json: cannot unmarshal string into Go struct field GenerateRequest.context of type int",
        ),
    ],
)
def test_what_cannot_be_is_refused(body: dict[str, Any], status: int, words: str) -> None:
    told = refused(**body)
    assert status == told[0]
    assert told[1].startswith(words)


@given(documents("prompt", "context", "options", "think", "format", "keep_alive", "images", "system", "raw", "suffix"))
def test_nothing_but_a_client_error_is_raised(document: Any) -> None:
    with suppress(ClientError):
        ollama_generate.decode(document, {}, Limits())


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode().splitlines()]


def asked(*, stream: bool = True, context: bool = True) -> ChatRequest:
    return msgspec.structs.replace(request(stream=stream), wants_context=context)


def test_an_answer_is_a_line_for_each_piece_and_a_last_one() -> None:
    encoder = GenerateStream(asked(), OPENING)
    first, second, last = [line for event in story("Hello ", "there.") for line in lines(encoder.feed((event,)))]
    assert {"model": "thane", "created_at": AT, "response": "Hello ", "done": False} == first
    assert "there." == second["response"]
    wanted = {"model": "thane", "created_at": AT, "response": "", "done": True, "done_reason": "stop"}
    assert wanted | METRICS | {"context": CONTEXT} == last
    for line in (first, second, last):
        ollama.GenerateResponse.model_validate(line)


def test_thinking_has_a_field_of_its_own() -> None:
    first, second, _ = lines(GenerateStream(asked(), OPENING).feed((Thinking("Hm."), Text("Yes."), finished("Yes."))))
    assert ("", "Hm.") == (first["response"], first["thinking"])
    assert "thinking" not in second


def test_an_answer_that_came_in_no_pieces_is_said() -> None:
    first, last = lines(GenerateStream(asked(), OPENING).feed((finished("Done."),)))
    assert ("Done.", "") == (first["response"], last["response"])


def test_a_failure_in_mid_stream_is_an_error_line() -> None:
    (line,) = lines(GenerateStream(asked(), OPENING).feed((failed(),)))
    assert {"error": "The model server stopped answering."} == line


def test_what_splits_lines_is_escaped() -> None:
    written = GenerateStream(asked(), OPENING).feed((Text("a\u2028b\u0085<c>\ud83d"),))
    (line,) = lines(written)
    assert "a\u2028b\u0085<c>\ufffd" == line["response"]
    assert b"<" not in written


@pytest.mark.parametrize("events", [story("Hello ", "there."), [finished("Hello there.")]])
def test_a_whole_answer_is_one_object(events: Any) -> None:
    told = json.loads(GenerateWhole(asked(stream=False), OPENING).feed([Thinking("Hm."), *events]))
    wanted = {"model": "thane", "created_at": AT, "response": "Hello there.", "thinking": "Hm.", "done": True}
    assert wanted | {"done_reason": "stop", "context": CONTEXT} | METRICS == told
    ollama.GenerateResponse.model_validate(told)


def test_a_whole_answer_is_not_written_before_its_end() -> None:
    assert b"" == GenerateWhole(asked(stream=False), OPENING).feed([Text("So ")])


def test_raw_answers_and_those_of_no_conversation_have_no_context() -> None:
    assert read().wants_context
    assert not read(raw=True).wants_context
    (raw,) = lines(GenerateStream(asked(context=False), OPENING).feed((finished(""),)))
    housekeeping = Opening("r_1", "", StoppedClock())
    (task,) = lines(GenerateStream(asked(), housekeeping).feed((finished(""),)))
    assert "context" not in raw | task


def test_loading_says_so() -> None:
    told = json.loads(loaded(request(), "unload", StoppedClock()))
    assert {"model": "thane", "created_at": AT, "response": "", "done": True, "done_reason": "unload"} == told
