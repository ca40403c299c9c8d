"""The tables, as numbered steps forward. A database remembers its step in `user_version`.

A released migration is never changed: a later one mends it. Each runs in a transaction of its own together with its
number, so that a crash leaves the database before or after it, never in between.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from thane.errors import ConfigurationError
from thane.storage.migrations import (
    archive_and_events,
    checkpoints,
    fact_sources,
    facts,
    ledger,
    log_lines,
    message_counts,
    open_calls,
    parent_runs,
    routing_decisions,
    runs_and_prompts,
    sessions_and_search,
    shelf,
)

APPLICATION_ID = 0x5468_6E65  # "Thne"; tells a Thane database from any other SQLite file

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    archive_and_events.STATEMENTS,
    sessions_and_search.STATEMENTS,
    parent_runs.STATEMENTS,
    log_lines.STATEMENTS,
    runs_and_prompts.STATEMENTS,
    shelf.STATEMENTS,
    ledger.STATEMENTS,
    routing_decisions.STATEMENTS,
    checkpoints.STATEMENTS,
    facts.STATEMENTS,
    message_counts.STATEMENTS,
    fact_sources.STATEMENTS,
    open_calls.STATEMENTS,
)
"""Statements of each step; the first leads from an empty database to version 1."""


def migrate(connection: sqlite3.Connection, path: Path, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Bring the database up to date. Raises ConfigurationError for a newer one and for one that is not Thane's."""
    version: int = connection.execute("pragma user_version").fetchone()[0]
    owner: int = connection.execute("pragma application_id").fetchone()[0]
    if owner != APPLICATION_ID and (version or connection.execute("select 1 from sqlite_master").fetchone()):
        raise ConfigurationError(
            f"{path} is an SQLite database, but not one of Thane's: it is left alone; give Thane another `data_dir`"
        )
    if version > len(migrations):
        raise ConfigurationError(
            f"the database {path} was written by a newer Thane (schema {version}, this one knows {len(migrations)}): "
            "install that version again, or give this one another `data_dir`"
        )
    for number, statements in enumerate(migrations[version:], start=version + 1):
        connection.execute("begin immediate")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"pragma application_id = {APPLICATION_ID}")
            connection.execute(f"pragma user_version = {number}")
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
