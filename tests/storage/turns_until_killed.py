"""A program that stores turns, facts and checkpoints, publishes events and sweeps until it is killed.

It says what is confirmed, a line each.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import msgspec
import trio

from tests.memory.samples import AT, conversation, run, said
from thane.clock import SystemClock
from thane.config.money import Budgets
from thane.config.settings import Archive as ArchiveLimits
from thane.config.settings import Events, Storage
from thane.events.bus import EventBus
from thane.events.event import NoEvents
from thane.events.log import open_event_log
from thane.ids import Ids
from thane.ledger.entry import LedgerEntry
from thane.ledger.ledger import open_ledger
from thane.ledger.pricing import PriceList
from thane.memory.archive import Archive
from thane.memory.archive_retention import DAY, ArchiveRetention
from thane.memory.fact import NewFact
from thane.memory.facts import Facts
from thane.memory.records import RunRecord, ToolCallRecord
from thane.storage.database import open_database
from thane.turn import Usage

CALLS = 2
"""Of a model and of a tool, in each run."""
CLIENTS = 8


class Standing:
    """A clock that stands at the time of the turns."""

    def time(self) -> float:
        return AT


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def ended_run(run_id: str, conversation_id: str) -> RunRecord:
    calls = (
        ToolCallRecord(f"call_{n}", run_id, conversation_id, n, "t", "{}", "ok", True, AT, 0.1) for n in range(CALLS)
    )
    return run(run_id, conversation_id, tool_calls=tuple(calls))


def word_of(run_id: str) -> str:
    """A word that is said in this run alone, and is long enough to be found when it is misspelt."""
    return "word" + run_id.replace("-", "x")


async def main(path: Path, name: str) -> None:
    clock = SystemClock()
    async with open_database(path, Storage()) as database, open_event_log(database, Events()) as log:
        bus = EventBus(Events(), clock, log)
        archive = Archive(database, clock)
        await archive.recover()
        facts = Facts(database, clock, Ids(random.SystemRandom(), clock))
        ledger = await open_ledger(database, PriceList({}), Budgets(), clock=clock, events=NoEvents())

        async def talk(client: int) -> None:
            for number in range(1_000_000):
                run_id = f"{name}-{client}-{number}"
                talk_ = conversation(f"c_{name}-{client}")
                archive.run_started(talk_, run(run_id, talk_.id, "running"))
                bus.publish("agent", "request_start", run_id=run_id)
                say(f"seq {bus.last_seq}")
                ended = ended_run(run_id, talk_.id)
                calls = [
                    ledger.charge(LedgerEntry(run_id, place, AT, "owu", "llama", "m", Usage(7, 5), talk_.id))
                    for place in range(CALLS)
                ]
                ledger.note(run_id, calls[:1], calls[1])
                keep = ledger.keep(run_id, calls)
                await archive.run_ended(talk_, ended, said(ended, run_id, word_of(run_id)), alongside=(keep,))
                say(f"run {run_id}")
                if number % 3 == 0:
                    fact = await facts.remember(
                        NewFact("house", "", "home", f"client {client}", run_id, "model", run_id)
                    )
                    say(f"fact {fact.id}")

        async def note_states() -> None:
            while True:
                made = await archive.checkpoints.create("periodic")
                say(f"checkpoint {made.id}")
                await archive.checkpoints.prune(3, triggers=("periodic",))

        async def sweep() -> None:
            """What was said long ago goes, a little at a time."""
            sweeping = ArchiveRetention(
                database,
                ArchiveLimits(keep_days=50),
                Storage(spare_bytes=0),
                Standing(),
                checkpoints=archive.checkpoints,
                own_triggers=(),
                live=frozenset,
                batch=3,
            )
            for number in range(1_000_000):
                for each in range(4):
                    run_id = f"{name}-old-{number}x{each}"
                    ended = ended_run(run_id, f"c_{name}-old")
                    new = said(ended, run_id, word_of(run_id))
                    long_ago = [msgspec.structs.replace(message, at=AT - 100 * DAY) for message in new]
                    await archive.run_ended(conversation(ended.conversation_id), ended, long_ago)
                await sweeping.sweep()

        async with trio.open_nursery() as nursery:
            for client in range(CLIENTS):
                nursery.start_soon(talk, client)
            nursery.start_soon(note_states)
            nursery.start_soon(sweep)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
