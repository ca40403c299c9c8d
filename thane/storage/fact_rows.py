"""SQL of facts: functions of a connection, for use inside a `Database` operation."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

type Row = tuple[Any, ...]

COLUMNS = (
    *("id", "scope", "subject", "category", "key", "value", "source", "run_id", "confidence"),
    *("created_at", "updated_at", "valid_from", "valid_until", "state", "superseded_by", "message_id"),
)
_SELECT = f"select {', '.join('f.' + name for name in COLUMNS)} from facts f"  # noqa: S608 - only names from above
_VISIBLE = (
    "(f.scope = 'house' or (f.scope = 'person' and f.subject = :user and :user <> '')"
    " or (f.scope = 'conversation' and f.subject = :conversation and :conversation <> ''))"
)
_NOW = (
    "f.state = 'current' and (f.valid_from is null or f.valid_from <= :now)"
    " and (f.valid_until is null or f.valid_until > :now)"
)


def is_any(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("select exists (select 1 from facts)").fetchone()[0])


def add(connection: sqlite3.Connection, row: Sequence[object]) -> None:
    connection.execute(
        f"insert into facts ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})",  # noqa: S608 - only names
        row,
    )


def change(connection: sqlite3.Connection, fact_id: str, values: Mapping[str, object]) -> None:
    """`values` are by column."""
    names = [name for name in COLUMNS if name in values]
    connection.execute(
        f"update facts set {', '.join(f'{name} = ?' for name in names)} where id = ?",  # noqa: S608 - names from above
        [*(values[name] for name in names), fact_id],
    )


def find(connection: sqlite3.Connection, fact_id: str) -> Row | None:
    row: Row | None = connection.execute(f"{_SELECT} where f.id = ?", (fact_id,)).fetchone()
    return row


def current(connection: sqlite3.Connection, scope: str, subject: str, category: str, key: str) -> Row | None:
    row: Row | None = connection.execute(
        f"{_SELECT} where (f.scope, f.subject, f.category, f.key) = (?, ?, ?, ?) and f.state = 'current'",
        (scope, subject, category, key),
    ).fetchone()
    return row


def proposed(connection: sqlite3.Connection, scope: str, subject: str, category: str, key: str) -> Row | None:
    """What a model would put in the place of what a person wrote."""
    row: Row | None = connection.execute(
        f"{_SELECT} where (f.scope, f.subject, f.category, f.key) = (?, ?, ?, ?) and f.state = 'proposed'",
        (scope, subject, category, key),
    ).fetchone()
    return row


def is_dismissed(connection: sqlite3.Connection, proposal: Row, kept_id: str) -> bool:
    """Whether the same value was proposed before, and dismissed for this fact."""
    found = connection.execute(
        "select 1 from facts where (scope, subject, category, key, value) = (?, ?, ?, ?, ?) and state = 'forgotten' "
        "and superseded_by = ?",
        (*proposal[1:6], kept_id),
    ).fetchone()
    return found is not None


def settle(connection: sqlite3.Connection, fact: Row) -> None:
    """A person has decided for this fact: nothing is proposed under its name any more."""
    connection.execute(
        "update facts set state = 'superseded', superseded_by = ? "
        "where (scope, subject, category, key) = (?, ?, ?, ?) and state = 'proposed' and id <> ?",
        (fact[0], *fact[1:5], fact[0]),
    )


def note_message(connection: sqlite3.Connection, run_id: str, message_id: str) -> None:
    """Name the message from which the facts of a run come, where they do not know yet."""
    connection.execute(
        "update facts set message_id = ? where run_id = ? and run_id <> '' and message_id = ''", (message_id, run_id)
    )


def runs_of(connection: sqlite3.Connection, fact: Row) -> list[str]:
    """The runs that told what is known under this name, or were told it."""
    found = connection.execute(
        """
        with named as (select id, run_id from facts where (scope, subject, category, key) = (?, ?, ?, ?))
        select run_id from named where run_id <> ''
        union select u.run_id from fact_uses u join named n on n.id = u.fact_id
        """,
        fact[1:5],
    )
    return [run_id for (run_id,) in found]


def conversations_of(connection: sqlite3.Connection, run_ids: Sequence[str]) -> tuple[str, ...]:
    found = connection.execute(
        "select distinct conversation_id from runs where id in (select value from json_each(?)) "
        "and conversation_id is not null order by conversation_id",
        (msgspec.json.encode(run_ids).decode(),),
    )
    return tuple(conversation_id for (conversation_id,) in found)


def count_of(connection: sqlite3.Connection, scope: str, subject: str) -> int:
    """Current facts of one subject."""
    return int(
        connection.execute(
            "select count(*) from facts where scope = ? and subject = ? and state = 'current'", (scope, subject)
        ).fetchone()[0]
    )


def history(connection: sqlite3.Connection, fact: Row) -> list[Row]:
    """Every fact under the same name as this one, latest first, itself included."""
    return connection.execute(
        f"{_SELECT} where (f.scope, f.subject, f.category, f.key) = (?, ?, ?, ?) order by f.number desc", fact[1:5]
    ).fetchall()


def erase(connection: sqlite3.Connection, fact: Row) -> int:
    """Delete a fact with all that was remembered under its name before, from the index too; how many rows."""
    gone = connection.execute(
        "delete from facts where (scope, subject, category, key) = (?, ?, ?, ?)", fact[1:5]
    ).rowcount
    connection.execute("insert into facts_words (facts_words) values ('optimize')")  # else its words stay till a merge
    return gone


def visible(
    connection: sqlite3.Connection, *, user: str, conversation: str, now: float, said: str, limit: int
) -> list[Row]:
    """What holds now and may be told to this user in this conversation: best match first; without `said`, latest."""
    values = {"user": user, "conversation": conversation, "now": now, "said": said, "limit": limit}
    if said:
        return connection.execute(
            f"{_SELECT} join facts_words w on w.rowid = f.number where facts_words match :said and {_VISIBLE} "
            f"and {_NOW} order by w.rank, f.number desc limit :limit",
            values,
        ).fetchall()
    return connection.execute(
        f"{_SELECT} where {_VISIBLE} and {_NOW} order by f.updated_at desc, f.number desc limit :limit", values
    ).fetchall()


def select(
    connection: sqlite3.Connection,
    *,
    equal: Mapping[str, str],
    said: str,
    start: tuple[float, str] | None,
    limit: int,
) -> list[Row]:
    """Latest update first, from behind (updated_at, id) `start`; those that match `said`, if it is given."""
    where = [f"f.{name} = :{name}" for name in equal if name in COLUMNS]
    values: dict[str, object] = {**equal, "limit": limit}
    if said:
        where.append("f.number in (select rowid from facts_words where facts_words match :said)")
        values["said"] = said
    if start:
        where.append("(f.updated_at, f.id) < (:at, :id)")
        values["at"], values["id"] = start
    condition = f" where {' and '.join(where)}" if where else ""
    return connection.execute(
        f"{_SELECT}{condition} order by f.updated_at desc, f.id desc limit :limit", values
    ).fetchall()


def add_uses(connection: sqlite3.Connection, uses: Sequence[tuple[str, str, str, float]]) -> None:
    """`uses` are (fact_id, run_id, how, at); the first of a kind is kept."""
    connection.executemany("insert or ignore into fact_uses values (?, ?, ?, ?)", uses)


def uses_of_fact(connection: sqlite3.Connection, fact_id: str, limit: int) -> list[Row]:
    """(fact_id, run_id, how, at), latest first."""
    return connection.execute(
        "select fact_id, run_id, how, at from fact_uses where fact_id = ? order by at desc, run_id limit ?",
        (fact_id, limit),
    ).fetchall()


def uses_of_run(connection: sqlite3.Connection, run_id: str) -> list[Row]:
    """(fact_id, run_id, how, at), then the columns of the fact, in their order."""
    columns = ", ".join(f"f.{name}" for name in COLUMNS)
    return connection.execute(
        f"select u.fact_id, u.run_id, u.how, u.at, {columns} from fact_uses u join facts f on f.id = u.fact_id "  # noqa: S608 - only names from above
        "where u.run_id = ? order by u.at, u.fact_id",
        (run_id,),
    ).fetchall()


def vectors(connection: sqlite3.Connection, fact_ids: Sequence[str], model: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for fact_id in fact_ids:
        row = connection.execute(
            "select vector from fact_vectors where fact_id = ? and model = ?", (fact_id, model)
        ).fetchone()
        if row:
            found[fact_id] = row[0]
    return found


def store_vectors(connection: sqlite3.Connection, model: str, vectors: Mapping[str, bytes]) -> None:
    connection.executemany(
        "insert or replace into fact_vectors select ?, ?, ? where exists (select 1 from facts where id = ?)",
        [(fact_id, model, vector, fact_id) for fact_id, vector in vectors.items()],
    )


def stamps(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """For each subject, named `scope:subject`, a text that differs once any of its facts has changed."""
    return connection.execute(
        """
        select scope || ':' || subject, printf('%d %d %d %.6f', count(*), max(number), sum(state = 'current'),
            total(updated_at + (message_id <> '')))
        from facts group by scope, subject
        """
    )


def rows_of(connection: sqlite3.Connection, name: str) -> dict[str, list[dict[str, Any]]]:
    """All facts of a subject, with what became of them; not who used them."""
    found = connection.execute(f"{_SELECT} where (f.scope, f.subject) = (?, ?) order by f.number", _apart(name))
    return {"facts": [dict(zip(COLUMNS, row, strict=True)) for row in found]}


def replace(connection: sqlite3.Connection, name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make the facts of a subject exactly these. Who used them stays known."""
    wanted = {str(row["id"]): row for row in rows.get("facts", ())}
    there = {str(row["id"]) for row in rows_of(connection, name)["facts"]}
    connection.executemany("delete from facts where id = ?", [(each,) for each in there - set(wanted)])
    connection.execute("update facts set state = 'changing' where (scope, subject) = (?, ?)", _apart(name))
    for fact_id, row in wanted.items():
        if fact_id in there:
            change(connection, fact_id, row)
            connection.execute("delete from fact_vectors where fact_id = ?", (fact_id,))
        else:
            add(connection, [row.get(column, "") for column in COLUMNS])  # "": it was made before there was this one


def remove(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("delete from facts where (scope, subject) = (?, ?)", _apart(name))


def _apart(name: str) -> tuple[str, str]:
    scope, _, subject = name.partition(":")
    return scope, subject
