"""The pages of a loop and of the system say what is so, and escape what came from outside."""

from __future__ import annotations

from datetime import UTC

from markupsafe import Markup

from tests.http.dashboard.fakes import World, status
from tests.http.dashboard.test_routes import get, page_at
from thane.clock import iso
from thane.health.watch import Dependency
from thane.http.dashboard.log_rows import chosen_level, log_rows
from thane.http.dashboard.loop_page import loop_view
from thane.http.dashboard.system_page import system_view
from thane.http.vitals import Process, System
from thane.journal.line import LogLine
from thane.loops.status import IterationSnapshot, LoopStatus
from thane.version import Version

NOW = 1_800_000_000.0
VERSION = Version("0.1.0", "5f1b2a9c1234", "main", "", "3.13.0", "linux", "x86_64")


def busy() -> LoopStatus:
    done = IterationSnapshot(
        number=2,
        started_at=iso(NOW - 60),
        completed_at=iso(NOW - 58),
        elapsed_ms=2100,
        model="qwen3",
        input_tokens=1200,
        output_tokens=80,
        cost_usd=0.019,
        tools_used={"lights": 2, "time": 1},
        summary={"state": "cancelled", "cancelled_by": "api"},
    )
    failed = IterationSnapshot(
        number=0, started_at=iso(NOW - 30), completed_at="", elapsed_ms=5, error="it <b>broke</b>"
    )
    return status(
        "l1",
        "owu/<i>hi</i>",
        "processing",
        "owu",
        attempts=3,
        iterations=2,
        context_tokens=900,
        context_window=1000,
        consecutive_errors=1,
        last_error="it <b>broke</b>",
        recent_iterations=(failed, done),
        llm_context={"model": "qwen3", "est_tokens": 900, "messages": 3, "tools": 1, "reasoning": "the default"},
        metadata={"title": "<i>hi</i>", "conversation_id": "c"},
    )


def test_a_loops_figures_iterations_and_question_are_said_in_words() -> None:
    view = loop_view(busy(), UTC, NOW)
    facts = dict(view.facts)
    assert ("2", "3") == (facts["Iterations"], facts["Attempts"])
    assert "90 % of 1,000 tokens" in facts["Context"]
    assert ("qwen3", "≈ 900 tokens, 3 messages", "1 tool", "the default") == view.now
    failed, done = view.iterations
    assert ("failed", True, "it <b>broke</b>") == (failed.number, failed.failed, failed.said)
    assert ("2", "2.1 s", "$0.019", "lights ×2, time", "cancelled by api") == (
        done.number,
        done.took,
        done.cost,
        done.tools,
        done.said,
    )


async def test_a_loops_page_escapes_what_people_and_models_say_and_can_stop_it() -> None:
    world = World()
    world.loops.all["l1"] = busy()
    page = await page_at(world, "/loops/l1")
    assert "<i>hi" not in page
    assert "&lt;b&gt;broke&lt;/b&gt;" in page
    assert 'hx-delete="/v1/loops/l1"' in page


async def test_an_ended_loop_has_no_page_and_an_open_one_says_so() -> None:
    assert 404 == (await get(World(), "/loops/gone", "Accept: text/html")).status
    answer = await get(World(), "/loops/gone", "Accept: text/html", "HX-Request: true")
    assert (200, True) == (answer.status, b"This loop has ended" in answer.body)


async def test_the_system_page_names_version_and_log() -> None:
    page = await page_at(World(), "/system")
    assert "3.13.0" in page
    assert "No lines are kept" in page


def test_the_systems_parts_and_dependencies_are_said() -> None:
    found = System(
        status="degraded",
        uptime="1s",
        uptime_seconds=1.0,
        started_at=NOW - 1,
        version=VERSION,
        health={"ollama": Dependency("ollama", ready=False, last_check=iso(NOW - 5), last_error="refused")},
        process=Process(1, 50_000_000, 60_000_000, 1.5, 20),
        statistics={
            "loops": {
                "live": 12_345,
                "states": {"waiting": 3},
                "slowest_seconds": 0.1234,
                "rate": 0.25,
                "draining": False,
                "used_bytes": 2_500_000,
                "last_at": NOW - 90,
                "next_at": None,
            }
        },
    )
    view = system_view(found, NOW)
    assert (
        ("live", "12.3 k"),
        ("states waiting", "3"),
        ("slowest", "123 ms"),
        ("rate", "0.25"),
        ("draining", "no"),
        ("used", "2.5 MB"),
    ) == view.parts[0].figures[:6]
    ((last, ago), (coming, never)) = view.parts[0].figures[6:]
    assert ("last", "next at", "–") == (last, coming, never)
    assert "2 min" in Markup(ago).striptags() or "1 min" in Markup(ago).striptags()
    assert ("refused", "–") == (view.dependencies[0].error, view.dependencies[0].latency)
    assert "Degraded" in view.status
    assert "50 MB" == dict(view.facts)["Memory"]


def test_a_log_line_is_one_row_and_a_traceback_its_last_line() -> None:
    line = LogLine(
        NOW, 40, "agent", "a run\ncrashed", tool="t", attributes='{"exception":"Traceback\\n  x\\nValueError: no"}'
    )
    (row,) = log_rows([line], UTC)
    assert ("08:00:00", "error", "a run crashed") == (row.time, row.level, row.message)
    assert "tool t · exception ValueError: no" == row.more
    (long,) = log_rows([LogLine(NOW, 20, "agent", "m", attributes='{"a":"' + "x" * 999 + '"}')], UTC)
    assert 300 == len(long.more)


def test_only_levels_that_there_are_can_be_chosen() -> None:
    assert ("error", "info") == (chosen_level("error"), chosen_level("<script>"))
