"""A loop's page: how it stands, what it does now, its last iterations, its log lines. Drawn anew every few seconds."""

from __future__ import annotations

from datetime import tzinfo

import msgspec
from markupsafe import Markup

from thane.http.dashboard import words
from thane.http.dashboard.drawing import STATES, events_address, gauge, state
from thane.loops.status import IterationSnapshot, LoopStatus

type Cell = tuple[str, Markup | str]
"""A name and its figure."""


class IterationRow(msgspec.Struct, frozen=True):
    """One past iteration. `number` is "failed" for one that did; `run` is an id, "" for none."""

    number: str
    when: str
    took: str
    model: str
    tokens: str
    cost: str
    tools: str
    said: str
    failed: bool
    run: str


class LoopView(msgspec.Struct, frozen=True):
    """What the template shows. `now` says in words what the model is asked in this moment, "" when it is not."""

    id: str
    title: str
    name: str
    state: Markup
    facts: tuple[Cell, ...]
    now: tuple[str, ...]
    iterations: tuple[IterationRow, ...]
    error: str
    events: str
    conversation: str
    parent: str
    is_parent: bool


def loop_view(status: LoopStatus, zone: tzinfo | None, now: float) -> LoopView:
    """`now` is the moment of drawing, in epoch seconds."""
    conversation = str(status.metadata.get("conversation_id") or "")
    return LoopView(
        id=status.id,
        title=words.clean(str(status.metadata.get("title") or status.name)),
        name=status.name,
        state=state(STATES[status.state], _state_words(status, now)),
        facts=_facts(status, now),
        now=_now(status),
        iterations=tuple(_iteration(each, zone) for each in status.recent_iterations),
        error=words.clean(status.last_error) if status.consecutive_errors else "",
        events=events_address(conversation=conversation, loop="" if conversation else status.id),
        conversation=conversation,
        parent=status.parent_id or "",
        is_parent=status.parent_id is None and not status.attempts,
    )


def _state_words(status: LoopStatus, now: float) -> Markup | str:
    wakes = words.moment(status.next_wake_at)
    if wakes is not None:
        return words.settle(f"{status.state} · wakes in {words.until(wakes)}", now)
    return words.settle(f"{status.state} · {words.age_of(status.state_since)}", now)


def _facts(status: LoopStatus, now: float) -> tuple[Cell, ...]:
    woken = words.moment(status.last_wake_at)
    context: Markup | str = "–"
    if status.context_window:
        percent = 100 * status.context_tokens / status.context_window
        label = f"{percent:.0f} % of {words.count(status.context_window)} tokens"
        context = Markup("{} {}").format(f"{percent:.0f} %", gauge(percent, label))
    return (
        ("Iterations", words.count(status.iterations)),
        ("Attempts", words.count(status.attempts)),
        ("Waiting in it", words.count(status.queued)),
        ("Tokens in", words.count(status.total_input_tokens)),
        ("Tokens out", words.count(status.total_output_tokens)),
        ("Cost", words.money(status.total_cost_usd)),
        ("Context", context),
        ("Last at work", words.settle(f"{words.age_of(woken)} ago", now) if woken is not None else "–"),
    )


def _now(status: LoopStatus) -> tuple[str, ...]:
    """What the model is asked now: its name, the size of the question, why it was chosen."""
    asked = status.llm_context
    if asked is None:
        return ()
    sizes = f"≈ {words.count(asked.get('est_tokens') or 0)} tokens, {asked.get('messages') or 0} messages"
    parts = (str(asked.get("model") or ""), sizes, words.plural(asked.get("tools") or 0, "tool"))
    return (*parts, *filter(None, (words.clean(str(asked.get("reasoning") or "")),)))


def _iteration(each: IterationSnapshot, zone: tzinfo | None) -> IterationRow:
    started = words.moment(each.started_at)
    told = str(each.summary.get("answer") or each.summary.get("state") or "")
    by = each.summary.get("cancelled_by")
    return IterationRow(
        number=str(each.number) if each.number else "failed",
        when=words.of_day(started, zone, "%H:%M:%S") if started is not None else "",
        took=words.duration(each.elapsed_ms / 1000),
        model=each.model,
        tokens=f"{words.count(each.input_tokens)} in · {words.count(each.output_tokens)} out" if each.model else "",
        cost="–" if each.cost_usd is None else words.money(each.cost_usd),
        tools=", ".join(f"{name} ×{times}" if times > 1 else name for name, times in each.tools_used.items()),
        said=words.clean(each.error or (f"{told} by {by}" if by else told)),
        failed=not each.number,
        run=each.run_id,
    )
