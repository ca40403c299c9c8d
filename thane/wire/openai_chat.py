"""OpenAI's chat completions, the request side: a body becomes a `ChatRequest`.

Sources: OpenAI's API reference as the official SDKs type it, and what Ollama makes of it.
Parameters that mean nothing here (`store`, `service_tier`, …) are ignored. Not here: the answer
(`thane.wire.openai_reply`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from thane.config.settings import Limits
from thane.turn import JSON, Options, Role, ToolSpec, Turn
from thane.wire import caller, logprobs
from thane.wire.chat import Call, ChatRequest, Said, as_object, check_counts, pair, plain
from thane.wire.errors import FieldError
from thane.wire.fields import Fields, Path, kind, written
from thane.wire.images import check_images
from thane.wire.ollama_chat import parameters_of
from thane.wire.openai_asked import answer_format, tool_choice

type Effort = bool | Literal["low", "medium", "high", "max"]

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_EFFORTS: dict[str, Effort] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
    "xhigh": "max",
    "ultra": "max",
}
_KINDS = {
    "string": "a string",
    "bool": "a boolean",
    "number": "a number",
    "integer": "an integer",
    "array": "an array",
    "object": "an object",
}
_INSTEAD = ("refusal", "audio", "reasoning_content", "reasoning")  # what an assistant may have said in place of content
_CONTENT = "a string or an array of content parts"


class OpenAiDialect:
    """Errors as OpenAI's API words them."""

    folds_keys = False
    null_items = False

    def wrong_type(self, path: Path, expected: str, value: object) -> FieldError:
        place = written(path)
        got = _got(value)
        return FieldError(
            f"Invalid type for '{place}': expected {_KINDS.get(expected, expected)}, but got {got} instead.",
            place,
            code="invalid_type",
        )


DIALECT = OpenAiDialect()


def decode(document: Any, headers: Mapping[str, str], limits: Limits) -> ChatRequest:
    """Read a request. Header names are lower-case. Raises ClientError (400) in OpenAI's words."""
    body = Fields(as_object(document), DIALECT)
    given = body.items("messages")
    if not given:
        raise FieldError("[] is too short - 'messages'", "messages")
    refuse_more(body, "n")
    check_counts(len(given), len(body.items("tools")), limits)
    messages = pair(
        plain(item) or _message(body.element("messages", index), limits) for index, item in enumerate(given)
    )
    choice, tools = tool_choice(body, [_tool(each) for each in body.objects("tools")])
    turn = Turn(
        messages=messages,
        model=body.text("model"),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.flag("parallel_tool_calls", default=True),
        options=_options(body, limits),
        caller=caller.identify(headers, messages, tools, body.values),
    )
    streaming = body.object("stream_options")
    return ChatRequest(
        turn,
        stream=body.flag("stream", default=False),
        wants_usage=streaming is not None and streaming.flag("include_usage", default=False),
    )


def refuse_more(body: Fields, key: str) -> None:
    """Refuse to give several answers."""
    if body.integer(key) not in (None, 1):
        raise FieldError(f"Invalid '{key}': only one answer is given to a request, so {key} must be 1.", key)


def _message(fields: Fields, limits: Limits) -> Said:
    role = fields.text("role").lower()
    if role not in _ROLES:
        raise FieldError(
            f"Invalid value: '{role}'. Supported values are: 'system', 'developer', 'user', 'assistant' and 'tool'.",
            fields.where("role"),
            code="invalid_value",
        )
    content, images = _content(fields, limits)
    calls = [_call(each) for each in fields.objects("tool_calls")]
    if old := fields.object("function_call"):
        calls.append(Call("", old.text("name"), arguments(old)))
    if fields.values.get("content") is None and not (calls or any(fields.values.get(key) for key in _INSTEAD)):
        raise FieldError("invalid message content type: null", fields.where("content"))
    return Said(
        role=_ROLES[role],
        content=content,
        thinking=fields.text("reasoning_content") or fields.text("reasoning"),
        calls=calls,
        call_id=fields.text("tool_call_id"),
        tool_name=fields.text("name") if _ROLES[role] == "tool" else "",
        images=images,
    )


def _content(fields: Fields, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """Text and images of a message; several texts are set one below the other."""
    content = fields.values.get("content")
    if content is None or isinstance(content, str):
        return content or "", ()
    if not isinstance(content, list):
        raise fields.wrong("content", _CONTENT)
    texts: list[str] = []
    images: list[str] = []
    for part in fields.objects("content"):
        match part.text("type"):
            case "text" | "input_text" | "output_text":
                texts.append(part.text("text"))
            case "refusal":
                texts.append(part.text("refusal"))
            case "image_url" | "input_image":
                images.append(image(part))
            case other:
                raise FieldError(
                    f"{part.where()} is of type '{other}'; text and image_url are understood", part.where("type")
                )
    return "\n".join(texts), check_images(images, limits, fields.where("content"))


def image(part: Fields) -> str:
    """Base64 of a data: URI. Nothing is fetched: a request must not make Thane call an address of its choosing."""
    value = part.values.get("image_url")
    holder = part if isinstance(value, str) else part.object("image_url")
    url = (holder.text("image_url") if holder is part else holder.text("url")) if holder else ""
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        raise FieldError(
            f"{part.where('image_url')} must be a data: URI with base64 (data:image/png;base64,…); "
            "images are not fetched from the web",
            part.where("image_url"),
        )
    return data


def _call(fields: Fields) -> Call:
    function = fields.object("function")
    if function is None:
        raise FieldError(f"Missing required parameter: '{fields.where('function')}'.", fields.where("function"))
    return Call(fields.text("id"), function.text("name"), arguments(function))


def arguments(function: Fields) -> JSON:
    """Arguments as an object. A model's broken JSON in the history is kept as text: refusing it would end the chat."""
    value = function.values.get("arguments")
    if isinstance(value, dict):
        return value
    text = function.text("arguments")
    if not text.strip():
        return {}
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {"arguments": text}
    return decoded if isinstance(decoded, dict) else {"arguments": text}


def _tool(fields: Fields) -> ToolSpec:
    what = fields.text("type") or "function"
    function = fields.object("function")
    if what != "function" or function is None:
        raise FieldError(f"{fields.where()} is of type '{what}'; only functions are understood", fields.where("type"))
    name = function.text("name")
    if not name:
        raise FieldError(f"Missing required parameter: '{function.where('name')}'.", function.where("name"))
    return ToolSpec(name, function.text("description"), parameters_of(function))


def sampling(body: Fields, tokens: int | None) -> Options:
    """What is asked of the model's sampling, in the names that chat and plain completions share.

    `tokens` is the most that the answer may have; 0 and less mean as many as there are.
    """
    wishes: dict[str, Any] = {key: body.number(key) for key in ("presence_penalty", "frequency_penalty")}
    wishes["logit_bias"] = body.mapping("logit_bias") or None
    return Options(
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        seed=body.integer("seed"),
        max_tokens=tokens if tokens and tokens > 0 else None,
        stop=_stop(body),
        extra={key: value for key, value in wishes.items() if value is not None},
    )


def _options(body: Fields, limits: Limits) -> Options:
    tokens = body.integer("max_completion_tokens") or body.integer("max_tokens")
    options = msgspec.structs.replace(
        sampling(body, tokens),
        format=answer_format(body.object("response_format"), "response_format", limits),
        think=effort(body),
    )
    return logprobs.asked(options, body)


def _stop(body: Fields) -> tuple[str, ...]:
    value = body.values.get("stop")
    if value is None or isinstance(value, str):
        return (value,) if value else ()
    return tuple(each for each in body.strings("stop") if each)


def effort(body: Fields) -> Effort | None:
    """How much the model is to think, by both of the names that it goes by."""
    nested = body.object("reasoning")
    word = (nested.text("effort") if nested else "") or body.text("reasoning_effort")
    if not word:
        return None
    if word not in _EFFORTS:
        raise FieldError(
            f"Invalid value: '{word}'. Supported values are: {', '.join(map(repr, _EFFORTS))}.",
            "reasoning_effort",
            code="invalid_value",
        )
    return _EFFORTS[word]


def _got(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return "a decimal number"
    return _KINDS["integer" if kind(value) == "number" else kind(value)]
