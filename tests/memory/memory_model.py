"""What the memory should hold, as plain lists: the model that the real one is held against. Nothing here is clever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from thane.memory.fact import Asker, Fact
from thane.memory.records import ConversationRecord, MessageRecord
from thane.memory.search import Wanted
from thane.memory.sessions import SessionRecord

IDLE = 3600.0
AROUND = 600.0
"""Seconds of silence that end a session, and the exchange around a match."""


@dataclass
class Talk:
    """One conversation: its record, what was said with the session of each, its sessions, and ids of its runs."""

    record: ConversationRecord
    said: list[tuple[MessageRecord, str]] = field(default_factory=list[tuple[MessageRecord, str]])
    sessions: list[SessionRecord] = field(default_factory=list[SessionRecord])
    runs: frozenset[str] = frozenset()

    def copy(self) -> Talk:
        return Talk(self.record, list(self.said), list(self.sessions), self.runs)

    def last(self) -> SessionRecord | None:
        return max(self.sessions, key=lambda each: (each.started_at, each.id), default=None)

    def change(self, session_id: str, **values: object) -> None:
        self.sessions = [
            msgspec.structs.replace(each, **values) if each.id == session_id else each for each in self.sessions
        ]

    def hear(self, run_id: str, messages: list[MessageRecord], now: float) -> None:
        """A run has ended in which these were said."""
        last = self.last()
        if last is not None and last.ended_at is None and messages[0].at - last.last_at > IDLE:
            self.change(last.id, ended_at=last.last_at, end_reason="idle_timeout")
            last = self.last()
        if last is None or last.ended_at is not None:
            parent = last.id if last else ""
            last = SessionRecord(
                f"s_{run_id.removeprefix('r_')}",
                self.record.id,
                messages[0].at,
                messages[-1].at,
                parent_session_id=parent,
            )
            self.sessions.append(last)
        self.change(last.id, last_at=messages[-1].at)
        self.said += [(each, last.id) for each in messages]
        self.runs |= {run_id}
        self.record = msgspec.structs.replace(self.record, updated_at=now)

    def split(self, session_id: str, message_id: str) -> str:
        session = next(each for each in self.sessions if each.id == session_id)
        places = [place for place, (_, of) in enumerate(self.said) if of == session_id]
        cut = next(place for place in places if self.said[place][0].id == message_id)
        before, at = self.said[max(place for place in places if place < cut)][0].at, self.said[cut][0].at
        later = msgspec.structs.replace(
            session,
            id=f"s_{message_id}",
            started_at=at,
            parent_session_id=session_id,
            title="",
            summary="",
            tags=(),
            metadata={},
        )
        self.change(session_id, last_at=before, ended_at=before, end_reason="split", handoff="")
        self.sessions.append(later)
        self.said = [
            (message, later.id if place >= cut and of == session_id else of)
            for place, (message, of) in enumerate(self.said)
        ]
        return later.id

    def handoff(self) -> str:
        """What the session before the open one, or the last one if none is open, leaves to the model."""
        order = sorted(self.sessions, key=lambda each: (each.started_at, each.id))
        if order and order[-1].ended_at is None:
            order.pop()
        return order[-1].handoff if order else ""

    def around(self, place: int, most: int, seconds: float) -> tuple[list[str], list[str]]:
        """Ids of the exchange before and after a message, up to a silence."""
        out: tuple[list[str], list[str]] = ([], [])
        for side, step in ((0, -1), (1, 1)):
            last = middle = self.said[place][0].at
            here = place + step
            while 0 <= here < len(self.said) and len(out[side]) < most:
                at = self.said[here][0].at
                if abs(at - last) > AROUND or abs(at - middle) > seconds:
                    break
                out[side].append(self.said[here][0].id)
                last, here = at, here + step
        return out[0][::-1], out[1]


@dataclass
class Memory:
    """All of it. `facts` are in the order in which they were written down; `orphans` are runs that lost their talk."""

    talks: dict[str, Talk] = field(default_factory=dict[str, Talk])
    facts: list[Fact] = field(default_factory=list[Fact])
    orphans: frozenset[str] = frozenset()
    with_tool: frozenset[str] = frozenset()
    """Runs whose calls of the tool are kept: until their conversation is deleted."""

    def copy(self) -> Memory:
        return Memory({name: talk.copy() for name, talk in self.talks.items()}, list(self.facts))

    def delete(self, name: str) -> None:
        self.with_tool -= self.talks.pop(name).runs
        self.facts = [fact for fact in self.facts if (fact.scope, fact.subject) != ("conversation", name)]

    def restore(self, then: Memory, only: frozenset[str]) -> None:
        """Become what was `then`, or let only these conversations become it. Runs that were deleted are gone."""

        def is_meant(fact: Fact) -> bool:
            return not only or (fact.scope == "conversation" and fact.subject in only)

        for name in only or {*self.talks, *then.talks}:
            now = self.talks.pop(name, None)
            mine = now.runs if now is not None else frozenset[str]()
            if name in then.talks:
                self.talks[name] = then.talks[name].copy()
                found = then.talks[name].runs & self.orphans
                self.talks[name].runs = mine | found
                self.orphans -= found
            else:
                self.orphans |= mine
        kept = [fact for fact in self.facts if not is_meant(fact)]
        self.facts = [*kept, *(fact for fact in then.facts if is_meant(fact))]

    def in_state(self, name: tuple[str, str, str, str], state: str) -> Fact | None:
        return next((fact for fact in self.facts if named(fact) == name and fact.state == state), None)

    def remember(self, new: Fact, now: float) -> str:
        """The id of what is refreshed; "" where nothing is kept; "new" where `new` is, and is named so by others."""
        held, proposed = self.in_state(named(new), "current"), self.in_state(named(new), "proposed")
        by_person = new.source == "person"

        def is_same(fact: Fact | None) -> bool:
            mine = (new.value, new.valid_from, new.valid_until)
            return fact is not None and (fact.value, fact.valid_from, fact.valid_until) == mine

        def settle(by: str) -> None:
            if by_person:
                self.change(
                    lambda fact: named(fact) == named(new) and fact.state == "proposed",
                    state="superseded",
                    superseded_by=by,
                )

        if held is not None and is_same(held):
            source = new.source if by_person else held.source
            self.change(lambda fact: fact.id == held.id, updated_at=now, source=source)
            settle(held.id)
            return held.id
        is_over = held is not None and held.valid_until is not None and held.valid_until <= now
        if held is not None and held.source == "person" and not by_person and not is_over:
            if proposed is not None and is_same(proposed):
                self.change(lambda fact: fact.id == proposed.id, updated_at=now)
                return proposed.id
            if any(
                named(fact) == named(new)
                and (fact.state, fact.superseded_by, fact.value) == ("forgotten", held.id, new.value)
                for fact in self.facts
            ):
                return ""
            new, held = msgspec.structs.replace(new, state="proposed"), proposed
        if held is not None:
            self.change(lambda fact: fact.id == held.id, state="superseded", superseded_by="new")
        settle("new")
        self.facts.append(new)
        return "new"

    def change(self, which: Callable[[Fact], bool], **values: object) -> None:
        self.facts = [msgspec.structs.replace(fact, **values) if which(fact) else fact for fact in self.facts]

    def told_to(self, asker: Asker, now: float) -> set[str]:
        """Ids of what holds now and this asker may be told."""
        return {
            fact.id
            for fact in self.facts
            if fact.state == "current"
            and (fact.valid_from is None or fact.valid_from <= now)
            and (fact.valid_until is None or fact.valid_until > now)
            and (
                fact.scope == "house"
                or (fact.scope == "person" and asker.user and fact.subject == asker.user)
                or (fact.scope == "conversation" and asker.conversation_id and fact.subject == asker.conversation_id)
            )
        }

    def find(self, word: str, wanted: Wanted) -> set[str]:
        """Ids of the messages that have this word and pass the filters."""
        return {
            message.id
            for name, talk in self.talks.items()
            for message, _ in talk.said
            if word in message.message.content.split()
            and wanted.conversation_id in ("", name)
            and wanted.channel in ("", talk.record.channel)
            and wanted.role in (None, message.message.role)
            and (not wanted.tool or (wanted.tool == "HassTurnOn" and message.run_id in self.with_tool))
            and (wanted.since is None or message.at >= wanted.since)
            and (wanted.until is None or message.at <= wanted.until)
        }


def named(fact: Fact) -> tuple[str, str, str, str]:
    return fact.scope, fact.subject, fact.category, fact.key
