"""Bodies of OpenAI's and Anthropic's APIs, as far as Thane reads and writes them. Other fields are ignored."""

from __future__ import annotations

from typing import Annotated, Literal

from thane.http.openapi.shape import Object, Shape, about

type Effort = Literal["none", "minimal", "low", "medium", "high", "max", "xhigh", "ultra"]

Model = Annotated[str | None, about("A profile or a model of `/v1/models`; Thane chooses where it is left out.")]
Streams = Annotated[bool | None, about("Answer piece by piece, as `text/event-stream`.")]
Schema = Annotated[Object | None, about("A JSON Schema of type object.")]
Top = Annotated[int | None, about("How many likeliest tokens to tell at each place, 0 to 20.")]
Stop = Annotated[str | tuple[str, ...] | None, about("Where the answer is to end.")]
Estimated = Annotated[bool, about("Thane's own mark: the counts are estimates.")]
One = Annotated[int | None, about("1; more is refused.")]


class Function(Shape):
    name: str
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


class ChatMessage(Shape):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[
        str | tuple[Object, ...] | None,
        about("Text, or parts of type `text` or `image_url`; an image is a `data:` URI and is never fetched."),
    ] = None
    name: str | None = None
    tool_calls: tuple[ChatToolCall, ...] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None


class StreamOptions(Shape):
    include_usage: bool | None = None


class JsonSchema(Shape):
    schema: Object
    name: str | None = None
    strict: bool | None = None


class ResponseFormat(Shape):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Annotated[JsonSchema | None, about("With `json_schema`.")] = None


class ChatCompletionRequest(Shape):
    messages: Annotated[tuple[ChatMessage, ...], about("The whole history; at least one.")]
    model: Model = None
    stream: Streams = None
    stream_options: StreamOptions | None = None
    tools: Annotated[tuple[ChatTool, ...] | None, about("Tools of the client; a call of one ends the answer.")] = None
    tool_choice: Annotated[str | Object | None, about("`auto`, `none`, `required`, or a function that is named.")] = (
        None
    )
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: Stop = None
    n: One = None
    parallel_tool_calls: Annotated[bool | None, about("False: one call of a tool at a time.")] = None
    logprobs: Annotated[bool | None, about("Tell how sure the model was of each token, where it tells that.")] = None
    top_logprobs: Top = None
    user: str | None = None
    metadata: Annotated[Object | None, about("`chat_id` tells which conversation this is.")] = None
    conversation: Annotated[str | Object | None, about("Which conversation this is: its id, or an object.")] = None


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
    prompt: Annotated[str | tuple[str, ...], about("One text.")]
    model: Model = None
    stream: Streams = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: Stop = None
    n: One = None
    best_of: One = None
    logprobs: Annotated[int | None, about("How many likeliest tokens to tell at each place, 0 to 20.")] = None
    user: str | None = None


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


class Reasoning(Shape):
    effort: Effort | None = None


class TextFormat(Shape):
    format: Annotated[Object | None, about("`type` is `text`, `json_object` or, with `schema`, `json_schema`.")] = None


class ResponseRequest(Shape):
    input: Annotated[str | tuple[Object, ...], about("A text, or messages, `function_call`, `function_call_output`.")]
    model: Model = None
    instructions: str | None = None
    previous_response_id: Annotated[str | None, about("The response to go on from; not with `conversation`.")] = None
    conversation: Annotated[str | Object | None, about("The conversation to go on with.")] = None
    stream: Streams = None
    tools: Annotated[
        tuple[Object, ...] | None, about("Functions, also those in a `namespace`, are offered to the model.")
    ] = None
    tool_choice: Annotated[str | Object | None, about("`auto`, `none`, `required`, or a function that is named.")] = (
        None
    )
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
    metadata: dict[str, str] | None = None
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


class EmbeddingRequest(Shape):
    input: Annotated[str | tuple[str, ...], about("A text or several.")]
    model: str
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None


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


class AnthropicTool(Shape):
    name: str
    description: str | None = None
    input_schema: Schema = None


class AnthropicMessage(Shape):
    role: Literal["user", "assistant", "system"]
    content: Annotated[
        str | tuple[Object, ...],
        about("Text, or blocks of type `text`, `image` (base64), `thinking`, `tool_use`, `tool_result`."),
    ]


class MessagesRequest(Shape):
    messages: Annotated[tuple[AnthropicMessage, ...], about("The whole history; the last is not the assistant's.")]
    model: Model = None
    system: Annotated[str | tuple[Object, ...] | None, about("Text, or blocks of type `text`.")] = None
    max_tokens: int | None = None
    stream: Streams = None
    tools: Annotated[tuple[AnthropicTool, ...] | None, about("A call of one ends the answer.")] = None
    tool_choice: Annotated[Object | None, about("`type` is `auto`, `any`, `none` or, with `name`, `tool`.")] = None
    thinking: Annotated[Object | None, about("`type` is `enabled`, `adaptive` or `disabled`.")] = None
    output_config: Annotated[Object | None, about("`effort`, and `format` with a JSON Schema.")] = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    metadata: Object | None = None


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
