"""Settings of what thinks: models, their prices, the embedded brain, the agent."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from thane.config.fields import Count, Grade, Seconds, Section
from thane.config.providers import ModelProvider


class AvailableModel(Section, frozen=True):
    name: str
    """The model's name at its provider."""
    provider: str = "ollama"
    """The provider that has it."""
    supports_tools: bool | None = None
    """Whether it can call tools. Empty: as its provider tells, else yes."""
    context_window: Count | None = None
    """Its context, in tokens. Empty: as its provider tells."""
    speed: Grade = 5
    """0 (slow) to 10 (fast), for routing."""
    quality: Grade = 5
    """0 to 10, for routing."""
    cost_tier: int = 0
    """0 (free, local) and up, for routing."""
    min_complexity: Literal["simple", "moderate", "complex"] = "simple"
    """The least complex request that it should be given."""


class Models(Section, frozen=True):
    default: str = ""
    """The model that answers first. Empty: one of `available`, else any of the model servers'; without one the embedded
    brain."""
    ollama_url: str = "http://localhost:11434"
    """Where the Ollama model server listens: the provider `ollama`."""
    providers: tuple[ModelProvider, ...] = ()
    """More model servers. One that is called `ollama` or `anthropic` takes the place of the one of that name."""
    local_first: bool = False
    """Prefer local models."""
    available: tuple[AvailableModel, ...] = ()
    """Models that may be chosen, besides `default`."""
    connect_timeout_seconds: Seconds = 5.0
    """Longest time to connect to a model server."""
    first_token_timeout_seconds: Seconds = 120.0
    """Longest wait for the first piece of an answer (a model may have to be loaded first)."""
    idle_timeout_seconds: Seconds = 60.0
    """Longest silence between two pieces of an answer."""
    connections: Count = 512
    """Connections to one model server at a time; kept above the number of concurrent turns."""
    connect_tries: Count = 3
    """How often a model server that refuses the connection is tried."""
    connect_retry_seconds: Seconds = 0.2
    """Pause before the second try to connect, about; it doubles each time."""
    keep_alive_seconds: Seconds = 60.0
    """How long an idle connection to a model server is kept."""
    answer_line_bytes: Count = 16_777_216
    """Longest line that a model server may send."""
    answer_bytes: Count = 67_108_864
    """Longest answer in one piece that a model server may send: a list of models, embeddings."""
    manage_context: bool = True
    """Have Ollama load a model with a context (`num_ctx`) that the prompt fits in; else its own setting holds."""
    context_tokens_min: Count = 8192
    """Smallest context that Ollama is told to load a model with; it is doubled as far as a prompt needs."""
    context_tokens_max: Count = 32_768
    """Largest context that Ollama is told to load a model with, whatever the model could have: it costs memory."""
    context_answer_tokens: Count = 2048
    """Room in the context for an answer whose length the request does not limit."""
    context_kept_seconds: Seconds = 300.0
    """How long after the last call a model keeps its larger context: as long as Ollama keeps it loaded, about."""


class Embeddings(Section, frozen=True):
    enabled: bool = False
    """Make embeddings with `model`, also where a request asks one of Thane's own names for them."""
    model: str = "nomic-embed-text"
    """The model that makes them, by its name at the model server."""
    provider: str = ""
    """The provider that has it; empty: the Ollama server of `baseurl`; `package`: that of the extra `embeddings`."""
    baseurl: str = ""
    """Where the Ollama server that has it listens; empty is `models.ollama_url`."""
    package_chars: Count = 8000
    """Longest text that the package's model reads; the rest is left out."""


class Brain(Section, frozen=True):
    fast_path: bool = True
    """With a model configured, still answer sentences that the embedded brain fully recognises without the model."""
    greeting: bool = True
    """Answer greetings and "what can you do" without a model."""
    sentence_chars: Count = 200
    """Longest sentence that is looked at; a longer one is for a model."""
    commands_per_sentence: Count = 5
    """Commands that one sentence may join with "and"."""
    overview_chars: Count = 262_144
    """Longest list of devices that is read from a client's prompt or answer."""
    languages_kept: Count = 4
    """Languages kept ready in memory, 5 to 12 MB each."""
    houses_kept: Count = 32
    """Houses (the own one, and those in clients' prompts) whose names are kept ready."""
    sentences_kept: Count = 256
    """Recognised sentences that are remembered."""


class Agent(Section, frozen=True):
    client_tools: Literal["auto", "strip", "pass"] = "auto"
    """Tools that a request brings: `pass` to the model, `strip`, `auto`: strip Home Assistant's when linked to it."""
    ha_prompt: Literal["keep", "extract", "drop"] = "extract"
    """Home Assistant's instructions where Thane's own tools answer: `extract` leaves the owner's own words only."""
    max_steps: Count = 50
    """Model steps in one turn; then one last answer without tools."""
    repeated_calls: Count = 3
    """How often the same tool may be called with the same arguments in one turn."""
    unknown_tool_strikes: Count = 2
    """Steps with calls of tools that do not exist; then one last answer without tools."""
    model_tries: Count = 2
    """How often a model step is tried while the model server is busy or fails before it says anything."""
    model_retry_seconds: Seconds = 0.5
    """Pause before the second try of a model step, about; it doubles each time."""
    overview_entities: Count = 300
    """Devices that are listed in the prompt of a model; its tools know the rest."""
    answer_repairs: Annotated[int, msgspec.Meta(ge=0)] = 1
    """How often a model is asked again for an answer that is not in the format that the request asks for."""
    parallel_tools: Count = 8
    """Tool calls that run at the same time in one turn."""
    tool_timeout_seconds: Seconds = 30.0
    """Longest time for one tool call; also when the turn's time is up meanwhile."""
    run_timeout_seconds: Seconds = 3600.0
    """Longest time for one turn, against models that never come to an end; one that is silent is given up long before.
    It cuts no tool that runs: the turn ends when that has ended."""
    reserve_tokens: Count = 1024
    """Room of a model's window that is kept free for its answer."""
    old_result_chars: Count = 400
    """What is left of the results of earlier tool calls where the conversation is too long for the model's window."""
    tool_result_chars: Count = 32_000
    """Longest tool result that a model is given; the rest is cut and said so."""
    orchestrator_tools: tuple[str, ...] = ()
    """Tools left to a model that must delegate; empty is a set of eight that remember, look up and delegate."""
    delegation_required: bool = False
    """Leave a model only `orchestrator_tools`, so that it hands tool-heavy work to a smaller one, if there is one."""
