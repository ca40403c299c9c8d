from __future__ import annotations

import pytest

from tests.cli.web import page, serving
from tests.router.test_decisions import decision, ended
from thane.cli.why import explain, why
from thane.errors import DependencyError
from thane.router.decision import fields


def test_one_look_tells_who_answered_why_and_who_did_not() -> None:
    told = fields(decision(outcome=ended(0.5, 42)))
    assert [
        "qwen3 answers: 35 points.",
        "run r_1, thane:local, moderate general, about 900 tokens, with tools, local only, interactive",
        "  ✓ qwen3 (ollama)      35 points.",
        "    complexity_match +20  b +15",
        "  ✗ claude (anthropic)  It is not in this house.",
        "qwen3 answered in 0.50 s with 42 tokens.",
    ] == [line.plain for line in explain(told)]


def test_how_it_ended_is_told_where_it_failed_and_where_it_goes_on() -> None:
    assert "It has not ended yet." == [line.plain for line in explain(fields(decision()))][-1]
    failed = fields(decision(outcome=ended(2.0, success=False))) | {"failure": "model", "failed": ["a", "b\x1b[2J"]}
    assert "There was no answer (model) after 2.00 s, after a, b�[2J failed." == list(explain(failed))[-1].plain


async def test_a_running_thane_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving({"/v1/requests/r_1/routing": page(fields(decision()))}) as web:
        await why("r_1", url=web.url)
    assert "qwen3 answers: 35 points." in capsys.readouterr().out


async def test_an_unknown_run_is_said_so() -> None:
    async with serving({}) as web:
        with pytest.raises(DependencyError, match="404"):
            await why("r_9", url=web.url)
