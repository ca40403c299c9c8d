"""Bodies of OpenAI's chat, completions, embeddings and models, as far as Thane reads and writes them. Other fields are
ignored."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from thane.http.openapi.shape import Name, Object, Rule, Said, Shape, about, form

type Effort = Literal["none", "minimal", "low", "medium", "high", "max", "xhigh", "ultra"]
type Choice = Literal["auto", "none", "required"]

Model = Annotated[str | None, about("A profile or a model of `/v1/models`; Thane chooses where it is left out.")]
Streams = Annotated[bool | None, about("Answer piece by piece, as `text/event-stream`.")]
Schema = Annotated[Object | None, about("A JSON Schema of type object.")]
FewTokens = Annotated[int, msgspec.Meta(ge=0, le=20)]
Top = Annotated[FewTokens | None, about("How many likeliest tokens to tell at each place, 0 to 20.")]
Stop = Annotated[str | tuple[str, ...] | None, about("Where the answer is to end.")]
Estimated = Annotated[bool, about("Thane's own mark: the counts are estimates.")]
One = Annotated[Literal[1] | None, about("1; more is refused.")]
User = Annotated[Any, about("Who asks; what is no text is ignored.")]
Metadata = Annotated[
    Any, about("An object whose `chat_id` tells which conversation this is; anything else is ignored.")
]
ConversationId = Annotated[Any, about("Which conversation this is: its id, or an object with an `id`.")]
ImageUri = Annotated[str, form("image-data-uri")]
"""A `data:` URI with the base64 of a png, jpeg, gif or webp."""


class Function(Shape):
    name: Name
    description: str | None = None
    parameters: Schema = None


class ChatTool(Shape):
    function: Function
    type: Literal["function"] | None = None


class CalledFunction(Shape):
    name: str
    arguments: Annotated[str, about("A JSON object as text.")]


class ChatToolCall(Shape):
    function: CalledFunction
    id: str | None = None
    type: Literal["function"] | None = None


class AskedFunction(Shape):
    name: str | None = None
    arguments: Annotated[str | Object | None, about("A JSON object, as text or as it is.")] = None


class AskedToolCall(Shape):
    function: AskedFunction
    id: str | None = None


class TextPart(Shape, tag_field="type", tag="text"):
    text: str | None = None


class RefusalPart(Shape, tag_field="type", tag="refusal"):
    refusal: str | None = None


class ImageUrl(Shape):
    url: ImageUri


class ImagePart(Shape, tag_field="type", tag="image_url"):
    image_url: ImageUrl | ImageUri


type Content = str | tuple[TextPart | ImagePart, ...]
_CONTENT = about("Text, or parts of type `text` or `image_url`; an image is a `data:` URI and is never fetched.")


class SystemMessage(Shape, tag_field="role", tag="system"):
    content: Annotated[Content, _CONTENT]


class DeveloperMessage(Shape, tag_field="role", tag="developer"):
    content: Annotated[Content, _CONTENT]


class UserMessage(Shape, tag_field="role", tag="user"):
    content: Annotated[Content, _CONTENT]


class AssistantMessage(Shape, tag_field="role", tag="assistant"):
    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {
                "required": ["content"],
                "properties": {
                    "content": {
                        "type": ["string", "array"],
                        "items": {
                            "anyOf": [{"$ref": f"#/components/schemas/{part}Part"} for part in ("Text", "Refusal")]
                        },
                    }
                },
            },
            {
                "required": ["tool_calls"],
                "properties": {
                    "tool_calls": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"$ref": "#/components/schemas/AskedToolCall"},
                    }
                },
            },
        ]
    }

    content: str | tuple[TextPart | RefusalPart, ...] | None = None
    tool_calls: tuple[AskedToolCall, ...] | None = None
    reasoning_content: str | None = None


class ToolMessage(Shape, tag_field="role", tag="tool"):
    content: Annotated[Content, _CONTENT]
    tool_call_id: str | None = None
    name: str | None = None


class FunctionMessage(Shape, tag_field="role", tag="function"):
    content: Annotated[Content, _CONTENT]
    name: str | None = None


type ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class StreamOptions(Shape):
    include_usage: Annotated[bool | None, about("Tell the counts in a last frame.")] = None


class ResponseFormat(Shape):
    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {"properties": {"type": {"enum": ["text", "json_object", None]}}},
            {
                "required": ["type", "json_schema"],
                "properties": {
                    "type": {"const": "json_schema"},
                    "json_schema": {
                        "type": "object",
                        "required": ["schema"],
                        "properties": {"schema": {"type": "object"}},
                    },
                },
            },
        ]
    }

    type: Literal["text", "json_object", "json_schema"] | None = None
    json_schema: Annotated[Any, about("With `json_schema`: an object whose `schema` the answer is to have.")] = None


class FunctionChoice(Shape):
    type: Literal["function"]
    function: Annotated[AskedFunction, about("Its `name` is one of the functions in `tools`.")]


class Reasoning(Shape):
    effort: Effort | None = None


class ChatCompletionRequest(Shape):
    messages: Annotated[
        Annotated[tuple[ChatMessage, ...], msgspec.Meta(min_length=1)], about("The whole history; at least one.")
    ]
    model: Model = None
    stream: Streams = None
    stream_options: StreamOptions | None = None
    tools: Annotated[tuple[ChatTool, ...] | None, about("Tools of the client; a call of one ends the answer.")] = None
    tool_choice: Annotated[Choice | FunctionChoice | None, about("A word, or a function that is named.")] = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    reasoning: Annotated[Reasoning | None, about("The same, as `effort`; it goes before `reasoning_effort`.")] = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Annotated[Object | None, about("Passed on to model servers that know it, which Ollama's does not.")] = (
        None
    )
    stop: Stop = None
    n: One = None
    parallel_tool_calls: Annotated[bool | None, about("False: one call of a tool at a time.")] = None
    logprobs: Annotated[bool | None, about("Tell how sure the model was of each token, where it tells that.")] = None
    top_logprobs: Top = None
    user: User = None
    metadata: Metadata = None
    conversation: ConversationId = None


class CachedTokens(Shape):
    cached_tokens: int


class ReasoningTokens(Shape):
    reasoning_tokens: int


class CompletionUsage(Shape):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens
    completion_tokens_details: ReasoningTokens
    estimated: Estimated = False


class TopLogprob(Shape):
    token: str
    logprob: float
    bytes: tuple[int, ...]


class TokenLogprob(TopLogprob):
    top_logprobs: tuple[TopLogprob, ...]


class TokenLogprobs(Shape):
    content: tuple[TokenLogprob, ...]
    refusal: None


class CompletionLogprobs(Shape):
    tokens: tuple[str, ...]
    token_logprobs: tuple[float, ...]
    top_logprobs: tuple[dict[str, float], ...]
    text_offset: tuple[int, ...]


class ChatAnswerMessage(Shape):
    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning_content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ChatToolCall, ...] = ()


class ChatChoice(Shape):
    index: int
    message: ChatAnswerMessage
    logprobs: TokenLogprobs | None
    finish_reason: Literal["stop", "length", "tool_calls"]


class ChatCompletion(Shape):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: tuple[ChatChoice, ...]
    usage: CompletionUsage


class CompletionRequest(Shape):
    prompt: Annotated[
        str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1)], about("One text, also as a list.")
    ]
    model: Model = None
    stream: Streams = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Annotated[Object | None, about("Passed on to model servers that know it, which Ollama's does not.")] = (
        None
    )
    stop: Stop = None
    n: One = None
    best_of: One = None
    logprobs: Top = None
    suffix: Annotated[Literal[""] | None, about("Not supported: a text is refused.")] = None
    echo: Annotated[Literal[False] | None, about("Not supported: true is refused.")] = None
    user: User = None


class CompletionChoice(Shape):
    text: str
    index: int
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length", "tool_calls"]


class Completion(Shape):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: tuple[CompletionChoice, ...]
    usage: CompletionUsage


class EmbeddingRequest(Shape):
    input: Annotated[
        str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1)], about("A text or several, also empty ones.")
    ]
    model: Said
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    user: User = None


class Embedding(Shape):
    object: Literal["embedding"]
    index: int
    embedding: Annotated[tuple[float, ...] | str, about("Numbers, or base64 of 32-bit floats.")]


class EmbeddingUsage(Shape):
    prompt_tokens: int
    total_tokens: int


class Embeddings(Shape):
    object: Literal["list"]
    data: tuple[Embedding, ...]
    model: str
    usage: EmbeddingUsage


class ListedModel(Shape):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Shape):
    object: Literal["list"]
    data: tuple[ListedModel, ...]
