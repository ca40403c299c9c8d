"""`thane backup` and `thane restore`: the whole memory as one file, and back."""

from __future__ import annotations

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
