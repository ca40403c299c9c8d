"""What one of Anthropic's models takes in a request, where models differ. Pure.

`/v1/models` tells most of it. What it does not tell (newer models take no `temperature` and no `top_p`) is learned from
a refusal, which costs nothing. Sources: Anthropic's API reference, and the types and warnings of its Python SDK, 2.12.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thane.models.counts import counted
from thane.models.provider import ModelError
from thane.models.unsupported import unsupported

_SAMPLING = ("temperature", "top_p")
_BUDGETED = ("thinking.type.enabled", "thinking.enabled", "thinking")
_ADAPTIVE = "adaptive"


class Abilities(msgspec.Struct, frozen=True):
    """`most_tokens` that an answer may have, 0 where it is not known. `adaptive`: the model decides how much it thinks,
    and is told an effort of `efforts`; else it is given a number of tokens. `disabled`: it can be told not to think.
    `samples`: it takes `temperature` and `top_p`."""

    most_tokens: int = 0
    adaptive: bool = False
    disabled: bool = False
    efforts: tuple[str, ...] = ()
    samples: bool = True


def read(max_tokens: Any, capabilities: Any) -> Abilities:
    """What the API tells of a model, whatever kind of server answers."""
    types = _within(_within(capabilities, "thinking"), "types")
    effort = _within(capabilities, "effort")
    return Abilities(
        most_tokens=counted(max_tokens) or 0,
        adaptive=can(types, "adaptive") is True,
        disabled=can(types, "adaptive") is True and can(types, "disabled") is True,
        efforts=tuple(name for name in ("low", "medium", "high", "max") if can(effort, name)),
    )


def learned(abilities: Abilities, error: ModelError) -> Abilities | None:
    """What a refusal teaches; None where asking again would be refused again."""
    if abilities.samples and unsupported(error, _SAMPLING):
        return msgspec.structs.replace(abilities, samples=False)
    if not abilities.adaptive and _ADAPTIVE in error.message.lower() and unsupported(error, _BUDGETED):
        return msgspec.structs.replace(abilities, adaptive=True)
    return None


def can(told: Any, ability: str) -> bool | None:
    """Whether `{"ability": {"supported": …}}` says so; None where it says nothing."""
    found = _within(told, ability)
    supported = found.get("supported") if isinstance(found, dict) else found
    return supported if isinstance(supported, bool) else None


def _within(told: Any, name: str) -> Any:
    return told.get(name) if isinstance(told, dict) else None
