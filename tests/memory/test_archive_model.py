"""The archive against a plain model of it, through any order of turns, repetitions, restarts and crashes."""

from __future__ import annotations

import shutil
import sqlite3
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.memory.running import Thane
from tests.memory.samples import AT, conversation, run, said
from tests.memory.strategies import ended_runs
from thane.memory.records import ConversationRecord, Holder, MessageRecord, RunRecord

CONVERSATIONS = ("c_1", "c_2", "c_3")


class ArchiveMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.path = self.folder / "0" / "thane.db"
        self.thane = Thane(self.path)
        self.clock = AT
        self.copies = 0
        self.conversations: dict[str, ConversationRecord] = {}
        self.messages: dict[str, list[MessageRecord]] = {name: [] for name in CONVERSATIONS}
        self.runs: dict[str, RunRecord] = {}
        self.last_messages: dict[str, tuple[str, list[MessageRecord]]] = {}

    def teardown(self) -> None:
        self.thane.stop()
        shutil.rmtree(self.folder)

    @initialize()
    def recovered(self) -> None:
        assert 0 == self.thane.do(self.thane.archive.recover)

    def touch(self, name: str) -> ConversationRecord:
        self.clock += 1
        known = self.conversations.get(name)
        record = conversation(name, at=self.clock, title=known.title if known else f"title {self.clock}")
        self.conversations[name] = record
        return record

    @rule(name=st.sampled_from(CONVERSATIONS), state=st.sampled_from(["queued", "running"]))
    def start(self, name: str, state: str) -> None:
        talk = self.touch(name)
        started = run(f"r_{len(self.runs)}", name, state, at=self.clock)
        self.runs[started.id] = started
        self.thane.post(partial(self.thane.archive.run_started, talk, started))

    @rule(name=st.sampled_from(CONVERSATIONS), data=st.data())
    def end(self, name: str, data: st.DataObject) -> None:
        open_ = [r.id for r in self.runs.values() if r.conversation_id == name and r.state in {"queued", "running"}]
        run_id = data.draw(st.sampled_from([*open_, f"r_{len(self.runs)}"]))
        ended = data.draw(ended_runs(run_id, name))
        stored = self.messages[name]
        branch_at = data.draw(st.sampled_from([None, *stored])) if stored else None
        texts = data.draw(st.lists(st.sampled_from(["yes", "no"]), max_size=3))
        sent = list(said(ended, *texts, before=self._path_to(branch_at)))
        trimmed = data.draw(st.integers(0, len(sent)))  # what the client left out of the beginning
        keys = {message.key for message in stored}
        if all(message.key in keys for message in sent[:trimmed]):
            sent = sent[trimmed:]
        self._end(ended, sent)

    def _path_to(self, message: MessageRecord | None) -> list[MessageRecord]:
        """What was said up to it, as a client would send it again."""
        path: list[MessageRecord] = []
        while message is not None:
            path.insert(0, message)
            parent = message.parent_key
            message = next((m for m in self.messages[message.conversation_id] if m.key == parent), None)
        return path

    def _end(self, ended: RunRecord, sent: list[MessageRecord]) -> None:
        talk = self.touch(ended.conversation_id)
        self.thane.do(partial(self.thane.archive.run_ended, talk, ended, sent))
        self.runs[ended.id] = ended
        stored = self.messages[talk.id]
        stored += [message for message in sent if message.key not in {m.key for m in stored}]
        self.last_messages[talk.id] = (ended.id, sent)

    @precondition(lambda self: self.last_messages)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The latest run of a conversation is told of again, perhaps with other words."""
        name = data.draw(st.sampled_from(sorted(self.last_messages)))
        run_id, sent = self.last_messages[name]
        if data.draw(st.booleans()) and sent and sent[-1].run_id == run_id:
            sent = [*said(self.runs[run_id], "other words", before=sent[:-1])]
        keys = {message.key for message in sent}
        self.messages[name] = [m for m in self.messages[name] if m.run_id != run_id or m.key in keys]
        self._end(data.draw(ended_runs(run_id, name)), sent)

    @rule()
    def restart(self) -> None:
        self.thane.stop()
        self._begin()

    @rule()
    def crash(self) -> None:
        """Go on with the files as they are this moment, which is what a killed process leaves."""
        self.copies += 1
        copy = self.folder / str(self.copies)
        shutil.copytree(self.path.parent, copy)
        self.thane.stop()
        self.path = copy / "thane.db"
        self._begin()

    def _begin(self) -> None:
        self.thane = Thane(self.path)
        unfinished = [found for found in self.runs.values() if found.state in {"queued", "running"}]
        assert len(unfinished) == self.thane.do(self.thane.archive.recover)
        for found in unfinished:
            self.runs[found.id] = msgspec.structs.replace(found, state="interrupted")

    @invariant()
    def conversations_agree(self) -> None:
        expected = [
            msgspec.structs.replace(
                talk,
                message_count=len(self.messages[talk.id]),
                run_count=sum(found.conversation_id == talk.id for found in self.runs.values()),
                turn_count=sum(found.conversation_id == talk.id for found in self.runs.values()),
            )
            for talk in self.conversations.values()
        ]
        expected.sort(key=lambda talk: talk.updated_at, reverse=True)
        assert tuple(expected) == self.thane.do(self.thane.archive.conversations)

    @invariant()
    def messages_agree(self) -> None:
        for name, messages in self.messages.items():
            assert tuple(messages) == self.thane.do(partial(self.thane.archive.messages, name))

    @invariant()
    def runs_agree(self) -> None:
        for expected in self.runs.values():
            found = self.thane.do(partial(self.thane.archive.run, expected.id))
            assert found is not None
            if expected.state == "interrupted":
                found = msgspec.structs.replace(found, error="")
            assert expected == found

    @invariant()
    def holders_agree(self) -> None:
        for key in {message.key for messages in self.messages.values() for message in messages}:
            expected = {
                Holder(name, self.conversations[name].updated_at, all(m.parent_key != key for m in messages), "owu")
                for name, messages in self.messages.items()
                if any(message.key == key for message in messages)
            }
            assert expected == set(self.thane.do(partial(self.thane.archive.holders, key)))

    @invariant()
    def the_file_is_sound(self) -> None:
        connection = sqlite3.connect(self.path)
        try:
            assert [("ok",)] == connection.execute("pragma integrity_check").fetchall()
            assert [] == connection.execute("pragma foreign_key_check").fetchall()
        finally:
            connection.close()


TestArchive = ArchiveMachine.TestCase
TestArchive.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
