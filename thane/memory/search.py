"""Finding what was said: by words, and by when; with the exchange that stands around it.

Words are looked up in the index; where nothing is found for a word that was never said, the word it most likely was
meant to be is looked for, and the answer says so. What a query may look like is in `thane.memory.query`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from thane.config import settings as config
from thane.memory import query, rows
from thane.memory.records import MessageRecord, ToolCallRecord
from thane.storage import search_rows, search_scope, tool_call_rows
from thane.storage.database import Database
from thane.turn import Role

_SIMILAR = 50  # words that share the most trigrams with a misspelt one; the nearest of them is taken


class Wanted(msgspec.Struct, frozen=True):
    """What may be found. Times are epoch seconds; "" and None leave it open. `tool`: said in a run that called it."""

    conversation_id: str = ""
    role: Role | None = None
    channel: str = ""
    since: float | None = None
    until: float | None = None
    tool: str = ""


class Around(msgspec.Struct, frozen=True):
    """How much of the surrounding exchange is given: up to a `silence`, at most `messages` and `seconds` each way."""

    messages: int
    silence: float
    seconds: float


class Hit(msgspec.Struct, frozen=True):
    """`highlight` is the part of the match in which the found words stand between `**` and `**`."""

    match: MessageRecord
    session_id: str
    context_before: tuple[MessageRecord, ...]
    context_after: tuple[MessageRecord, ...]
    highlight: str


class Found(msgspec.Struct, frozen=True):
    """`instead` names, for each misspelt word, the one that was looked for instead."""

    hits: tuple[Hit, ...]
    instead: dict[str, str]


class ToolStatistics(msgspec.Struct, frozen=True):
    calls: int
    failed: int
    seconds: float


class ArchiveStatistics(msgspec.Struct, frozen=True):
    messages: int
    sessions: int
    tool_calls: int
    oldest: float | None
    newest: float | None
    by_role: dict[str, int]
    put_away: int
    """Messages of conversations that are put away."""


class Search:
    """Every method raises DependencyError when the disk fails."""

    def __init__(self, database: Database, settings: config.Archive) -> None:
        self._database = database
        self._settings = settings

    async def find(
        self, text: str, wanted: Wanted, *, limit: int, offset: int = 0, around: Around | None = None
    ) -> Found:
        """The best `limit` matches behind the first `offset`. Whatever `text` is, it is no error."""
        terms, settings = query.parse(text), self._settings
        around = around or Around(
            settings.search_context_messages, settings.search_silence_seconds, settings.search_context_seconds
        )

        def read(connection: sqlite3.Connection) -> Found:
            expression, instead = query.expression(terms), dict[str, str]()
            found = _matches(connection, expression, wanted, settings.search_candidates)
            if not found:
                corrected, instead = _corrected(connection, terms)
                if instead:
                    expression = query.expression(corrected)
                    found = _matches(connection, expression, wanted, settings.search_candidates)
            hits = [
                _hit(connection, expression, number, around, settings.search_snippet_words)
                for number, _ in found[offset : offset + limit]
            ]
            return Found(tuple(hits), instead)

        return await self._database.read(read)

    async def between(
        self, first: float, last: float, *, conversation_id: str = "", limit: int, start: tuple[float, int] = (-1.0, 0)
    ) -> tuple[tuple[int, MessageRecord], ...]:
        """(number, message) of what was said in a time, oldest first, from behind (time, number) `start` on."""
        found = await self._database.read(
            lambda connection: search_rows.messages_between(
                connection, first, last, conversation_id=conversation_id, start=start, limit=limit
            )
        )
        return tuple((number, rows.message_record(row)) for number, row in found)

    async def tool_calls(
        self, *, conversation_id: str = "", name: str = "", limit: int, start: tuple[float, str, int] | None = None
    ) -> tuple[tuple[int, ToolCallRecord], ...]:
        """(place in its run, call), latest first, from behind (started_at, run, place) `start` on."""
        found = await self._database.read(
            lambda connection: tool_call_rows.list_calls(
                connection, conversation_id=conversation_id, name=name, start=start, limit=limit
            )
        )
        return tuple((row[1], rows.tool_call_record(row)) for row in found)

    async def tool_statistics(self) -> dict[str, ToolStatistics]:
        """Of each tool that was ever called, the most used first."""
        found = await self._database.read(tool_call_rows.count_calls)
        return {name: ToolStatistics(calls, failed, seconds) for name, calls, failed, seconds in found}

    async def statistics(self) -> ArchiveStatistics:
        def read(connection: sqlite3.Connection) -> ArchiveStatistics:
            counts, roles = tool_call_rows.count_archive(connection), tool_call_rows.count_roles(connection)
            return ArchiveStatistics(*counts, roles, tool_call_rows.count_put_away(connection))

        return await self._database.read(read)


def _matches(connection: sqlite3.Connection, expression: str, wanted: Wanted, most: int) -> list[tuple[int, float]]:
    if not expression:
        return []
    filters = search_scope.Wanted(
        wanted.conversation_id, wanted.role or "", wanted.channel, wanted.since, wanted.until, wanted.tool
    )
    return search_rows.find_messages(connection, expression, filters, most)


def _corrected(
    connection: sqlite3.Connection, terms: Sequence[query.Term]
) -> tuple[tuple[query.Term, ...], dict[str, str]]:
    """The terms with each word that was never said replaced by the one it was meant to be, if there is one."""
    instead: dict[str, str] = {}
    out: list[query.Term] = []
    for term in terms:
        words: list[str] = []
        for word in term.words:
            plain = next(iter(query.words_of(word)), "")
            better = ""
            if plain and not term.prefix and term.joined != "NOT" and not search_rows.is_known(connection, plain):
                length = (len(plain) - 2, len(plain) + 2)
                known = search_rows.similar_words(connection, query.trigrams(plain), length, _SIMILAR)
                better = query.meant(plain, known)
            if better:
                instead[word] = better
            words.append(better or word)
        out.append(msgspec.structs.replace(term, words=tuple(words)))
    return tuple(out), instead


def _hit(connection: sqlite3.Connection, expression: str, number: int, around: Around, words: int) -> Hit:
    session_id, row = search_rows.message_by_number(connection, number)
    match = rows.message_record(row)

    def nearby(*, after: bool) -> tuple[MessageRecord, ...]:
        found = search_rows.neighbours(connection, match.conversation_id, number, after=after, most=around.messages)
        exchange = _exchange(match.at, tuple(map(rows.message_record, found)), around)
        return exchange if after else exchange[::-1]

    highlight = search_rows.snippet(connection, expression, number, words)
    return Hit(match, session_id, nearby(after=False), nearby(after=True), highlight)


def _exchange(at: float, nearest_first: Sequence[MessageRecord], around: Around) -> tuple[MessageRecord, ...]:
    """Those up to the first long silence. Messages of the same moment belong to it."""
    out: list[MessageRecord] = []
    last = at
    for message in nearest_first:
        if abs(message.at - last) > around.silence or abs(message.at - at) > around.seconds:
            break
        out.append(message)
        last = message.at
    return tuple(out)
