"""Settings of model servers beyond the one Ollama server of `models.ollama_url`, and which servers a file comes to."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from thane.config.fields import Count, Seconds, Section

type ProviderType = Literal["ollama", "openai", "anthropic"]

ANTHROPIC_URL = "https://api.anthropic.com"
_HOUSE_SUFFIXES = (".local", ".lan", ".home", ".internal", ".localhost", ".home.arpa")


class ModelProvider(Section, frozen=True):
    name: str
    """What it is called here: in `models.available[].provider`, on the dashboard, in errors."""
    type: Literal["ollama", "openai", "anthropic"]
    """What it speaks; `openai` is any server with `/chat/completions`: llama.cpp, vLLM, LM Studio, LiteLLM, cloud."""
    url: str = ""
    """Its address; for `openai` with the path before `/chat/completions`, which is `/v1` where none is written."""
    api_key: str = ""
    """Key that it wants; never shown."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """More headers for each request; their values are never shown."""
    local: bool | None = None
    """Whether it runs in this house. Empty: so it is at a private address, and never for `anthropic`."""
    concurrency: Count | None = None
    """Answers that it is asked for at a time; others wait in order. Empty is as many as there are connections."""
    connect_timeout_seconds: Seconds | None = None
    """Instead of `models.connect_timeout_seconds`."""
    first_token_timeout_seconds: Seconds | None = None
    """Instead of `models.first_token_timeout_seconds`."""
    idle_timeout_seconds: Seconds | None = None
    """Instead of `models.idle_timeout_seconds`."""
    max_output_tokens: Count = 8192
    """Longest answer where the request names none (`anthropic`, which has to be told)."""
    thinking_tokens: Count = 4096
    """Tokens for thinking where that is asked for (`anthropic`); half of it at `low`, 2 times at `high`, 4 at `max`.
    Models that decide about it themselves are told the effort instead."""
    cache_prompts: bool = True
    """Ask for the beginning of prompts to be kept between turns (`anthropic`)."""

    def __repr__(self) -> str:  # without the secrets
        return f"ModelProvider(name={self.name!r}, type={self.type!r}, url={shown(self.url)!r})"

    @property
    def is_local(self) -> bool:
        return self.type != "anthropic" and is_private(self.url) if self.local is None else self.local


class Anthropic(Section, frozen=True):
    api_key: str = ""
    """Key for Anthropic's API; makes the provider `anthropic`. Never shown."""

    def __repr__(self) -> str:
        return "Anthropic()"


def is_private(url: str) -> bool:
    """Whether an address is one of this machine or house: private, or a name that no public server has."""
    try:
        host = (urlsplit(url).hostname or "").lower().rstrip(".")
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_HOUSE_SUFFIXES))
    return address.is_private or address.is_loopback or address.is_link_local


def shown(url: str) -> str:
    """An address as people may see it: without a password, or a key in its query."""
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{place}{parts.path}".rstrip("/")
    except ValueError:
        return "an address that cannot be read"
