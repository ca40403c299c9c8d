"""SQL of checkpoints: functions of a connection, for use inside a `Database` operation.

A part of a checkpoint is the rows that belong to one thing (a conversation), each as a mapping of its columns, so that
an older checkpoint can be restored into a newer schema: columns that are gone are left out, new ones have their
default.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from thane.storage.statements import insert

type Row = tuple[Any, ...]
type Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table."""

CHECKPOINT_COLUMNS = (
    *("id", "created_at", "trigger", "note", "conversation_count", "message_count", "fact_count", "byte_size"),
)
_OWNED: tuple[tuple[str, str, str], ...] = (
    ("conversations", "id", "id"),
    ("sessions", "conversation_id", "started_at, id"),
    ("messages", "conversation_id", "number"),
)
"""Tables of a conversation: the column that names it, and the order of their rows."""

_READ = f"select {', '.join(CHECKPOINT_COLUMNS)} from checkpoints"  # noqa: S608 - only names from above


def add_checkpoint(
    connection: sqlite3.Connection, row: Row, parts: Iterable[Row], blobs: Iterable[tuple[str, bytes]]
) -> int:
    """`parts` are (kind, name, hash, stamp, rows); `blobs` are by hash, without those that are stored already.

    How much all its blobs take, which is kept as its `byte_size` in place of that of the row.
    """
    connection.execute(insert("checkpoints", CHECKPOINT_COLUMNS), row)
    connection.executemany("insert or replace into checkpoint_blobs values (?, ?)", blobs)  # one there may be damaged
    connection.executemany(
        "insert into checkpoint_parts values (?, ?, ?, ?, ?, ?)", ((row[0], *part) for part in parts)
    )
    (size,) = connection.execute(
        "select ifnull(sum(length(body)), 0) from checkpoint_blobs "
        "where hash in (select hash from checkpoint_parts where checkpoint_id = ?)",
        (row[0],),
    ).fetchone()
    connection.execute("update checkpoints set byte_size = ? where id = ?", (size, row[0]))
    return int(size)


def find_checkpoint(connection: sqlite3.Connection, checkpoint_id: str) -> Row | None:
    row: Row | None = connection.execute(f"{_READ} where id = ?", (checkpoint_id,)).fetchone()
    return row


def list_checkpoints(connection: sqlite3.Connection, start: tuple[float, str] | None, limit: int) -> list[Row]:
    """Latest first, from behind (created_at, id) `start`."""
    where, values = (" where (created_at, id) < (?, ?)", start) if start else ("", ())
    return connection.execute(f"{_READ}{where} order by created_at desc, id desc limit ?", (*values, limit)).fetchall()


def delete_checkpoint(connection: sqlite3.Connection, checkpoint_id: str) -> bool:
    """With what no other checkpoint shares. False when there is none of this id."""
    if not connection.execute("delete from checkpoints where id = ?", (checkpoint_id,)).rowcount:
        return False
    sweep_blobs(connection)
    return True


def sweep_blobs(connection: sqlite3.Connection) -> None:
    """Delete those that are in no checkpoint any more."""
    connection.execute("delete from checkpoint_blobs where hash not in (select hash from checkpoint_parts)")


def parts_named(connection: sqlite3.Connection, kind: str, name: str) -> list[tuple[str, str]]:
    """(checkpoint, hash) of the parts of this name in every checkpoint."""
    return connection.execute(
        "select checkpoint_id, hash from checkpoint_parts where kind = ? and name = ?", (kind, name)
    ).fetchall()


def replace_part(
    connection: sqlite3.Connection, where: tuple[str, str, str], new: tuple[str, bytes] | None, rows: int
) -> None:
    """Put another blob (hash, body) in the place of that of a part (checkpoint, kind, name); None takes it out."""
    if new is None:
        connection.execute("delete from checkpoint_parts where (checkpoint_id, kind, name) = (?, ?, ?)", where)
        return
    connection.execute("insert or ignore into checkpoint_blobs values (?, ?)", new)
    connection.execute(
        "update checkpoint_parts set hash = ?, rows = ?, stamp = '' where (checkpoint_id, kind, name) = (?, ?, ?)",
        (new[0], rows, *where),
    )


def count_facts(connection: sqlite3.Connection, checkpoint_id: str, more: int) -> None:
    connection.execute("update checkpoints set fact_count = fact_count + ? where id = ?", (more, checkpoint_id))


def parts(connection: sqlite3.Connection, checkpoint_id: str) -> list[Row]:
    """(kind, name, hash, stamp, rows) of each part."""
    return connection.execute(
        "select kind, name, hash, stamp, rows from checkpoint_parts where checkpoint_id = ? order by kind, name",
        (checkpoint_id,),
    ).fetchall()


def blob(connection: sqlite3.Connection, hash_: str) -> bytes | None:
    row = connection.execute("select body from checkpoint_blobs where hash = ?", (hash_,)).fetchone()
    return None if row is None else row[0]


def has_blob(connection: sqlite3.Connection, hash_: str) -> bool:
    return connection.execute("select 1 from checkpoint_blobs where hash = ?", (hash_,)).fetchone() is not None


def kept_part(connection: sqlite3.Connection, checkpoint_id: str, kind: str, name: str) -> Row | None:
    """(kind, name, hash, stamp, rows) of one part, if what is in it is there."""
    row: Row | None = connection.execute(
        "select kind, name, p.hash, stamp, rows from checkpoint_parts p join checkpoint_blobs b on b.hash = p.hash "
        "where (checkpoint_id, kind, name) = (?, ?, ?)",
        (checkpoint_id, kind, name),
    ).fetchone()
    return row


def newest_message(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select ifnull(max(number), 0) from messages").fetchone()[0])


def stamps(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """For each conversation, a text that differs once anything in it has changed.

    Of messages their count and the number of the last one are enough: they only change with a run of their
    conversation, which changes its time.
    """
    for row in connection.execute(
        """
        select c.*, (select count(*) from messages m where m.conversation_id = c.id),
            (select max(number) from messages m where m.conversation_id = c.id)
        from conversations c
        """
    ):
        digest = hashlib.blake2b(repr(row).encode("utf-8", "replace"), digest_size=16)
        for session in connection.execute(
            "select * from sessions where conversation_id = ? order by started_at, id", (row[0],)
        ):
            digest.update(repr(session).encode("utf-8", "replace"))
        yield row[0], digest.hexdigest()


def conversation_rows(connection: sqlite3.Connection, conversation_id: str) -> dict[str, list[dict[str, Any]]]:
    """Everything that is said in a conversation, and the ids of its runs."""
    found = {
        table: _mappings(connection, f"select * from {table} where {column} = ? order by {order}", conversation_id)  # noqa: S608 - names from above
        for table, column, order in _OWNED
    }
    found["runs"] = _mappings(connection, "select id from runs where conversation_id = ? order by id", conversation_id)
    return found


def replace_conversation(connection: sqlite3.Connection, conversation_id: str, rows: Rows) -> None:
    """Make a conversation exactly what `rows` say. Messages keep their numbers where no other has them by now."""
    connection.execute("delete from messages where conversation_id = ?", (conversation_id,))
    connection.execute("delete from sessions where conversation_id = ?", (conversation_id,))
    for row in rows.get("conversations", ()):
        _insert(connection, "conversations", row, "on conflict (id) do update set {changes}")
    for row in rows.get("sessions", ()):
        _insert(connection, "sessions", row)
    messages = rows.get("messages", ())
    keep = not any(
        connection.execute("select 1 from messages where number = ?", (row["number"],)).fetchone() for row in messages
    )
    for row in messages:
        _insert(connection, "messages", row if keep else {k: v for k, v in row.items() if k != "number"})
    connection.executemany(
        "update runs set conversation_id = ? where id = ? and conversation_id is null",
        [(conversation_id, row["id"]) for row in rows.get("runs", ())],
    )


def remove_conversation(connection: sqlite3.Connection, conversation_id: str) -> None:
    """Its runs stay, as runs of no conversation."""
    connection.execute("update runs set conversation_id = null where conversation_id = ?", (conversation_id,))
    connection.execute("delete from messages where conversation_id = ?", (conversation_id,))
    connection.execute("delete from sessions where conversation_id = ?", (conversation_id,))
    connection.execute("delete from conversations where id = ?", (conversation_id,))


def _mappings(connection: sqlite3.Connection, sql: str, value: str) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, (value,))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, Any], conflict: str = "") -> None:
    known = {name for _, name, *_ in connection.execute(f"pragma table_info ({table})")}
    names = [name for name in row if name in known]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
    connection.execute(
        f"{insert(table, names)} {conflict.format(changes=changes)}",
        [row[name] for name in names],
    )
