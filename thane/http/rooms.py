"""What the HTTP layer is handed: the rooms below it, and nothing else. `thane.service` makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from thane.http.documents import IgnoredKeys
from thane.memory.retention import RetentionStatistics
from thane.router.profiles import Profiles

if TYPE_CHECKING:
    from thane.clock import Clock
    from thane.config.settings import Settings
    from thane.conversations.checkpointer import Checkpointer
    from thane.conversations.tracker import Conversations
    from thane.events.bus import EventBus
    from thane.health.watch import Health
    from thane.home.house import House
    from thane.ids import Ids
    from thane.journal.index import Journal
    from thane.ledger.ledger import Ledger
    from thane.loops.registry import LoopRegistry
    from thane.memory.archive import Archive
    from thane.memory.facts import Facts
    from thane.models.embeddings import Embedder
    from thane.models.provider import ModelInfo, Provider
    from thane.router.circuit import Circuits
    from thane.router.decisions import Decisions
    from thane.router.models import Model
    from thane.version import Version


def no_provider(_name: str) -> Provider | None:
    """Where there are none."""
    return None


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Collaborators of the routes. `models` lists the models that providers have now; `started_at` is epoch seconds.

    `provider` finds one by its name. `statistics` gives the counters of each long-lived part, by its name.
    `embedder` is the model server that makes embeddings, where there is one; `candidates` are the models that Thane may
    choose by itself, `circuits` those of them that keep failing, `decisions` what was chosen. `swept` tells
    what went for its age or its size.
    """

    settings: Settings
    clock: Clock
    ids: Ids
    version: Version
    started_at: float
    bus: EventBus
    archive: Archive
    ledger: Ledger
    conversations: Conversations
    loops: LoopRegistry
    home: House | None
    health: Health
    models: Callable[[], tuple[ModelInfo, ...]]
    embedder: Embedder | None = None
    provider: Callable[[str], Provider | None] = no_provider
    decisions: Decisions | None = None
    circuits: Circuits | None = None
    candidates: Callable[[], tuple[Model, ...]] = tuple
    journal: Journal | None = None
    checkpointer: Checkpointer | None = None
    facts: Facts | None = None
    swept: Callable[[], RetentionStatistics] = RetentionStatistics
    statistics: Mapping[str, Callable[[], object]] = field(default_factory=dict[str, "Callable[[], object]"])

    @cached_property
    def ignored(self) -> IgnoredKeys:
        """The keys of requests that mean nothing here."""
        return IgnoredKeys(self.settings.limits.ignored_keys)

    @cached_property
    def profiles(self) -> Profiles:
        """The profiles that this Thane has."""
        return Profiles(self.settings.profiles)
