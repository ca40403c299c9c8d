"""The two types that everything else meets in: `Turn`, what was asked, and `AgentEvent`, what came of it.

Neither knows HTTP, a wire format or a database. Wire codecs turn bytes into a `Turn` and `AgentEvent` s into bytes; the
agent turns one into the other; the archive, the bus and the dashboard only watch. Times are seconds (float) unless a
name says otherwise; tokens are counts.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

type JSON = dict[str, Any]
type Role = Literal["system", "user", "assistant", "tool"]
type Channel = Literal["owu", "ha", "api"]
type FinishReason = Literal["stop", "length", "tool_calls", "max_steps", "illegal_tool", "deadline", "budget"]
type FailureKind = Literal["cancelled", "model", "unavailable", "overloaded", "deadline", "internal"]


class ToolCall(msgspec.Struct, frozen=True):
    """One call that a model asks for. `id` is never empty inside Thane: codecs make one where a client sends none."""

    id: str
    name: str
    arguments: JSON


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation, in the order in which it was said.

    `images` are base64 without a `data:` prefix. A `tool` message answers the call `tool_call_id`; where the client
    sends no id, the codec matches results to calls by order, as Home Assistant needs.
    """

    role: Role
    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    images: tuple[str, ...] = ()


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool that a model may call. `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: JSON = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the client asks of the model's sampling and format; None means that nothing was asked."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    format: Literal["json"] | JSON | None = None
    think: bool | Literal["low", "medium", "high", "max"] | None = None
    keep_alive_seconds: float | None = None
    extra: JSON = msgspec.field(default_factory=dict)  # Ollama's own (num_ctx, top_k, …), passed on
    logprobs: bool = False
    top_logprobs: int = 0  # how many other tokens to tell at each place


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is speaking, as far as the request says."""

    channel: Channel = "api"
    conversation_id: str = ""  # explicit id of the request; "" leaves it to the history
    user: str = ""
    device: str = ""
    area: str = ""
    language: str = ""  # BCP 47 tag; "" leaves it to the configuration
    task: str = ""  # housekeeping kind (title_generation, …); "" for a real turn
    user_agent: str = ""


class Turn(msgspec.Struct, frozen=True):
    """One request for an answer. `model` is the name as the client wrote it; replies echo it.

    `continues` says that the client sent only what is new: what was said before in `caller.conversation_id` is put
    before it when the turn's time has come. `quality_floor` (0 to 10, as models are configured) is
    wished of the model that answers, besides the profile's. `tags` are the capabilities (`home`, `memory`,
    `delegation`) whose tools of Thane's own are offered; without any, all are.
    """

    messages: tuple[Message, ...]
    model: str = ""
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"  # auto | none | required | the name of one tool
    options: Options = Options()
    caller: Caller = Caller()
    continues: bool = False
    exclude_tools: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    parallel_tool_calls: bool = True  # whether one answer may call several of `tools`
    quality_floor: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Token counts of one model call or, summed, of one run. `estimated` when the model gave none.

    `input_tokens` is the whole prompt: `cached_tokens` (read from the server's cache) and `cache_write_tokens` (put
    into it) are parts of it, as `reasoning_tokens` are of `output_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
            self.cache_write_tokens + other.cache_write_tokens,
        )


class Prompt(msgspec.Struct, frozen=True):
    """What a model is sent at a step, before its provider puts it into the words of a protocol."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    options: Options = Options()


class RunStarted(msgspec.Struct, frozen=True, tag="run_started"):
    run_id: str
    conversation_id: str
    channel: Channel
    profile: str


class Routed(msgspec.Struct, frozen=True, tag="routed"):
    """It is decided which model answers; `reason` says why. `candidates` counts those that were looked at."""

    model: str
    provider: str
    reason: str
    complexity: str = ""
    intent: str = ""
    candidates: int = 1


class ModelStarted(msgspec.Struct, frozen=True, tag="model_started"):
    """A model step begins. `step` counts from 1; `estimated_tokens` is the size of the prompt, about.

    `reason` says in words why this model was chosen. Each try of a step begins with one of these and ends with a
    `ModelFinished` or a `ModelFailed`, unless the run is cancelled in between; `attempt` counts a step's tries from 1.
    `prompt` is what the model is sent: for the record, not for clients.
    """

    step: int
    model: str
    provider: str
    messages: int
    tools: int
    estimated_tokens: int
    reason: str = ""
    attempt: int = 1
    prompt: Prompt | None = None
    left_out: int = 0
    """Messages of the conversation that are not in the prompt, for want of room in the model's window."""


class ModelWaits(msgspec.Struct, frozen=True, tag="model_waits"):
    """A model step waits for one of its provider's places: nothing is sent yet. `waiting` is false once it has one."""

    step: int
    model: str
    provider: str
    waiting: bool


class Logprob(msgspec.Struct, frozen=True, omit_defaults=True):
    """How sure the model was of one token. `top` are the likeliest tokens at its place, without more of their own."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[Logprob, ...] = ()


class Text(msgspec.Struct, frozen=True, tag="text", omit_defaults=True):
    """A piece of the answer, as it came from the model. `logprobs` only where they were asked for and are told."""

    text: str
    logprobs: tuple[Logprob, ...] = ()


class Thinking(msgspec.Struct, frozen=True, tag="thinking"):
    """A piece of the model's reasoning, never part of the answer."""

    text: str


class ModelFinished(msgspec.Struct, frozen=True, tag="model_finished"):
    step: int
    model: str
    provider: str
    usage: Usage
    finish_reason: FinishReason
    duration: float
    first_token: float | None = None  # seconds from the start of the step
    prompt_duration: float | None = None  # as the model server reports it
    decode_duration: float | None = None
    load_duration: float | None = None
    tool_calls: int = 0  # that it asked for
    queue_duration: float = 0.0  # waited for one of the provider's places (`models.providers[].concurrency`)
    truncated_tokens: int = 0  # of the prompt, about, that did not fit the model's context


class ModelFailed(msgspec.Struct, frozen=True, tag="model_failed"):
    """A try of a model step failed. `next` is what comes: the same model again, another one, or the run's end.

    `usage` is None when the model server never began to work; otherwise about what it read and wrote. `pause` is the
    wait before the next try, in seconds; `next_model` the one that is tried then.
    """

    step: int
    model: str
    provider: str
    error: str
    duration: float
    next: Literal["retry", "fallback", "stop"] = "stop"
    next_model: str = ""
    pause: float = 0.0
    usage: Usage | None = None
    status: int | None = None  # of HTTP, where the server answered
    attempt: int = 1


class ToolStarted(msgspec.Struct, frozen=True, tag="tool_started"):
    step: int
    call: ToolCall


class ToolFinished(msgspec.Struct, frozen=True, tag="tool_finished"):
    step: int
    call: ToolCall
    ok: bool
    result: str  # what the model is given, errors too
    duration: float


class RunFinished(msgspec.Struct, frozen=True, tag="run_finished"):
    """The answer is complete and stored. `client_calls` are calls to the client's own tools, which it now runs."""

    run_id: str
    model: str  # the model that gave the answer
    text: str  # the whole answer
    usage: Usage
    finish_reason: FinishReason
    steps: int
    duration: float
    first_token: float | None = None
    client_calls: tuple[ToolCall, ...] = ()
    prompt_duration: float = 0.0
    decode_duration: float = 0.0
    load_duration: float = 0.0


class RunFailed(msgspec.Struct, frozen=True, tag="run_failed"):
    """The run ended without an answer. `message` is for a person and holds nothing of the inside."""

    run_id: str
    failure: FailureKind
    message: str
    usage: Usage
    duration: float


type AgentEvent = (
    RunStarted
    | Routed
    | ModelStarted
    | ModelWaits
    | Text
    | Thinking
    | ModelFinished
    | ModelFailed
    | ToolStarted
    | ToolFinished
    | RunFinished
    | RunFailed
)
type Batch = tuple[AgentEvent, ...]
"""Events that were ready at the same moment, in order: they cross a task boundary and leave in one write."""
