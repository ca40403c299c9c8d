from __future__ import annotations

import pytest

from tests.http.dashboard.fakes import live_run
from thane.conversations.live import Span
from thane.http.dashboard.running import Piece, running_part, spent, time_bar

NOW = 1_800_000_100.0


def test_each_turn_has_a_stop_button_for_its_run() -> None:
    part = running_part([live_run("r_1", "l1", "Movie night", turn_number=4)], NOW)
    row = part.items["run-r_1"]
    assert 'hx-delete="/v1/runs/r_1"' in row
    assert 'hx-swap="none"' in row
    assert 'aria-label="Stop Movie night, Turn 4"' in row


def test_rows_stand_in_the_order_of_their_start() -> None:
    runs = [live_run("r_2", "l", "b", started_at=NOW - 1), live_run("r_1", "l", "a", started_at=NOW - 9)]
    assert list(running_part(runs, NOW).items) == ["run-r_1", "run-r_2"]


def test_the_heading_counts_running_and_queued_apart() -> None:
    runs = [live_run("r_1", "l", "a"), live_run("r_2", "l", "b", state="queued", position=1)]
    shell = running_part(runs, NOW).shell
    assert '<span class="count">1</span>' in shell
    assert "1 queued" in shell


def test_a_queued_turn_says_its_place_in_line() -> None:
    row = running_part([live_run("r_1", "l", "a", state="queued", position=3)], NOW).items["run-r_1"]
    assert "3rd in line" in row
    assert "is-queued" in row


def test_a_turn_whose_client_runs_its_tools_is_shown_and_has_nothing_to_stop() -> None:
    call = Span("tool", "HassTurnOff", NOW - 2, None, "running")
    run = live_run("r_1", "l", "a", state="waiting", what="waiting for the client's tools", spans=(call,))
    part = running_part([run], NOW)
    row = part.items["run-r_1"]
    assert "waiting for the client&#39;s tools" in row
    assert "is-waiting" in row
    assert "hx-delete" not in row
    assert '<span class="count">0</span>' in part.shell
    assert "1 at their clients" in part.shell


def test_a_quiet_house_says_so() -> None:
    assert "Nothing is running" in running_part([], NOW).whole(NOW)


def test_titles_and_tools_are_never_markup() -> None:
    run = live_run("r_1", "l", "<img src=x onerror=alert(1)>", what="<b>x</b>", model='"><script>')
    row = running_part([run], NOW).whole(NOW)
    assert "<img" not in row
    assert "<b>" not in row
    assert "<script" not in row


def test_the_pace_is_marked_as_an_estimate_and_shown_while_the_model_writes() -> None:
    model = (Span("model", "qwen3", NOW - 2, None, "running"),)
    writing = live_run(
        "r_1", "l", "a", started_at=NOW - 2, output_tokens=76, first_token=0.0, spans=model, model="qwen3"
    )
    assert "≈ 38 tok/s" in running_part([writing], NOW).items["run-r_1"]
    tool = (Span("tool", "light.turn_on", NOW - 1, None, "running"),)
    working = live_run("r_1", "l", "a", started_at=NOW - 2, output_tokens=76, first_token=0.0, spans=tool)
    assert "tok/s" not in running_part([working], NOW).items["run-r_1"]


def test_the_bar_shows_where_the_time_went() -> None:
    run = live_run(
        *("r_1", "l", "a"),
        started_at=NOW - 10,
        spans=(Span("queue", "queue", NOW - 10, 2.0, "done"), Span("model", "m", NOW - 8, None, "running")),
    )
    assert time_bar(run, NOW) == [Piece("queue", 0.0, 20.0, False), Piece("model", 20.6, 79.4, True)]
    assert (spent(run, "queue", NOW), spent(run, "model", NOW), spent(run, "tool", NOW)) == (2.0, 8.0, 0)
    assert "So far: waiting in line 2.0 s, model 8.0 s" in running_part([run], NOW).items["run-r_1"]


@pytest.mark.parametrize("count", [1, 5, 60])
def test_the_bar_never_runs_out_of_its_line(count: int) -> None:
    spans = tuple(Span("tool", "t", NOW - 10 + i / 10, 5.0, "done") for i in range(count))
    pieces = time_bar(live_run("r", "l", "a", started_at=NOW - 10, spans=spans), NOW)
    assert all(0 <= piece.x and piece.x + piece.width <= 100.0001 for piece in pieces)


def test_a_row_changes_with_time_only_in_its_figures_that_the_browser_counts() -> None:
    run = live_run("r_1", "l", "a", started_at=NOW - 2)
    assert running_part([run], NOW) == running_part([run], NOW + 5)
