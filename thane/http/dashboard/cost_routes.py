"""The Costs page, and what it shows as a file."""

from __future__ import annotations

import csv
import io

from quart import Blueprint, Response, request

from thane.clock import iso
from thane.http.dashboard import cost_page
from thane.http.dashboard.cost_chart import COLOURS
from thane.http.dashboard.cost_page import PERIODS
from thane.http.dashboard.desk import Desk
from thane.ledger.entry import dollars

_DEFAULT = 30
_COLUMNS = (
    *("at", "run_id", "conversation_id", "channel", "profile", "role", "task", "provider", "model", "outcome"),
    *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "estimated"),
    *("cost_usd", "duration_seconds"),
)


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("costs", __name__)
    rooms = desk.rooms

    @blueprint.get("/costs")
    async def costs() -> Response:
        """The page Costs. `days` is 1, 7 or 30."""
        days = _days()
        found = await cost_page.gather(rooms.ledger, days, rooms.clock.time())
        money, day = cost_page.in_money(found), rooms.settings.budgets.day
        return desk.pages.response(
            "costs.html",
            desk.theme(),
            page="costs",
            days=days,
            periods=PERIODS,
            tiles=cost_page.tiles(found, day.stop_usd, day.stop_tokens),
            chart=cost_page.by_day(found),
            average=cost_page.average(found),
            legend=tuple(zip(cost_page.top_models(found), COLOURS, strict=False)),
            unit="" if money else "tokens",
            channels=cost_page.bars(found.channels, money=money),
            roles=cost_page.bars(found.roles, money=money, roles=True),
            models=cost_page.model_rows(found),
            whole=cost_page.whole_row(found),
            unpriced=found.totals.unpriced,
            unpriced_models=", ".join(each.name for each in found.models if each.totals.unpriced),
        )

    @blueprint.get("/costs.csv")
    async def file() -> Response:
        """Every model call of the last `days` days, one a line."""
        found = await rooms.ledger.entries(
            rooms.clock.time() - _days() * 86_400, limit=rooms.settings.dashboard.export_calls
        )
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(_COLUMNS)
        for each in found:
            usage, cost = each.usage, dollars(each.picodollars)
            names = (each.channel, each.profile, each.role, each.task, each.provider, each.model, each.outcome)
            writer.writerow(
                (
                    *(iso(each.at), each.run_id, each.conversation_id, *map(_harmless, names)),
                    *(usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens),
                    *(usage.reasoning_tokens, usage.estimated, "" if cost is None else f"{cost:.12g}", each.duration),
                )
            )
        headers = {"Content-Disposition": 'attachment; filename="thane-costs.csv"', "Cache-Control": "no-store"}
        return Response(out.getvalue(), 200, headers, content_type="text/csv; charset=utf-8")

    return blueprint


def _days() -> int:
    days = request.args.get("days", _DEFAULT, type=int)
    return days if days in PERIODS else _DEFAULT


def _harmless(text: str) -> str:
    """So that no program takes a name that a client chose for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
