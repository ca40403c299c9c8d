"""`thane import`: take in what a Thane of the reference remembers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter

from thane.cli.backup import Config, database_of
from thane.clock import SystemClock
from thane.config.load import load
from thane.ids import Ids


async def take_in(
    file: Annotated[Path, Parameter(help="The reference's `thane.db`. It is only read.")],
    *,
    config: Config = None,
) -> None:
    """Take in conversations, sessions, tool calls and facts of the reference (`thane.db`). Thane must be stopped.

    What was taken in before is not taken twice.
    """
    settings = load(config).settings
    # Only now: a wrong configuration is told before everything is loaded.
    from thane.conversations.reference import take  # noqa: PLC0415
    from thane.conversations.reference_facts import take_facts  # noqa: PLC0415
    from thane.memory.facts import Facts  # noqa: PLC0415
    from thane.memory.intake import take_in as store  # noqa: PLC0415
    from thane.storage.database import open_database  # noqa: PLC0415
    from thane.storage.reference_rows import read_reference  # noqa: PLC0415

    tables = await trio.to_thread.run_sync(read_reference, file)
    taken = take(tables)
    messages = conversations = 0
    async with open_database(database_of(settings), settings.storage) as database:
        for each in taken:
            new = await store(database, each.conversation, [(s.session, s.run, s.messages) for s in each.sessions])
            messages += new
            conversations += bool(new)
        clock = SystemClock()
        known_facts, odd = take_facts(tables)
        facts = await Facts(database, clock, Ids(random.SystemRandom(), clock)).take_in(known_facts)
    known = len(taken) - conversations
    print(f"Took in {messages} messages in {conversations} conversations from {file}.")
    if known_facts:
        print(f"Took in {facts} of {len(known_facts)} facts, as facts of the house.")
    if odd:
        print(f"Left out: {odd} facts without a name or a value.")
    if known:
        print(f"{known} conversations were here already.")
    for sentence in (sentence for each in taken for sentence in each.skipped):
        print(f"Left out: {sentence}")
