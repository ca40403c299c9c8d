"""Bodies of OpenAI's responses, as far as Thane reads and writes them. Other fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from thane.http.openapi.openai_shapes import (
    Choice,
    ConversationId,
    Estimated,
    Model,
    Reasoning,
    ReasoningTokens,
    Streams,
    Top,
)
from thane.http.openapi.shape import Name, Object, Rule, Shape, about, form


class ResponseFormatAsked(Shape):
    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {"properties": {"type": {"enum": ["text", "json_object", None]}}},
            {
                "required": ["type", "schema"],
                "properties": {
                    "type": {"const": "json_schema"},
                    "schema": {"type": "object"},
                    "name": {"type": ["string", "null"]},
                    "strict": {"type": ["boolean", "null"]},
                },
            },
        ]
    }

    type: Literal["text", "json_object", "json_schema"] | None = None
    schema: Annotated[Any, about("With `json_schema`: the JSON Schema that the answer is to have.")] = None
    name: Annotated[Any, about("With `json_schema`: what the answer calls it.")] = None
    strict: Annotated[Any, about("With `json_schema`: true or false, as the answer repeats it.")] = None


class TextFormat(Shape):
    format: ResponseFormatAsked | None = None


_PARTS: Rule = {
    "type": "array",
    "items": {
        "anyOf": [
            {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {"enum": ["input_text", "output_text"]},
                    "text": {"type": ["string", "null"]},
                },
            },
            {
                "type": "object",
                "required": ["type", "image_url"],
                "properties": {
                    "type": {"const": "input_image"},
                    "image_url": {"type": "string", "format": "image-data-uri"},
                },
            },
        ]
    },
}
_CONTENT: Rule = {"anyOf": [{"type": ["string", "null"]}, _PARTS]}
_CALL_ID: Rule = {"type": "string", "minLength": 1}


class InputItem(Shape):
    """One item of what was said: a message, a call of a function, or its output."""

    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {
                "required": ["role"],
                "properties": {
                    "type": {"enum": ["message", None]},
                    "role": {"enum": ["system", "developer", "user", "assistant"]},
                    "content": _CONTENT,
                },
            },
            {
                "required": ["type", "call_id"],
                "properties": {
                    "type": {"const": "function_call"},
                    "call_id": _CALL_ID,
                    "name": {"type": ["string", "null"]},
                    "namespace": {"type": ["string", "null"]},
                    "arguments": {"type": ["string", "object", "null"]},
                },
            },
            {
                "required": ["type", "call_id"],
                "properties": {"type": {"const": "function_call_output"}, "call_id": _CALL_ID, "output": _CONTENT},
            },
        ]
    }

    type: Annotated[
        Literal["message", "function_call", "function_call_output"] | None,
        about("A `message` where it is left out. `reasoning` and calls of hosted searches are left out."),
    ] = None
    role: Annotated[Any, about("Of a message: `system`, `developer`, `user` or `assistant`.")] = None
    content: Annotated[Any, about("Of a message: text, or parts; an image is a `data:` URI and is never fetched.")] = (
        None
    )
    call_id: Annotated[Any, about("Of a call, and of its output.")] = None
    name: Annotated[Any, about("Of a call: the function.")] = None
    namespace: Annotated[Any, about("Of a call: where the function is.")] = None
    arguments: Annotated[Any, about("Of a call: a JSON object, as text or as it is.")] = None
    output: Annotated[Any, about("Of an output: text, or parts.")] = None


_FUNCTION: Rule = {
    "type": "object",
    "required": ["type", "name"],
    "properties": {
        "type": {"const": "function"},
        "name": {"type": "string", "minLength": 1},
        "description": {"type": ["string", "null"]},
        "parameters": {"type": ["object", "null"]},
    },
}


def _other_than(*kinds: str) -> Rule:
    """A tool of another kind: it is left out."""
    pattern = rf"^(?!(?:{'|'.join(kinds)})$)."
    return {"type": "object", "required": ["type"], "properties": {"type": {"type": "string", "pattern": pattern}}}


class ResponseTool(Shape):
    """A function, a namespace of functions, or a hosted tool, which is left out."""

    between_fields: ClassVar[Rule] = {
        "anyOf": [
            _FUNCTION,
            {
                "properties": {
                    "type": {"const": "namespace"},
                    "name": {"type": ["string", "null"]},
                    "tools": {
                        "type": ["array", "null"],
                        "items": {"anyOf": [_FUNCTION, _other_than("function")]},
                    },
                },
                "required": ["type"],
            },
            _other_than("function", "namespace"),
        ]
    }

    type: Name
    name: Any = None
    description: Any = None
    parameters: Annotated[Any, about("A JSON Schema of type object.")] = None
    tools: Annotated[Any, about("Of a namespace: its functions.")] = None


class ResponseChoice(Shape):
    type: Literal["function"]
    name: Annotated[str, about("One of the functions in `tools`.")]


class ResponseRequest(Shape):
    input: Annotated[
        str | Annotated[tuple[InputItem, ...], msgspec.Meta(min_length=1)],
        about("A text, or messages, calls of functions, and what they gave."),
    ]
    model: Model = None
    instructions: str | None = None
    previous_response_id: Annotated[
        str | None, about("The response to go on from; not with `conversation`."), form("response-id")
    ] = None
    conversation: ConversationId = None
    stream: Streams = None
    tools: Annotated[
        tuple[ResponseTool, ...] | None,
        about("Functions, also those in a `namespace`, are offered to the model; other kinds are left out."),
    ] = None
    tool_choice: Annotated[Choice | ResponseChoice | None, about("A word, or a function that is named.")] = None
    parallel_tool_calls: bool | None = None
    text: TextFormat | None = None
    reasoning: Reasoning | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    top_logprobs: Top = None
    include: Annotated[
        tuple[str, ...] | None, about("`message.output_text.logprobs` tells how sure the model was of each token.")
    ] = None
    background: Annotated[Literal[False] | None, about("Not supported: true is refused.")] = None
    metadata: dict[str, str | None] | None = None
    store: Annotated[Any, about("Has no effect: every response is kept.")] = None
    user: str | None = None


class ResponseUsage(Shape):
    input_tokens: int
    input_tokens_details: Object
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int
    estimated: Estimated = False


class ResponseAnswer(Shape):
    id: str
    object: Literal["response"]
    created_at: Annotated[int, about("Epoch seconds.")]
    completed_at: int | None
    status: Literal["completed", "incomplete", "failed", "cancelled", "in_progress"]
    model: str
    output: Annotated[tuple[Object, ...], about("Items of type `reasoning`, `message` and `function_call`.")]
    usage: ResponseUsage | None
    error: Object | None
    incomplete_details: Object | None
    conversation: Object | None
    previous_response_id: str | None
    tools: Annotated[tuple[Object, ...], about("Those that were offered to the model.")]
    tool_choice: str | Object
    parallel_tool_calls: bool
    instructions: str | None
    metadata: dict[str, str]
    reasoning: Object
    text: Object
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    user: str | None
    background: Literal[False]
    truncation: Literal["disabled"]
