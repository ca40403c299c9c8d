"""Bodies of Ollama's API, as far as Thane reads and writes them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from thane.http.openapi.shape import Base64Image, Name, Object, Rule, Said, Shape, about, form

_SOME_NAME: Rule = {"type": "string", "minLength": 1, "format": "model-name"}

type Think = bool | Literal["low", "medium", "high", "max"]
type Format = Literal["", "json"] | Object
type KeepAlive = Annotated[str, form("go-duration")] | float

ModelName = Annotated[str, form("model-name")]
Model = Annotated[ModelName, about("A name of `/api/tags`, in any case, with or without its tag.")]
Streams = Annotated[bool | None, about("Answer line by line as NDJSON. True where it is left out.")]
Load = Annotated[KeepAlive | None, about("Seconds, or a duration such as `5m`; negative means for ever.")]
Answers = Annotated[Format | None, about("`json`, or a JSON Schema that the answer is to have.")]
Thinks = Annotated[Think | None, about("Whether, or how much, the model is to think first.")]
Images = Annotated[tuple[Base64Image, ...] | None, about("Images as base64.")]
Sure = Annotated[bool | None, about("Tell how sure the model was of each token, where it tells that.")]
FewTokens = Annotated[int, msgspec.Meta(ge=0, le=20)]
Top = Annotated[FewTokens | None, about("How many likeliest tokens to tell at each place, 0 to 20.")]
Nanoseconds = Annotated[int, about("In nanoseconds.")]
Cuts = Annotated[bool | None, about("Whether a prompt that is too long is cut, or else refused.")]
Renders = Annotated[Literal[False] | None, about("Not supported: true is refused.")]
Shifts = Annotated[bool | None, about("Whether an answer that fills the context goes on all the same.")]


class OllamaOptions(Shape):
    """What is asked of the model. Others are passed on as they are."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_last_n: float | None = None
    seed: Annotated[float | None, about("A whole number, which may be written as `7.0`; so are the other counts.")] = (
        None
    )
    stop: Annotated[str | tuple[str, ...] | None, about("Where the answer is to end.")] = None
    num_predict: Annotated[float | None, about("The most tokens of the answer; 0 and less: as many as there are.")] = (
        None
    )
    num_ctx: float | None = None
    num_keep: float | None = None
    num_batch: float | None = None
    num_gpu: float | None = None
    main_gpu: float | None = None
    num_thread: float | None = None
    draft_num_predict: float | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None
    numa: bool | None = None
    low_vram: bool | None = None
    vocab_only: bool | None = None


class OllamaError(Shape):
    error: str


class OllamaFunctionCall(Shape):
    name: str | None = None
    arguments: Object | None = None


class OllamaToolCall(Shape):
    function: OllamaFunctionCall | None = None
    id: str | None = None


class OllamaMessage(Shape):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: Images = None
    tool_calls: tuple[OllamaToolCall | None, ...] | None = None
    tool_name: Annotated[str | None, about("Which tool a message of role `tool` answers for.")] = None
    tool_call_id: str | None = None


class OllamaFunction(Shape):
    name: Name
    description: str | None = None
    parameters: Annotated[Object | None, about("A JSON Schema of type object.")] = None


class OllamaTool(Shape):
    function: OllamaFunction
    type: Annotated[Any, about("`function`; it is not looked at.")] = None


class OllamaChatRequest(Shape):
    model: Model
    messages: Annotated[
        tuple[OllamaMessage, ...] | None, about("The whole history. Without it a model is loaded or unloaded.")
    ] = None
    stream: Streams = None
    tools: Annotated[tuple[OllamaTool, ...] | None, about("Tools of the client; a call of one ends the answer.")] = None
    format: Answers = None
    options: OllamaOptions | None = None
    think: Thinks = None
    keep_alive: Load = None
    truncate: Cuts = None
    shift: Shifts = None
    logprobs: Sure = None
    top_logprobs: Top = None
    debug_render_only: Renders = msgspec.field(name="_debug_render_only", default=None)
    conversation_id: Annotated[Any, about("Thane's own: which conversation this is. What is no id is ignored.")] = None


class OllamaCalledFunction(Shape):
    name: str
    arguments: Object


class OllamaCall(Shape):
    id: str
    function: OllamaCalledFunction


class OllamaAnswerMessage(Shape):
    role: Literal["assistant"]
    content: str
    thinking: str = ""
    tool_calls: tuple[OllamaCall, ...] = ()


class OllamaTopLogprob(Shape):
    token: str
    logprob: float
    bytes: tuple[int, ...]


class OllamaLogprob(OllamaTopLogprob):
    top_logprobs: tuple[OllamaTopLogprob, ...] = ()


class OllamaEnd(Shape, kw_only=True):
    """What the end of an answer tells; in a stream its last line."""

    model: str
    created_at: str
    done: bool
    done_reason: Literal["stop", "length", "load", "unload"] | None = None
    total_duration: Nanoseconds = 0
    load_duration: Nanoseconds = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: Nanoseconds = 0
    eval_count: int = 0
    eval_duration: Nanoseconds = 0
    estimated: Annotated[bool, about("Thane's own mark: the counts are estimates.")] = False
    logprobs: tuple[OllamaLogprob, ...] = ()


class OllamaChatAnswer(OllamaEnd, kw_only=True):
    message: OllamaAnswerMessage


class OllamaGenerateRequest(Shape):
    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {"properties": {"raw": {"enum": [False, None]}}},
            {"properties": {"system": {"maxLength": 0}, "context": {"maxItems": 0}}},
        ]
    }

    model: Model
    prompt: Annotated[str | None, about("Without it a model is loaded or unloaded.")] = None
    system: str | None = None
    images: Images = None
    stream: Streams = None
    format: Answers = None
    options: OllamaOptions | None = None
    think: Thinks = None
    keep_alive: Load = None
    truncate: Cuts = None
    shift: Shifts = None
    logprobs: Sure = None
    top_logprobs: Top = None
    context: Annotated[tuple[int, ...] | None, about("That of the answer to go on from.")] = None
    raw: Annotated[bool | None, about("Give no `context`, and take no `system` and none.")] = None
    debug_render_only: Renders = msgspec.field(name="_debug_render_only", default=None)
    suffix: Annotated[Literal[""] | None, about("Not supported: a text is refused.")] = None
    template: Annotated[Literal[""] | None, about("Not supported: a text is refused.")] = None


class OllamaGenerateAnswer(OllamaEnd, kw_only=True):
    response: str
    thinking: str = ""
    context: tuple[int, ...] = ()


class OllamaEmbedRequest(Shape):
    model: Model
    input: Annotated[str | tuple[str, ...] | None, about("A text or several.")] = None
    dimensions: int | None = None
    truncate: bool | None = None
    keep_alive: Load = None
    options: Object | None = None


class OllamaEmbedAnswer(Shape):
    model: str
    embeddings: tuple[tuple[float, ...], ...]
    total_duration: Nanoseconds = 0
    load_duration: Nanoseconds = 0
    prompt_eval_count: int = 0


class OllamaEmbeddingsRequest(Shape):
    model: Model
    prompt: str | None = None
    keep_alive: Load = None
    options: Object | None = None


class OllamaEmbeddingsAnswer(Shape):
    embedding: tuple[float, ...]


class OllamaDetails(Shape):
    parent_model: str
    format: str
    family: str
    families: tuple[str, ...]
    parameter_size: str
    quantization_level: str
    context_length: int = 0


class OllamaModel(Shape):
    name: str
    model: str
    size: int
    digest: str
    details: OllamaDetails
    capabilities: tuple[str, ...]


class OllamaListedModel(OllamaModel, kw_only=True):
    modified_at: str


class OllamaLoadedModel(OllamaModel, kw_only=True):
    expires_at: str
    size_vram: int
    context_length: int


class OllamaTags(Shape):
    models: tuple[OllamaListedModel, ...]


class OllamaLoaded(Shape):
    models: tuple[OllamaLoadedModel, ...]


class OllamaName(Shape):
    """A model by its name. Older clients say `name`, which is read where there is no `model`."""

    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {"required": ["model"], "properties": {"model": _SOME_NAME}},
            {"required": ["name"], "properties": {"model": {"enum": ["", None]}, "name": _SOME_NAME}},
        ]
    }

    model: Annotated[ModelName | None, about("A name of `/api/tags`, in any case, with or without its tag.")] = None
    name: Annotated[ModelName | None, about("The older word for `model`.")] = None


class OllamaPullRequest(OllamaName):
    stream: Streams = None
    insecure: Annotated[Any, about("Has no effect.")] = None


class OllamaCopyRequest(Shape):
    source: Said
    destination: Annotated[Any, about("Has no effect.")] = None


class OllamaShown(Shape):
    license: str
    modelfile: str
    parameters: str
    template: str
    details: OllamaDetails
    model_info: Object
    capabilities: tuple[str, ...]
    modified_at: str


class OllamaVersion(Shape):
    version: str


class OllamaStatus(Shape):
    status: str


class OllamaCloud(Shape):
    disabled: bool
    source: str


class OllamaCloudStatus(Shape):
    cloud: OllamaCloud
