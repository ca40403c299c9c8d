"""A program that stores turns and publishes events until it is killed; it says what is confirmed, a line each."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.memory.samples import conversation, run, said
from thane.clock import SystemClock
from thane.config.settings import Events, Storage
from thane.events.bus import EventBus
from thane.events.log import open_event_log
from thane.memory.archive import Archive
from thane.storage.database import open_database


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(path: Path, name: str) -> None:
    async with open_database(path, Storage()) as database, open_event_log(database, Events()) as log:
        bus = EventBus(Events(), SystemClock(), log)
        archive = Archive(database, SystemClock())
        await archive.recover()

        async def talk(client: int) -> None:
            for number in range(1_000_000):
                run_id = f"{name}-{client}-{number}"
                talk_ = conversation(f"c_{name}-{client}")
                archive.run_started(talk_, run(run_id, talk_.id, "running"))
                bus.publish("agent", "request_start", run_id=run_id)
                say(f"seq {bus.last_seq}")
                ended = run(run_id, talk_.id)
                await archive.run_ended(talk_, ended, said(ended, run_id, "done"))
                say(f"run {run_id}")

        async with trio.open_nursery() as nursery:
            for client in range(8):
                nursery.start_soon(talk, client)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
