"""What a database of the reference holds comes over whole, once, and goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations import doubles
from tests.conversations.doubles import assistant, turn
from thane.clock import SystemClock
from thane.config.settings import Storage
from thane.conversations import identity
from thane.conversations.reference import take, when
from thane.errors import ConfigurationError
from thane.memory.archive import Archive
from thane.memory.intake import take_in
from thane.memory.search import Wanted
from thane.storage.database import Database, open_database
from thane.storage.reference_rows import read_reference

SCHEMA = """
create table conversations (id text primary key, created_at timestamp, updated_at timestamp, metadata text);
create table messages (id text primary key, conversation_id text, session_id text, role text, content text,
    timestamp timestamp, token_count integer, tool_calls text, tool_call_id text, status text, archived_at timestamp,
    archive_reason text, iteration_index integer);
create table tool_calls (id text primary key, message_id text, conversation_id text, session_id text, tool_name text,
    arguments text, result text, error text, started_at timestamp, completed_at timestamp, duration_ms integer,
    status text, archived_at timestamp, iteration_index integer);
create table sessions (id text primary key, conversation_id text, started_at timestamp, ended_at timestamp,
    end_reason text, summary text, title text, tags text, metadata text, parent_session_id text,
    parent_tool_call_id text);
"""
OWU = "owu-0123456789abcdef"
ROWS = f"""
insert into conversations values ('{OWU}', '2026-03-01T10:00:00Z', '2026-03-01T10:05:00Z', '{{}}');
insert into conversations values ('default', '2026-03-02 08:00:00.123456789+01:00', '2026-03-02 08:00:09+01:00', null);
insert into messages values ('m1', '{OWU}', 's1', 'user', 'is the garden lamp on?', '2026-03-01T10:00:00Z', 5, null,
    null, 'archived', null, 'idle', 0);
insert into messages values ('m2', '{OWU}', 's1', 'assistant', '', '2026-03-01T10:00:01Z', 5,
    '[{{"id":"call_1","function":{{"name":"get_state","arguments":"{{\\"entity\\":\\"lamp\\"}}"}}}}]',
    null, 'active', null, null, 0);
insert into messages values ('m3', '{OWU}', 's1', 'tool', 'on', '2026-03-01T10:00:02Z', 5, null, 'call_1', 'active',
    null, null, 0);
insert into messages values ('m4', '{OWU}', 's1', 'assistant', 'It is on.', '2026-03-01T10:00:03.5Z', 5, null, null,
    'active', null, null, 0);
insert into messages values ('m5', '{OWU}', 's2', 'user', 'and now?', '2026-03-01T12:00:00Z', 5, null, null, 'active',
    null, null, 0);
insert into messages values ('m6', '{OWU}', 's2', 'assistant', 'Off.', '2026-03-01T12:00:01Z', 5, null, null, 'active',
    null, null, 0);
insert into messages values ('m7', 'default', null, 'user', 'hello', '2026-03-02 08:00:00.123456789+01:00', 5, null,
    null, 'active', null, null, 0);
insert into messages values ('m8', 'default', null, 'system', '[Conversation Summary] hi',
    '2026-03-02 08:00:01 +0100 CET', 5, null, null, 'compacted', null, null, 0);
insert into messages values ('m9', 'default', null, 'narrator', 'no role', '2026-03-02T08:00:02Z', 5, null, null,
    'active', null, null, 0);
insert into tool_calls values ('t1', 'm2', '{OWU}', 's1', 'get_state', '{{"entity":"lamp"}}', 'on', null,
    '2026-03-01T10:00:01Z', '2026-03-01T10:00:02Z', 950, 'active', null, 0);
insert into tool_calls values ('t2', 'm2', '{OWU}', 's1', 'get_state', '{{}}', '', 'no entity', '2026-03-01T10:00:02Z',
    null, null, 'active', null, 0);
insert into sessions values ('s1', '{OWU}', '2026-03-01T10:00:00Z', '2026-03-01T10:05:00Z', 'idle', null, 'The lamp',
    '["lamp","garden"]', '{{"paragraph":"About a lamp."}}', null, null);
"""


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "reference.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA + ROWS)
    return path


async def imported(reference: Path, database: Database) -> int:
    total = 0
    for each in take(read_reference(reference)):
        total += await take_in(database, each.conversation, [(s.session, s.run, s.messages) for s in each.sessions])
    return total


async def test_everything_comes_over_once(reference: Path, tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        archive = Archive(database, SystemClock())
        assert 7 == await imported(reference, database)
        assert 0 == await imported(reference, database)
        said = [(each.message.role, each.message.content) for each in await archive.messages(OWU)]
        assert ("user", "is the garden lamp on?") == said[0]
        assert 6 == len(said)
        talk = await archive.conversation(OWU)
        assert talk is not None
        assert ("owu", "is the garden lamp on?", 1772359200.0) == (talk.channel, talk.title, talk.created_at)
        assert await archive.conversation("api:default") is not None
        first, second = sorted(await archive.sessions.list(conversation_id=OWU), key=lambda each: each.started_at)
        assert ("s1", "idle", "The lamp", "About a lamp.", ("lamp", "garden"), 4) == (
            *(first.id, first.end_reason, first.title, first.summary, first.tags, first.message_count),
        )
        assert ("s2", "imported") == (second.id, second.end_reason)
        calls = await archive.sessions.tool_calls("s1")
        assert [("get_state", True, 0.95), ("get_state", False, 0.0)] == [(c.name, c.ok, c.duration) for c in calls]
        assert 1 == len((await archive.search.find("garden", Wanted(), limit=5)).hits)


async def test_a_client_goes_on_in_what_came_over(reference: Path, tmp_path: Path) -> None:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        await imported(reference, database)
        async with doubles.rooms(archive=Archive(database, SystemClock())) as house:
            named = await house.ask(turn("more", conversation_id="default", channel="api", continues=True))
            assert "api:default" == named.conversation_id
            assert "hello" in [each.content for each in house.agent.turns[-1].messages]


def test_what_cannot_be_read_is_named(reference: Path) -> None:
    skipped = [sentence for each in take(read_reference(reference)) for sentence in each.skipped]
    assert [
        "message m9 of default: no time or no role that is known",
        "1 system messages of default: prompts, and summaries of what was taken in itself",
    ] == skipped


def test_older_versions_lack_tables_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            create table conversations (id text, created_at text, updated_at text);
            create table messages (id text, conversation_id text, role text, content text, timestamp text);
            insert into messages values ('m1', 'x', 'user', 'hi', '2026-03-01T10:00:00Z');
            """
        )
    (taken,) = take(read_reference(path))
    assert "api:x" == taken.conversation.id


@pytest.mark.parametrize("content", [None, b"no database " * 99, b""])
def test_what_is_no_reference_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_reference(path)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01T10:00:00Z", 1772359200.0),
        ("2026-03-01 10:00:00", 1772359200.0),
        ("2026-03-01T11:00:00.123456789+01:00", 1772359200.123456),
        ("2026-03-01 11:00:00.5 +0100 CET m=+0.123", 1772359200.5),
        ("2026-03-01 10:00:00 +0000 UTC", 1772359200.0),
        (1772359200, 1772359200.0),
        ("0001-01-01T00:00:00Z", None),
        ("soon", None),
        (None, None),
    ],
)
def test_times_as_go_writes_them(text: object, seconds: float | None) -> None:
    assert seconds == when(text)


@given(st.text() | st.integers(-(2**40), 2**40))
def test_no_time_is_an_error(text: object) -> None:
    when(text)


def test_a_history_that_came_over_has_the_keys_of_one_said_here(reference: Path) -> None:
    (lamp, _) = take(read_reference(reference))
    messages = [each for session in lamp.sessions for each in session.messages]
    said = [each.message for each in messages]
    assert list(identity.read(said).keys) == [each.key for each in messages]
    assert assistant("Off.") == said[-1]
