"""Bodies of Ollama's API, as far as Thane reads and writes them."""

from __future__ import annotations

from typing import Annotated, Literal

from thane.http.openapi.shape import Object, Shape, about

type Think = bool | Literal["low", "medium", "high", "max"]
type Format = Literal["", "json"] | Object
type KeepAlive = str | float

Model = Annotated[str, about("A name of `/api/tags`, in any case, with or without its tag.")]
Streams = Annotated[bool | None, about("Answer line by line as NDJSON. True where it is left out.")]
Load = Annotated[KeepAlive | None, about("Seconds, or a duration such as `5m`; negative means for ever.")]
OptionsObject = Annotated[
    Object | None, about("`temperature`, `top_p`, `top_k`, `seed`, `num_predict`, `num_ctx`, `stop` and so on.")
]
Answers = Annotated[Format | None, about("`json`, or a JSON Schema that the answer is to have.")]
Thinks = Annotated[Think | None, about("Whether, or how much, the model is to think first.")]
Images = Annotated[tuple[str, ...] | None, about("Images as base64.")]
Sure = Annotated[bool | None, about("Tell how sure the model was of each token, where it tells that.")]
Top = Annotated[int | None, about("How many likeliest tokens to tell at each place, 0 to 20.")]
Nanoseconds = Annotated[int, about("In nanoseconds.")]


class OllamaError(Shape):
    error: str


class OllamaFunctionCall(Shape):
    name: str
    arguments: Object
    index: int | None = None


class OllamaToolCall(Shape):
    function: OllamaFunctionCall
    id: str | None = None


class OllamaMessage(Shape):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: Images = None
    tool_calls: tuple[OllamaToolCall, ...] | None = None
    tool_name: Annotated[str | None, about("Which tool a message of role `tool` answers for.")] = None
    tool_call_id: str | None = None


class OllamaFunction(Shape):
    name: str
    description: str | None = None
    parameters: Annotated[Object | None, about("A JSON Schema of type object.")] = None


class OllamaTool(Shape):
    function: OllamaFunction
    type: Literal["function"] | None = None


class OllamaChatRequest(Shape):
    model: Model
    messages: Annotated[
        tuple[OllamaMessage, ...] | None, about("The whole history. Without it a model is loaded or unloaded.")
    ] = None
    stream: Streams = None
    tools: Annotated[tuple[OllamaTool, ...] | None, about("Tools of the client; a call of one ends the answer.")] = None
    format: Answers = None
    options: OptionsObject = None
    think: Thinks = None
    keep_alive: Load = None
    truncate: Annotated[bool | None, about("Whether a prompt that is too long is cut, or else refused.")] = None
    shift: Annotated[bool | None, about("Whether an answer that fills the context goes on all the same.")] = None
    logprobs: Sure = None
    top_logprobs: Top = None
    conversation_id: Annotated[str | None, about("Thane's own: which conversation this is.")] = None


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
    message: OllamaMessage


class OllamaGenerateRequest(Shape):
    model: Model
    prompt: Annotated[str | None, about("Without it a model is loaded or unloaded.")] = None
    system: str | None = None
    images: Images = None
    stream: Streams = None
    format: Answers = None
    options: OptionsObject = None
    think: Thinks = None
    keep_alive: Load = None
    truncate: Annotated[bool | None, about("Whether a prompt that is too long is cut, or else refused.")] = None
    shift: Annotated[bool | None, about("Whether an answer that fills the context goes on all the same.")] = None
    logprobs: Sure = None
    top_logprobs: Top = None
    context: Annotated[tuple[int, ...] | None, about("That of the answer to go on from.")] = None
    raw: Annotated[bool | None, about("Give no `context`.")] = None


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
    options: OptionsObject = None


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
    options: OptionsObject = None


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

    model: Model
    name: Annotated[str | None, about("The older word for `model`.")] = None


class OllamaPullRequest(OllamaName):
    stream: Streams = None
    insecure: Annotated[bool | None, about("Has no effect.")] = None


class OllamaCopyRequest(Shape):
    source: str
    destination: str | None = None


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
