"""The Conversations page as parts: the list, and the one that is looked at with a branch of what was said in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup

from thane.conversations.live import LiveRun
from thane.http.dashboard import words
from thane.http.dashboard.board import announce, running_link
from thane.http.dashboard.desk import Desk
from thane.http.dashboard.drawing import CHANNELS, STATES, gauge
from thane.http.dashboard.pages import Theme
from thane.http.dashboard.parts import Page, Part
from thane.http.dashboard.thread import branch, thread
from thane.loops.status import LoopStatus
from thane.memory.records import ConversationQuery, ConversationRecord, RunFilter, RunRecord
from thane.turn import Channel

PAGE = 60
_RUNS = 500
_NAMES: dict[str, str] = {"": "All", "owu": "WebUI", "ha": "Home", "api": "API"}


class Looked(msgspec.Struct, frozen=True):
    """What a person looks at: which conversations, which one of them, and which branch of it."""

    id: str = ""
    at: str = ""
    q: str = ""
    channel: Channel | str = ""
    archived: bool = False
    pages: int = 1
    whole: bool = False

    @classmethod
    def read(cls, args: Mapping[str, str], id_: str = "") -> Looked:
        """From the query of an address; what makes no sense there is as if it were not."""
        pages = args.get("pages", "1")
        return cls(
            id=id_ or args.get("id", ""),
            at=args.get("at", ""),
            q=args.get("q", "").strip()[:200],
            channel=args.get("channel", "") if args.get("channel", "") in CHANNELS else "",
            archived=args.get("archived") == "1",
            pages=int(pages) if pages.isascii() and pages.isdigit() and 0 < int(pages) < 100 else 1,
            whole=args.get("whole") == "1",
        )

    def address(self, id_: str | None = None, **other: object) -> str:
        """The address of the same look, at another conversation or with something else in it."""
        look = msgspec.structs.replace(self, **({"at": "", "whole": False} if id_ is not None else {}), **other)
        where = look.id if id_ is None else id_
        given = {
            "q": look.q,
            "channel": look.channel,
            "archived": "1" if look.archived else "",
            "pages": str(look.pages) if look.pages > 1 else "",
            "at": look.at,
            "whole": "1" if look.whole else "",
        }
        query = urlencode({name: value for name, value in given.items() if value})
        return f"/conversations{'/' + where if where else ''}{'?' + query if query else ''}"

    def live(self) -> str:
        """The address of the live channel of this look."""
        rest = self.address().partition("?")[2]
        return f"/live?{urlencode({'page': 'conversations', 'id': self.id})}{'&' + rest if rest else ''}"


class Row(msgspec.Struct, frozen=True):
    """A conversation in the list. `sign` is that of its loop; "" for one that has none now."""

    record: ConversationRecord
    sign: str
    address: str
    age: str
    note: str
    context: Markup | str


class ConversationPage:
    """One viewer's page."""

    def __init__(self, desk: Desk, looked: Looked, theme: Theme = "auto") -> None:
        self._desk = desk
        self._looked = looked
        self._theme: Theme = theme
        self.announcement = announce(())
        self.zone: tzinfo | None = desk.board.zone

    async def parts(self) -> Page:
        """Everything on it, as it is now."""
        runs = self._desk.rooms.conversations.running()
        loops = {
            str(status.metadata.get("conversation_id", "")): status for status in self._desk.rooms.loops.statuses()
        }
        self.announcement = announce(runs)
        parts = (await self._list(loops), await self._pane(loops, runs), running_link(runs))
        return {part.id: part for part in parts}

    async def _list(self, loops: Mapping[str, LoopStatus]) -> Part:
        looked, archive = self._looked, self._desk.rooms.archive
        query = ConversationQuery(
            channel=looked.channel, q=looked.q, archived=looked.archived, limit=PAGE * looked.pages
        )
        page = await archive.find(query)
        rows = [self._row(record, loops.get(record.id)) for record in page.conversations]
        shell = self._desk.pages.html(
            "conversation_list.html",
            self._theme,
            looked=looked,
            live=[row for row in rows if row.sign],
            earlier=[row for row in rows if not row.sign],
            count=page.count,
            more=looked.address(pages=looked.pages + 1) if page.after else "",
            channels=[(name, _NAMES[name], looked.address(channel=name, pages=1)) for name in _NAMES],
            other=looked.address(archived=not looked.archived, pages=1),
        )
        return Part("clist", shell)

    def _row(self, record: ConversationRecord, status: LoopStatus | None) -> Row:
        about = [CHANNELS[record.channel][0], record.user, record.area, words.plural(record.turn_count, "turn")]
        filled = _context(status)
        return Row(
            record=record,
            sign=STATES[status.state] if status else "",
            address=self._looked.address(record.id),
            age=words.age_of(record.updated_at),
            note=" · ".join(words.clean(each) for each in about if each),
            context=gauge(filled, f"Context {filled} %") if filled is not None else "",
        )

    async def _pane(self, loops: Mapping[str, LoopStatus], runs: tuple[LiveRun, ...]) -> Part:
        id_, archive = self._looked.id, self._desk.rooms.archive
        record = await archive.conversation(id_) if id_ else None
        if record is None:
            return Part("cpane", self._desk.pages.html("conversation_none.html", self._theme, missing=id_))
        records = await archive.messages(id_)
        of_it = await archive.runs(wanted=RunFilter(conversation_id=id_), limit=_RUNS)
        path = branch(records, self._looked.at)
        most = self._desk.rooms.settings.dashboard.thread_messages
        shown = path if self._looked.whole else path[-most:]
        full: dict[str, RunRecord] = {}
        for run_id in dict.fromkeys(each.run_id for each in shown):
            if run := await archive.run(run_id):
                full[run_id] = run
        status = loops.get(id_)
        shell = self._desk.pages.html(
            "conversation.html",
            self._theme,
            looked=self._looked,
            record=record,
            loop_sign=STATES[status.state] if status else "stopped",
            state_words=status.state.capitalize() if status else "Not live",
            channel=CHANNELS[record.channel],
            facts=_facts(record, of_it),
            context=_context(status),
            gauge=gauge,
            thread=thread(records, shown, full),
            left_out=self._looked.address(whole=True) if len(shown) < len(path) else "",
            live=[run for run in runs if run.conversation_id == id_],
            running_since=words.running_since,
            when=self._when,
        )
        return Part("cpane", shell)

    def _when(self, moment: float) -> str:
        return words.of_day(moment, self.zone, "%a %d %b %Y, %H:%M")


def _context(status: LoopStatus | None) -> int | None:
    """How full the model's context was, in per cent."""
    if status is None or not status.context_window or not status.context_tokens:
        return None
    return min(100, round(100 * status.context_tokens / status.context_window))


def _facts(record: ConversationRecord, runs: tuple[RunRecord, ...]) -> list[str]:
    tokens = sum(run.usage.input_tokens + run.usage.output_tokens for run in runs)
    about = "≈ " if any(run.usage.estimated for run in runs) else ""
    costs: list[Any] = [run.cost_usd for run in runs if run.cost_usd]
    facts = [words.plural(record.turn_count, "turn")]
    if tokens:
        facts.append(f"{about}{words.count(tokens)} tokens")
    if costs:
        facts.append(words.money(sum(costs)))
    return [*facts, *(words.clean(each) for each in (record.user, record.area) if each)]
