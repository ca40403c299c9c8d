from __future__ import annotations

from pathlib import Path

import msgspec

from thane.config.settings import Storage
from thane.router.decision import Candidate, Decision, Outcome, Part, fields
from thane.router.decisions import Decisions, totals
from thane.storage.database import Database, open_database

CHOSEN = Candidate("qwen3", "ollama", True, "chosen", "35 points.", 35, (Part("complexity_match", 20), Part("b", 15)))
LEFT_OUT = Candidate("claude", "anthropic", False, "rejected", "It is not in this house.")


def decision(run_id: str = "r_1", outcome: Outcome | None = None) -> Decision:
    return Decision(
        *(run_id, 1_800_000_000.0, "thane:local", 14, 900, True, False, True, "interactive", "moderate", "general"),
        candidates=(CHOSEN, LEFT_OUT),
        model_selected="qwen3",
        provider_selected="ollama",
        reasoning="qwen3 answers: 35 points.",
        outcome=outcome,
    )


def ended(latency: float, tokens: int = 10, *, success: bool = True, model: str = "qwen3") -> Outcome:
    return Outcome(success, model, "ollama", latency, tokens)


async def written(database: Database) -> None:
    """Once this is written, so is what was noted before."""
    await database.write(lambda _: None)


async def test_decisions_come_back_as_they_were_noted_with_what_came_of_them(tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        kept = Decisions(database, kept=10)
        kept.note(decision())
        await written(database)
        assert decision() == await kept.find("r_1")
        kept.note(decision(outcome=ended(0.5)))
        await written(database)
        assert decision(outcome=ended(0.5)) == await kept.find("r_1")
        assert await kept.find("r_2") is None
        assert 1 == len(await kept.latest(10))


async def test_means_are_true_means_of_what_succeeded(tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        kept = Decisions(database, kept=10)
        for number, outcome in enumerate([ended(1.0, 10), ended(2.0, 20), ended(6.0, 60), ended(99.0, success=False)]):
            kept.note(decision(f"r_{number}"))
            kept.note(decision(f"r_{number}", outcome))
        kept.note(decision("r_open"))
        await written(database)
        told = totals(await kept.statistics())
    assert {
        "total_requests": 5,
        "model_counts": {"qwen3": 4},
        "avg_latency_ms": {"qwen3": 3000.0},
        "complexity_counts": {"moderate": 5},
        "success_counts": {"qwen3": 3},
        "avg_tokens": {"qwen3": 30.0},
    } == told


async def test_the_latest_decisions_are_kept_and_the_others_forgotten(tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        kept = Decisions(database, kept=3)
        for number in range(5):
            kept.note(decision(f"r_{number}"))
        await written(database)
        assert ["r_2", "r_3", "r_4"] == [each.request_id for each in await kept.latest(10)]
        assert ["r_3", "r_4"] == [each.request_id for each in await kept.latest(2)]
        assert await kept.find("r_1") is None


def test_the_api_has_the_references_fields_and_our_own() -> None:
    told = fields(decision(outcome=ended(0.5, 42)))
    expected = {
        "request_id": "r_1",
        "query_length": 14,
        "context_size": 900,
        "needs_tools": True,
        "priority": "interactive",
        "detected_intent": "general",
        "complexity": 1,
        "rules_evaluated": ["check_qwen3", "check_claude"],
        "rules_matched": ["eligible_qwen3", "complexity_match_qwen3", "b_qwen3"],
        "scores": {"qwen3": 35},
        "model_selected": "qwen3",
        "reasoning": "qwen3 answers: 35 points.",
        "latency_ms": 500,
        "tokens_used": 42,
        "success": True,
        "model_answered": "qwen3",
    }
    assert expected.items() <= told.items()
    assert "It is not in this house." == told["candidates"][1]["reason"]
    assert msgspec.json.encode(told)
