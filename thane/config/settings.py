"""Every setting of Thane, as frozen structs. Defaults stand beside this file and nowhere else.

Field names are the keys of the YAML file; the docstring line after a field is its text in `docs/configuration.md`. The
groups are in `doors`, `thinking`, `keeping` and `house`; reading files, references to the environment and error
messages are in `thane.config.load`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thane.config.doors import Auth, Health, Limits, Listen, OllamaApi, Process, Shutdown, Supervisor
from thane.config.fields import Section
from thane.config.house import Demo, HomeAssistant, HomeAssistantSubscribe
from thane.config.keeping import (
    Archive,
    Checkpoints,
    Conversations,
    Dashboard,
    Events,
    Extraction,
    Facts,
    Housekeeping,
    Logging,
    Loops,
    Runs,
    Storage,
    WhenBusy,
)
from thane.config.money import Budget, Budgets, Price
from thane.config.providers import Anthropic, ModelProvider
from thane.config.routing import Delegation, ProfileSettings, Routing
from thane.config.thinking import Agent, AvailableModel, Brain, Embeddings, Models

__all__ = [
    "Agent",
    "Anthropic",
    "Archive",
    "Auth",
    "AvailableModel",
    "Brain",
    "Budget",
    "Budgets",
    "Checkpoints",
    "Conversations",
    "Dashboard",
    "Delegation",
    "Demo",
    "Embeddings",
    "Events",
    "Extraction",
    "Facts",
    "Health",
    "HomeAssistant",
    "HomeAssistantSubscribe",
    "Housekeeping",
    "Limits",
    "Listen",
    "Logging",
    "Loops",
    "ModelProvider",
    "Models",
    "OllamaApi",
    "Price",
    "Process",
    "ProfileSettings",
    "Routing",
    "Runs",
    "Section",
    "Settings",
    "Shutdown",
    "Storage",
    "Supervisor",
    "WhenBusy",
]


class Settings(Section, frozen=True):
    """The whole file. A group typed `dict` is known from the reference and has no effect yet; a warning says so."""

    listen: Listen = Listen()
    ollama_api: OllamaApi = OllamaApi()
    auth: Auth = Auth()
    limits: Limits = Limits()
    shutdown: Shutdown = Shutdown()
    supervisor: Supervisor = Supervisor()
    process: Process = Process()
    health: Health = Health()
    models: Models = Models()
    anthropic: Anthropic = Anthropic()
    embeddings: Embeddings = Embeddings()
    brain: Brain = Brain()
    agent: Agent = Agent()
    routing: Routing = Routing()
    delegation: Delegation = Delegation()
    profiles: dict[str, ProfileSettings] = msgspec.field(default_factory=dict)
    """Profiles of your own by name, and what is different in those that Thane has."""
    loops: Loops = Loops()
    conversations: Conversations = Conversations()
    runs: Runs = Runs()
    events: Events = Events()
    dashboard: Dashboard = Dashboard()
    storage: Storage = Storage()
    archive: Archive = Archive()
    checkpoints: Checkpoints = Checkpoints()
    facts: Facts = Facts()
    extraction: Extraction = Extraction()
    data_dir: str = "./db"
    """Folder of the database."""
    homeassistant: HomeAssistant = HomeAssistant()
    demo: Demo = Demo()
    language: str = "en"
    """Language of the embedded brain where a request names none."""
    timezone: str = ""
    """Time zone for times and dates that are spoken, e.g. `Europe/Amsterdam`; empty is the machine's."""
    logging: Logging = Logging()
    pricing: dict[str, Price] = msgspec.field(default_factory=dict)
    """Price of each model, by its name, `provider/name`, or the beginning of names with `*` (`gpt-4o*`; `openrouter/*`
    for all of a provider). Without any, built-in prices of well-known cloud models count. Local models without a price
    cost nothing."""
    budgets: Budgets = Budgets()

    # Known to the reference, not implemented yet.
    talents_dir: str = ""
    persona_file: str = ""
    paths: dict[str, Any] = msgspec.field(default_factory=dict)
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    capability_tags: dict[str, Any] = msgspec.field(default_factory=dict)
    channel_tags: dict[str, Any] = msgspec.field(default_factory=dict)
    episodic: dict[str, Any] = msgspec.field(default_factory=dict)
    prewarm: dict[str, Any] = msgspec.field(default_factory=dict)
    state_window: dict[str, Any] = msgspec.field(default_factory=dict)
    search: dict[str, Any] = msgspec.field(default_factory=dict)
    shell_exec: dict[str, Any] = msgspec.field(default_factory=dict)
    workspace: dict[str, Any] = msgspec.field(default_factory=dict)
    mcp: dict[str, Any] = msgspec.field(default_factory=dict)
    mqtt: dict[str, Any] = msgspec.field(default_factory=dict)
    person: dict[str, Any] = msgspec.field(default_factory=dict)
    unifi: dict[str, Any] = msgspec.field(default_factory=dict)
    signal: dict[str, Any] = msgspec.field(default_factory=dict)
    email: dict[str, Any] = msgspec.field(default_factory=dict)
    forge: dict[str, Any] = msgspec.field(default_factory=dict)
    media: dict[str, Any] = msgspec.field(default_factory=dict)
    metacognitive: dict[str, Any] = msgspec.field(default_factory=dict)
    carddav: dict[str, Any] = msgspec.field(default_factory=dict)
    identity: dict[str, Any] = msgspec.field(default_factory=dict)
    openclaw: dict[str, Any] = msgspec.field(default_factory=dict)
    debug: dict[str, Any] = msgspec.field(default_factory=dict)
