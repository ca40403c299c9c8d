"""Bodies of Anthropic's messages, as far as Thane reads and writes them. Other fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from thane.http.openapi.openai_shapes import Estimated, Model, Schema, Streams
from thane.http.openapi.shape import Base64Image, Name, Object, Shape, about


class AnthropicTool(Shape):
    name: Name
    description: str | None = None
    input_schema: Schema = None


class TextBlock(Shape, tag_field="type", tag="text"):
    text: str | None = None


class ImageSource(Shape):
    type: Literal["base64"]
    data: Base64Image


class ImageBlock(Shape, tag_field="type", tag="image"):
    source: Annotated[ImageSource, about("Given as base64; never fetched.")]


class ThinkingBlock(Shape, tag_field="type", tag="thinking"):
    thinking: str | None = None


class ToolUseBlock(Shape, tag_field="type", tag="tool_use"):
    id: str | None = None
    name: str | None = None
    input: Object | None = None


class ToolResultBlock(Shape, tag_field="type", tag="tool_result"):
    tool_use_id: str | None = None
    content: str | tuple[TextBlock | ImageBlock, ...] | None = None
    is_error: bool | None = None


class SystemBlock(Shape):
    text: str | None = None


class AnthropicMessage(Shape):
    role: Literal["user", "assistant", "system"]
    content: Annotated[
        str | tuple[TextBlock | ImageBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock, ...],
        about("Text, or blocks of type `text`, `image` (base64), `thinking`, `tool_use`, `tool_result`."),
    ]


class AnthropicChoice(Shape):
    type: Literal["auto", "any", "none", "tool"]
    name: Annotated[str | None, about("With `tool`: one of the tools.")] = None
    disable_parallel_tool_use: bool | None = None


class ThinkingAsked(Shape):
    type: Literal["enabled", "adaptive", "disabled"] | None = None


class AnthropicFormat(Shape):
    type: Literal["json_schema"]
    schema: Object


class OutputConfig(Shape):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: AnthropicFormat | None = None


class MessagesRequest(Shape):
    messages: Annotated[
        Annotated[tuple[AnthropicMessage, ...], msgspec.Meta(min_length=1)],
        about("The whole history; the last is not the assistant's."),
    ]
    model: Model = None
    system: Annotated[str | tuple[SystemBlock, ...] | None, about("Text, or blocks of type `text`.")] = None
    max_tokens: int | None = None
    stream: Streams = None
    tools: Annotated[tuple[AnthropicTool, ...] | None, about("A call of one ends the answer.")] = None
    tool_choice: AnthropicChoice | None = None
    thinking: ThinkingAsked | None = None
    output_config: Annotated[OutputConfig | None, about("How much to think, and a format for the answer.")] = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    metadata: Annotated[Any, about("Anything but an object is ignored.")] = None


class MessagesUsage(Shape):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    estimated: Estimated = False


class MessagesAnswer(Shape):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: Annotated[tuple[Object, ...], about("Blocks of type `thinking`, `text` and `tool_use`.")]
    stop_reason: Literal["end_turn", "max_tokens", "tool_use"]
    stop_sequence: None
    usage: MessagesUsage


class TokenCount(Shape):
    input_tokens: int
    estimated: bool


class AnthropicErrorDetail(Shape):
    type: str
    message: str


class AnthropicError(Shape):
    type: Literal["error"]
    error: AnthropicErrorDetail
    request_id: str = ""
