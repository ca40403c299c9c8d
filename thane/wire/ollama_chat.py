"""Ollama's `/api/chat`, the request side: a body as Go's decoder would read it becomes a `ChatRequest`.

Keys are folded, `null` is absent, floats may stand for whole numbers. Sources: Ollama's api/types.go and
server/routes.go of August 2026. Not here: the answer (`thane.wire.ollama_reply`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from thane.config.settings import Limits
from thane.turn import JSON, Options, Role, ToolSpec, Turn
from thane.wire import caller, logprobs
from thane.wire.chat import Call, ChatRequest, Said, as_object, check_counts, check_schema, pair, plain
from thane.wire.errors import FieldError
from thane.wire.fields import Fields, Path, kind
from thane.wire.images import check_images

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_LEVELS = ("low", "medium", "high", "max")
_GO_TYPES = {
    "messages": "[]api.Message",
    "tools": "api.Tools",
    "images": "[]api.ImageData",
    "tool_calls": "[]api.ToolCall",
    "function": "api.ToolCallFunction",
    "arguments": "api.ToolCallFunctionArguments",
    "options": "map[string]interface {}",
    "context": "[]int",
    "dimensions": "int",
}
_GO_KINDS = {"number": "float64", "integer": "int", "array": "[]interface {}", "object": "map[string]interface {}"}
_WHOLE_NUMBERS = {
    "num_keep",
    "num_predict",
    "top_k",
    "repeat_last_n",
    "seed",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "draft_num_predict",
}
_FLOATS = {"top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty"}
_FLAGS = ("use_mmap", "use_mlock", "numa", "low_vram", "vocab_only")
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class GoDialect:
    """Errors as encoding/json words them: the path has no indices."""

    folds_keys = True
    null_items = True

    def __init__(self, struct: str) -> None:
        self._struct = struct

    def wrong_type(self, path: Path, expected: str, value: object) -> FieldError:
        keys = _keys(path)
        go_type = _GO_TYPES.get(keys[-1], "") if expected in ("array", "object", "number") else ""
        if isinstance(path[1], int):
            go_type = go_type.removeprefix("[]").replace("api.Tools", "api.Tool")
        place = ".".join(keys)
        what = f"number {value}" if expected == "integer" and isinstance(value, float) else kind(value)
        go_type = go_type or _GO_KINDS.get(expected, expected)
        return FieldError(
            f"json: cannot unmarshal {what} into Go struct field {self._struct}.{place} of type {go_type}", place
        )


_CHAT = GoDialect("ChatRequest")


def decode(document: Any, headers: Mapping[str, str], limits: Limits) -> ChatRequest:
    """Read a request. Header names are lower-case. Raises ClientError (400) in Ollama's words."""
    body = Fields(as_object(document), _CHAT)
    model = body.text("model")
    if not model.strip():
        raise FieldError("model is required", "model")
    given = body.items("messages")
    check_counts(len(given), len(body.items("tools")), limits)
    messages = pair(
        plain(item) or _message(body.element("messages", index), limits) for index, item in enumerate(given)
    )
    tools = tuple(_tool(each) for each in body.objects("tools"))
    turn = Turn(
        messages=messages,
        model=model,
        tools=tools,
        options=options_of(body, limits),
        caller=caller.identify(headers, messages, tools, body.values),
    )
    return ChatRequest(turn, stream=body.flag("stream", default=True))


def load_reason(turn: Turn) -> Literal["load", "unload"] | None:
    """What a request without messages asks for: the model to be loaded, or with `keep_alive: 0` to be unloaded."""
    if turn.messages:
        return None
    return "unload" if turn.options.keep_alive_seconds == 0 else "load"


def _message(fields: Fields, limits: Limits) -> Said:
    role = fields.text("role").lower()
    if role not in _ROLES:
        raise FieldError(
            f'invalid role: "{role}", role must be one of [system, user, assistant, tool]', fields.where("role")
        )
    return Said(
        role=_ROLES[role],
        content=fields.text("content"),
        thinking=fields.text("thinking"),
        calls=[_call(each) for each in fields.objects("tool_calls")],
        call_id=fields.text("tool_call_id"),
        tool_name=fields.text("tool_name"),
        images=images_of(fields, limits),
    )


def images_of(fields: Fields, limits: Limits) -> tuple[str, ...]:
    """The images beside a text, as base64."""
    images = [image.rpartition(";base64,")[2] for image in fields.strings("images")]
    return check_images(images, limits, fields.where("images")) if images else ()


def _call(fields: Fields) -> Call:
    function = fields.object("function")
    if function is None:
        return Call(fields.text("id"), "", {})
    return Call(fields.text("id"), function.text("name"), function.mapping("arguments") or {})


def _tool(fields: Fields) -> ToolSpec:
    function = fields.object("function")
    name = function.text("name") if function else ""
    if function is None or not name:
        raise FieldError(f"{fields.where()} has no function name", fields.where("function"))
    return ToolSpec(name, function.text("description"), parameters_of(function))


def parameters_of(function: Fields) -> JSON:
    """A tool's JSON Schema. What its properties hold is left as it is: lists of types, no type, no `required`."""
    parameters = function.mapping("parameters") or {}
    return {"type": "object", "properties": {}} | {key: each for key, each in parameters.items() if each is not None}


def options_of(body: Fields, limits: Limits) -> Options:
    """What is asked of the model, in chat and generate alike."""
    if body.flag("_debug_render_only", default=False):
        raise FieldError(
            '"_debug_render_only" is not supported: what a model was sent is kept for /v1/prompts', "_debug_render_only"
        )
    given = body.object("options")
    extra = {key: _option(key, value) for key, value in given.values.items() if value is not None} if given else {}
    extra |= {key: body.flag(key, default=True) for key in ("truncate", "shift") if body.values.get(key) is not None}
    tokens = extra.pop("num_predict", None)
    options = Options(
        temperature=extra.pop("temperature", None),
        top_p=extra.pop("top_p", None),
        seed=extra.pop("seed", None),
        max_tokens=tokens if tokens and tokens > 0 else None,  # -1 and -2: as many as there are
        stop=tuple(extra.pop("stop", ())),
        format=_format(body.values.get("format"), limits),
        think=think(body.values.get("think")),
        keep_alive_seconds=keep_alive(body.values.get("keep_alive")),
        extra=extra,
    )
    return logprobs.asked(options, body)


def _option(key: str, value: Any) -> Any:
    """One option with the type that Ollama wants (api/types.go, Options.FromMap). Unknown ones are passed on."""
    if key in _WHOLE_NUMBERS:
        if kind(value) != "number":
            raise _wrong_option(key, "integer")
        return int(value)
    if key in _FLOATS:
        if kind(value) != "number":
            raise _wrong_option(key, "float32")
        return float(value)
    if key in _FLAGS:
        if not isinstance(value, bool):
            raise _wrong_option(key, "boolean")
    elif key == "stop":
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not all(isinstance(each, str) for each in cast("list[object]", value)):
            raise _wrong_option(key, "array of strings")
    return value


def _wrong_option(key: str, wanted: str) -> FieldError:
    return FieldError(f'option "{key}" must be of type {wanted}', f"options.{key}")


def _format(value: Any, limits: Limits) -> Literal["json"] | JSON | None:
    if value is None or value == "":
        return None
    if value == "json":
        return "json"
    if isinstance(value, dict):
        return check_schema(cast("JSON", value), "format", "invalid JSON schema in format", limits)
    raise FieldError(f'invalid format: {value!r}; expected "json" or a valid JSON Schema object', "format")


def think(value: Any) -> bool | Literal["low", "medium", "high", "max"] | None:
    """`true`, `false` or a level."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _LEVELS:
        return cast("Literal['low', 'medium', 'high', 'max']", value.lower())
    raise FieldError(
        f'invalid think value: "{value}" (must be "high", "medium", "low", "max", true, or false)', "think"
    )


def keep_alive(value: Any) -> float | None:
    """Seconds; negative means for ever. A number counts seconds, a string is one of Go's durations (`5m`, `-1s`)."""
    if value is None:
        return None
    if kind(value) == "number":
        return float(value)
    if not isinstance(value, str):
        go_type = {"bool": "bool", "array": "[]interface {}"}.get(kind(value), "map[string]interface {}")
        raise FieldError(f"Unsupported type: '{go_type}'", "keep_alive")
    return _duration(value)


def _duration(text: str) -> float:
    """Seconds of a Go duration (time.ParseDuration)."""
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0.0
    seconds, end = 0.0, 0
    for part in _DURATION.finditer(unsigned):
        if part.start() != end:
            break
        seconds, end = seconds + float(part[1]) * _SECONDS[part[2]], part.end()
    if not unsigned or end != len(unsigned):
        rest = unsigned[end:]
        what = "missing unit in duration" if re.fullmatch(r"\d+\.?\d*|\.\d+", rest) else "invalid duration"
        raise FieldError(f'time: {what} "{text}"', "keep_alive")
    return -seconds if text.startswith("-") else seconds


def _keys(path: Path) -> list[str]:
    before = _keys(path[0]) if path[0] else []
    return [*before, path[1]] if isinstance(path[1], str) else before
