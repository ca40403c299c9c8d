from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.http.dashboard.fakes import live_run, status
from thane.clock import iso
from thane.conversations.live import LiveRun, Span
from thane.http.dashboard import words
from thane.http.dashboard.task_tree import TreeFacts, TreeNode, pace, state_counts, task_tree
from thane.loops.status import LoopState, LoopStatus

NOW = 1_800_000_100.0


def tree(statuses: list[LoopStatus], runs: list[LiveRun] | None = None, rows: int = 20) -> TreeNode:
    facts = TreeFacts(statuses=statuses, runs=runs or [], started_at=NOW - 60, now=NOW, rows=rows)
    return task_tree(facts)


def channel(name: str = "api") -> LoopStatus:
    return status(f"L{name}", name)


def chat(number: int, state: LoopState = "waiting", parent: str = "api", **more: Any) -> LoopStatus:
    started = iso(NOW - 1000 + number)
    loop = status(
        f"l{number}", f"{parent}/Chat {number}", state, f"L{parent}", state_since=NOW - number, started_at=started
    )
    return msgspec.structs.replace(loop, **more)


def names(nodes: tuple[TreeNode, ...]) -> list[str]:
    return [node.title for node in nodes]


def test_channels_stand_in_a_fixed_order_and_own_work_comes_last() -> None:
    root = tree([status("x", "Battery watch"), channel("api"), channel("owu"), channel("ha")])
    assert names(root.children) == ["Open WebUI", "Home Assistant", "API", "Own work"]
    assert names(root.children[3].children) == ["Battery watch"]


def test_conversations_stand_in_the_order_in_which_they_started_whatever_their_state() -> None:
    states: tuple[LoopState, ...] = ("waiting", "processing", "error", "sleeping")
    quiet = tree([channel(), *(chat(n) for n in range(4))])
    busy = tree([channel(), *(chat(n, state) for n, state in enumerate(states))][::-1])
    assert names(quiet.children[0].children) == names(busy.children[0].children) == [f"Chat {n}" for n in range(4)]


def test_a_running_turn_shows_its_steps_and_lights_the_way_to_it() -> None:
    spans = (
        Span("tool", "light.turn_on", NOW - 3, 0.2, "done"),
        Span("tool", "vacuum.start", NOW - 3, 1.0, "done"),
        Span("model", "qwen3:14b", NOW - 1.5, None, "running"),
    )
    root = tree([channel(), chat(1, "processing")], [live_run("r_1", "l1", "Chat 1", turn_number=4, spans=spans)])
    api = root.children[0]
    turn = api.children[0].children[0]
    assert (api.live, api.children[0].live, turn.live) == (True, True, True)
    assert turn.title == "Turn 4"
    assert [(step.title, step.state, step.category, step.live) for step in turn.children] == [
        ("2 tools", "done", "tool", False),
        ("qwen3:14b", "processing", "model", True),
    ]
    assert turn.children[0].sub == "1.2 s"


def test_a_failed_tool_is_seen_as_one() -> None:
    spans = (Span("tool", "web.search", NOW - 3, 0.2, "error"),)
    root = tree([channel(), chat(1, "processing")], [live_run("r_1", "l1", "Chat 1", spans=spans)])
    assert root.children[0].children[0].children[0].children[0].state == "error"


def test_a_queued_turn_says_its_place_and_lights_nothing() -> None:
    run = live_run("r_1", "l1", "Chat 1", state="queued", position=2)
    root = tree([channel(), chat(1, "queued")], [run])
    conversation = root.children[0].children[0]
    assert conversation.sub == "queued · 2nd"
    assert not conversation.live
    assert conversation.children[0].children == ()


def test_housekeeping_is_no_conversation_of_its_channel() -> None:
    root = tree([channel("owu")], [live_run("r_1", "", "title", "owu", conversation_id="", task="title_generation")])
    assert () == root.children[0].children


def test_states_say_what_happens_next() -> None:
    loops = [
        chat(1, "sleeping", next_wake_at=iso(NOW + 3600)),
        chat(2, "error", consecutive_errors=3, next_wake_at=iso(NOW + 24)),
        chat(3, "stopped"),
        chat(4, "waiting"),
    ]
    settled = [str(words.settle(node.sub, NOW)) for node in tree([channel(), *loops]).children[0].children]
    assert settled[0].startswith("sleeping · wakes ")
    assert settled[1] == 'error · 3rd · retry in <time data-until="1800000124.00">24 s</time>'
    assert settled[2] == 'stopped · <time data-age="1800000097.00">3 s</time> ago'
    assert settled[3] == 'waiting · <time data-age="1800000096.00">4 s</time>'


def test_context_is_in_per_cent_and_unknown_without_a_window() -> None:
    full = chat(1, context_tokens=3800, context_window=10_000)
    root = tree([channel(), full, chat(2, context_tokens=3800)])
    assert [node.context for node in root.children[0].children] == [38, None]


def test_of_many_conversations_the_busy_and_the_newest_are_kept_and_the_rest_are_one_node() -> None:
    loops = [chat(n, "processing" if n == 29 else "waiting") for n in range(30)]
    nodes = tree([channel(), *loops], rows=5).children[0].children
    assert names(nodes) == ["Chat 0", "Chat 1", "Chat 2", "Chat 29", "26 more"]
    assert (nodes[-1].kind, nodes[-1].hidden) == ("more", 26)
    assert words.unmarked(nodes[-1].sub) == "all waiting"


def test_nothing_is_folded_that_is_busy() -> None:
    loops = [chat(n, "processing") for n in range(9)]
    assert len(tree([channel(), *loops], rows=5).children[0].children) == 9


def test_states_are_counted_with_those_that_are_folded() -> None:
    loops = [chat(n, "error" if n == 0 else "waiting") for n in range(30)]
    assert state_counts(tree([channel(), *loops], rows=5)) == {"waiting": 29, "error": 1}


def test_labels_say_each_thing_once_and_never_tick() -> None:
    root = tree([channel(), chat(1, context_tokens=38, context_window=100)])
    assert root.children[0].children[0].label == "Chat 1, waiting, context 38 percent"


def test_channels_and_conversations_lead_to_the_pages_of_their_loops() -> None:
    drawn = tree([channel(), chat(1)]).children[0]
    assert (f"/loops/{channel().id}", f"/loops/{chat(1).id}") == (drawn.href, drawn.children[0].href)


@pytest.mark.parametrize(
    ("tokens", "first", "seconds", "expected"),
    [(0, None, 5.0, 0), (1, 0.5, 5.0, 0), (40, 4.9, 5.0, 0), (76, 3.0, 5.0, 38), (1234, 1.0, 5.0, 310)],
)
def test_the_pace_is_said_only_when_it_is_known(
    tokens: int, first: float | None, seconds: float, expected: int
) -> None:
    run = live_run("r", "l", "x", started_at=NOW - seconds, output_tokens=tokens, first_token=first)
    assert pace(run, NOW) == expected


def test_a_task_that_a_turn_handed_over_stands_below_that_turn() -> None:
    parent = live_run("r_1", "l1", "Chat 1")
    child = live_run("r_2", "l1", "Check every lamp", parent_run_id="r_1", model="llama3.1:8b")
    (conversation,) = tree([channel(), chat(1, "processing")], [parent, child]).children[0].children
    (turn,) = conversation.children
    assert "n-r_1" == turn.id
    handed = turn.children[-1]
    assert ("n-r_2", "Check every lamp", "/runs/r_2", True) == (handed.id, handed.title, handed.href, handed.live)
    assert handed.sub.startswith("llama3.1:8b")
