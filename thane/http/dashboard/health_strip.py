"""The strip of facts at the top: link, providers, home, runs, queue, conversations, tokens, dropped events.

Every figure is real or left out: no cost is shown while nothing counts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from markupsafe import Markup

from thane.conversations.live import LiveRun
from thane.health.watch import DATABASE, Dependency
from thane.http.dashboard import words
from thane.http.dashboard.devices import house_name
from thane.http.dashboard.drawing import icon, state
from thane.http.dashboard.parts import Part, place
from thane.http.dashboard.recent import Tokens
from thane.models.provider import ModelInfo


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the strip is drawn from. `home` is "" without one; `conversations` are live and kept."""

    dependencies: Mapping[str, Dependency]
    models: Sequence[ModelInfo]
    home: str
    devices: int
    runs: Sequence[LiveRun]
    max_running: int
    live_conversations: int
    kept_conversations: int
    tokens: Tokens
    dropped: int


def health_part(facts: Facts) -> Part:
    cells = {
        "link": _link(),
        "providers": _providers(facts),
        "home": _home(facts),
        "runs": _runs(facts),
        "queue": _queue(facts),
        "chats": _chats(facts),
        "tokens": _cell(
            "Tokens today",
            _figure(
                words.count(facts.tokens.input + facts.tokens.output),
                f"{words.count(facts.tokens.input)} in · {words.count(facts.tokens.output)} out",
            ),
        ),
        "dropped": _dropped(facts),
    }
    items = {f"f-{name}": Markup('<div id="f-{}">{}</div>').format(name, cell) for name, cell in cells.items()}
    shell = Markup('<dl class="facts strip" id="health" aria-label="Health">{}</dl>')
    return Part("health", shell.format(Markup("").join(place(name) for name in items)), items)


def _cell(name: str | Markup, body: Markup) -> Markup:
    return Markup("<dt>{}</dt><dd>{}</dd>").format(name, body)


def _figure(value: object, small: str = "") -> Markup:
    return Markup("<b>{}</b>{}").format(value, Markup(" <small>{}</small>").format(small) if small else "")


def _link() -> Markup:
    """All three states are drawn; the page shows the one that its own connection is in."""
    return _cell(
        "Link",
        Markup(
            '<span class="lk lk-wait">{}</span><span class="lk lk-up">{}</span><span class="lk lk-down">{}</span>'
        ).format(state("starting", "Linking"), state("done", "Live"), state("off", "Lost")),
    )


def _providers(facts: Facts) -> Markup:
    """Providers that have models now, and those that are known and do not answer."""
    names = {model.provider for model in facts.models}
    down = sorted(
        name
        for name, dependency in facts.dependencies.items()
        if not dependency.ready and name not in (facts.home, DATABASE)
    )
    total = len(names | set(down))
    if down:
        body = state("warn", f"{total - len(down)} of {total}") + _small(f"{down[0]} down")
    elif names == {"embedded"}:
        body = state("done", "Embedded brain")
    elif names:
        body = state("done", f"{total} of {total}") + _small(words.plural(len(facts.models), "model"))
    else:
        body = state("off", "None")
    return _cell("Providers", body)


def _home(facts: Facts) -> Markup:
    if not facts.home:
        return _cell("Home", state("off", "None"))
    dependency = facts.dependencies.get(facts.home)
    name = house_name(facts.home)
    if dependency is not None and not dependency.ready:
        return _cell("Home", state("off", name) + _small("no answer"))
    return _cell("Home", state("done", name, icon("home")) + _small(words.plural(facts.devices, "device")))


def _runs(facts: Facts) -> Markup:
    active = sum(run.state == "processing" for run in facts.runs)
    return _cell("Active runs", _figure(active, f"of {facts.max_running}"))


def _queue(facts: Facts) -> Markup:
    waiting = [run for run in facts.runs if run.state == "queued"]
    longest = words.running_since(min(run.started_at for run in waiting)) if waiting else ""
    return _cell("Queue", _figure(len(waiting), longest))


def _chats(facts: Facts) -> Markup:
    database = facts.dependencies.get(DATABASE)
    if database is not None and not database.ready:
        full = Markup('<a href="/system">{}</a>').format(state("off", "Cannot be stored"))
        return _cell("Conversations", full + _small("no turns are taken"))
    kept = f"live · {words.count(facts.kept_conversations)} kept"
    return _cell("Conversations", _figure(facts.live_conversations, kept))


def _dropped(facts: Facts) -> Markup:
    if not facts.dropped:
        return _cell(_DROPPED, _figure(0))
    body = Markup('<a href="/events">{}{}</a>').format(
        state("warn", words.count(facts.dropped)), _small("in slow views; all are in the log")
    )
    return _cell(_DROPPED, body)


_DROPPED = Markup('Dropped<span class="roomy"> events</span>')


def _small(text: str) -> Markup:
    return Markup(" <small>{}</small>").format(text)
