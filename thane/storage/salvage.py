"""Filling a new database with the rows of a damaged one, as far as they can be read, and making it whole in itself.

What leans on something that is lost is kept where it means something alone: messages get their conversation and their
session back, without a title. What only explains a lost run goes. Indexes of texts are made anew. All functions here
block on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from itertools import batched, product
from pathlib import Path

import msgspec
import structlog

from thane.storage.indexes import full_text_tables
from thane.storage.pages import Losses, PageFile, Row
from thane.storage.schema import APPLICATION_ID, MIGRATIONS, migrate

_BATCH = 1000  # rows in one go
_SCHEMA_ROOT = 1
_COUNTED_ANEW = {"message_counts"}  # says nothing that is not in another table
_NAMES = frozenset({"id", "conversation_id", "run_id", "session_id", "role", "key", "parent_key", "state", "channel"})
"""Columns that no zero is in, unless what stood there was torn: rows are left out that could not be told apart."""

_log = structlog.get_logger("thane.storage")


class Salvaged(msgspec.Struct, frozen=True):
    """What became of one table. `rows` came over. Not readable were `lost_pages` whole pages (about a page holds many
    rows) and `lost_rows` rows; `left_out` were readable, and do not fit or belong to nothing."""

    table: str
    rows: int
    lost_pages: int = 0
    lost_rows: int = 0
    left_out: int = 0

    @property
    def is_whole(self) -> bool:
        return not (self.lost_pages or self.lost_rows or self.left_out)


def salvage(damaged: Path, connection: sqlite3.Connection, path: Path) -> tuple[Salvaged, ...]:
    """Fill the new database `path`, which `connection` is open on, from the file `damaged`: what came of each table."""
    with closing(PageFile(damaged)) as file:
        schema_losses = Losses()
        known = _schema(file, schema_losses)
        version = file.number(60)
        if not 0 < version <= len(MIGRATIONS) or file.number(68) != APPLICATION_ID:
            version = _version_like(known)
        migrate(connection, path, MIGRATIONS[:version])
        roots = _roots(known, version) if schema_losses.pages or schema_losses.rows else known
        found = _copy(file, connection, roots)
    lost = schema_losses.pages + schema_losses.rows
    if lost:
        _log.warning("a part of the schema was not readable; it is known from the version", version=version)
    migrate(connection, path)
    gone = _mend(connection)
    return tuple(
        msgspec.structs.replace(
            each, rows=each.rows - gone.get(each.table, 0), left_out=each.left_out + gone.get(each.table, 0)
        )
        for each in found
    )


def _schema(file: PageFile, losses: Losses) -> dict[str, int]:
    """Names and roots of the tables and indexes that the file tells of."""
    found: dict[str, int] = {}
    for row in file.rows(_SCHEMA_ROOT, losses):
        match row.values:
            case ["table" | "index", str(name), str(), int(root), *_] if root:
                found[name] = root
            case _:
                pass
    return found


def _version_like(known: Mapping[str, int]) -> int:
    """The step of the schema whose names are most like those that are known."""

    def unlikeness(version: int) -> tuple[int, int]:
        return len(set(_layout(version)) ^ set(known)), -version

    return min(range(1, len(MIGRATIONS) + 1), key=unlikeness)


def _roots(known: Mapping[str, int], version: int) -> dict[str, int]:
    """The roots that are known, and those of the rest if they can be told.

    A database with auto-vacuum has its roots in the order in which tables were made, or in that of its last vacuum; and
    somewhere on the way SQLite made a table of statistics. Of the orders that there can be, one that agrees with
    everything known is believed.
    """
    for counted_at, vacuum_at in product(range(version, -1, -1), range(version + 1)):
        layout = _layout(version, counted_at, vacuum_at)
        if all(root == layout.get(name, root) for name, root in known.items()):
            return layout | dict(known)
    return dict(known)


def _layout(version: int, counted_at: int = 0, vacuum_at: int = 0) -> dict[str, int]:
    """The roots in a database that was made by these steps, with statistics made and all written anew behind those."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("pragma auto_vacuum = incremental")
        for step in range(1, version + 1):
            migrate(connection, Path(), MIGRATIONS[:step])
            if step == counted_at:
                connection.execute("analyze")
            if step == vacuum_at:
                connection.execute("vacuum")
        return dict(connection.execute("select name, rootpage from sqlite_master where rootpage > 0").fetchall())


def _copy(file: PageFile, connection: sqlite3.Connection, roots: Mapping[str, int]) -> list[Salvaged]:
    """Copy every table, without triggers and keys looking on: they hold among the rows that are there."""
    triggers = connection.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
    connection.execute("pragma foreign_keys = off")
    for name, _ in triggers:
        connection.execute(f"drop trigger {name}")
    found = [_copy_table(file, connection, name, roots.get(name, 0)) for name in _tables(connection)]
    for _, sql in triggers:
        connection.execute(sql)
    return found


def _tables(connection: sqlite3.Connection) -> list[str]:
    """Every table that has rows of its own: not the indexes of texts, nor what SQLite keeps."""
    virtual = full_text_tables(connection)
    names = connection.execute(
        "select name from sqlite_master where type = 'table' and sql not like 'create virtual%'"
        " and name not like 'sqlite%'"
    )
    own = [name for (name,) in names if not any(name.startswith(f"{each}_") for each in virtual)]
    return [name for name in own if name not in _COUNTED_ANEW]


def _copy_table(file: PageFile, connection: sqlite3.Connection, name: str, root: int) -> Salvaged:
    losses = Losses()
    if not root:
        return Salvaged(name, 0, lost_pages=1)
    columns = connection.execute(f"pragma table_info ({name})").fetchall()
    keys = sorted((each for each in columns if each[5]), key=lambda each: each[5])
    has_rowid = not any(row[4] for row in connection.execute("pragma table_list") if row[1] == name)
    stored = columns if has_rowid else [*keys, *(each for each in columns if not each[5])]
    names = [str(each[1]) for each in stored]
    alias = next((place for place, each in enumerate(stored) if has_rowid and each[5] and each[2] == "INTEGER"), -1)
    connection.execute(f"delete from {name}")  # noqa: S608 - of the schema: what every new database begins with
    copied = left_out = 0
    for batch in batched(file.rows(root, losses), _BATCH, strict=False):
        connection.execute("begin immediate")
        for row in batch:
            if _insert(connection, name, names, row, alias):
                copied += 1
            else:
                left_out += 1
        connection.execute("commit")
    return Salvaged(name, copied, losses.pages, losses.rows, left_out)


def _insert(connection: sqlite3.Connection, table: str, names: list[str], row: Row, alias: int) -> bool:
    """Whether the row fits. One from before a column was added is shorter, and gets what that has by default."""
    values = list(row.values)
    if alias >= 0 and alias < len(values):
        values[alias] = row.rowid
    if not values or len(values) > len(names):
        return False
    if any(
        isinstance(value, str) and "\0" in value for name, value in zip(names, values, strict=False) if name in _NAMES
    ):
        return False
    chosen = ", ".join(names[: len(values)])
    places = ", ".join("?" * len(values))
    try:
        done = connection.execute(f"insert or ignore into {table} ({chosen}) values ({places})", values)  # noqa: S608 - names of the schema
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError):
        return False
    return bool(done.rowcount)


_GIVEN_BACK = (
    """
    insert into conversations (id, channel, title, created_at, updated_at, user, area)
    select lost, 'api', '', min(at), max(at), '', '' from (
        select conversation_id as lost, at from messages
        union all select subject, updated_at from facts where scope = 'conversation'
    ) where lost not in (select id from conversations) group by lost
    """,
    """
    insert into sessions (id, conversation_id, started_at, last_at, ended_at, end_reason, title, summary, tags,
        metadata, handoff, parent_session_id, parent_tool_call_id)
    select session_id, conversation_id, min(at), max(at), max(at), 'crash_recovery', '', '', '[]', '{}', '', '', ''
    from messages where session_id <> '' and session_id not in (select id from sessions) group by session_id
    """,
    "update runs set conversation_id = null where conversation_id not in (select id from conversations)",
    "update message_counts set count = (select count(*) from messages m where m.role = message_counts.role)",
)
"""What was said and what is remembered belongs to a conversation, and what was said to a session."""
_LEFT_OUT = (
    ("steps", "run_id not in (select id from runs)"),
    ("tool_calls", "run_id not in (select id from runs)"),
    ("spans", "run_id not in (select id from runs)"),
    ("run_prompts", "run_id not in (select id from runs) or node not in (select id from prompt_nodes)"),
    ("checkpoint_parts", "checkpoint_id not in (select id from checkpoints)"),
    ("fact_uses", "fact_id not in (select id from facts)"),
    ("fact_vectors", "fact_id not in (select id from facts)"),
)
"""What means nothing without what it belongs to."""
_BROKEN_NODES = """
    delete from prompt_nodes where piece not in (select id from prompt_pieces)
        or parent is not null and parent not in (select id from prompt_nodes)
"""
_COUNTED = (
    ("prompt_nodes", "select node as id from run_prompts union all select parent from prompt_nodes"),
    ("prompt_pieces", "select piece as id from prompt_nodes"),
)
"""What leans on the rows of a table, counted in its `refs` by triggers, which did not look on."""


def _mend(connection: sqlite3.Connection) -> dict[str, int]:
    """Make the new database whole in itself; how many rows of which tables had to go."""
    gone: dict[str, int] = {}
    triggers = connection.execute(
        "select name, sql from sqlite_master where type = 'trigger' and tbl_name in ('prompt_nodes', 'run_prompts')"
    ).fetchall()
    connection.execute("begin immediate")
    for name, _ in triggers:
        connection.execute(f"drop trigger {name}")
    for statement in _GIVEN_BACK:
        connection.execute(statement)
    while nodes := connection.execute(_BROKEN_NODES).rowcount:
        gone["prompt_nodes"] = gone.get("prompt_nodes", 0) + nodes
    for table, condition in _LEFT_OUT:
        gone[table] = connection.execute(f"delete from {table} where {condition}").rowcount  # noqa: S608 - texts from above
    for table, leaning in _COUNTED:
        connection.execute(f"update {table} set refs = 0")  # noqa: S608 - texts from above
        connection.execute(
            f"update {table} set refs = found.number"  # noqa: S608 - texts from above
            f" from (select id, count(*) as number from ({leaning}) group by id) as found where found.id = {table}.id"
        )
    for _, sql in triggers:
        connection.execute(sql)
    for name in full_text_tables(connection):
        connection.execute(f"insert into {name} ({name}) values ('rebuild')")  # noqa: S608 - of the schema
    connection.execute("commit")
    connection.execute("pragma foreign_keys = on")
    return gone
