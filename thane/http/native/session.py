"""The session of a conversation over the native API: its numbers, its history, a fresh start (REFERENCE 1.2, 1.6).

Which conversation is meant is named by the request: `conversation_id` in its query or its body, or the header
`X-Conversation-Id`; otherwise it is the one called `default`. The same under `/v1/sessions/…`, for newer clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from quart import Blueprint, Response, request

from thane.clock import iso
from thane.conversations import identity
from thane.conversations.covering import Covering
from thane.conversations.marks import is_mark
from thane.http.native.answers import answer, given
from thane.http.native.query import once
from thane.http.native.telemetry import summed
from thane.http.rooms import Rooms
from thane.ledger.usage import Group, Totals
from thane.router.models import is_named
from thane.turn import Caller

DEFAULT = "default"
HEADER = "X-Conversation-Id"
_CHARS_PER_TOKEN = 4


class _Body(msgspec.Struct):
    conversation_id: str = ""


class _Balance(_Body, kw_only=True):
    balance_usd: float


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/session/stats`, `balance`, `reset`, `compact` and `history`, and the same under `/v1/sessions`."""
    blueprint = Blueprint("session", __name__)
    made = rooms.checkpointer
    covering = Covering(
        rooms.archive,
        rooms.conversations,
        rooms.settings.conversations,
        clock=rooms.clock,
        ids=rooms.ids,
        checkpoint=None if made is None else partial(made.create, "pre-compact"),
    )

    async def named(body: str = "") -> tuple[str, bool]:
        """The conversation that is meant, and whether the request names one."""
        name = body or once("conversation_id") or request.headers.get(HEADER, "")
        as_api = identity.explicit_id(Caller("api", conversation_id=name or DEFAULT))
        if name and await rooms.archive.conversation(name) is not None:
            return name, True
        return as_api, bool(name)

    @blueprint.get("/v1/session/stats")
    @blueprint.get("/v1/sessions/stats")
    async def stats() -> Response:
        """What was used and spent since Thane counts: of every door together, or of the conversation that is named.
        `context_tokens` (about) and `context_window` are those of the conversation `default` otherwise."""
        conversation_id, is_named = await named()
        ledger = rooms.ledger
        only = conversation_id if is_named else None
        totals, balance = await ledger.totals(conversation_id=only), await ledger.balance()
        seen = await covering.seen(conversation_id)
        record = await rooms.archive.conversation(conversation_id)
        told: dict[str, Any] = {
            "conversation_id": conversation_id,
            "total_input_tokens": totals.input_tokens,
            "total_output_tokens": totals.output_tokens,
            "total_requests": totals.turns,
            "estimated_cost_usd": totals.cost_usd,
            "context_tokens": sum(-(-len(each.message.content) // _CHARS_PER_TOKEN) for each in seen),
            "context_window": _window(rooms),
            "message_count": (record.message_count if record else 0) if is_named else await _messages(rooms),
            "build": msgspec.structs.asdict(rooms.version),
            "total_cached_tokens": totals.cached_tokens,
            "total_cache_write_tokens": totals.cache_write_tokens,
            "cache_hit_rate": round(totals.cache_hit_rate, 4),
            "totals": summed(totals),
            "by_model": _by_name(await ledger.usage("model", conversation_id=only)),
            "by_provider": _by_name(await ledger.usage("provider", conversation_id=only)),
            "by_role": _by_name(await ledger.usage("role", conversation_id=only)),
            "today": {"tokens": ledger.spending.today().tokens, "budget_left_usd": ledger.spending.left_usd()},
        }
        if balance is not None:
            told |= {
                "reported_balance_usd": balance.balance_usd,
                "balance_set_at": iso(balance.set_at),
                "balance_left_usd": balance.left_usd,
            }
        return answer(told)

    @blueprint.post("/v1/session/balance")
    @blueprint.post("/v1/sessions/balance")
    async def balance() -> Response:
        """Say what is left with a cloud's account: `{"balance_usd"}`. What is spent from now on is taken off in
        `balance_left_usd` of the stats. Kept over restarts."""
        wanted = await given(_Balance, rooms.settings.limits)
        await rooms.ledger.set_balance(wanted.balance_usd)
        return answer({"status": "ok", "balance_usd": wanted.balance_usd})

    @blueprint.post("/v1/session/reset")
    @blueprint.post("/v1/sessions/reset")
    async def reset() -> Response:
        """Begin the conversation anew: a model sees nothing of what was said before, which stays in the archive.
        409 while a turn of it goes on."""
        conversation_id, _ = await named((await given(_Body, rooms.settings.limits)).conversation_id)
        covered = await covering.reset(conversation_id)
        return answer(
            {
                "status": "ok",
                "message": "conversation cleared",
                "conversation_id": conversation_id,
                "messages": covered.messages,
            }
        )

    @blueprint.post("/v1/session/compact")
    @blueprint.post("/v1/sessions/compact")
    async def compact() -> Response:
        """Put a summary in the place of the older messages, for the model; nothing is deleted. 409 while a turn goes
        on. `messages` says how many it covers: 0 when there are too few."""
        conversation_id, _ = await named((await given(_Body, rooms.settings.limits)).conversation_id)
        covered = await covering.compact(conversation_id)
        return answer(
            {
                "status": "ok",
                "message": "conversation compacted" if covered.messages else "there is too little to compact",
                "conversation_id": conversation_id,
                "messages": covered.messages,
                "summary": covered.summary,
            }
        )

    @blueprint.get("/v1/session/history")
    @blueprint.get("/v1/sessions/history")
    async def history() -> Response:
        """`{"messages":[{"role","content","timestamp"}]}`: what was said since the last reset, as a model sees
        it. A summary, where the conversation was compacted, is a message of the role `system`."""
        conversation_id, _ = await named()
        said = [
            {"role": each.message.role, "content": each.message.content, "timestamp": iso(each.at)}
            for each in await covering.seen(conversation_id)
            if each.message.role in ("user", "assistant") or is_mark(each)
        ]
        return answer({"conversation_id": conversation_id, "messages": said})

    return blueprint


def _by_name(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    """Sums by name; a model that two providers have is one there."""
    sums: dict[str, Totals] = {}
    for each in groups:
        sums[each.name] = sums.get(each.name, Totals()) + each.totals
    return {name: summed(totals) for name, totals in sums.items()}


async def _messages(rooms: Rooms) -> int:
    return (await rooms.archive.search.statistics()).messages


def _window(rooms: Rooms) -> int:
    """Tokens that the default model has room for; 0 where that is not known."""
    default = rooms.settings.models.default
    return next((info.context_tokens for info in rooms.models() if default and is_named(info.name, default)), 0)
