"""OpenAI's responses, the request side: a body becomes a `ChatRequest`.

Of `tools`, functions are offered to the model; those of a namespace by a name with the namespace before it.
Hosted tools (web_search, code_interpreter, mcp, …) are left out, for
they run at OpenAI; the answer's `tools` tells which were offered, and a `tool_choice` of another one is refused.
Items of what was said before that only OpenAI can read (reasoning, calls of its searches) are left out too.
What changes how a request is served (`background`, `prompt`) is refused; the rest that means nothing here is ignored.

Sources: OpenAI's API reference as openai-python 3.54 types it, Ollama's openai/responses.go. Not here: the answer
(`thane.wire.openai_responses_reply`), and what was said before `previous_response_id` (`thane.http.openai.responses`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from thane.config.settings import Limits
from thane.turn import JSON, Message, Options, Role, ToolSpec, Turn
from thane.wire import caller
from thane.wire.chat import Call, ChatRequest, Said, as_object, check_counts, pair
from thane.wire.errors import FieldError
from thane.wire.fields import Fields
from thane.wire.images import check_images
from thane.wire.logprobs import MOST
from thane.wire.ollama_chat import parameters_of
from thane.wire.openai_asked import WORDS, answer_format, tool_choice
from thane.wire.openai_chat import DIALECT, arguments, effort, image

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_UNREAD = ("reasoning", "web_search_call", "file_search_call")
_LOGPROBS = "message.output_text.logprobs"
_CONTENT = "a string or an array of content parts"
_INPUT = "a string or an array of items"


class ResponsesRequest(ChatRequest, frozen=True):
    """`previous` is the id of the response that this one follows; `repeats` is what the answer says of the request.

    `namespaces` tells the namespace and the own name of each function that one holds, by the name that the
    model is given.
    """

    previous: str = ""
    repeats: JSON = msgspec.field(default_factory=dict[str, Any])
    namespaces: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict[str, tuple[str, str]])


def decode(document: Any, headers: Mapping[str, str], limits: Limits) -> ResponsesRequest:
    """Read a request. Header names are lower-case. Raises ClientError (400) in OpenAI's words."""
    body = Fields(as_object(document), DIALECT)
    _refuse_unserved(body)
    previous, conversation = body.text("previous_response_id"), body.values.get("conversation")
    if previous and conversation:
        raise FieldError(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.", "previous_response_id"
        )
    instructions = body.text("instructions")
    said = _input(body, limits)
    namespaces: dict[str, tuple[str, str]] = {}
    choice, tools = tool_choice(body, list(_tools(body, namespaces)))
    check_counts(len(said), len(tools), limits)
    system = [Message("system", instructions)] if instructions else []
    messages = pair([*system, *said])
    wanted = body.object("text")
    wanted_format = wanted.object("format") if wanted else None
    who = caller.identify(headers, messages, tools, body.values)
    tokens, top = body.integer("max_output_tokens"), body.integer("top_logprobs") or 0
    if not 0 <= top <= MOST:
        raise FieldError(f"top_logprobs must be between 0 and {MOST}", "top_logprobs")
    turn = Turn(
        messages=messages,
        model=body.text("model"),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.flag("parallel_tool_calls", default=True),
        options=Options(
            temperature=body.number("temperature"),
            top_p=body.number("top_p"),
            max_tokens=tokens if tokens and tokens > 0 else None,
            format=answer_format(wanted_format, "text.format", limits),
            think=effort(body),
            logprobs=bool(top) or _LOGPROBS in body.strings("include"),
            top_logprobs=top,
        ),
        caller=who,
        continues=bool(conversation and who.conversation_id),
    )
    repeats = {
        "instructions": instructions or None,
        "metadata": _metadata(body),
        "parallel_tool_calls": body.flag("parallel_tool_calls", default=True),
        "previous_response_id": previous or None,
        "reasoning": {"effort": _effort_word(body), "summary": None},
        "text": {"format": _format_told(wanted_format)},
        "tool_choice": choice if choice in WORDS else {"type": "function", "name": choice},
        "user": body.text("user") or None,
    }
    return ResponsesRequest(
        turn, body.flag("stream", default=False), previous=previous, repeats=repeats, namespaces=namespaces
    )


def _refuse_unserved(body: Fields) -> None:
    if body.flag("background", default=False):
        raise FieldError("'background' is not supported: an answer is given on the connection that asks.", "background")
    if body.values.get("prompt") is not None:
        raise FieldError("'prompt' is not supported: Thane keeps no prompt templates. Send 'input'.", "prompt")


def _input(body: Fields, limits: Limits) -> list[Said | Message]:
    """What is said; a call that follows an answer of the same turn belongs to that answer."""
    value = body.values.get("input")
    if isinstance(value, str):
        return [Message("user", value)]
    if value is not None and not isinstance(value, list):
        raise body.wrong("input", _INPUT)
    said: list[Said | Message] = []
    for each in _items(body, limits):
        before = said[-1] if said else None
        if each.calls and isinstance(before, Said) and before.role == "assistant":
            before.calls = [*before.calls, *each.calls]
        else:
            said.append(each)
    if not said:
        raise FieldError("Missing required parameter: 'input'.", "input")
    return said


def _items(body: Fields, limits: Limits) -> Iterator[Said]:
    for item in body.objects("input"):
        match item.text("type") or "message":
            case "message":
                yield _message(item, limits)
            case "function_call":
                call = Call(_call_id(item), _full_name(item.text("namespace"), item.text("name")), arguments(item))
                yield Said("assistant", calls=[call])
            case "function_call_output":
                content, images = _content(item, "output", limits)
                yield Said("tool", content, call_id=_call_id(item), images=images)
            case "item_reference":
                raise FieldError(
                    f"{item.where()} refers to an item, and Thane finds none by its id: send the item itself, "
                    "or 'previous_response_id'",
                    item.where("type"),
                )
            case kind if kind in _UNREAD:
                continue
            case kind:
                raise FieldError(
                    f"{item.where()} is of type '{kind}'; message, function_call and function_call_output are "
                    "understood",
                    item.where("type"),
                )


def _call_id(item: Fields) -> str:
    call_id = item.text("call_id")
    if not call_id:
        raise FieldError(f"Missing required parameter: '{item.where('call_id')}'.", item.where("call_id"))
    return call_id


def _message(item: Fields, limits: Limits) -> Said:
    role = item.text("role").lower()
    if role not in _ROLES:
        raise FieldError(
            f"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer' and 'user'.",
            item.where("role"),
            code="invalid_value",
        )
    content, images = _content(item, "content", limits)
    return Said(_ROLES[role], content, images=images)


def _content(item: Fields, key: str, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """Text and images; several texts are set one below the other."""
    value = item.values.get(key)
    if value is None or isinstance(value, str):
        return value or "", ()
    if not isinstance(value, list):
        raise item.wrong(key, _CONTENT)
    texts: list[str] = []
    images: list[str] = []
    for part in item.objects(key):
        match part.text("type"):
            case "input_text" | "output_text" | "text":
                texts.append(part.text("text"))
            case "refusal":
                texts.append(part.text("refusal"))
            case "input_image":
                images.append(image(part))
            case other:
                raise FieldError(
                    f"{part.where()} is of type '{other}'; input_text, output_text and input_image are understood",
                    part.where("type"),
                )
    return "\n".join(texts), check_images(images, limits, item.where(key))


def _tools(body: Fields, namespaces: dict[str, tuple[str, str]]) -> Iterator[ToolSpec]:
    """The functions, those of namespaces too, which are entered into `namespaces`."""
    for each in body.objects("tools"):
        match _kind(each):
            case "function":
                yield _tool(each)
            case "namespace":
                space = each.text("name")
                for function in each.objects("tools"):
                    if _kind(function) == "function":
                        tool = _tool(function)
                        full = _full_name(space, tool.name)
                        namespaces[full] = space, tool.name
                        yield msgspec.structs.replace(tool, name=full)
            case _:
                continue


def _kind(tool: Fields) -> str:
    if kind := tool.text("type"):
        return kind
    raise FieldError(f"Missing required parameter: '{tool.where('type')}'.", tool.where("type"))


def _full_name(space: str, name: str) -> str:
    """A function's name among those of all namespaces."""
    return f"{space}__{name}" if space else name


def _tool(fields: Fields) -> ToolSpec:
    name = fields.text("name")
    if not name:
        raise FieldError(f"Missing required parameter: '{fields.where('name')}'.", fields.where("name"))
    return ToolSpec(name, fields.text("description"), parameters_of(fields))


def _format_told(wanted: Fields | None) -> JSON:
    """The format as the answer repeats it."""
    what = (wanted.text("type") if wanted else "") or "text"
    if wanted is None or what != "json_schema":
        return {"type": what}
    told = {"type": what, "name": wanted.text("name") or "response", "schema": wanted.mapping("schema")}
    return told | ({"strict": True} if wanted.flag("strict", default=False) else {})


def _effort_word(body: Fields) -> str | None:
    nested = body.object("reasoning")
    return (nested.text("effort") if nested else "") or None


def _metadata(body: Fields) -> dict[str, str]:
    given = body.object("metadata")
    return {key: given.text(key) for key in given.values} if given else {}
