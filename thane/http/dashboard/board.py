"""The Now page as parts, drawn from snapshots of the rooms and shared by all viewers.

A drawing is used again until an event was published or a figure that goes on by itself must be drawn anew, so a hundred
open pages cost about as much as one; and there is never more than one drawing under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from zoneinfo import ZoneInfo

import trio
from markupsafe import Markup

from thane.conversations.live import LiveRun
from thane.http.dashboard import words
from thane.http.dashboard.devices import FRESH_SECONDS, House, house_part
from thane.http.dashboard.drawing import sign, state
from thane.http.dashboard.health_strip import Facts, health_part
from thane.http.dashboard.parts import Page, Part, Share
from thane.http.dashboard.recent import Recent
from thane.http.dashboard.running import running_part
from thane.http.dashboard.task_tree import TreeFacts, state_counts, task_tree
from thane.http.dashboard.tree_svg import list_part, tree_part
from thane.http.rooms import Rooms


class Board:
    """One for the dashboard. `page` may be awaited by any number of viewers."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._limits = rooms.settings.dashboard
        self.zone: tzinfo | None = ZoneInfo(rooms.settings.timezone) if rooms.settings.timezone else None
        self.recent = Recent(self.zone)
        self.share = Share()
        self.announcement = announce(())
        self._lock = trio.Lock()
        self._page: dict[str, Part] = {}
        self._drawn_seq = -1
        self._drawn_at = -1.0
        self._kept = 0
        self._counted_at = -1.0

    async def page(self) -> Page:
        """The parts as they are now, at most `dashboard.refresh_seconds` old where figures go on by themselves.

        `announcement` then says for a screen reader what they show.
        """
        async with self._lock:
            now = trio.current_time()
            rooms = self._rooms
            fresh = now - self._drawn_at < (self._limits.refresh_seconds if self.moving else self._limits.pulse_seconds)
            if self._page and fresh and self._drawn_seq == rooms.bus.last_seq:
                return self._page
            self._drawn_seq, self._drawn_at = rooms.bus.last_seq, now
            await self.recent.read(rooms.bus, rooms.clock.time())
            if self._counted_at < 0 or now - self._counted_at >= self._limits.refresh_seconds:
                self._counted_at = now
                self._kept = await rooms.archive.count_conversations()
            self._page = {part.id: part for part in self._draw()}
            return self._page

    @property
    def moving(self) -> bool:
        """Whether something on the page changes with time alone: a running turn's pace, a device's fading outline."""
        now = self._rooms.clock.time()
        newest = max((change.at for change in self.recent.changes.values()), default=0.0)
        return bool(self._turns()) or now - newest < FRESH_SECONDS + self._limits.refresh_seconds

    def _turns(self) -> tuple[LiveRun, ...]:
        """What runs or waits, and the turns whose clients run their tools."""
        conversations = self._rooms.conversations
        return (*conversations.running(), *conversations.between_rounds())

    def _draw(self) -> list[Part]:
        rooms, now = self._rooms, self._rooms.clock.time()
        runs, statuses = self._turns(), rooms.loops.statuses()
        tree = task_tree(
            TreeFacts(
                statuses=statuses,
                runs=runs,
                started_at=rooms.started_at,
                now=now,
                zone=self.zone,
                rows=self._limits.tree_rows,
            )
        )
        states = state_counts(tree)
        self.announcement = announce(runs, states.get("error", 0))
        parts = [
            self._health(runs, sum(states.values())),
            running_part(runs, now),
            _legend(states),
            tree_part(tree),
            list_part(tree),
        ]
        if rooms.home is not None:
            parts.append(
                house_part(
                    House(
                        name=rooms.home.name,
                        areas=rooms.home.areas(),
                        entities=rooms.home.entities(),
                        changes=self.recent.changes,
                        cause=self.recent.cause,
                        now=now,
                    )
                )
            )
        return parts

    def _health(self, runs: tuple[LiveRun, ...], live: int) -> Part:
        rooms = self._rooms
        return health_part(
            Facts(
                dependencies=rooms.health.report().dependencies,
                models=rooms.models(),
                home=rooms.home.name if rooms.home else "",
                devices=len(rooms.home.entities()) if rooms.home else 0,
                runs=runs,
                max_running=rooms.settings.conversations.max_running,
                live_conversations=live,
                kept_conversations=self._kept,
                tokens=self.recent.tokens,
                dropped=rooms.bus.statistics().dropped,
            )
        )


def announce(runs: tuple[LiveRun, ...], errors: int = 0) -> Part:
    """The line that a screen reader is told; it is sent less often than the rest."""
    active = sum(run.state == "processing" for run in runs)
    said = [words.plural(active, "run") + " active"]
    if queued := sum(run.state == "queued" for run in runs):
        said.append(f"{queued} queued")
    if errors:
        said.append(words.plural(errors, "error"))
    shell = Markup('<p class="vh" role="status" aria-live="polite" id="announce">{}.</p>').format(", ".join(said))
    return Part("announce", shell)


def running_link(runs: tuple[LiveRun, ...]) -> Part:
    """The small link to Now that other pages show while turns run."""
    active = sum(run.state == "processing" for run in runs)
    body = Markup('<a class="mini-run" href="/">{}<span>{} running</span></a>').format(sign("processing"), active)
    return Part("mini-run", Markup('<div id="mini-run">{}</div>').format(body if active else ""))


def _legend(states: Mapping[str, int]) -> Part:
    entries = Markup("").join(
        Markup("<li>{}</li>").format(state(name, f"{number} {name}")) for name, number in states.items()
    )
    shell = Markup('<ul class="legend" id="legend" aria-label="Conversations by state">{}</ul>').format(entries)
    return Part("legend", shell)
