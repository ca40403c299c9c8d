"""What the archive takes as it grows: search, append and context, through the functions that Thane itself calls.

Part of `just bench`. Nothing here goes over HTTP: what a request costs besides is measured by `scripts/bench.py`.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import trio

from scripts.big_archive import AT, LONG, TOOL, big_archive, vocabulary
from thane.agent.window import fit
from thane.clock import SystemClock
from thane.config import settings as config
from thane.conversations import identity
from thane.conversations.lookup import Lookup, path_to_head
from thane.conversations.marks import OVER, recap
from thane.conversations.remembered import Remembered
from thane.ids import Ids
from thane.memory.archive import Archive
from thane.memory.fact import Asker, NewFact
from thane.memory.facts import Facts
from thane.memory.records import ConversationQuery, ConversationRecord, MessageRecord, RunRecord
from thane.memory.search import Wanted
from thane.storage.database import open_database
from thane.turn import Caller, Message

type Measure = Callable[[int], Awaitable[object]]
"""Does the thing once; the number tells the rounds apart."""

_NEW = "c_of_the_bench"
_HEAD = "| archive, p50 / p99 (CPU) in ms |"


def archive_rows(sizes: Sequence[int], rounds: int) -> list[tuple[str, list[str]]]:
    """What was measured, by name, with a figure for each size."""
    by_size = [dict(trio.run(_measure, big_archive(size), rounds)) for size in sizes]
    return [(name, [found[name] for found in by_size]) for name in by_size[0]]


def archive_table(sizes: Sequence[int], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    lines = [
        f"{_HEAD} {' | '.join(f'{size:,} messages' for size in sizes)} |",
        "|---|" + "---|" * len(sizes),
        *(f"| {name} | {' | '.join(figures)} |" for name, figures in rows),
    ]
    return "\n".join(lines)


def renewed(page: str, table: str) -> str:
    """The page with this table in the place of the old one."""
    return re.sub(rf"^{re.escape(_HEAD)}.*\n(?:\|.*\n)*", lambda _: f"{table}\n", page, count=1, flags=re.MULTILINE)


async def _measure(path: Path, rounds: int) -> list[tuple[str, str]]:
    clock = SystemClock()
    source = random.Random(2)
    ids = Ids(source, clock)
    async with open_database(path, config.Storage()) as database:
        archive = Archive(database, clock, ids=ids)
        await archive.delete(_NEW)
        measures = _searches(archive, source) | await _turns(archive, Facts(database, clock, ids))
        return [(name, await _timed(measure, rounds)) for name, measure in measures.items()]


async def _timed(measure: Measure, rounds: int) -> str:
    await measure(-1)
    times: list[float] = []
    used: list[float] = []  # processor time of all threads: what it takes where nothing else keeps the cores busy
    for number in range(rounds):
        start, before = time.perf_counter(), time.process_time()
        await measure(number)
        times.append((time.perf_counter() - start) * 1000)
        used.append((time.process_time() - before) * 1000)
    times.sort()
    used.sort()
    last = min(len(times) - 1, round(len(times) * 0.99))
    return f"{times[len(times) // 2]:.1f} / {times[last]:.1f} ({used[len(used) // 2]:.1f})"


def _searches(archive: Archive, source: random.Random) -> dict[str, Measure]:
    """Each as a page of ten results with snippets and the exchange around them, as the API answers."""
    words, _ = vocabulary()
    rare = source.sample(words[5000:25000], 500)

    def find(text: str | Callable[[int], str], **wanted: Any) -> Measure:
        async def measure(number: int) -> object:
            asked = text if isinstance(text, str) else text(number)
            return await archive.search.find(asked, Wanted(**wanted), limit=10)

        return measure

    async def conversations(number: int) -> object:
        return await archive.find(ConversationQuery(q=rare[number], limit=50))

    async def by_time(number: int) -> object:
        return await archive.search.between(AT, AT + 1e9, limit=500, start=(AT + number * 40.0, 0))

    return {
        "search: a rare word": find(lambda number: rare[number]),
        "search: a common word": find("kitchen"),
        "search: two common words": find("kitchen light"),
        "search: a phrase": find('"the light"'),
        "search: a beginning": find("kit*"),
        "search: one of two, without a third": find("kitchen OR garden NOT window"),
        "search: a misspelt word": find("temprature"),
        "search: a common word in a long conversation": find("kitchen", conversation_id=LONG),
        "search: a common word in a short conversation": find("kitchen", conversation_id="c_0000011"),
        "search: a common word of one role": find("kitchen", role="user"),
        "search: a common word in one channel": find("kitchen", channel="ha"),
        "search: a common word in turns with a tool": find("kitchen", tool=TOOL),
        "search: a common word in the oldest hour": find("kitchen", until=AT + 3600),
        "search: a common word of nobody": find("kitchen", conversation_id="c_none"),
        "conversations in which a rare word was said": conversations,
        "500 messages by time": by_time,
        "statistics of the archive": lambda _: archive.search.statistics(),
    }


async def _turns(archive: Archive, facts: Facts) -> dict[str, Measure]:
    words, weights = vocabulary()
    source = random.Random(3)
    clock = SystemClock()
    lookup = Lookup(archive, Remembered(1000), config.Conversations(), clock)
    for number in range(1000):
        value = " ".join(source.choices(words, cum_weights=weights, k=8))
        await facts.remember(NewFact("person", "anna", "user", f"fact {number}", value, "model"))
    talk = ConversationRecord(_NEW, "owu", "A talk", AT, AT, user="anna")
    key = identity.ROOT

    def text() -> str:
        return " ".join(source.choices(words, cum_weights=weights, k=14))

    async def append(number: int) -> object:
        nonlocal key
        now, run_id = clock.time(), f"r_bench_{number + 1}"
        messages: list[MessageRecord] = []
        for place, role in enumerate(("user", "assistant")):
            message, parent = Message(role, text()), key
            key = identity.key(parent, message)
            position = number * 2 + place
            id_ = f"m_bench_{number}_{place}"
            messages.append(MessageRecord(id_, _NEW, run_id, position, message, now, key, parent))
        run = RunRecord(run_id, _NEW, "l_1", "owu", "thane:latest", "done", now, text=messages[-1].message.content)
        return await archive.run_ended(talk, run, messages)

    def context(conversation_id: str) -> Measure:
        said: tuple[Message, ...] = ()

        async def assemble(_: int) -> object:
            """What a turn needs of the memory before its model is asked, for a client that sends its whole history."""
            nonlocal said
            if not said:
                said = tuple(each.message for each in path_to_head(await archive.messages(conversation_id)))
            asked = (Message("system", "You are helpful."), *said, Message("user", f"And the {words[1]}? {text()}"))
            history = identity.read(asked)
            await lookup.by_history(history, Caller("owu", user="anna"))
            await facts.for_prompt(Asker("anna", conversation_id, "r_1"), asked[-1].content)
            covered = recap(await archive.messages_after(conversation_id, OVER), history.keys)
            return fit(asked, 8192, covered, result_chars=config.Agent().old_result_chars)

        return assemble

    return {
        "append a turn of two messages, on disk": append,
        "context of a turn in a conversation of 20": context("c_0000011"),
        "context of a turn in the longest conversation": context(LONG),
    }
