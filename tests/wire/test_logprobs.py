"""How sure a model was of each token, in every protocol that tells it."""

from __future__ import annotations

from typing import Any

import msgspec
import openai.types as openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import ResponseTextDeltaEvent

from tests.wire.stories import OPENING, finished, request
from thane.turn import Logprob, Text
from thane.wire.codecs import COMPLETIONS, OLLAMA, OLLAMA_GENERATE, OPENAI, RESPONSES, Codec

EVENTS = (
    Text("Hé", (Logprob("Hé", -0.25, (72, 195, 169), (Logprob("Hé", -0.25), Logprob("Ho", -2.0))),)),
    Text("llo", (Logprob("l", -0.5), Logprob("lo", -0.75))),
    Text("!"),
)
BYTES = [[72, 195, 169], [108], [108, 111]]


def streamed(codec: Codec) -> list[Any]:
    data = codec.stream(request(), OPENING).feed((*EVENTS, finished("Héllo!")))
    found = [
        part.rpartition(b"data: ")[2] for part in data.replace(b"\n\n", b"\r").replace(b"\n{", b"\r{").split(b"\r")
    ]
    return [msgspec.json.decode(part) for part in found if part.strip() not in (b"", b"[DONE]")]


def whole(codec: Codec) -> Any:
    return msgspec.json.decode(codec.whole(request(stream=False), OPENING).feed((*EVENTS, finished("Héllo!"))))


@pytest.mark.parametrize("codec", [OLLAMA, OLLAMA_GENERATE])
def test_ollama_tells_them_beside_the_text(codec: Codec) -> None:
    told = [line.get("logprobs") for line in streamed(codec)]
    first = {"token": "Hé", "logprob": -0.25, "bytes": BYTES[0]}
    assert [first | {"top_logprobs": [first, {"token": "Ho", "logprob": -2.0, "bytes": [72, 111]}]}] == told[0]
    assert [["l", "lo"], None, None] == [told[1] and [each["token"] for each in told[1]], *told[2:]]
    assert ["top_logprobs" in each for each in whole(codec)["logprobs"]] == [True, False, False]
    assert BYTES == [each["bytes"] for each in whole(codec)["logprobs"]]


def test_chat_completions_tell_them_in_the_choice() -> None:
    told = [ChatCompletionChunk.model_validate(chunk).choices[0].logprobs for chunk in streamed(OPENAI)]
    assert [None, ["Hé"], ["l", "lo"], None, None] == [
        [each.token for each in one.content or ()] if one else None for one in told
    ]
    logprobs = ChatCompletion.model_validate(whole(OPENAI)).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert (BYTES, ["Hé", "Ho"]) == (
        [each.bytes for each in logprobs.content],
        [each.token for each in logprobs.content[0].top_logprobs],
    )


def test_plain_completions_tell_them_in_lists() -> None:
    told = [chunk["choices"][0]["logprobs"] for chunk in streamed(COMPLETIONS)]
    assert [[0], [2, 3], None, None] == [one and one["text_offset"] for one in told]
    one = openai.Completion.model_validate(whole(COMPLETIONS)).choices[0].logprobs
    assert one is not None
    assert (["Hé", "l", "lo"], [-0.25, -0.5, -0.75], [0, 2, 3]) == (one.tokens, one.token_logprobs, one.text_offset)
    assert [{"Hé": -0.25, "Ho": -2.0}, {}, {}] == one.top_logprobs


def test_responses_tell_them_with_each_piece_and_at_the_end() -> None:
    got = streamed(RESPONSES)
    deltas = [ResponseTextDeltaEvent.model_validate(each) for each in got if each["type"].endswith("text.delta")]
    assert [["Hé"], ["l", "lo"], []] == [[each.token for each in delta.logprobs] for delta in deltas]
    parts = [each["response"]["output"][0]["content"][0] for each in got if each["type"] == "response.completed"]
    for part in (*parts, whole(RESPONSES)["output"][0]["content"][0]):
        assert BYTES == [each["bytes"] for each in part["logprobs"]]


@pytest.mark.parametrize("codec", [OLLAMA, OLLAMA_GENERATE, OPENAI, COMPLETIONS, RESPONSES])
def test_nothing_is_told_where_the_model_tells_nothing(codec: Codec) -> None:
    plain = codec.whole(request(stream=False), OPENING).feed((Text("Hi"), finished("Hi")))
    assert b'"token"' not in plain
    assert b"-0." not in plain
