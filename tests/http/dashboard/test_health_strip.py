from __future__ import annotations

from typing import Any

import msgspec

from tests.http.dashboard.fakes import live_run
from thane.health.watch import Dependency
from thane.http.dashboard.health_strip import Facts, health_part
from thane.http.dashboard.recent import Tokens
from thane.models.provider import ModelInfo


def strip(**more: Any) -> dict[str, str]:
    facts = Facts(
        dependencies={},
        models=(ModelInfo("embedded", "embedded"),),
        home="demo",
        devices=53,
        runs=(),
        max_running=256,
        live_conversations=2,
        kept_conversations=12,
        tokens=Tokens(184_200, 21_600),
        dropped=0,
    )
    return dict(health_part(msgspec.structs.replace(facts, **more)).items)


def test_a_house_without_a_model_says_who_answers() -> None:
    assert "Embedded brain" in strip()["f-providers"]


def test_a_provider_that_does_not_answer_is_counted_and_named() -> None:
    models = (ModelInfo("qwen3", "ollama"), ModelInfo("x", "anthropic"))
    cell = strip(models=models, dependencies={"garage": Dependency("garage", ready=False)})["f-providers"]
    assert "2 of 3" in cell
    assert "garage down" in cell
    assert "#s-warn" in cell


def test_the_home_s_own_link_is_no_provider() -> None:
    cells = strip(home="homeassistant", dependencies={"homeassistant": Dependency("homeassistant", ready=False)})
    assert "Embedded brain" in cells["f-providers"]
    assert "no answer" in cells["f-home"]


def test_there_may_be_no_home_and_no_provider() -> None:
    cells = strip(home="", models=())
    assert "None" in cells["f-home"]
    assert "None" in cells["f-providers"]


def test_runs_and_queue_are_counted_apart() -> None:
    cells = strip(runs=(live_run("r_1", "l", "a"), live_run("r_2", "l", "b", state="queued", position=1)))
    assert "<b>1</b> <small>of 256</small>" in cells["f-runs"]
    assert "<b>1</b>" in cells["f-queue"]


def test_tokens_are_said_and_money_is_not_while_nothing_counts_it() -> None:
    cells = strip()
    assert "205.8 k" in cells["f-tokens"]
    assert "184.2 k in · 21.6 k out" in cells["f-tokens"]
    assert not any("$" in cell or "cost" in cell.lower() for cell in cells.values())


def test_dropped_events_are_a_warning_with_a_way_to_them() -> None:
    assert "<b>0</b>" in strip()["f-dropped"]
    assert 'href="/events"' in strip(dropped=312)["f-dropped"]
