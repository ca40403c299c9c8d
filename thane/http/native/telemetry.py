"""What models have used and cost, over the native API: sums of the ledger."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, Response

from thane.clock import iso
from thane.errors import ClientError
from thane.http.native.answers import answer
from thane.http.native.query import once
from thane.http.rooms import Rooms
from thane.ledger.usage import GROUPS, Group, GroupBy, Totals

_HOUR = 3600.0
MOST_HOURS = 24 * 366 * 10


def routes(rooms: Rooms) -> Blueprint:
    """`GET /v1/telemetry/usage`."""
    blueprint = Blueprint("telemetry", __name__)

    @blueprint.get("/v1/telemetry/usage")
    async def usage() -> Response:
        """`{"hours","from","to","group_by","totals","groups"}`: what the model calls of the last `hours` (24) used and
        cost, in all and by `group_by`: `model` (if nothing is given), `provider`, `channel`, `conversation`, `profile`,
        `role`, `hour` or `day`. `conversation_id` selects. A call whose price is not known counts in
        `unpriced_requests` and in no cost."""
        hours, group_by = _hours(), _group_by()
        until = rooms.clock.time()
        since = until - hours * _HOUR
        wanted = once("conversation_id") or None
        end = until + _HOUR  # what ends in this very moment too
        groups = await rooms.ledger.usage(group_by, since, end, wanted)
        totals = await rooms.ledger.totals(since, end, wanted)
        return answer(
            {
                "hours": hours,
                "from": iso(since),
                "to": iso(until),
                "group_by": group_by,
                "totals": summed(totals),
                "groups": [_group(group, group_by) for group in groups],
            }
        )

    return blueprint


def summed(totals: Totals) -> dict[str, Any]:
    """A sum as JSON has it."""
    return {
        "requests": totals.requests,
        "turns": totals.turns,
        "failed_requests": totals.failed,
        "cancelled_requests": totals.cancelled,
        "estimated_requests": totals.estimated,
        "unpriced_requests": totals.unpriced,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cached_tokens": totals.cached_tokens,
        "cache_write_tokens": totals.cache_write_tokens,
        "reasoning_tokens": totals.reasoning_tokens,
        "cache_hit_rate": round(totals.cache_hit_rate, 4),
        "cost_usd": totals.cost_usd,
        "duration_seconds": totals.seconds,
        "first_token_seconds": totals.first_token,
    }


def _group(group: Group, group_by: GroupBy) -> dict[str, Any]:
    name = iso(float(group.name)) if group_by in ("hour", "day") else group.name
    about = {group_by: name}
    if group_by == "model":
        about["provider"] = group.provider
    return about | summed(group.totals)


def _hours() -> float:
    given = once("hours") or "24"
    try:
        hours = float(given)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MOST_HOURS:
        raise ClientError(f"hours: give a number above 0, not '{given}'")
    return int(hours) if hours == int(hours) else hours


def _group_by() -> GroupBy:
    given = once("group_by") or "model"
    if given not in GROUPS:
        raise ClientError(f"group_by: '{given}' is none of {', '.join(GROUPS)}")
    return given
