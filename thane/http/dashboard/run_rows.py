"""The rows of a run's waterfall: what each span is called, its lane, and what is told when it is opened. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from thane.http.dashboard import words
from thane.http.dashboard.drawing import icon, sign
from thane.http.dashboard.json_markup import json_markup
from thane.http.dashboard.task_tree import STEP_ICONS
from thane.http.dashboard.waterfall import Axis, Segment, gaps
from thane.memory.records import RunRecord, Span, ToolCallRecord

NOTE_CHARS = 48
RESULT_CHARS = 8000
"""Longest result of a tool, and longest arguments, on the page; the JSON has the whole."""

_TITLES = {"queue": "Queue", "prompt": "Prompt", "retry": "Pause", "fallback": "Fall-back"}
_KINDS = {"queue": "queue", "prompt": "queue", "retry": "warn", "fallback": "warn"}
_COLOURS = {"model": "prefill", "prompt": "queue", "retry": "idle", "fallback": "warn"}
_WAITS = frozenset({"queue", "model", "tool", "retry"})
"""Spans in which nothing is seen to happen; a long one is collapsed. What a model says is seen."""


class Row(msgspec.Struct, frozen=True):
    """One row of the waterfall; `id` is its element's."""

    id: str
    markup: Markup


def run_total(run: RunRecord, now: float) -> float:
    """Seconds from the start of the run to its end, or to `now` while it goes on."""
    ends = [_end(span, now) for span in run.spans]
    going = run.state in ("queued", "running")
    return max([0.0, now - run.started_at if going else run.duration, *(end - run.started_at for end in ends)])


def run_axis(run: RunRecord, now: float) -> Axis:
    total = run_total(run, now)
    pieces = [piece for span in run.spans for piece in _segments(span, run.started_at, now)]
    return Axis(total, gaps(pieces, total))


def run_rows(run: RunRecord, axis: Axis, now: float) -> list[Row]:
    """A row for each span, in the order in which they began. `now` is epoch seconds."""
    calls: defaultdict[tuple[int, str], deque[ToolCallRecord]] = defaultdict(deque)
    for call in run.tool_calls:
        calls[call.step, call.id].append(call)
    rows: list[Row] = []
    for number, span in enumerate(run.spans):
        waiting = calls[span.step, span.call_id] if span.kind == "tool" else deque[ToolCallRecord]()
        call = waiting.popleft() if waiting else None
        rows.append(Row(f"wf-{number}", _row((number, span), call, run, axis, now)))
    return rows


def _row(place: tuple[int, Span], call: ToolCallRecord | None, run: RunRecord, axis: Axis, now: float) -> Markup:
    number, span = place
    kind = _KINDS.get(span.kind, span.kind)
    title = _TITLES.get(span.kind) or words.clean(span.name) or span.kind
    load = ""
    if span.prompt is not None:
        load = Markup(
            ' hx-get="/runs/{}/prompts/{}" hx-trigger="toggle once" hx-target="find .wf-p" hx-swap="innerHTML"'
        ).format(run.id, span.prompt)
    bad = span.state == "error"
    return Markup(
        '<details class="wf-row" id="wf-{number}"{load}><summary><span class="wf-n{inner} k-{kind}">{chev}{icon}'
        "<b{mono}>{title}</b>{small}{state}</span>{lane}"
        '<span class="wf-d{bad}">{time}</span></summary><div class="wf-x">{body}</div></details>'
    ).format(
        number=number,
        load=load,
        inner=" in" if span.kind == "tool" else "",
        kind="error" if bad else kind,
        chev=icon("chev", "tw"),
        icon=icon(STEP_ICONS.get(span.kind, "clock")),
        mono=Markup(' class="mono"') if span.kind in ("model", "tool") else "",
        title=title,
        small=Markup("<small>{}</small>").format(small) if (small := _small(span, run)) else "",
        state=_state(span),
        lane=axis.lane(_segments(span, run.started_at, now), _note(span), bad=bad),
        bad=" bad" if bad else "",
        time=words.running_since(span.started_at) if span.duration is None else words.duration(span.duration),
        body=_body(span, call, run),
    )


def _end(span: Span, now: float) -> float:
    return max(now, span.started_at) if span.duration is None else span.started_at + span.duration


def _segments(span: Span, start: float, now: float) -> list[Segment]:
    """In seconds from the run's start. A failed span is red, whatever its kind."""
    begin, end = max(0.0, span.started_at - start), max(0.0, _end(span, now) - start)
    first = begin + span.first_token if span.first_token is not None else end
    bad = span.state == "error"
    if span.kind == "model" and first < end:
        return [Segment(begin, first, "prefill", waits=True), Segment(first, end, "error" if bad else "model")]
    kind = _COLOURS.get(span.kind, span.kind)
    return [Segment(begin, end, "error" if bad else kind, waits=span.kind in _WAITS)]


def _small(span: Span, run: RunRecord) -> str:
    """A few words behind the name."""
    if span.kind == "model":
        calls = sum(call.step == span.step for call in run.tool_calls)
        tries = sum(other.kind == "model" and other.step == span.step for other in run.spans)
        return f"step {span.step}, {words.plural(calls, 'call')}" if calls and tries == 1 else f"step {span.step}"
    if span.kind == "queue" and span.provider:
        return f"for a place at {words.clean(span.provider)}"
    if span.kind == "fallback":
        return f"to {words.clean(span.name)}"
    if span.kind == "prompt" and run.prompts:
        first = run.prompts[0]
        return f"{words.plural(first.messages, 'message')}, {words.plural(first.tools, 'tool')}"
    return ""


def _state(span: Span) -> Markup:
    if span.state == "error":
        cancelled = span.finish_reason == "cancelled"
        name, word = ("cancelled", "Cancelled") if cancelled else ("error", "Failed")
    elif span.state == "running":
        name, word = "processing", "Running"
    else:
        return Markup("")
    return Markup('<span class="end wf-s is-{}">{}<span>{}</span></span>').format(name, sign(name), word)


def _note(span: Span) -> str:
    """What stands beside the bar."""
    if span.state == "error" and span.note:
        note = words.clean(span.note)
        return note if len(note) <= NOTE_CHARS else f"{note[:NOTE_CHARS]}…"
    return f"{rate} tok/s" if (rate := _rate(span)) else ""


def _rate(span: Span) -> int:
    """Tokens a second while it decoded, 0 where that says nothing."""
    if span.kind != "model" or span.usage is None or span.duration is None:
        return 0
    seconds = span.decode_duration or span.duration - (span.first_token or 0.0)
    return round(span.usage.output_tokens / seconds) if seconds > 0.05 and span.usage.output_tokens > 1 else 0


def _body(span: Span, call: ToolCallRecord | None, run: RunRecord) -> Markup:
    if span.kind == "tool":
        return _call(call) if call is not None else Markup('<p class="meta">Not known yet.</p>')
    if span.kind == "model":
        return _model(span, run)
    if span.kind == "queue":
        free = f"until {words.clean(span.provider)} had a place free (concurrency)" if span.provider else ""
        facts = [("Waited", free or "until its conversation and a slot were free")]
    elif span.kind == "prompt":
        facts = [("Meanwhile", "a model is chosen and the prompt is put together")]
    else:
        facts = [("Why", span.note)]
    return _facts(facts)


def _model(span: Span, run: RunRecord) -> Markup:
    usage = span.usage
    about = "≈ est." if usage is not None and usage.estimated else ""
    facts = [
        ("Provider", span.provider),
        ("Why it ended" if span.state == "error" else "Why this model", span.note),
        ("First token", words.duration(span.first_token) if span.first_token is not None else ""),
        ("Waited for a place", words.duration(span.queue_duration) if span.queue_duration else ""),
        ("Left out of the prompt", _left_out(span.truncated_tokens)),
        ("Loading the model", words.duration(span.load_duration) if span.load_duration else ""),
        ("Stop", (span.finish_reason or "").replace("_", " ")),
    ]
    if usage is not None:
        cached = f", {words.count(usage.cached_tokens)} from cache" if usage.cached_tokens else ""
        facts[1:1] = [
            ("Prompt", f"{words.count(usage.input_tokens)} tokens{cached} {about}".strip()),
            ("Output", f"{words.count(usage.output_tokens)} tokens {about}".strip()),
        ]
    link = Markup("")
    if span.prompt is not None:
        link = Markup(
            '<p><a class="lnk" href="/models?run={0}">Routing decision</a></p>'
            '<div class="wf-p" hx-morph-skip-children>'
            '<a class="lnk" href="/runs/{0}/prompts/{1}">What it was sent</a></div>'
        ).format(run.id, span.prompt)
    return Markup("{}{}").format(_facts(facts), link)


def _left_out(tokens: int) -> str:
    return f"about {words.count(tokens)} tokens: it did not fit the model's context" if tokens else ""


def _facts(facts: Sequence[tuple[str, str]]) -> Markup:
    pairs = (Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in facts if value)
    return Markup('<dl class="kv">{}</dl>').format(Markup("").join(pairs))


def _call(call: ToolCallRecord) -> Markup:
    heading: Markup | str = "Result"
    if call.owner == "client":
        heading = "The client runs it; its result comes with the next turn"
    elif not call.ok and call.result:
        heading = Markup("{}Error, given to the model as the tool’s result").format(sign("error"))
    return Markup(
        '<div class="two"><figure><figcaption>Arguments</figcaption>{}</figure>'
        "<figure><figcaption{}>{}</figcaption>{}</figure></div>"
    ).format(
        _json(call.arguments),
        Markup(' class="bad"') if not call.ok else "",
        heading,
        _json(call.result) if call.result else Markup('<p class="meta">None.</p>'),
    )


def _json(text: str) -> Markup:
    """Text as indented JSON if it is some and not too long, or else as it is, cut."""
    if len(text) <= RESULT_CHARS:
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = None
        if isinstance(value, dict | list):
            return json_markup(value)
    return Markup('<pre class="code">{}</pre>').format(cut_text(text, RESULT_CHARS))


def cut_text(text: str, most: int) -> str:
    """The text, or its beginning and how much more there is."""
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} more characters"
