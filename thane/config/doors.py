"""Settings of the doors: listeners, keys, limits of what clients send, shutdown, supervision, health."""

from __future__ import annotations

from typing import Annotated

import msgspec

from thane.config.fields import Count, Port, Seconds, Section


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
    open_webui_secret: str = ""
    """Open WebUI's `FORWARD_USER_INFO_HEADER_JWT_SECRET`: then only its signed tokens name its users."""
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
    schema_bytes: Count = 262_144
    """Largest JSON Schema that a request may ask its answer to have."""
    image_bytes: Count = 20_971_520
    """Largest image in a request, as the file that it is."""
    messages_per_turn: Count = 10_000
    """Messages in one request."""
    tools_per_turn: Count = 512
    """Tools in one request."""
    ignored_keys: Count = 200
    """Different keys of requests that mean nothing here, and are counted by their names."""
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


class Process(Section, frozen=True):
    give_back_seconds: Seconds = 60.0
    """Pause between two looks whether Thane has become idle; then it gives the memory of the busy time back."""


class Health(Section, frozen=True):
    interval_seconds: Seconds = 30.0
    """Pause between two probes of a dependency that answers."""
    retry_initial_seconds: Seconds = 1.0
    """Pause before the second probe of a dependency that does not answer; it doubles up to `interval_seconds`."""
    timeout_seconds: Seconds = 5.0
    """Longest time for one probe."""
    failures: Count = 2
    """Failed probes in a row before a dependency that answered counts as down."""
