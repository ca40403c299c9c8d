"""Puts the rooms together, in the order in which they need each other. `thane.service` runs what this makes."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from thane.agent.engine import Agent
from thane.agent.routing import Routes
from thane.clock import Clock
from thane.config.servers import EMBEDDINGS, PACKAGE, embedding_model, local_providers, model_servers
from thane.config.settings import Settings
from thane.conversations.checkpointer import OWN_TRIGGERS, Checkpointer
from thane.conversations.delegation import Delegate
from thane.conversations.tracker import open_conversations
from thane.errors import ConfigurationError
from thane.events.bus import EventBus
from thane.events.log import open_event_log
from thane.health.watch import DATABASE, Health
from thane.home.demo import DemoHome
from thane.home.house import House
from thane.http import listeners
from thane.http.listeners import Listener
from thane.http.rooms import Rooms
from thane.http.server import Server
from thane.ids import Ids
from thane.journal.index import Journal, open_journal
from thane.journal.line import Lines
from thane.ledger.counted_embedder import CountedEmbedder
from thane.ledger.ledger import open_ledger
from thane.ledger.pricing import PriceList
from thane.ledger.unpriced import unpriced_warning
from thane.loops.registry import open_registry
from thane.memory.archive import Archive
from thane.memory.archive_retention import ArchiveRetention
from thane.memory.facts import Facts
from thane.memory.prompts import Packer
from thane.memory.retention import Retention
from thane.models.carried import CarriedEmbedder
from thane.models.catalogue import Catalogue
from thane.models.embedded import EmbeddedProvider
from thane.models.embeddings import Embedder
from thane.models.meaning import meanings
from thane.models.opening import open_ollama, open_provider
from thane.models.provider import Provider
from thane.redaction import Redactor, known_secrets
from thane.router.circuit import Circuits
from thane.router.decisions import Decisions
from thane.router.profiles import Profiles
from thane.storage.database import Database, open_database
from thane.storage.room import Room
from thane.supervisor import Supervisor
from thane.tools.date_time import DateTime
from thane.tools.facts import fact_tools
from thane.tools.house import house_tools
from thane.tools.tool import ToolRegistry
from thane.version import read_version

_log = structlog.get_logger("thane.service")


@dataclass(frozen=True)
class Built:
    """Everything that was built, ready to run."""

    rooms: Rooms
    supervisor: Supervisor
    catalogue: Catalogue
    native: Listener
    ollama: Listener | None
    journal: Journal
    retention: Retention
    room: Room
    servers: dict[str, Server]
    """Of each listener that is up, by its name: for the statistics. Whoever starts one puts it in."""


class Builder:
    """Puts the rooms together. `stack` takes them down in reverse, whatever happens."""

    def __init__(
        self,
        stack: AsyncExitStack,
        settings: Settings,
        clock: Clock,
        source: random.Random,
        *,
        lines: Lines | None = None,
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._clock = clock
        self._random = source
        self._ids = Ids(source, clock)
        limits = settings.logging
        self._lines = lines or Lines(clock, most=limits.queue_lines, chars=limits.line_chars)
        self._zone = ZoneInfo(settings.timezone) if settings.timezone else None

    async def build(self) -> Built:
        """Build everything. Raises ConfigurationError or DependencyError when something cannot be had."""
        settings, stack = self._settings, self._stack
        listeners.check_exposure(settings)
        native, ollama = await self._bind()
        database = await stack.enter_async_context(open_database(_database_path(settings), settings.storage))
        journal = await stack.enter_async_context(open_journal(database, self._lines, settings.logging, self._clock))
        bus = await self._open_bus(database)
        redactor = Redactor(known_secrets(settings))
        archive = Archive(database, self._clock, settings.archive, Packer(settings.runs, redactor), self._ids)
        prices = PriceList(settings.pricing, local=local_providers(settings))
        if told := unpriced_warning(settings, prices):
            _log.warning(told)
        ledger = await open_ledger(
            database,
            prices,
            settings.budgets,
            clock=self._clock,
            events=bus,
            zone=self._zone,
        )
        if interrupted := await archive.recover():
            _log.warning("runs were interrupted by the last end of Thane", runs=interrupted)
        home = DemoHome(self._clock, bus) if settings.demo.enabled else None
        tools = ToolRegistry([DateTime(self._clock, self._zone)])
        for tool in house_tools(home) if home else ():
            tools.register(tool, "home")
        facts = Facts(database, self._clock, self._ids, settings.facts, events=bus)
        if settings.facts.enabled:
            for tool in fact_tools(facts, most=settings.facts.recall_facts):
                tools.register(tool, "memory")
        catalogue = await self._open_models(home, tools)
        embedder = await self._open_embedder(catalogue)
        if embedder is not None and settings.embeddings.enabled:
            counted = CountedEmbedder(embedder, ledger, self._clock, self._ids, task="fact_meaning")
            model = embedding_model(settings)
            facts.understand(model, partial(meanings, counted, model))
        health = Health(settings.health, self._clock, bus, self._random)
        room = Room(
            database, _database_path(settings), settings.storage, events=bus, told=partial(health.mark, DATABASE)
        )
        await room.look()
        circuits = Circuits(settings.routing, bus, suspect=health.suspect)
        routes = Routes(
            settings,
            catalogue=catalogue,
            profiles=Profiles(settings.profiles),
            circuits=circuits,
            down=health.down,
            budget=ledger.spending,
        )
        decisions = Decisions(database, kept=settings.routing.decisions_kept)
        agent = Agent(
            settings=settings,
            catalogue=catalogue,
            tools=tools,
            house=home,
            clock=self._clock,
            source=self._random,
            routes=routes,
            decisions=decisions,
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
                accounts=ledger,
                context_of=catalogue.context_of,
                facts=facts if settings.facts.enabled else None,
                full=lambda: room.refusal,
            )
        )
        if settings.delegation.enabled:
            tools.register(Delegate(settings.delegation, conversations.perform), "delegation")
        supervisor = Supervisor(settings.supervisor, bus, self._random)
        checkpointer = Checkpointer(archive.checkpoints, settings.checkpoints, conversations=conversations, events=bus)
        servers = dict[str, Server]()
        sweeping = ArchiveRetention(
            database,
            settings.archive,
            settings.storage,
            self._clock,
            checkpoints=archive.checkpoints,
            own_triggers=OWN_TRIGGERS,
            live=conversations.live,
            batch=settings.runs.sweep_rows,
        )
        retention = Retention(database, settings.runs, bus, self._clock, sweeping)
        rooms = Rooms(
            settings=settings,
            clock=self._clock,
            ids=self._ids,
            version=read_version(),
            started_at=self._clock.time(),
            bus=bus,
            archive=archive,
            journal=journal,
            checkpointer=checkpointer,
            statistics={
                "conversations": conversations.statistics,
                "loops": registry.statistics,
                "events": bus.statistics,
                "journal": journal.statistics,
                "database": database.statistics,
                "retention": retention.statistics,
                "listeners": lambda: {name: server.statistics() for name, server in servers.items()},
                "providers": catalogue.provider_statistics,
                "catalogue": catalogue.statistics,
                "restarts": lambda: supervisor.restarts,
            },
            ledger=ledger,
            conversations=conversations,
            loops=registry,
            home=home,
            health=health,
            models=catalogue.known,
            decisions=decisions,
            circuits=circuits,
            candidates=routes.candidates,
            embedder=embedder,
            facts=facts,
            swept=retention.statistics,
            provider=catalogue.get,
        )
        return Built(rooms, supervisor, catalogue, native, ollama, journal, retention, room, servers)

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
        for server in model_servers(settings):
            opened = open_provider(server, settings.models, self._ids, source=self._random)
            providers.append(await self._stack.enter_async_context(opened))
        catalogue = Catalogue(providers, settings)
        await catalogue.ask(embedded)
        return catalogue

    async def _open_embedder(self, catalogue: Catalogue) -> Embedder | None:
        """The model server that makes embeddings: the one that answers, or the one that is named for them."""
        settings = self._settings
        if settings.embeddings.provider == PACKAGE:
            return CarriedEmbedder(settings.embeddings.package_chars)
        if settings.embeddings.provider:
            named = catalogue.get(settings.embeddings.provider)
            return named if isinstance(named, Embedder) else None
        url = settings.embeddings.baseurl or settings.models.ollama_url
        for server in model_servers(settings):
            answering = catalogue.get(server.name)
            if server.type == "ollama" and server.url == url and isinstance(answering, Embedder):
                return answering
        if not settings.embeddings.enabled:
            others = (catalogue.get(server.name) for server in model_servers(settings))
            return next((other for other in others if isinstance(other, Embedder)), None)
        return await self._stack.enter_async_context(
            open_ollama(url, settings.models, self._ids, source=self._random, name=EMBEDDINGS)
        )


def _model_servers(settings: Settings) -> set[str]:
    """The URLs that will be asked."""
    urls = {server.url for server in model_servers(settings)}
    if settings.embeddings.enabled and not settings.embeddings.provider:
        urls.add(settings.embeddings.baseurl or settings.models.ollama_url)
    return urls


def _database_path(settings: Settings) -> Path:
    return Path(settings.data_dir).expanduser() / "thane.db"
