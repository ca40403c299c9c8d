"""The Run page as parts, drawn from a run's record: as it is now while the run goes on, as it is kept afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from markupsafe import Markup

from thane.http.dashboard import words
from thane.http.dashboard.drawing import CHANNELS, Sign, icon, sign, state
from thane.http.dashboard.parts import NOTHING, Page, Part, place
from thane.http.dashboard.run_rows import cut_text, run_axis, run_rows, run_total
from thane.http.rooms import Rooms
from thane.memory.fact import Fact, Use
from thane.memory.records import RunFilter, RunRecord, RunState, Span, StepRecord
from thane.turn import Usage

ANSWER_CHARS = 20_000
HEADING_CHARS = 160
MOST_CHILDREN = 20

STATE_WORDS: dict[RunState, tuple[Sign, str]] = {
    "queued": ("queued", "Queued"),
    "running": ("processing", "Running"),
    "done": ("done", "Done"),
    "failed": ("error", "Failed"),
    "cancelled": ("cancelled", "Cancelled"),
    "interrupted": ("off", "Interrupted"),
}
USES = {"prompt": "told with the turn", "recall": "looked up", "remember": "written down"}
LIVE = frozenset({"queued", "running"})


class RunPage:
    """One viewer's page of one run. Once the run has ended, nothing on it changes any more."""

    def __init__(self, rooms: Rooms, run_id: str) -> None:
        self._rooms = rooms
        self._run_id = run_id
        self._zone: tzinfo | None = ZoneInfo(rooms.settings.timezone) if rooms.settings.timezone else None
        self._page: Page = NOTHING
        self._asked = ""
        self.run: RunRecord | None = None
        self.announcement = Part("announce", "")

    @property
    def moving(self) -> bool:
        return self.run is not None and self.run.state in LIVE

    async def page(self) -> Page:
        """The parts as they are now; empty when there is no such run."""
        if self.run is not None and not self.moving:
            return self._page
        self.run = self._rooms.conversations.so_far(self._run_id) or await self._rooms.archive.run(self._run_id)
        if self.run is not None:
            self._asked = self._asked or await self._question(self.run)
            children = await self._rooms.archive.runs(wanted=RunFilter(parent_run_id=self._run_id), limit=MOST_CHILDREN)
            facts = await self._rooms.facts.used_by(self._run_id) if self._rooms.facts is not None else ()
            more = Markup("").join((_children(children), _remembered(facts)))
            self._page = {part.id: part for part in self._draw(self.run, more)}
        return self._page

    async def _question(self, run: RunRecord) -> str:
        """What was asked, whole: a run's title is only its beginning."""
        rooms = self._rooms
        asked = rooms.conversations.asked(run.id) or await rooms.archive.question(run.conversation_id, run.id)
        return rooms.archive.redactor.text(asked or run.title)

    def _draw(self, run: RunRecord, more: Markup) -> list[Part]:
        now = self._rooms.clock.time()
        word = STATE_WORDS[run.state][1]
        self.announcement = Part(
            "announce",
            Markup('<p class="vh" role="status" aria-live="polite" id="announce">Run {}.</p>').format(word.lower()),
        )
        return [
            _head(run, self._asked, now, self._zone),
            _trouble(run),
            _facts(run),
            _waterfall(run, now),
            _said(run, self._asked, more),
            _tokens(run),
        ]


def _head(run: RunRecord, asked: str, now: float, zone: tzinfo | None) -> Part:
    name, word = STATE_WORDS[run.state]
    live = run.state in LIVE
    took = words.running_since(run.started_at) if live else words.duration(run_total(run, now))
    stop = Markup(
        '<button class="btn cut" type="button" hx-delete="/v1/runs/{}" hx-swap="none" hx-disable="this">{}Stop</button>'
    ).format(run.id, icon("stop"))
    shell = Markup(
        '<header class="phead" id="run-head"><div class="grow"><h1>{title}</h1><p class="sub">{state}'
        '<span>{took}</span><span>{when}</span><span class="mono">{id}</span></p></div><div class="acts">{stop}'
        '<a class="btn" href="/v1/runs/{id}">{code}JSON</a>'
        '<a class="btn" href="/events?run={id}">{events}Events</a></div></header>'
    ).format(
        title=_heading(asked) or "Untitled",
        state=state(name, word),
        took=took,
        when=words.of_day(run.started_at, zone, "%d %b %H:%M:%S"),
        id=run.id,
        stop=stop if live else "",
        code=icon("code"),
        events=icon("events"),
    )
    return Part("run-head", shell)


def _heading(asked: str) -> str:
    """One line of what was asked."""
    line = words.clean(asked)
    return line if len(line) <= HEADING_CHARS else f"{line[:HEADING_CHARS]}…"


def _trouble(run: RunRecord) -> Part:
    """What went wrong, or who stopped it, said once and in words."""
    body = Markup("")
    if run.error:
        by = f"Stopped by {run.cancelled_by}." if run.cancelled_by else ""
        name = "warn" if run.state == "cancelled" else "error"
        body = Markup('<div class="note is-{}" role="alert">{}<div><b>{}</b><p>{}</p></div></div>').format(
            name, sign("cancelled" if run.state == "cancelled" else "error"), run.error, by
        )
    return Part("run-trouble", Markup('<div id="run-trouble">{}</div>').format(body))


def _facts(run: RunRecord) -> Part:
    usage, about = run.usage, "≈ est." if run.usage.estimated else ""
    providers = list(dict.fromkeys(step.provider for step in run.steps))
    tools = len(run.tool_calls)
    lost = sum(span.duration or 0.0 for span in run.spans if _is_lost(span))
    conversation: Markup | str = "none"
    if run.conversation_id:
        conversation = Markup('<a class="lnk" href="/conversations/{}">{}</a>').format(
            quote(run.conversation_id, safe=""), CHANNELS[run.channel][0]
        )
    steps = max((each.step for each in (*run.spans, *run.steps)), default=0)  # of an interrupted run no spans are kept
    facts: list[tuple[str, Markup | str, str]] = [
        ("Conversation", conversation, run.task.replace("_", " ")),
        ("Profile", run.profile or "–", ""),
        ("Model", Markup('<span class="mono">{}</span>').format(words.clean(run.model) or "–"), ", ".join(providers)),
        (
            "Tokens",
            _in_and_out(usage),
            _cached(usage, about),
        ),
        ("Cost", cost(run.cost_usd), about if run.cost_usd else ""),
        ("First token", words.duration(run.first_token) if run.first_token is not None else "–", ""),
        ("Steps", str(steps), words.plural(tools, "tool call") if tools else ""),
        ("Lost to failures", words.duration(lost) if lost else "nothing", ""),
    ]
    cells = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd>{}</div>").format(
            name, value, Markup('<dd class="fs">{}</dd>').format(more) if more else ""
        )
        for name, value, more in facts
    )
    return Part("run-facts", Markup('<dl class="facts" id="run-facts">{}</dl>').format(cells))


def _is_lost(span: Span) -> bool:
    """Whether its time brought nothing, other than by being told to stop."""
    return span.kind == "retry" or (
        span.kind == "model" and span.state == "error" and span.finish_reason != "cancelled"
    )


def _in_and_out(usage: Usage) -> str:
    return f"{words.count(usage.input_tokens)} in · {words.count(usage.output_tokens)} out"


def _cached(usage: Usage, about: str) -> str:
    if not usage.cached_tokens:
        return about
    share = 100 * usage.cached_tokens / max(1, usage.input_tokens)
    return f"{words.count(usage.cached_tokens)} cached ({share:.0f} %) {about}".strip()


def cost(dollars: float | None) -> str:
    """`$0.0041`, `$0.00` for what is free, a dash where the price is not known."""
    if dollars is None:
        return "–"
    return f"${dollars:.4f}" if 0 < dollars < 0.995 else f"${dollars:,.2f}"


def _waterfall(run: RunRecord, now: float) -> Part:
    axis = run_axis(run, now)
    rows = run_rows(run, axis, now)
    items: dict[str, str] = {"wf-axis": Markup('<div id="wf-axis">{}</div>').format(axis.draw())}
    items |= {row.id: row.markup for row in rows}
    body = Markup("").join(place(row.id) for row in rows)
    shell = Markup('<div id="run-wf"><div class="wf-ax"><span></span>{}<span></span></div>{}</div>').format(
        place("wf-axis"), body or Markup('<p class="quiet">No spans were kept of this run.</p>')
    )
    return Part("run-wf", shell, items)


def _said(run: RunRecord, asked: str, more: Markup) -> Part:
    parts = (
        [Markup('<li class="msg me"><p class="said">{}</p></li>').format(cut_text(asked, ANSWER_CHARS))]
        if asked
        else []
    )
    if run.text or run.state in LIVE:
        caret = Markup('<span class="caret" aria-hidden="true"></span>') if run.state == "running" else ""
        text = cut_text(run.text, ANSWER_CHARS)
        parts.append(Markup('<li class="msg it"><p class="said">{}{}</p></li>').format(text, caret))
    if run.parent_run_id:
        more = Markup('{}<p><a class="lnk" href="/runs/{}">The run that asked for this one</a></p>').format(
            more, run.parent_run_id
        )
    shell = Markup('<div id="run-said"><ol class="talk">{}</ol>{}</div>').format(Markup("").join(parts), more)
    return Part("run-said", shell)


def _children(children: Sequence[RunRecord]) -> Markup:
    links = [
        Markup('<li><a class="lnk" href="/runs/{}">{}</a> <span class="meta">{}</span></li>').format(
            child.id, words.clean(child.title) or child.id, STATE_WORDS[child.state][1]
        )
        for child in children
    ]
    return Markup("<h3>Handed on to</h3><ul>{}</ul>").format(Markup("").join(links)) if links else Markup("")


def _remembered(facts: Sequence[tuple[Use, Fact]]) -> Markup:
    """What of the memory the run was told, looked up or wrote down."""
    lines = [
        Markup('<li><a class="lnk" href="/memory/{}">{}</a>: {} <span class="meta">{}</span></li>').format(
            fact.id,
            words.clean(fact.key),
            words.clean(fact.value),
            "proposed" if fact.state == "proposed" else USES.get(use.how, use.how),
        )
        for use, fact in facts
    ]
    return Markup("<h3>From memory</h3><ul>{}</ul>").format(Markup("").join(lines)) if lines else Markup("")


def _tokens(run: RunRecord) -> Part:
    none = "Counted when a step has ended." if run.state in LIVE else "No model was asked."
    rows = Markup("").join(map(_token_row, run.steps)) or Markup('<tr><td colspan="5">{}</td></tr>').format(none)
    shell = Markup(
        '<table class="tbl" id="run-tokens"><thead><tr><th scope="col">Call</th><th scope="col" class="r">In</th>'
        '<th scope="col" class="r">Cached</th><th scope="col" class="r">Out</th><th scope="col" class="r">Cost</th>'
        "</tr></thead><tbody>{}</tbody></table>"
    ).format(rows)
    return Part("run-tokens", shell)


def _token_row(step: StepRecord) -> Markup:
    usage = step.usage
    small = "≈ est." if usage.estimated else ""
    if step.finish_reason in ("failed", "cancelled"):
        small = f"{step.finish_reason} {small}".strip()
    numbers = Markup("").join(
        Markup('<td class="r">{}</td>').format(value)
        for value in (
            *(words.count(count) for count in (usage.input_tokens, usage.cached_tokens, usage.output_tokens)),
            cost(step.cost_usd),
        )
    )
    return Markup('<tr><td><span class="mono">{}</span>{}</td>{}</tr>').format(
        words.clean(step.model), Markup(" <small>{}</small>").format(small) if small else "", numbers
    )


class RunLine(msgspec.Struct, frozen=True):
    """A run in the list of runs."""

    id: str
    title: str
    state: Markup
    channel: str
    model: str
    when: str
    took: str
    tokens: str
    cost: str


def run_line(run: RunRecord, zone: tzinfo | None) -> RunLine:
    name, word = STATE_WORDS[run.state]
    usage = run.usage
    return RunLine(
        run.id,
        words.clean(run.title) or "Untitled",
        state(name, word),
        CHANNELS[run.channel][0],
        words.clean(run.model),
        words.of_day(run.started_at, zone, "%d %b %H:%M:%S"),
        words.duration(run.duration) if run.state not in LIVE else "",
        _in_and_out(usage),
        cost(run.cost_usd),
    )
