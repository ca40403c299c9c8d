"""Every setting of Thane, as frozen structs. Defaults stand here and nowhere else.

Field names are the keys of the YAML file; the docstring line after a field is its text in `docs/configuration.md`.
Reading files, environment references and error messages are in `thane.config.load`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

type Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
type Seconds = Annotated[float, msgspec.Meta(gt=0)]
type Count = Annotated[int, msgspec.Meta(ge=1)]
type Grade = Annotated[int, msgspec.Meta(ge=0, le=10)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the configuration file. Unknown keys are errors."""


class Listen(Section, frozen=True):
    address: str = "127.0.0.1"
    """Address of the native listener. Empty means loopback; off loopback a key is needed."""
    port: Port = 8080
    """Port of the native listener (API, dashboard, events). 0 takes any free port."""


class OllamaApi(Section, frozen=True):
    enabled: bool = True
    """Serve the Ollama API."""
    address: str = "127.0.0.1"
    """Address of the Ollama listener. Empty means loopback."""
    port: Port = 11434
    """Port of the Ollama listener, or the next free one if another program has it. 0 serves it on `listen.port`."""

    @property
    def is_on_native_port(self) -> bool:
        """Whether the native listener serves this API too, and there is no other."""
        return self.enabled and self.port == 0


class Auth(Section, frozen=True):
    keys: tuple[str, ...] = ()
    """Accepted keys; a client sends one as `Authorization: Bearer KEY`. Required off loopback."""
    allow_unauthenticated: bool = False
    """Serve off loopback without a key. Anyone who can reach the port can then command the house."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names accepted besides loopback and this machine's own addresses, e.g. `thane.example.org`."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins accepted besides Thane's own, e.g. `https://ha.example.org`."""
    session_days: Count = 30
    """How long a browser that was given a key stays signed in to the dashboard."""


class Limits(Section, frozen=True):
    body_bytes: Count = 33_554_432
    """Largest request body, counted while it arrives."""
    json_depth: Annotated[int, msgspec.Meta(ge=1, le=500)] = 64
    """Deepest nesting of a JSON body."""
    header_bytes: Count = 32_768
    """Largest request head."""
    header_timeout_seconds: Seconds = 10.0
    """Longest time for a connection to send its request head."""
    body_timeout_seconds: Seconds = 30.0
    """Longest pause between two pieces of a request body."""
    write_timeout_seconds: Seconds = 30.0
    """Longest time that a client may refuse to read before its connection is closed."""
    keep_alive_seconds: Seconds = 75.0
    """How long an idle connection is kept."""
    linger_seconds: Seconds = 2.0
    """How long a closing connection still takes what its client sends, so that the last answer is not lost."""
    connections: Count = 1024
    """Open connections for each listener; more wait to be accepted."""
    websocket_message_bytes: Count = 65_536
    """Largest WebSocket message that a client may send."""
    websocket_queue_messages: Count = 32
    """WebSocket messages of a client that may wait to be handled."""
    websocket_ping_seconds: Seconds = 20.0
    """Pause between pings on a WebSocket, so that a vanished client is noticed."""
    refused_events_per_minute: Count = 60
    """Events and log lines about refused requests, for each listener; more are only counted."""
    images_per_message: Count = 16
    """Images in one message."""
    messages_per_turn: Count = 10_000
    """Messages in one request."""
    tools_per_turn: Count = 512
    """Tools in one request."""
    texts_per_embedding: Count = 2048
    """Texts in one request for embeddings."""


class Shutdown(Section, frozen=True):
    grace_seconds: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """How long running turns may go on after the first SIGTERM or SIGINT; the second ends at once."""


class Supervisor(Section, frozen=True):
    backoff_initial_seconds: Seconds = 0.5
    """Pause before a crashed branch of the task tree is restarted for the first time."""
    backoff_max_seconds: Seconds = 60.0
    """Longest pause between restarts of a crashing branch."""
    backoff_reset_seconds: Seconds = 120.0
    """A branch that ran this long starts again from the first pause."""


class Health(Section, frozen=True):
    interval_seconds: Seconds = 30.0
    """Pause between two probes of a dependency that answers."""
    retry_initial_seconds: Seconds = 1.0
    """Pause before the second probe of a dependency that does not answer; it doubles up to `interval_seconds`."""
    timeout_seconds: Seconds = 5.0
    """Longest time for one probe."""
    failures: Count = 2
    """Failed probes in a row before a dependency that answered counts as down."""


class AvailableModel(Section, frozen=True):
    name: str
    """The model's name at its provider."""
    provider: str = "ollama"
    """The provider that has it."""
    supports_tools: bool = True
    """Whether it can call tools."""
    context_window: Count = 8192
    """Its context, in tokens."""
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
    """The model that answers; empty leaves it to the embedded brain."""
    ollama_url: str = "http://localhost:11434"
    """Where the Ollama model server listens."""
    local_first: bool = False
    """Prefer local models."""
    available: tuple[AvailableModel, ...] = ()
    """Models that may be chosen."""
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


class Embeddings(Section, frozen=True):
    enabled: bool = False
    """Make embeddings with `model`, also where a request asks one of Thane's own names for them."""
    model: str = "nomic-embed-text"
    """The model that makes them, by its name at the model server."""
    baseurl: str = ""
    """Where the Ollama server that has it listens; empty is `models.ollama_url`."""


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
    parallel_tools: Count = 8
    """Tool calls that run at the same time in one turn."""
    tool_timeout_seconds: Seconds = 30.0
    """Longest time for one tool call."""
    run_timeout_seconds: Seconds = 600.0
    """Longest time for one turn."""
    tool_result_chars: Count = 32_000
    """Longest tool result that a model is given; the rest is cut and said so."""
    orchestrator_tools: tuple[str, ...] = ()
    """Accepted for compatibility with the reference."""
    delegation_required: bool = False
    """Accepted for compatibility with the reference."""


class Loops(Section, frozen=True):
    stop_seconds: Seconds = 10.0
    """Longest wait for loops to end when they are stopped."""
    recent: Count = 10
    """Past iterations and conversations that each loop shows."""


class Conversations(Section, frozen=True):
    idle_seconds: Seconds = 1800.0
    """A conversation's loop ends after this long without a turn; the conversation itself stays."""
    max_live: Count = 200
    """Live conversation loops at a time; the one that was idle longest makes room."""
    queue_turns: Count = 4
    """Turns that may wait in one conversation; more are refused with 429."""
    max_running: Count = 256
    """Turns that run at the same time in all; more wait."""
    reply_batches: Count = 64
    """Pieces of an answer that may wait for a slow client before the model is slowed down."""
    home_assistant_idle_seconds: Seconds = 600.0
    """How long Home Assistant can continue a conversation; older ones are not taken up again by history."""
    record_seconds: Seconds = 10.0
    """Longest wait for the end of a turn to be on disk; a turn that is not stored in time fails."""
    remembered: Count = 1000
    """Conversations whose last words are kept in memory, to know a trimmed or stopped history again."""
    history_lookups: Count = 4
    """Earlier answers of a request's history that are looked up, newest first, to find its conversation."""


class Events(Section, frozen=True):
    ring_events: Count = 10_000
    """Events kept in memory for replay."""
    subscriber_events: Count = 1000
    """Events that may wait for one subscriber before drop notices are sent instead."""
    log_rows: Annotated[int, msgspec.Meta(ge=0)] = 100_000
    """Events kept on disk for replay; 0 keeps none."""
    ping_seconds: Seconds = 20.0
    """Pause between heartbeats on an idle event stream."""


class Dashboard(Section, frozen=True):
    batch_seconds: Seconds = 0.05
    """Least pause between two updates of an open page; what changes in between is sent together."""
    refresh_seconds: Seconds = 1.0
    """How often figures that change with time alone are drawn anew while turns run."""
    pulse_seconds: Seconds = 10.0
    """How often a page on which nothing happens is told that it is still true."""
    tree_rows: Count = 8
    """Conversations of one channel that are drawn in the tree; the rest are one node."""
    event_rows: Count = 400
    """Rows that the Events page keeps, and that are sent at once."""
    event_scan: Count = 10_000
    """Events that are looked through for the first rows of the Events page and its histogram."""
    chat_messages: Count = 40
    """Messages of a conversation that the chat box shows when the page is opened."""
    message_chars: Count = 20_000
    """Longest message that the chat box sends."""


class Storage(Section, frozen=True):
    synchronous: Literal["normal", "full"] = "normal"
    """`normal` survives a crash of Thane; `full` a power cut too, at a cost for each turn."""
    readers: Count = 2
    """Connections that read at the same time."""
    queue_writes: Count = 10_000
    """Writes that may wait for the disk before new turns are refused."""
    busy_timeout_seconds: Seconds = 5.0
    """Longest wait for another program (a backup, a shell) that has locked the database."""
    close_timeout_seconds: Seconds = 10.0
    """Longest wait for the last writes when Thane ends."""


class HomeAssistantSubscribe(Section, frozen=True):
    entity_globs: tuple[str, ...] = ()
    """Accepted for compatibility with the reference."""
    rate_limit_per_minute: int = 0
    """Accepted for compatibility with the reference."""
    cooldown_minutes: int = 5
    """Accepted for compatibility with the reference."""


class HomeAssistant(Section, frozen=True):
    url: str = ""
    """Where Home Assistant listens."""
    token: str = ""
    """A long-lived access token."""
    subscribe: HomeAssistantSubscribe = HomeAssistantSubscribe()
    """Which changes are followed."""


class Demo(Section, frozen=True):
    enabled: bool = True
    """Have a demo home while no Home Assistant is linked."""


class Price(Section, frozen=True):
    input_per_million: float = 0.0
    """Price of a million input tokens."""
    output_per_million: float = 0.0
    """Price of a million output tokens."""


class Logging(Section, frozen=True):
    dir: str = ""
    """Folder of log files; empty logs to standard error only."""
    level: Literal["trace", "debug", "info", "warn", "warning", "error"] = "info"
    """Least level that is logged."""
    format: Literal["auto", "json", "text"] = "auto"
    """`text` is for people, `json` for programs; `auto` is text on a terminal."""
    compress: bool = True
    """Accepted for compatibility with the reference."""
    retention_days: int = 7
    """Accepted for compatibility with the reference."""


class Settings(Section, frozen=True):
    """The whole file. A group typed `dict` is known from the reference and has no effect yet; a warning says so."""

    listen: Listen = Listen()
    ollama_api: OllamaApi = OllamaApi()
    auth: Auth = Auth()
    limits: Limits = Limits()
    shutdown: Shutdown = Shutdown()
    supervisor: Supervisor = Supervisor()
    health: Health = Health()
    models: Models = Models()
    embeddings: Embeddings = Embeddings()
    brain: Brain = Brain()
    agent: Agent = Agent()
    loops: Loops = Loops()
    conversations: Conversations = Conversations()
    events: Events = Events()
    dashboard: Dashboard = Dashboard()
    storage: Storage = Storage()
    data_dir: str = "./db"
    """Folder of the database."""
    homeassistant: HomeAssistant = HomeAssistant()
    demo: Demo = Demo()
    language: str = "en"
    """Language of the embedded brain where a request names none."""
    timezone: str = ""
    """Time zone for times and dates that are spoken, e.g. `Europe/Amsterdam`; empty is the machine's."""
    logging: Logging = Logging()
    pricing: dict[str, Price] = {}
    """Price of each model."""

    # Known to the reference, not implemented yet.
    anthropic: dict[str, Any] = {}
    talents_dir: str = ""
    persona_file: str = ""
    paths: dict[str, Any] = {}
    context: dict[str, Any] = {}
    capability_tags: dict[str, Any] = {}
    channel_tags: dict[str, Any] = {}
    archive: dict[str, Any] = {}
    extraction: dict[str, Any] = {}
    episodic: dict[str, Any] = {}
    prewarm: dict[str, Any] = {}
    state_window: dict[str, Any] = {}
    search: dict[str, Any] = {}
    shell_exec: dict[str, Any] = {}
    workspace: dict[str, Any] = {}
    mcp: dict[str, Any] = {}
    mqtt: dict[str, Any] = {}
    person: dict[str, Any] = {}
    unifi: dict[str, Any] = {}
    signal: dict[str, Any] = {}
    email: dict[str, Any] = {}
    forge: dict[str, Any] = {}
    media: dict[str, Any] = {}
    metacognitive: dict[str, Any] = {}
    carddav: dict[str, Any] = {}
    identity: dict[str, Any] = {}
    openclaw: dict[str, Any] = {}
    debug: dict[str, Any] = {}
