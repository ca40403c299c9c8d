"""The whole memory against a plain model of it: sessions, search, marks, names, facts and checkpoints, in any order."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.home.doubles import StandingClock
from tests.memory.memory_model import AROUND, IDLE, Memory, Talk, named
from tests.memory.running import Thane
from tests.memory.samples import run
from thane.config.settings import Archive as ArchiveSettings
from thane.conversations import identity, marks
from thane.memory.fact import Asker, Fact, NewFact
from thane.memory.records import ConversationRecord, MessageRecord, ToolCallRecord
from thane.memory.search import Around, Wanted
from thane.memory.sessions import Described
from thane.turn import Message

TALKS = ("c_1", "c_2")
CHANNELS = {"c_1": "owu", "c_2": "ha"}
WORDS = ("kitchen", "light", "garden", "heating")
TOOL = "HassTurnOn"
PAUSES = (1.0, 400.0, 700.0, 5000.0)
SETTINGS = ArchiveSettings(session_idle_minutes=IDLE / 60, search_silence_seconds=AROUND)
_texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
_wanted = st.builds(
    Wanted,
    conversation_id=st.sampled_from(("", "", *TALKS)),
    role=st.sampled_from((None, None, "user", "assistant", "system")),
    channel=st.sampled_from(("", "", "owu", "loop")),
    tool=st.sampled_from(("", "", TOOL, "another")),
)


class MemoryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.clock = StandingClock()
        self.thane = self._open()
        self.memory = Memory()
        self.checkpoints: dict[str, Memory] = {}
        self.serial = 0
        self.gone: set[str] = set()  # words that stood in what was deleted

    def _open(self) -> Thane:
        return Thane(self.folder / "thane.db", self.clock, SETTINGS)

    def teardown(self) -> None:
        try:
            self._everything_is_found_and_nothing_else()
        finally:
            self.thane.stop()
            shutil.rmtree(self.folder)

    def _next(self, pause: float = 1.0) -> int:
        self.clock.now += pause
        self.serial += 1
        return self.serial

    # what is said

    @rule(
        name=st.sampled_from(TALKS),
        texts=st.lists(_texts, min_size=1, max_size=3),
        pause=st.sampled_from(PAUSES),
        tool=st.booleans(),
        data=st.data(),
    )
    def say(self, name: str, texts: list[str], pause: float, tool: bool, data: st.DataObject) -> None:
        """Below the last message, or below any other one: then it is a branch."""
        number = self._next(pause)
        talk = self.memory.talks.get(name)
        if talk is None:
            now = self.clock.now
            talk = Talk(ConversationRecord(name, CHANNELS[name], f"title {number}", now, now, user="anna"))  # pyright: ignore[reportArgumentType]  one of the channels
            self.memory.talks[name] = talk
        said_before = [message for message, _ in talk.said if not marks.is_mark(message)]
        above = data.draw(st.sampled_from([said_before[-1], *said_before])) if said_before else None
        key, position = (above.key, above.position + 1) if above else (identity.ROOT, 0)
        said: list[MessageRecord] = []
        for place, text in enumerate(texts):
            message = Message("assistant" if place % 2 else "user", f"{text} t{number}x{place}")
            parent, key = key, identity.key(key, message)
            said.append(
                MessageRecord(
                    f"m_{number}_{place}", name, f"r_{number}", position + place, message, self.clock.now, key, parent
                )
            )
            self.clock.now += 1
        ended = run(f"r_{number}", name, at=said[0].at)
        if tool:
            call = ToolCallRecord("1", ended.id, name, 1, TOOL, "{}", "done", True, said[0].at, 0.1)
            ended = msgspec.structs.replace(ended, tool_calls=(call,))
            self.memory.with_tool |= {ended.id}
        talk.hear(ended.id, said, self.clock.now)
        record = talk.record
        if len(talk.runs) > 1:  # a title is given once
            record = msgspec.structs.replace(record, title="not this", title_by="words")
        self.thane.do(partial(self.thane.archive.run_ended, record, ended, said))

    @precondition(lambda self: self.memory.talks)
    @rule(data=st.data(), kind=st.sampled_from(("reset", "summary")))
    def mark(self, data: st.DataObject, kind: marks.MarkKind) -> None:
        talk = self.memory.talks[data.draw(st.sampled_from(sorted(self.memory.talks)))]
        number = self._next()
        over = data.draw(st.sampled_from(talk.said))[0]
        made = marks.mark(kind, over, f"covered t{number}x0", id_=f"m_{number}_0", at=self.clock.now)
        last = talk.last()
        assert last is not None
        talk.said.append((made, last.id))
        self.thane.do(partial(self.thane.archive.add_message, made))

    # sessions

    @precondition(lambda self: self.memory.talks)
    @rule(data=st.data(), handoff=st.sampled_from(("", "the bins are out")))
    def close(self, data: st.DataObject, handoff: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.memory.talks)))
        self._next()
        talk = self.memory.talks[name]
        last = talk.last()
        is_open = last is not None and last.ended_at is None
        assert is_open == self.thane.do(partial(self.thane.archive.sessions.close, name, "reset", handoff))
        if last is not None and is_open:
            talk.change(last.id, ended_at=self.clock.now, end_reason="reset", handoff=handoff)

    @rule(pause=st.sampled_from(PAUSES))
    def wait(self, pause: float) -> None:
        self._next(pause)
        ended = 0
        for talk in self.memory.talks.values():
            for each in talk.sessions:
                if each.ended_at is None and each.last_at < self.clock.now - IDLE:
                    talk.change(each.id, ended_at=each.last_at, end_reason="idle_timeout")
                    ended += 1
        assert ended == self.thane.do(self.thane.archive.sessions.end_idle)

    @precondition(lambda self: self.memory.talks)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        talk = self.memory.talks[data.draw(st.sampled_from(sorted(self.memory.talks)))]
        session = data.draw(st.sampled_from(talk.sessions))
        inside = [message for message, of in talk.said if of == session.id]
        if len(inside) < 2:
            return
        message = data.draw(st.sampled_from(inside[1:]))
        made = self.thane.do(partial(self.thane.archive.sessions.split, session.id, message.id))
        assert talk.split(session.id, message.id) == made.id

    @precondition(lambda self: self.memory.talks)
    @rule(data=st.data())
    def describe(self, data: st.DataObject) -> None:
        talk = self.memory.talks[data.draw(st.sampled_from(sorted(self.memory.talks)))]
        session = data.draw(st.sampled_from(talk.sessions))
        number = self._next()
        described = Described(f"title {number}", f"summary {number}", ("tag",), {"made_by": "model"})
        talk.change(
            session.id, title=described.title, summary=described.summary, tags=("tag",), metadata={"made_by": "model"}
        )
        self.thane.do(partial(self.thane.archive.sessions.describe, session.id, described))

    # conversations as things

    @precondition(lambda self: self.memory.talks)
    @rule(data=st.data(), by=st.sampled_from(("model", "person")))
    def rename(self, data: st.DataObject, by: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.memory.talks)))
        title, talk = f"name {self._next()}", self.memory.talks[name]
        may = by == "person" or talk.record.title_by != "person"
        assert may == self.thane.do(partial(self.thane.archive.name, name, title, by))  # pyright: ignore[reportArgumentType]  one of them
        if may:
            talk.record = msgspec.structs.replace(talk.record, title=title, title_by=by)

    @rule(name=st.sampled_from(TALKS), away=st.booleans())
    def put_away(self, name: str, away: bool) -> None:
        there = name in self.memory.talks
        assert there == self.thane.do(partial(self.thane.archive.put_away, name, away=away))
        if there:
            talk = self.memory.talks[name]
            talk.record = msgspec.structs.replace(talk.record, archived=away)

    @rule(name=st.sampled_from(TALKS))
    def delete(self, name: str) -> None:
        there = name in self.memory.talks
        assert there == self.thane.do(partial(self.thane.archive.delete, name))
        if there:
            self._lose(name)
            self.memory.delete(name)

    def _lose(self, name: str) -> None:
        self.gone |= {message.message.content.split()[-1] for message, _ in self.memory.talks[name].said}

    # facts

    @rule(
        who=st.sampled_from(
            (("house", ""), ("person", "anna"), ("conversation", TALKS[0]), ("conversation", TALKS[1]))
        ),
        value=st.sampled_from(WORDS),
        source=st.sampled_from(("person", "model", "extraction")),
        times=st.sampled_from(((None, None), (None, None), (None, 100.0), (2000.0, None))),
    )
    def remember(self, who: tuple[str, str], value: str, source: str, times: tuple[float | None, float | None]) -> None:
        self._next()
        now, name = self.clock.now, (*who, "user", "tea")
        valid = [None if each is None else now + each for each in times]
        new = NewFact(*who, "user", "tea", value, source, "r_0", 1.0, *valid)  # pyright: ignore[reportArgumentType]  drawn from what there is
        expected = self.memory.remember(Fact("", *name, value, source, "r_0", 1.0, now, now, *valid), now)  # pyright: ignore[reportArgumentType]  as above
        kept = self.thane.do(partial(self.thane.facts.remember, new))
        if expected == "new":
            self.memory.change(lambda fact: fact.superseded_by == "new", superseded_by=kept.id)
            self.memory.change(lambda fact: fact.id == "", id=kept.id)
        else:
            assert expected == kept.id

    @precondition(lambda self: self.memory.facts)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        fact = data.draw(st.sampled_from(self.memory.facts))
        self._next()
        self.thane.do(partial(self.thane.facts.forget, fact.id))
        held = self.memory.in_state(named(fact), "current")
        if fact.state in {"current", "proposed"}:
            by = held.id if held is not None and fact.state == "proposed" else fact.superseded_by
            self.memory.change(
                lambda each: each.id == fact.id, state="forgotten", updated_at=self.clock.now, superseded_by=by
            )

    @precondition(lambda self: any(fact.state == "proposed" for fact in self.memory.facts))
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        fact = data.draw(st.sampled_from([each for each in self.memory.facts if each.state == "proposed"]))
        self._next()
        self.thane.do(partial(self.thane.facts.accept, fact.id))
        held = self.memory.in_state(named(fact), "current")
        if held is not None:
            self.memory.change(lambda each: each.id == held.id, state="superseded", superseded_by=fact.id)
        self.memory.change(lambda each: each.id == fact.id, state="current", source="person", updated_at=self.clock.now)

    @precondition(lambda self: self.memory.facts)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        """It goes from every checkpoint too, so that no restore brings it back."""
        fact = data.draw(st.sampled_from(self.memory.facts))
        self._next()
        erased = self.thane.do(partial(self.thane.facts.erase, fact.id))
        had = [each for each in self.checkpoints.values() if any(named(one) == named(fact) for one in each.facts)]
        assert (len(had), ()) == (erased.checkpoints, erased.damaged)
        for memory in (self.memory, *self.checkpoints.values()):
            memory.facts = [each for each in memory.facts if named(each) != named(fact)]

    # checkpoints

    @rule()
    def checkpoint(self) -> None:
        self._next()
        made = self.thane.do(partial(self.thane.archive.checkpoints.create, "manual"))
        counted = (len(self.memory.talks), sum(len(talk.said) for talk in self.memory.talks.values()))
        assert (*counted, len(self.memory.facts)) == (made.conversation_count, made.message_count, made.fact_count)
        self.checkpoints[made.id] = self.memory.copy()
        assert () == self.thane.do(partial(self.thane.archive.checkpoints.compare, made.id)).changes

    @precondition(lambda self: self.checkpoints)
    @rule(data=st.data(), few=st.booleans())
    def restore(self, data: st.DataObject, few: bool) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.checkpoints)))
        then = self.checkpoints[chosen]
        only = frozenset[str]()
        if few and then.talks:
            only = frozenset(data.draw(st.sets(st.sampled_from(sorted(then.talks)), min_size=1)))
        self._next()
        planned = self.thane.do(partial(self.thane.archive.checkpoints.compare, chosen, only))
        done, before = self.thane.do(partial(self.thane.archive.checkpoints.restore, chosen, only))
        assert planned == done
        self.checkpoints[before.id] = self.memory.copy()
        for name in only or self.memory.talks:
            if name in self.memory.talks:
                self._lose(name)
        self.memory.restore(then, only)
        again = self.thane.do(partial(self.thane.archive.checkpoints.compare, chosen, only))
        assert () == again.changes

    @precondition(lambda self: self.checkpoints)
    @rule(data=st.data())
    def delete_checkpoint(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.checkpoints)))
        assert self.thane.do(partial(self.thane.archive.checkpoints.delete, chosen))
        del self.checkpoints[chosen]

    @rule()
    def restart(self) -> None:
        self.thane.stop()
        self.thane = self._open()
        assert 0 == self.thane.do(self.thane.archive.recover)

    # what is found

    @rule(word=st.sampled_from(WORDS), wanted=_wanted, data=st.data())
    def search(self, word: str, wanted: Wanted, data: st.DataObject) -> None:
        times = [message.at for talk in self.memory.talks.values() for message, _ in talk.said]
        for bound in ("since", "until"):
            if times and data.draw(st.integers(0, 3)) == 0:
                wanted = msgspec.structs.replace(wanted, **{bound: data.draw(st.sampled_from(times))})
        around = Around(messages=3, silence=AROUND, seconds=900.0)
        found = self.thane.do(partial(self.thane.archive.search.find, word, wanted, limit=500, around=around))
        expected = self.memory.find(word, wanted)
        if expected:  # a word that is nowhere may be taken for another one
            assert expected == {hit.match.id for hit in found.hits}
        for hit in found.hits:
            talk = self.memory.talks[hit.match.conversation_id]
            place = next(place for place, (each, _) in enumerate(talk.said) if each.id == hit.match.id)
            assert talk.said[place] == (hit.match, hit.session_id)
            nearby = talk.around(place, 3, 900.0)
            assert nearby == ([each.id for each in hit.context_before], [each.id for each in hit.context_after])
            assert f"**{word}**" in hit.highlight or found.instead

    def _everything_is_found_and_nothing_else(self) -> None:
        there = {message.message.content.split()[-1] for talk in self.memory.talks.values() for message, _ in talk.said}
        for word in there:
            found = self.thane.do(partial(self.thane.archive.search.find, word, Wanted(), limit=5))
            assert self.memory.find(word, Wanted()) == {hit.match.id for hit in found.hits}
        for word in self.gone - there:
            found = self.thane.do(partial(self.thane.archive.search.find, word, Wanted(), limit=5))
            assert found.instead or not found.hits  # another word may be what was meant
            assert not any(word in hit.match.message.content.split() for hit in found.hits)

    @invariant()
    def conversations_agree(self) -> None:
        found = self.thane.do(partial(self.thane.archive.conversations, limit=10))
        expected = {
            msgspec.structs.replace(
                talk.record, message_count=len(talk.said), run_count=len(talk.runs), turn_count=len(talk.runs)
            )
            for talk in self.memory.talks.values()
        }
        assert expected == set(found)

    @invariant()
    def what_was_said_agrees(self) -> None:
        by_role: dict[str, int] = {}
        for name in TALKS:
            said = self.memory.talks[name].said if name in self.memory.talks else []
            assert tuple(message for message, _ in said) == self.thane.do(partial(self.thane.archive.messages, name))
            for message, _ in said:
                by_role[message.message.role] = by_role.get(message.message.role, 0) + 1
        counted = self.thane.do(self.thane.archive.search.statistics)
        assert (by_role, sum(by_role.values())) == (counted.by_role, counted.messages)

    @invariant()
    def sessions_agree(self) -> None:
        for name in TALKS:
            talk = self.memory.talks.get(name) or Talk(ConversationRecord(name, "owu", "", 0.0, 0.0))
            counts = {each.id: sum(of == each.id for _, of in talk.said) for each in talk.sessions}
            expected = [msgspec.structs.replace(each, message_count=counts[each.id]) for each in talk.sessions]
            expected.sort(key=lambda each: (each.started_at, each.id), reverse=True)
            found = self.thane.do(partial(self.thane.archive.sessions.list, conversation_id=name))
            assert tuple(expected) == found
            assert talk.handoff() == self.thane.archive.sessions.handoff(name)

    @invariant()
    def facts_agree(self) -> None:
        found = self.thane.do(partial(self.thane.facts.list, equal={}, limit=500))
        assert {fact.id: fact for fact in self.memory.facts} == {fact.id: fact for fact in found}
        for asker in (Asker("anna", "c_1"), Asker("ben", "c_2"), Asker()):
            told = self.memory.told_to(asker, self.clock.now)
            assert told == {fact.id for fact in self.thane.do(partial(self.thane.facts.recall, asker, "", limit=100))}
            for fact in self.memory.facts:
                same = self.thane.do(partial(self.thane.facts.recall, asker, fact.value, limit=100))
                assert told & {each.id for each in self.memory.facts if each.value == fact.value} == {
                    each.id for each in same
                }
                break


TestMemory = MemoryMachine.TestCase
TestMemory.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
