"""A database of Thane's with as many messages as are wanted, made in bulk: what `just bench archive` measures on.

Its words are drawn by Zipf's law from a fixed seed, so that some stand in a third of all messages and most in hardly
any, as in what people say. It is kept in the folder for temporary files until the schema changes: a million messages
take about a minute to make.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from thane.config.settings import Storage
from thane.conversations import identity
from thane.storage.connection import open_connection, prepare_file
from thane.storage.schema import MIGRATIONS, migrate
from thane.turn import Message

AT = 1_700_000_000.0
FORM = 1  # to be counted up when what is made here changes
PER_CONVERSATION = 20
LONG = "c_long"
LONG_SHARE = 50  # one message in so many is of the one conversation that never ends, up to LONG_MOST
LONG_MOST = 4000
TOOL = "HassTurnOn"
_COMMON = (
    "the light in kitchen is on turn off what and you please bedroom window temperature garden door heating tomorrow "
    "morning living room degrees music evening lamp remind me at seven weather rain shopping list coffee washing "
    "machine blinds alarm garage battery sensor humidity hallway upstairs guest holiday movie dinner timer minutes"
)
_VOCABULARY = 30_000
_SYLLABLES = "ba ke lo mi nu ra se ti vo za pre stri gol fen mar dun hol kis tel wim"
_MESSAGE = """
    insert into messages (number, id, conversation_id, run_id, position, at, key, parent_key, role, content, session_id)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def vocabulary() -> tuple[list[str], list[float]]:
    """The words, and the sums of their weights: one over its rank is how often a word is said."""
    made = ("".join(parts) for parts in itertools.product(_SYLLABLES.split(), repeat=4))
    words = [*_COMMON.split(), *itertools.islice(made, 0, 16 * _VOCABULARY // 3, 5)][:_VOCABULARY]
    return words, list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))


def big_archive(messages: int) -> Path:
    """The path of a database with so many messages, made now if it is not there yet."""
    folder = Path(tempfile.gettempdir()) / f"thane-bench-{len(MIGRATIONS)}-{FORM}"
    path = folder / f"{messages}" / "thane.db"
    if not path.exists():
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        prepare_file(making)
        connection = open_connection(making, Storage(cache_bytes=268_435_456))
        migrate(connection, making)
        _fill(connection, messages)
        connection.execute("pragma journal_mode = delete")
        connection.close()
        making.rename(path)
    return path


def _fill(connection: sqlite3.Connection, messages: int) -> None:
    """All in one transaction, with the index of words built at the end."""
    triggers = connection.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
    connection.execute("pragma foreign_keys = off")  # messages come first; that they fit is looked at in the end
    connection.execute("begin")
    for name, _ in triggers:
        connection.execute(f"drop trigger {name}")
    connection.executemany(_MESSAGE, _messages(messages))
    connection.execute(
        f"""
        insert into conversations (id, channel, title, created_at, updated_at, user, area)
        select conversation_id, case number / {PER_CONVERSATION} % 3 when 0 then 'ha' when 1 then 'owu' else 'api' end,
            min(content), min(at), max(at), 'anna', '' from messages group by conversation_id
        """
    )
    connection.execute(
        """
        insert into sessions select 's_' || conversation_id, conversation_id, min(at), max(at), max(at),
            'idle_timeout', 'A talk', 'About something.', '[]', '{}', '', '', '' from messages group by conversation_id
        """
    )
    connection.execute(
        """
        insert into runs (id, conversation_id, loop_id, channel, profile, state, started_at, title, model, text,
            thinking, input_tokens, output_tokens, cached_tokens, reasoning_tokens, estimated, error, cancelled_by,
            queued, duration, task)
        select run_id, conversation_id, 'l_1', 'owu', 'thane:latest', 'done', at, '', 'm', '', '', 1, 1, 0, 0, 0, '',
            '', 0, 1, '' from messages where role = 'assistant'
        """
    )
    connection.execute(
        f"""
        insert into tool_calls
        select run_id, 0, 'call', conversation_id, 1, '{TOOL}', '{{}}', 'done', 1, at, 0.1, 'thane'
        from messages where role = 'assistant' and number % 10 = 0
        """
    )
    words, _ = vocabulary()
    connection.executemany(
        "insert or ignore into words (word) values (?)", [(word,) for word in words if len(word) >= 4]
    )
    for _, sql in triggers:
        connection.execute(sql)
    for index in ("messages_words", "words_trigrams"):
        connection.execute(f"insert into {index} ({index}) values ('rebuild')")
    connection.execute("commit")
    assert not connection.execute("pragma foreign_key_check").fetchall()


def _messages(count: int) -> Iterator[tuple[object, ...]]:
    source = random.Random(1)
    words, weights = vocabulary()
    long = min(count // LONG_SHARE, LONG_MOST) // 2 * 2
    every = count // long * 2 if long else 0
    keys: dict[str, tuple[str, int]] = {}
    number = 0
    while number < count:
        is_long = bool(every) and number % every < 2
        talk = LONG if is_long else f"c_{number // PER_CONVERSATION:07}"
        parent, position = keys.get(talk, (identity.ROOT, 0))
        for role in ("user", "assistant"):
            number += 1
            text = " ".join(source.choices(words, cum_weights=weights, k=source.randint(4, 24)))
            key = identity.key(parent, Message(role, text))
            at = AT + number * 20.0
            run = f"r_{(number + 1) // 2:07}"
            stored_parent = "" if position == 0 else parent
            yield (number, f"m_{number}", talk, run, position, at, key, stored_parent, role, text, f"s_{talk}")
            parent, position = key, position + 1
        keys = {LONG: keys.get(LONG, (identity.ROOT, 0)), talk: (parent, position)}
