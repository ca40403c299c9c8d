"""Anthropic's messages, the request side: a body becomes a `ChatRequest`.

Of `tools`, the client's own (`input_schema`) are offered to the model. Tools of Anthropic's servers, and those whose
schema only Claude knows (`bash_20250124`), are left out; a `tool_choice` of one is refused. What such tools left in the
history, and thinking that only Anthropic can read, is left out too. Images must come as base64; documents and files are
refused. Sources: anthropic-python 2.12 (types), Ollama's anthropic/anthropic.go. Not here: the answer
(`thane.wire.anthropic_reply`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from thane.config.settings import Limits
from thane.turn import JSON, Message, Options, Role, ToolSpec, Turn
from thane.wire import caller
from thane.wire.chat import Call, ChatRequest, Said, as_object, check_counts, check_schema, pair, plain
from thane.wire.errors import FieldError
from thane.wire.fields import Fields, Path
from thane.wire.images import check_images

type Effort = bool | Literal["low", "medium", "high", "max"]

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}
_KINDS = {
    "string": "string",
    "bool": "boolean",
    "number": "number",
    "integer": "integer",
    "array": "array",
    "object": "dictionary",
}
_UNREAD = ("redacted_thinking", "server_tool_use", "web_search_tool_result", "web_fetch_tool_result")
_CHARACTERS_PER_TOKEN = 4


class AnthropicDialect:
    """Errors as Anthropic's API words them: `messages.0.content: Input should be a valid string`."""

    folds_keys = False
    null_items = False

    def wrong_type(self, path: Path, expected: str, value: object) -> FieldError:  # noqa: ARG002 as every dialect
        place = _place(path)
        return FieldError(f"{place}: Input should be a valid {_KINDS.get(expected, expected)}", place)


_DIALECT = AnthropicDialect()


def decode(document: Any, headers: Mapping[str, str], limits: Limits) -> ChatRequest:
    """Read a request. Header names are lower-case. Raises ClientError (400) in Anthropic's words."""
    body = Fields(as_object(document), _DIALECT)
    given = body.items("messages")
    if not given:
        raise _wrong("messages", "at least one message is required")
    tools = tuple(_tool(each) for each in body.objects("tools") if each.text("type") in ("", "custom"))
    check_counts(len(given), len(tools), limits)
    system = _text(body, "system")
    said: list[Said | Message] = [Message("system", system)] if system else []
    for index, item in enumerate(given):
        short = plain(item)
        said += [short] if short else _said(body.element("messages", index), limits)
    messages = pair(said)
    if not messages or messages[-1].role == "assistant":
        raise _wrong("messages", "the conversation must end with a user message; no answer is begun for the model")
    top_k, choice = body.integer("top_k"), body.object("tool_choice")
    tokens = body.integer("max_tokens")
    turn = Turn(
        messages=messages,
        model=body.text("model"),
        tools=tools,
        tool_choice=_tool_choice(body, tools),
        parallel_tool_calls=not (choice and choice.flag("disable_parallel_tool_use", default=False)),
        options=Options(
            temperature=body.number("temperature"),
            top_p=body.number("top_p"),
            max_tokens=tokens if tokens and tokens > 0 else None,
            stop=tuple(each for each in body.strings("stop_sequences") if each),
            format=_format(body, limits),
            think=_think(body),
            extra={} if top_k is None else {"top_k": top_k},
        ),
        caller=caller.identify(headers, messages, tools, body.values),
    )
    return ChatRequest(turn, stream=body.flag("stream", default=False))


def estimate(turn: Turn) -> int:
    """About how many tokens a request has, without what Thane adds: four characters each, as for English."""
    said = sum(len(each.content) + len(each.thinking) for each in turn.messages)
    calls = [call for each in turn.messages for call in each.tool_calls]
    for value in (calls, turn.tools):
        said += len(msgspec.json.encode(value)) if value else 0
    return -(-said // _CHARACTERS_PER_TOKEN)


def _said(fields: Fields, limits: Limits) -> Iterator[Said]:
    """A message as several: results of tools are messages of their own here, and come first."""
    role = fields.text("role")
    if role not in _ROLES:
        raise _wrong(_place_of(fields, "role"), "Input should be 'user' or 'assistant'")
    content = fields.values.get("content")
    if content is None:
        raise _wrong(_place_of(fields, "content"), "Field required")
    if isinstance(content, str):
        yield Said(_ROLES[role], content)
        return
    texts, thoughts, images, calls = list[str](), list[str](), list[str](), list[Call]()
    results = False
    for block in fields.objects("content"):
        match block.text("type"):
            case "text":
                texts.append(block.text("text"))
            case "thinking":
                thoughts.append(block.text("thinking"))
            case "image":
                images.append(_image(block))
            case "tool_use":
                calls.append(Call(block.text("id"), block.text("name"), block.mapping("input") or {}))
            case "tool_result":
                results = True
                yield _result(block, limits)
            case kind if kind in _UNREAD:
                continue
            case kind:
                raise _wrong(_place_of(block, "type"), f"blocks of type '{kind}' are not supported")
    if texts or images or calls or thoughts or not results:
        checked = check_images(images, limits, _place_of(fields, "content")) if images else ()
        yield Said(_ROLES[role], "\n".join(texts), "\n".join(thoughts), calls, images=checked)


def _result(block: Fields, limits: Limits) -> Said:
    """What a tool gave; an error that says nothing is still told as one."""
    texts, images = list[str](), list[str]()
    content = block.values.get("content")
    if isinstance(content, str):
        texts.append(content)
    else:
        for part in block.objects("content"):
            match part.text("type"):
                case "text":
                    texts.append(part.text("text"))
                case "image":
                    images.append(_image(part))
                case kind:
                    raise _wrong(_place_of(part, "type"), f"blocks of type '{kind}' are not supported")
    text = "\n".join(texts)
    if not text and block.flag("is_error", default=False):
        text = "error"
    checked = check_images(images, limits, _place_of(block, "content")) if images else ()
    return Said("tool", text, call_id=block.text("tool_use_id"), images=checked)


def _image(block: Fields) -> str:
    """Base64. Nothing is fetched: a request must not make Thane call an address of its choosing."""
    source = block.object("source")
    if source is None or source.text("type") != "base64":
        raise _wrong(_place_of(block, "source"), "an image must be given as base64; images are not fetched")
    return source.text("data")


def _text(body: Fields, key: str) -> str:
    """A text, or blocks of text one below the other."""
    value = body.values.get(key)
    if value is None or isinstance(value, str):
        return value or ""
    return "\n".join(block.text("text") for block in body.objects(key))


def _tool(fields: Fields) -> ToolSpec:
    name = fields.text("name")
    if not name:
        raise _wrong(_place_of(fields, "name"), "Field required")
    schema = fields.mapping("input_schema") or {}
    parameters = {"type": "object", "properties": {}} | {key: each for key, each in schema.items() if each is not None}
    return ToolSpec(name, fields.text("description"), parameters)


def _tool_choice(body: Fields, tools: Sequence[ToolSpec]) -> str:
    """`auto`, `none`, `required`, or a tool's name."""
    choice = body.object("tool_choice")
    if choice is None:
        return "auto"
    what, name = choice.text("type"), choice.text("name")
    if what in _CHOICES:
        return _CHOICES[what]
    if what != "tool":
        raise _wrong("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
    if name not in {tool.name for tool in tools}:
        raise _wrong("tool_choice.name", f"Tool '{name}' not found in provided tools")
    return name


def _format(body: Fields, limits: Limits) -> JSON | None:
    config = body.object("output_config")
    wanted = config.object("format") if config else None
    if wanted is None:
        return None
    schema = wanted.mapping("schema")
    if wanted.text("type") != "json_schema" or schema is None:
        raise _wrong("output_config.format", "only 'json_schema' with a 'schema' is supported")
    return check_schema(schema, "output_config.format.schema", "output_config.format.schema", limits)


def _think(body: Fields) -> Effort | None:
    """Whether to think, and where that is asked for too, how much. A budget in tokens is no measure here."""
    thinking, config = body.object("thinking"), body.object("output_config")
    effort = config.text("effort") if config else ""
    if effort and effort not in _EFFORTS:
        raise _wrong("output_config.effort", f"Input should be one of {', '.join(map(repr, _EFFORTS))}")
    match thinking.text("type") if thinking else "":
        case "":
            return None
        case "disabled":
            return False
        case "enabled" | "adaptive":
            return _EFFORTS.get(effort, True)
        case _:
            raise _wrong("thinking.type", "Input should be 'enabled', 'disabled' or 'adaptive'")


def _wrong(place: str, message: str) -> FieldError:
    return FieldError(f"{place}: {message}", place)


def _place_of(fields: Fields, key: str) -> str:
    """`messages.0.content`."""
    return fields.where(key).replace("[", ".").replace("]", "")


def _place(path: Path) -> str:
    return f"{_place(path[0])}.{path[1]}" if path[0] else str(path[1])
