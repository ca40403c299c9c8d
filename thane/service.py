"""The one place where the task tree is supervised and taken down; `thane.assembly` puts its rooms together.

`serve` builds every room from the settings and takes them down in the reverse order.
The first SIGTERM or SIGINT drains: no new turns, running ones get `shutdown.grace_seconds`. The second ends at once.
"""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import cast

import msgspec
import structlog
import trio

from thane import heap, logs
from thane.assembly import Builder, Built
from thane.clock import SystemClock
from thane.config.load import Loaded
from thane.conversations.checkpointer import Checkpointer
from thane.conversations.compactor import Compactor
from thane.conversations.covering import Covering
from thane.conversations.extractor import Extractor
from thane.conversations.summariser import Summariser
from thane.events.bus import EventBus
from thane.events.event import Event
from thane.events.filter import EventFilter
from thane.http.guard import guarded
from thane.http.listeners import Listener
from thane.http.native.app import build_native
from thane.http.ollama.app import build_ollama
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms
from thane.http.server import Server
from thane.http.server import serve as serve_http
from thane.http.site import ASGIApp
from thane.journal.line import Lines
from thane.journal.secrets import Secrets
from thane.models.embedded import EmbeddedProvider
from thane.models.provider import Provider

_log = structlog.get_logger("thane.service")
_SWITCH_SECONDS = 0.0005  # how long the database's threads may keep the interpreter from the event loop; CPython's 5 ms
# made the tail of a turn's latency: 200 to 300 requests/s with it became 450 to 500, measured on two busy cores
_LAST_WRITES_SECONDS = 1.0  # for cancelled runs to be recorded, and clients told, once the grace is over


class _Stopping:
    """What the signals ask for: `draining` after the first, the tree's scope cancelled after the second."""

    def __init__(self) -> None:
        self.draining = trio.Event()
        self.tree = trio.CancelScope()

    async def follow(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            name = signal.Signals(number).name
            if self.draining.is_set():
                _log.warning("ending at once", signal=name)
                self.tree.cancel()
                return
            _log.info("draining; a second signal ends at once", signal=name)
            self.draining.set()


async def serve(loaded: Loaded) -> None:
    """Run Thane until a signal stops it. Raises ConfigurationError when it cannot start as configured."""
    clock, limits = SystemClock(), loaded.settings.logging
    lines = Lines(clock, most=limits.queue_lines, chars=limits.line_chars)
    logs.configure(limits, lines=lines, secrets=Secrets(msgspec.to_builtins(loaded.settings)))
    sys.setswitchinterval(_SWITCH_SECONDS)
    for warning in loaded.warnings:
        _log.warning(warning)
    stopping = _Stopping()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as watcher:
            watcher.start_soon(stopping.follow, signals)
            with stopping.tree:
                async with AsyncExitStack() as stack:
                    source = random.Random()  # noqa: S311 seeded by the system; for ids and jitter
                    built = await Builder(stack, loaded.settings, clock, source, lines=lines).build()
                    await _Tree(built).run(stopping.draining)
            watcher.cancel_scope.cancel()
    _log.info("stopped")


async def note_failovers(bus: EventBus, checkpointer: Checkpointer) -> None:
    """Ask for a checkpoint when another model takes over from one that failed: what it does may be unwelcome."""
    with bus.subscribe(EventFilter(kinds=frozenset({"llm_fallback"}))) as subscription:
        while True:
            await subscription.receive()
            checkpointer.soon("pre-failover")


async def extract_facts(bus: EventBus, extractor: Extractor) -> None:
    """Have each answered turn looked at for facts, one after the other; those that come too fast are passed over."""
    with bus.subscribe(EventFilter(kinds=frozenset({"request_complete"}))) as subscription:
        while True:
            for event in await subscription.receive():
                if isinstance(event, Event):
                    await extractor.look(str(event.data.get("run_id", "")))


async def _learn(embedded: EmbeddedProvider, language: str) -> None:
    """Get the first language ready: the last thing of start-up."""
    await embedded.prepare(language)
    heap.settle()


class _Noting:
    """A `trio.TaskStatus` that only hands on what has started: without a nursery around it, whose exception groups the
    supervisor would have to take apart."""

    def __init__(self, keep: Callable[[Server], None]) -> None:
        self._keep = keep

    def started(self, value: Server | None = None) -> None:
        if value is not None:
            self._keep(value)


class _Tree:
    """Runs what was built: every branch under the supervisor, until the shutdown."""

    def __init__(self, built: Built) -> None:
        self._rooms = built.rooms
        self._supervisor = built.supervisor
        self._catalogue = built.catalogue
        self._native = built.native
        self._journal = built.journal
        self._ollama = built.ollama
        self._retention = built.retention
        self._room = built.room
        self._servers = built.servers

    async def run(self, draining: trio.Event) -> None:
        """Serve until `draining` is set, then let running turns finish."""
        async with trio.open_nursery() as branches:
            for name, work in self._branches(draining).items():
                branches.start_soon(partial(self._supervisor.run, name, work), name=name)
            self._announce()
            await draining.wait()
            await self._drain()
            if self._rooms.checkpointer is not None:
                await self._rooms.checkpointer.at_shutdown()
            branches.cancel_scope.cancel()

    async def _drain(self) -> None:
        rooms, grace = self._rooms, self._rooms.settings.shutdown.grace_seconds
        rooms.health.draining = True
        rooms.conversations.drain()
        rooms.bus.publish("system", "draining", running=len(rooms.conversations.running()), grace_seconds=grace)
        with trio.move_on_after(grace):
            await rooms.conversations.wait_idle()
            return
        for run in rooms.conversations.running():
            rooms.conversations.cancel(run.run_id, "shutdown")
        with trio.move_on_after(_LAST_WRITES_SECONDS):
            await rooms.conversations.wait_idle()

    def _branches(self, draining: trio.Event) -> dict[str, Callable[[], Awaitable[object]]]:
        branches: dict[str, Callable[[], Awaitable[object]]] = {
            "journal": self._journal.run,
            "native listener": partial(self._listen, self._native, build_native, draining),
            "retention": self._retention.run,
            "room on the disk": self._room.run,
            "memory": partial(
                heap.keep_tidy,
                self._rooms.settings.process.give_back_seconds,
                idle=lambda: not self._rooms.conversations.running(),
                done=lambda: self._rooms.bus.last_seq,
            ),
        }
        if self._ollama is not None:
            branches["ollama listener"] = partial(self._listen, self._ollama, build_ollama, draining)
        for provider in self._catalogue.remote():
            branches[f"health of {provider.name}"] = partial(
                self._rooms.health.watch, provider.name, partial(self._ask, provider)
            )
        summariser = Summariser(
            self._rooms.archive.sessions,
            self._rooms.conversations,
            self._rooms.settings.archive,
            able=lambda: bool(self._catalogue.remote()),
        )
        branches["session summaries"] = summariser.run
        extraction, facts = self._rooms.settings.extraction, self._rooms.facts
        if extraction.enabled and facts is not None:
            extractor = Extractor(
                facts,
                self._rooms.archive,
                self._rooms.conversations,
                extraction,
                able=lambda: bool(self._catalogue.remote()),
            )
            branches["facts from turns"] = partial(extract_facts, self._rooms.bus, extractor)
        branches["compaction"] = self._compactor().run
        if self._rooms.checkpointer is not None:
            branches["checkpoints"] = self._rooms.checkpointer.run
            branches["checkpoints at fail-overs"] = partial(note_failovers, self._rooms.bus, self._rooms.checkpointer)
        embedded = self._catalogue.get("embedded")
        if isinstance(embedded, EmbeddedProvider):
            branches["language"] = partial(_learn, embedded, self._rooms.settings.language)
        return branches

    async def _ask(self, provider: Provider) -> None:
        """Ask a provider what it has. One that answers again may be tried at once, however often it has failed."""
        was_down = provider.name in self._rooms.health.down()
        await self._catalogue.ask(provider)
        if was_down and self._rooms.circuits is not None:
            self._rooms.circuits.provider_is_back(provider.name)

    def _compactor(self) -> Compactor:
        rooms = self._rooms
        made = rooms.checkpointer
        covering = Covering(
            rooms.archive,
            rooms.conversations,
            rooms.settings.conversations,
            clock=rooms.clock,
            ids=rooms.ids,
            checkpoint=None if made is None else partial(made.create, "pre-compact"),
        )
        return Compactor(covering, rooms.conversations.outgrown)

    async def _listen(self, listener: Listener, build: Callable[[Rooms], ThaneApp], draining: trio.Event) -> None:
        rooms, settings = self._rooms, self._rooms.settings
        app = cast("ASGIApp", build(rooms))  # the same protocol, which Quart types by Hypercorn's names
        await serve_http(
            guarded(app, settings, rooms.bus, listener=listener.name, clock=rooms.clock),
            listener.sockets,
            limits=settings.limits,
            drain=draining,
            grace_seconds=settings.shutdown.grace_seconds + _LAST_WRITES_SECONDS,
            ids=rooms.ids,
            clock=rooms.clock,
            task_status=_Noting(partial(self._servers.__setitem__, listener.name)),
        )

    def _announce(self) -> None:
        rooms = self._rooms
        home = rooms.home.name if rooms.home else "none"
        model = next((each.name for each in rooms.candidates()), "embedded")  # the default, where there is one
        ollama_url = self._ollama.url if self._ollama else ""
        if rooms.settings.ollama_api.is_on_native_port:
            ollama_url = self._native.url
        _log.info("Thane is up", dashboard=self._native.url, ollama_api=ollama_url or "off", home=home, model=model)
        rooms.bus.publish(
            "system",
            "started",
            version=rooms.version.version,
            native_url=self._native.url,
            ollama_url=ollama_url,
            home=home,
            provider=model,
        )
