"""Settings of money: what models cost, and how much may be spent."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from thane.config.fields import Section

type Dollars = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
type Level = Annotated[float, msgspec.Meta(ge=0)]
type TokenLevel = Annotated[int, msgspec.Meta(ge=0)]


class Price(Section, frozen=True):
    input_per_million: Dollars = 0.0
    """Price of a million input tokens, in US dollars."""
    output_per_million: Dollars = 0.0
    """Price of a million output tokens, in US dollars."""
    cached_input_per_million: Dollars | None = None
    """Price of a million input tokens that the server had in its cache; without it they cost as other input."""
    cache_write_per_million: Dollars | None = None
    """Price of a million input tokens that the server puts into its cache; without it they cost as other input."""
    aliases: tuple[str, ...] = ()
    """Other names of the model that this price is for."""


class Budget(Section, frozen=True):
    warn_usd: Level = 0.0
    """US dollars from which on an event warns; 0 never does."""
    stop_usd: Level = 0.0
    """US dollars from which on no paid model is asked any more (calls under way go on); 0 is no limit."""
    warn_tokens: TokenLevel = 0
    """Tokens, in and out together, from which on an event warns; 0 never does."""
    stop_tokens: TokenLevel = 0
    """Tokens, in and out together, from which on no model is asked any more (calls under way go on); 0 is no limit."""


class Budgets(Section, frozen=True):
    unpriced: Literal["stop", "warn"] = "stop"
    """A model that is not in this house and has no price, where a `stop_usd` stands: `stop` asks it nothing, `warn`
    asks it and tells that no budget of money counts it."""
    day: Budget = Budget()
    run: Budget = Budget()
    """Of one turn, with the tasks that it hands over; each of these has a budget of its own besides."""
    profiles: dict[str, Budget] = msgspec.field(default_factory=dict)
    """Budgets of a run under a profile, by the profile's name, in place of `run`."""
    profile_days: dict[str, Budget] = msgspec.field(default_factory=dict)
    """Budgets of a day for all runs under a profile, by the profile's name, besides `day`."""
