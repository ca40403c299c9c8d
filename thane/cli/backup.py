"""`thane backup`, `thane restore` and `thane repair`: the whole memory as one file, and back, also a damaged one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter

from thane.config.load import load
from thane.config.settings import Settings
from thane.errors import DependencyError
from thane.storage.backup import BackedUp, back_up
from thane.storage.backup import restore as put_back
from thane.storage.connection import as_dependency
from thane.storage.repair import repair as mend
from thane.storage.salvage import Salvaged

type Config = Annotated[Path | None, Parameter(help="Configuration file; without it the usual places are searched.")]


async def backup(
    file: Annotated[Path | None, Parameter(help="The file to write; without it one here, named by the time.")] = None,
    *,
    config: Config = None,
) -> None:
    """Write everything that Thane remembers into one file, also while it runs."""
    target = file or Path(f"thane-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}.db")
    found = await _blocking(back_up, database_of(load(config).settings), target)
    print(f"{found.path}: {told(found)}")


async def restore(
    file: Annotated[Path, Parameter(help="A file that `thane backup` wrote.")],
    *,
    config: Config = None,
) -> None:
    """Put a backup in the place of what Thane remembers now. Thane must be stopped."""
    settings = load(config).settings
    stamp = f"{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"

    def work() -> tuple[BackedUp, Path | None]:
        return put_back(file, database_of(settings), settings.storage, stamp=stamp)

    found, aside = await _blocking(work)
    print(f"Restored {told(found)} from {file}.")
    if aside is not None:
        print(f"What was there before is in {aside}.")


async def repair(*, config: Config = None) -> None:
    """Save what can be read of a damaged database into a new one, and say what that is. Thane must be stopped.

    The old file is kept beside it. A database that is sound is written anew, which gives its unused room back.
    """
    settings = load(config).settings
    database = database_of(settings)
    done = await _blocking(mend, database, settings.storage, stamp=f"{datetime.now().astimezone():%Y-%m-%d-%H%M%S}")
    if not done.tables:
        print(f"{database} is sound: everything is there. It took {_mb(done.size_before)}, now it is {_mb(done.size)}.")
    for each in done.tables:
        if each.rows or not each.is_whole:
            print(_row(each))
    if done.tables and done.is_whole:
        print("Everything could be read: only indexes were damaged, and are made anew.")
    elif done.tables:
        if not done.has_log:
            print("The log beside it (-wal), with what was written last, could not be read.")
        print("What is lost may be in a backup or a checkpoint: `thane restore`, or the page Archive.")
    print(f"The old file is {done.aside}.")


def _row(table: Salvaged) -> str:
    name = table.table.replace("_", " ")
    losses = [
        f"{count} {what}"
        for count, what in (
            (table.lost_pages, "unreadable pages"),
            (table.lost_rows, "unreadable rows"),
            (table.left_out, "left out, for they fit nowhere any more"),
        )
        if count
    ]
    return f"{name:20} {table.rows:>9,}  {'; '.join(losses) or 'all'}"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def database_of(settings: Settings) -> Path:
    """Where the database of a configuration is."""
    return Path(settings.data_dir).expanduser() / "thane.db"


def told(found: BackedUp) -> str:
    return f"{found.conversations} conversations, {found.messages} messages, {found.size / 1e6:.1f} MB"


async def _blocking[**P, T](work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """In a thread, with the disk's errors in words."""
    try:
        return await trio.to_thread.run_sync(lambda: work(*arguments, **named))
    except OSError as error:
        raise DependencyError(f"The disk: {error}", dependency="disk") from error
    except sqlite3.Error as error:
        raise as_dependency(error) from error
