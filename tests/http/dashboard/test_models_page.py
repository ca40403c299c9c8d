from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio
import trio.testing
from msgspec.structs import replace

from tests.http.dashboard.fakes import World
from tests.http.dashboard.test_routes import FORM, make_app, page_at
from tests.router.test_decisions import decision, ended
from thane.config.money import Price
from thane.health.watch import Dependency
from thane.http.dashboard.models_page import ModelsFacts, ModelsView, models_view
from thane.models.provider import ModelInfo
from thane.router.circuit import CircuitStatus
from thane.router.decision import Candidate, Decision, Outcome, Part
from thane.router.decisions import ModelStatistics
from thane.router.models import Model
from thane.testing.serving import serving

OLLAMA = Dependency("ollama", ready=True, latency_ms=7.0)
OPEN = CircuitStatus("ollama", "qwen3", "open", 3, "busy", 12.0)


class Prices:
    def price(self, provider: str, model: str) -> Price | None:
        known = {
            "ollama": Price(),
            "embedded": Price(),
            "cloud": Price(input_per_million=3.0, output_per_million=15.0),
        }
        return known.get(provider)


def view(
    *,
    dependency: Dependency = OLLAMA,
    circuits: Sequence[CircuitStatus] = (),
    statistics: Sequence[ModelStatistics] = (),
    decisions: Sequence[Decision] = (),
    spent: Mapping[tuple[str, str], str] = {},
) -> ModelsView:
    facts = ModelsFacts(
        known=(ModelInfo("embedded", "embedded"), ModelInfo("qwen3", "ollama", 32_768), ModelInfo("phi", "ollama")),
        candidates=(Model("qwen3", "ollama", default=True), Model("claude", "cloud", local=False, cost_tier=2)),
        dependencies={"ollama": dependency},
        circuits=circuits,
        statistics=statistics,
        decisions=decisions,
        shown=decisions[0] if decisions else None,
        spent=spent,
    )
    return models_view(facts, Prices())


def test_each_model_server_has_a_card_with_its_state() -> None:
    up = view()
    assert ["embedded", "ollama", "cloud"] == [card.name for card in up.providers]
    assert ["is-ok", "is-ok", "is-off"] == [card.kind for card in up.providers]
    assert ("Asked in", "7 ms") in up.providers[1].figures
    down = view(dependency=Dependency("ollama", ready=False, last_error="refused"))
    assert ("is-error", "refused") == (down.providers[1].kind, down.providers[1].note)
    failing = view(circuits=(OPEN,)).providers[1]
    assert ("is-retrying", "qwen3: 3 failures, tried again in 12 s (busy)") == (failing.kind, failing.note)


def test_the_circuit_of_a_whole_provider_is_shown_with_each_of_its_models() -> None:
    shown = view(circuits=(replace(OPEN, model="", error="Is it running?"),))
    assert "All of it: 3 failures, tried again in 12 s (Is it running?)" == shown.providers[1].note
    assert "left alone" in shown.models[0].state


async def test_a_model_server_is_probed_at_once_by_its_button() -> None:
    world, asked = World(), list[str]()

    async def probe() -> None:
        asked.append("ollama")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.health.watch, "ollama", probe)
        await trio.testing.wait_all_tasks_blocked()
        async with serving(make_app(world)) as served:
            answer = await served.ask("POST", "/models/check", b"provider=ollama", FORM)
            assert (303, ["ollama", "ollama"]) == (answer.status, asked)
            unknown = await served.ask("POST", "/models/check", b"provider=lab", FORM)
            assert 404 == unknown.status
        nursery.cancel_scope.cancel()
    cards = view().providers
    assert [False, True, False] == [card.watched for card in cards]


def test_models_are_shown_with_what_they_can_what_they_cost_and_how_they_did() -> None:
    rows = view(statistics=(ModelStatistics("qwen3", "ollama", 4, 3, 1.5, 40.0),), circuits=(OPEN,)).models
    assert ["qwen3", "claude", "embedded", "phi"] == [row.model for row in rows]
    first = rows[0]
    assert ("32.8 k", "tools", "local", "4", "1.5 s", "40") == (
        *(first.context, first.can, first.price, first.answers, first.mean, first.tokens),
    )
    assert "left alone" in first.state
    assert "3.00 / 15.00" == rows[1].price
    assert "by its name" in rows[3].state


def test_a_model_that_a_budget_forbids_is_shown_as_that() -> None:
    rows = view(spent={("cloud", "claude"): "Today's budget is used up."}).models
    assert ["held back by a budget" in row.state for row in rows] == [False, True, False, False]


def test_a_decision_shows_every_candidate_with_its_points_or_its_reason() -> None:
    card = view(decisions=(decision(outcome=ended(0.5)),)).decision
    assert card is not None
    chosen, rejected = card.rows
    assert ("chosen", "35", "chosen") == (chosen.kind, chosen.score, chosen.tag)
    assert [("complexity match", "+20", False), ("b", "+15", False)] == [
        (each.rule, each.points, each.against) for each in chosen.points
    ]
    assert 2 == chosen.bars.count('class="k-pos"')
    assert ("rej", "It is not in this house.") == (rejected.kind, rejected.reason)
    assert "local only" in card.tags


def test_a_fallback_is_seen_where_it_answered_in_place_of_the_chosen() -> None:
    second = Candidate("phi", "ollama", True, "fallback", "0 points.", -5, (Part("tools_penalty", -20), Part("a", 15)))
    fallen = replace(
        decision(outcome=Outcome(True, "phi", "ollama", 1.0, 5, failed=("qwen3",))),
        candidates=(*decision().candidates, second),
    )
    page = view(decisions=(fallen,))
    assert page.decision is not None
    assert ["chosen, and failed", "", "answered in its place"] == [row.tag for row in page.decision.rows]
    assert ["", "rej", "chosen"] == [row.kind for row in page.decision.rows]
    assert ("−5", "−20") == (page.decision.rows[2].score, page.decision.rows[2].points[0].points)
    assert ("phi", "in place of qwen3", "is-warn") == (
        *(page.recent[0].model, page.recent[0].reason, page.recent[0].kind),
    )


def test_what_a_model_server_says_is_never_markup() -> None:
    error = "<script>alert(1)</script>"
    card = view(dependency=Dependency("ollama", ready=False, last_error=error)).providers[1]
    assert not hasattr(card.note, "__html__")  # the template escapes it


async def test_the_page_stands_before_anything_was_asked_and_escapes_what_it_shows() -> None:
    world = World()
    world.models = (ModelInfo("<b>phi</b>", "<i>lan</i>"),)
    page = await page_at(world, "/models")
    assert "Nothing was asked yet" in page
    assert "&lt;b&gt;phi" in page
    assert "<b>phi" not in page
