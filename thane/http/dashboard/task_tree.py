"""The live tree as plain values: service, channels, conversations, turns, steps. Made from snapshots, not from events.

A row never moves because another changed state: children stand in the order in which they started, new ones last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Literal

import msgspec

from thane.conversations.live import LiveRun, Span
from thane.http.dashboard import words
from thane.http.dashboard.drawing import CHANNELS, STATES, run_address
from thane.loops.status import LoopStatus

type Kind = Literal["service", "channel", "conversation", "more", "turn", "step"]

LIVELY = frozenset({"processing", "queued", "error"})
STEP_ICONS = {
    "model": "models",
    "tool": "tool",
    "queue": "clock",
    "prompt": "doc",
    "retry": "retry",
    "fallback": "branch",
    "error": "bolt",
}


class TreeNode(msgspec.Struct, frozen=True, kw_only=True):
    """One node. `state` is a sign of `drawing`, `sub` may hold marks, `context` is per cent or None if unknown."""

    id: str
    kind: Kind
    title: str
    sub: str = ""
    state: str = ""
    context: int | None = None
    live: bool = False
    href: str = ""
    icon: str = ""
    category: str = ""  # model | tool, of a step
    hidden: int = 0  # how many a `more` node stands for
    children: tuple[TreeNode, ...] = ()

    @property
    def label(self) -> str:
        """What a screen reader says: no ticking times, nothing twice."""
        sub = words.unmarked(self.sub)
        state = "" if sub.startswith(self.state) else self.state
        context = f"context {self.context} percent" if self.context is not None else ""
        return ", ".join(filter(None, (self.title, state, sub, context)))

    def walk(self) -> Iterable[TreeNode]:
        yield self
        for child in self.children:
            yield from child.walk()


class TreeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the tree is drawn from. Times are epoch seconds."""

    statuses: Sequence[LoopStatus]
    runs: Sequence[LiveRun]
    started_at: float
    now: float
    zone: tzinfo | None = None
    rows: int = 20  # children of one parent that are drawn; the rest become one node


def task_tree(facts: TreeFacts) -> TreeNode:
    """The whole tree. Loops whose parent is gone hang from the service, runs without a loop from their channel."""
    known = {status.id for status in facts.statuses}
    roots = [status for status in facts.statuses if status.parent_id not in known]
    branches = [status for status in roots if _is_branch(status, facts.statuses)]
    branches.sort(key=lambda status: list(CHANNELS).index(status.name) if status.name in CHANNELS else len(CHANNELS))
    others = [status for status in roots if status not in branches]
    channels = [_channel(status, facts) for status in branches]
    if others:
        leaves = _fold(_conversations(others, facts), facts.rows, "n-own")
        channels.append(
            TreeNode(id="n-own", kind="channel", title="Own work", icon="cal", sub=str(len(others)), children=leaves)
        )
    return TreeNode(
        id="n-service",
        kind="service",
        title="thane",
        sub=f"up {words.age_of(facts.started_at)}",
        href="/events?source=system",
        children=tuple(msgspec.structs.replace(node, live=_any_live(node)) for node in channels),
    )


def state_counts(root: TreeNode) -> dict[str, int]:
    """How many conversations are in each state, most urgent first; what `more` nodes stand for is counted too."""
    found: dict[str, int] = {}
    for node in root.walk():
        if node.kind in ("conversation", "more"):
            found[node.state] = found.get(node.state, 0) + (node.hidden or 1)
    order = ("processing", "queued", "waiting", "sleeping", "error", "starting", "stopped")
    return {name: found[name] for name in order if name in found}


def _is_branch(status: LoopStatus, statuses: Sequence[LoopStatus]) -> bool:
    return status.name in CHANNELS or any(other.parent_id == status.id for other in statuses)


def _channel(status: LoopStatus, facts: TreeFacts) -> TreeNode:
    children = [other for other in facts.statuses if other.parent_id == status.id]
    title, icon = CHANNELS.get(status.name, (words.clean(status.name), "now"))
    nodes = (*_fold(_conversations(children, facts), facts.rows, status.id),)
    return TreeNode(
        id=f"n-{status.id}",
        kind="channel",
        title=title,
        icon=icon,
        sub=str(len(children)) if children else "",
        href=f"/loops/{status.id}",
        children=nodes,
    )


def _conversations(statuses: Iterable[LoopStatus], facts: TreeFacts) -> list[tuple[LoopStatus, TreeNode]]:
    ordered = sorted(statuses, key=lambda status: (status.started_at or "", status.id))
    return [(status, _conversation(status, facts)) for status in ordered]


def _conversation(status: LoopStatus, facts: TreeFacts) -> TreeNode:
    runs = [run for run in facts.runs if run.loop_id == status.id]
    turns = tuple(_turn(run, facts) for run in runs if not run.parent_run_id)
    return TreeNode(
        id=f"n-{status.id}",
        kind="conversation",
        title=title_of(status),
        sub=_sub(status, runs, facts),
        state=STATES[status.state],
        context=_context(status),
        live=status.state == "processing" or any(turn.live for turn in turns),
        href=f"/loops/{status.id}",
        children=turns,
    )


def title_of(status: LoopStatus) -> str:
    """What the owner would call the loop: its title, or its name after the channel."""
    title = str(status.metadata.get("title") or status.name.rpartition("/")[2])
    return words.clean(title) or "untitled"


def _sub(status: LoopStatus, runs: Sequence[LiveRun], facts: TreeFacts) -> str:
    wakes = words.moment(status.next_wake_at)
    match status.state:
        case "waiting":
            return f"waiting · {words.age_of(status.state_since)}"
        case "sleeping":
            return f"sleeping · wakes {words.of_day(wakes, facts.zone)}" if wakes else "sleeping"
        case "queued":
            position = min((run.position for run in runs if run.state == "queued"), default=0)
            return f"queued · {words.ordinal(position)}" if position else "queued"
        case "error":
            again = f" · retry in {words.until(wakes)}" if wakes else ""
            return f"error · {words.ordinal(max(1, status.consecutive_errors))}{again}"
        case "stopped":
            return f"stopped · {words.age_of(status.state_since)} ago"
        case _:
            return STATES[status.state]


def _context(status: LoopStatus) -> int | None:
    if not status.context_window or not status.context_tokens:
        return None
    return min(100, round(100 * status.context_tokens / status.context_window))


def _turn(run: LiveRun, facts: TreeFacts) -> TreeNode:
    going = run.state != "queued"
    return TreeNode(
        id=f"n-{run.run_id}",
        kind="turn",
        title=f"Turn {run.turn_number}" if run.turn_number else "Turn",
        sub=words.briefly_since(run.started_at),
        state=run.state,
        live=going,
        href=run_address(run.run_id),
        children=(*_steps(run, facts.now), *_handed_over(run, facts)) if going else (),
    )


def _handed_over(run: LiveRun, facts: TreeFacts) -> Iterable[TreeNode]:
    """The tasks that the turn has handed to other models and that go on: each with the model that does it."""
    for child in facts.runs:
        if child.parent_run_id == run.run_id:
            yield TreeNode(
                id=f"n-{child.run_id}",
                kind="step",
                title=words.clean(child.title) or "task",
                sub=f"{words.clean(child.model) or 'delegated'} · {words.briefly_since(child.started_at)}",
                state=child.state,
                category="model",
                icon="branch",
                live=True,
                href=run_address(child.run_id),
            )


def _steps(run: LiveRun, now: float) -> Iterable[TreeNode]:
    """What the turn does now, and in one node the tools that it has run."""
    done = [span for span in run.spans if span.kind == "tool" and span.state != "running"]
    if done:
        failed = any(span.state == "error" for span in done)
        yield TreeNode(
            id=f"n-{run.run_id}-done",
            kind="step",
            title=done[0].name if len(done) == 1 else f"{len(done)} tools",
            sub=words.duration(sum(span.duration or 0.0 for span in done)),
            state="error" if failed else "done",
            category="tool",
            href=run_address(run.run_id),
        )
    going = [(number, span) for number, span in enumerate(run.spans) if span.state == "running"]
    for number, span in going:
        yield TreeNode(
            id=f"n-{run.run_id}-{number}",
            kind="step",
            title=words.clean(span.name) or span.kind,
            sub=step_words(run, span, now),
            state="processing",
            category=span.kind if span.kind in ("model", "tool") else "",
            icon=STEP_ICONS.get(span.kind, "clock"),
            live=True,
            href=run_address(run.run_id),
        )


def step_words(run: LiveRun, span: Span, now: float) -> str:
    """The figure of a step that goes on: its pace while a model writes, else how long it takes already."""
    rate = pace(run, now) if span.kind == "model" else 0
    return f"≈ {rate} tok/s" if rate else words.briefly_since(span.started_at)


def pace(run: LiveRun, now: float) -> int:
    """Tokens a second, two digits, or 0 while that cannot be said. An estimate: pieces of text stand for tokens."""
    if run.first_token is None or run.output_tokens < 2:
        return 0
    seconds = now - run.started_at - run.first_token
    if seconds < 0.25:
        return 0
    rate = run.output_tokens / seconds
    return round(rate) if rate < 100 else round(rate / 10) * 10


def _fold(found: list[tuple[LoopStatus, TreeNode]], rows: int, parent: str) -> tuple[TreeNode, ...]:
    """At most `rows` nodes: what is busy stays, then what changed last, then one node for all others."""
    if len(found) <= rows:
        return tuple(node for _, node in found)
    busy = {status.id for status, _ in found if status.state in LIVELY}
    quiet = sorted((status for status, _ in found if status.id not in busy), key=lambda status: -status.state_since)
    kept = busy | {status.id for status in quiet[: max(0, rows - 1 - len(busy))]}
    hidden = [status for status, _ in found if status.id not in kept]
    if not hidden:
        return tuple(node for _, node in found)
    states = {status.state for status in hidden}
    since = max(status.state_since for status in hidden)
    return (
        *(node for status, node in found if status.id in kept),
        TreeNode(
            id=f"n-more-{parent}",
            kind="more",
            title=f"{len(hidden)} more",
            sub=f"all waiting · {words.age_of(since)}" if states == {"waiting"} else "waiting or asleep",
            state=STATES[hidden[0].state],
            hidden=len(hidden),
            href="/events?source=loop",
        ),
    )


def _any_live(node: TreeNode) -> bool:
    return any(child.live for child in node.children)
