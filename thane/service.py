"""The one place where the task tree is put together, supervised and taken down.

`serve` builds every room from the settings, in the order in which they need each other, and takes them down in reverse.
The first SIGTERM or SIGINT drains: no new turns, running ones get `shutdown.grace_seconds`. The second ends at once.
"""

from __future__ import annotations

import gc
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import structlog
import trio

from thane import logs
from thane.agent.engine import Agent
from thane.clock import Clock, SystemClock
from thane.config.load import Loaded
from thane.config.settings import Settings
from thane.conversations.tracker import open_conversations
from thane.errors import ConfigurationError
from thane.events.bus import EventBus
from thane.events.log import open_event_log
from thane.health.watch import Health
from thane.home.demo import DemoHome
from thane.home.house import House
from thane.http import listeners
from thane.http.guard import guarded
from thane.http.listeners import Listener
from thane.http.native.app import build_native
from thane.http.ollama.app import build_ollama
from thane.http.quart_app import ThaneApp
from thane.http.rooms import Rooms
from thane.http.server import serve as serve_http
from thane.http.site import ASGIApp
from thane.ids import Ids
from thane.loops.registry import open_registry
from thane.memory.archive import Archive
from thane.models.catalogue import Catalogue
from thane.models.embedded import EmbeddedProvider
from thane.models.embeddings import Embedder
from thane.models.ollama import open_ollama
from thane.models.provider import Provider
from thane.storage.database import Database, open_database
from thane.supervisor import Supervisor
from thane.tools.date_time import DateTime
from thane.tools.house import house_tools
from thane.tools.tool import ToolRegistry
from thane.version import read_version

_log = structlog.get_logger("thane.service")
_SWITCH_SECONDS = 0.0005  # how long the database's threads may keep the interpreter from the event loop; CPython's 5 ms
# made the tail of a turn's latency: 200 to 300 requests/s with it became 450 to 500, measured on two busy cores
_COLLECTED_AFTER = 20_000  # new objects; with `gc.freeze` a request costs 7 % less than with CPython's 2,000
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
    logs.configure(loaded.settings.logging)
    sys.setswitchinterval(_SWITCH_SECONDS)
    for warning in loaded.warnings:
        _log.warning(warning)
    stopping = _Stopping()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as watcher:
            watcher.start_soon(stopping.follow, signals)
            with stopping.tree:
                async with AsyncExitStack() as stack:
                    tree = await _Builder(stack, loaded.settings, SystemClock(), random.Random()).build()  # noqa: S311 seeded by the system; for ids and jitter
                    await tree.run(stopping.draining)
            watcher.cancel_scope.cancel()
    _log.info("stopped")


class _Builder:
    """Puts the rooms together. `stack` takes them down in reverse, whatever happens."""

    def __init__(self, stack: AsyncExitStack, settings: Settings, clock: Clock, source: random.Random) -> None:
        self._stack = stack
        self._settings = settings
        self._clock = clock
        self._random = source
        self._ids = Ids(source, clock)
        self._zone = ZoneInfo(settings.timezone) if settings.timezone else None

    async def build(self) -> _Tree:
        """Build everything. Raises ConfigurationError or DependencyError when something cannot be had."""
        settings, stack = self._settings, self._stack
        listeners.check_exposure(settings)
        native, ollama = await self._bind()
        database = await stack.enter_async_context(open_database(_database_path(settings), settings.storage))
        bus = await self._open_bus(database)
        archive = Archive(database, self._clock)
        if interrupted := await archive.recover():
            _log.warning("runs were interrupted by the last end of Thane", runs=interrupted)
        home = DemoHome(self._clock, bus) if settings.demo.enabled else None
        tools = ToolRegistry([DateTime(self._clock, self._zone), *(house_tools(home) if home else ())])
        catalogue = await self._open_models(home, tools)
        agent = Agent(
            settings=settings, catalogue=catalogue, tools=tools, house=home, clock=self._clock, source=self._random
        )
        registry = await stack.enter_async_context(
            open_registry(settings.loops, events=bus, clock=self._clock, ids=self._ids, source=self._random)
        )
        conversations = await stack.enter_async_context(
            open_conversations(
                settings,
                agent=agent,
                archive=archive,
                loops=registry,
                events=bus,
                clock=self._clock,
                ids=self._ids,
            )
        )
        rooms = Rooms(
            settings=settings,
            clock=self._clock,
            ids=self._ids,
            version=read_version(),
            started_at=self._clock.time(),
            bus=bus,
            archive=archive,
            conversations=conversations,
            loops=registry,
            home=home,
            health=Health(settings.health, self._clock, bus, self._random),
            models=catalogue.known,
            embedder=await self._open_embedder(catalogue),
        )
        return _Tree(rooms, Supervisor(settings.supervisor, bus, self._random), catalogue, native, ollama)

    async def _bind(self) -> tuple[Listener, Listener | None]:
        native = listeners.bind_native(self._settings.listen)
        self._stack.callback(native.close)
        if self._settings.ollama_api.enabled and self._settings.ollama_api.is_on_native_port:
            await self._check_native_port()
            return native, None
        if not self._settings.ollama_api.enabled:
            return native, None
        ollama = await listeners.bind_ollama(self._settings.ollama_api, _model_servers(self._settings))
        self._stack.callback(ollama.close)
        if ollama.note:
            _log.warning(ollama.note)
        return native, ollama

    async def _check_native_port(self) -> None:
        listen, servers = self._settings.listen, _model_servers(self._settings)
        if url := await listeners.expected_there(servers, listen.address, listen.port):
            raise ConfigurationError(
                f"port {listen.port} is Thane's own, also for the Ollama API (ollama_api.port is 0), but {url} is "
                "said to be the model server: set another listen.port, or models.ollama_url to where that server is"
            )

    async def _open_bus(self, database: Database) -> EventBus:
        log = await self._stack.enter_async_context(open_event_log(database, self._settings.events))
        bus = EventBus(self._settings.events, self._clock, log, strict=False)
        self._stack.callback(bus.publish, "system", "stopped")
        return bus

    async def _open_models(self, home: House | None, tools: ToolRegistry) -> Catalogue:
        settings = self._settings
        embedded = EmbeddedProvider(
            settings.brain,
            clock=self._clock,
            ids=self._ids,
            zone=self._zone,
            house=lambda: home,
            own_tools=tools.specs,
        )
        providers: list[Provider] = [embedded]
        if settings.models.default or settings.models.available:
            providers.append(
                await self._stack.enter_async_context(
                    open_ollama(settings.models.ollama_url, settings.models, self._ids, source=self._random)
                )
            )
        catalogue = Catalogue(providers)
        await catalogue.ask(embedded)
        return catalogue

    async def _open_embedder(self, catalogue: Catalogue) -> Embedder | None:
        """The model server that makes embeddings: the one that answers, or the one that is named for them."""
        settings, answering = self._settings, catalogue.get("ollama")
        url = settings.embeddings.baseurl or settings.models.ollama_url
        if isinstance(answering, Embedder) and url == settings.models.ollama_url:
            return answering
        if not settings.embeddings.enabled:
            return None
        return await self._stack.enter_async_context(
            open_ollama(url, settings.models, self._ids, source=self._random, name="embeddings")
        )


async def _learn(embedded: EmbeddedProvider, language: str) -> None:
    """Get the first language ready. What start-up made lives for ever: the collector need not look at it again."""
    await embedded.prepare(language)
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER)


def _model_servers(settings: Settings) -> set[str]:
    """The URLs that will be asked."""
    urls: set[str] = set()
    if settings.models.default or settings.models.available:
        urls.add(settings.models.ollama_url)
    if settings.embeddings.enabled:
        urls.add(settings.embeddings.baseurl or settings.models.ollama_url)
    return urls


def _database_path(settings: Settings) -> Path:
    return Path(settings.data_dir).expanduser() / "thane.db"


class _Tree:
    """Everything that was built, ready to run."""

    def __init__(
        self, rooms: Rooms, supervisor: Supervisor, catalogue: Catalogue, native: Listener, ollama: Listener | None
    ) -> None:
        self._rooms = rooms
        self._supervisor = supervisor
        self._catalogue = catalogue
        self._native = native
        self._ollama = ollama

    async def run(self, draining: trio.Event) -> None:
        """Serve until `draining` is set, then let running turns finish."""
        async with trio.open_nursery() as branches:
            for name, work in self._branches(draining).items():
                branches.start_soon(partial(self._supervisor.run, name, work), name=name)
            self._announce()
            await draining.wait()
            await self._drain()
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
            "native listener": partial(self._listen, self._native, build_native, draining),
        }
        if self._ollama is not None:
            branches["ollama listener"] = partial(self._listen, self._ollama, build_ollama, draining)
        for provider in self._catalogue.remote():
            health = self._rooms.health
            branches[f"health of {provider.name}"] = partial(
                health.watch, provider.name, partial(self._catalogue.ask, provider)
            )
        embedded = self._catalogue.get("embedded")
        if isinstance(embedded, EmbeddedProvider):
            branches["language"] = partial(_learn, embedded, self._rooms.settings.language)
        return branches

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
        )

    def _announce(self) -> None:
        rooms = self._rooms
        home = rooms.home.name if rooms.home else "none"
        model = rooms.settings.models.default or "embedded"
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
