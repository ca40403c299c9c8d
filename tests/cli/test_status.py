from __future__ import annotations

from typing import Any

import pytest

from tests.cli.web import page, serving
from thane.cli.status import report, status
from thane.errors import DependencyError

VERSION = {"version": "0.1.0", "uptime": "3h0m1s"}
RUN: dict[str, Any] = {
    "run_id": "r_1",
    "channel": "owu",
    "state": "processing",
    "started_at": "1970-01-01T00:00:10.500000Z",
    "what": "model qwen3",
    "title": "Good \x1b[2Jnight",
}


def lines(health: dict[str, Any], running: list[dict[str, Any]]) -> list[str]:
    return [line.plain for line in report(VERSION, health, running, now=12.0)]


def test_an_idle_healthy_thane_is_three_lines_or_less() -> None:
    assert lines({"status": "healthy", "dependencies": {}}, []) == [
        "Thane 0.1.0 is healthy, up 3h0m1s",
        "no turn running or waiting",
    ]


def test_dependencies_are_told_with_what_is_wrong() -> None:
    health = {
        "status": "degraded",
        "dependencies": {
            "ollama": {"name": "ollama", "ready": False, "last_error": "connection refused"},
            "database": {"name": "database", "ready": True, "latency_ms": 1.5},
        },
    }
    assert lines(health, [])[1:3] == [
        "  database         ready 1.5 ms",
        "  ollama           down connection refused",
    ]


def test_a_running_turn_is_told_with_its_time_and_is_harmless() -> None:
    assert lines({"status": "healthy"}, [RUN])[1:] == [
        "1 turn running or waiting",
        "  r_1 owu  processing    1.5 s  model qwen3  Good �[2Jnight",
    ]


def test_what_the_day_cost_is_one_line() -> None:
    used = {"turns": 3, "input_tokens": 900, "output_tokens": 100, "cost_usd": 0.4, "unpriced_requests": 2}
    told = [line.plain for line in report(VERSION, {"status": "healthy"}, [], 12.0, used)]
    assert "last 24 hours: 3 turns, 1,000 tokens, $0.40, 2 calls without a known price" == told[1]


async def test_a_running_thane_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        "/v1/version": page(VERSION),
        "/health": page({"status": "draining", "dependencies": {}}),
        "/v1/runs?limit=1": page({"running": [RUN, RUN], "recent": []}),
        "/v1/telemetry/usage?hours=24": page({"totals": {"turns": 1200, "input_tokens": 5000, "cost_usd": 0.41}}),
    }
    async with serving(answers) as web:
        await status(url=web.url, key="k")
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Thane 0.1.0 is draining, up 3h0m1s"
    assert out[1] == "last 24 hours: 1,200 turns, 5,000 tokens, $0.41"
    assert out[2] == "2 turns running or waiting"
    assert len(out) == 5
    assert {headers["authorization"] for _, headers, _ in web.requests} == {"Bearer k"}


async def test_something_else_at_that_address_is_told() -> None:
    async with serving({"/v1/version": (200, "text/html", [b"<html>"])}) as web:
        with pytest.raises(DependencyError, match="is not Thane's"):
            await status(url=web.url)
