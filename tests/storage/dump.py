"""A database as SQL, for `released/`: `python -m tests.storage.dump thane.db > tests/storage/released/N.sql`.

For each release: say four things to it as in the dumps before, remember a fact, make a checkpoint, stop it. Python's
own dump cannot be read back where there are indexes of texts.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing


def dump(connection: sqlite3.Connection) -> Iterator[str]:
    """Statements that make the same database again. Log lines, which tell of the machine, are left out."""
    for name in ("application_id", "user_version"):
        yield f"pragma {name} = {connection.execute(f'pragma {name}').fetchone()[0]};"
    yield "begin;"
    found = connection.execute(
        "select type, name, sql from sqlite_master where sql is not null order by rowid"
    ).fetchall()
    virtual = [name for _, name, sql in found if sql.lower().startswith("create virtual")]
    tables = [(name, sql) for kind, name, sql in found if kind == "table" and not name.startswith("sqlite_")]
    shadows = {name for name, _ in tables if any(name.startswith(f"{each}_") for each in virtual)}
    for name, sql in tables:
        if name not in shadows:
            yield f"{sql};"
    for name, _ in tables:
        if name in virtual or name == "log_lines":
            continue
        if name in shadows:
            yield f"delete from {name};"
        columns = [f"quote({column})" for _, column, *_ in connection.execute(f"pragma table_info ({name})")]
        for row in connection.execute(f"select {', '.join(columns)} from {name}"):
            yield f"insert into {name} values ({', '.join(row)});"
    for kind, _, sql in found:
        if kind in ("index", "trigger"):
            yield f"{sql};"
    yield "commit;"


if __name__ == "__main__":
    with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as database:
        for statement in dump(database):
            sys.stdout.write(f"{statement}\n")
