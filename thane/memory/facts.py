"""Facts: short things that are remembered of a person, of a conversation or of the house, beyond what was said.

A fact has a name (category and key) within its subject, and at most one value holds at a time: a new one supersedes the
old, which stays and says by what. What a person wrote or corrected is only superseded by a person: what a model would
put in its place is kept as a proposal, which holds nothing until a person accepts it. A forgotten fact stays for the
record; an erased one is gone (`thane.memory.erasing`). What one person told is never told to another, nor out of its
conversation: every question for facts names who asks, and the SQL of the answer looks at that.

Not here: who decides what is worth remembering (`thane.tools.facts`, `thane.conversations.extractor`).
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

import msgspec
import trio

from thane.clock import Clock
from thane.config.keeping import Facts as FactSettings
from thane.errors import ClientError
from thane.events.event import NoEvents, Publisher
from thane.ids import Ids
from thane.memory.erasing import Erased, erase
from thane.memory.fact import CATEGORIES, Asker, Fact, NewFact, Use, is_kept, is_same, may_see, name_of
from thane.memory.meaning import Embed, Meaning
from thane.memory.query import begun, expression, parse, words_of
from thane.storage import fact_rows
from thane.storage.database import Database

_NONE_SECONDS = 5.0
"""So long it is believed that there are no facts at all: an import or a restored checkpoint may bring some."""


class Facts:
    """Every method raises DependencyError when the disk fails."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: FactSettings = FactSettings(),  # noqa: B008 frozen
        *,
        events: Publisher | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._events = events or NoEvents()
        self._meaning: Meaning | None = None
        self._has_some = False  # or may have; it is not looked for the last one to go
        self._none_at = -math.inf

    def understand(self, model: str, embed: Embed) -> None:
        """From now on also recall by meaning, with the vectors of this model."""
        self._meaning = Meaning(self._database, self._settings, model, embed)

    async def remember(self, new: NewFact) -> Fact:
        """Keep it, superseding what was kept under its name; the same again only refreshes that.

        Where a person wrote down something else that holds, and this comes from no person, it is kept as a proposal:
        `state` of what is returned says so; its id is empty where the same was dismissed before. Raises ClientError.
        """
        new = self._checked(new)
        self._has_some = True
        now = self._clock.time()
        fact = Fact(id=self._ids.uuid7(), created_at=now, updated_at=now, **msgspec.structs.asdict(new))

        def write(connection: sqlite3.Connection) -> Fact:
            row = fact_rows.current(connection, *name_of(fact))
            if row is None and fact_rows.count_of(connection, new.scope, new.subject) >= self._settings.most:
                raise ClientError(f"there are {self._settings.most} facts already (facts.most): forget some first")
            kept, old = fact, None if row is None else Fact(*row)
            if old is not None and is_same(old, fact):
                return _refresh(connection, old, fact)
            if old is not None and is_kept(old, fact, now):
                kept = msgspec.structs.replace(fact, state="proposed")
                row = fact_rows.proposed(connection, *name_of(fact))
                if row is not None and is_same(Fact(*row), fact):
                    return _refresh(connection, Fact(*row), fact)
                if fact_rows.is_dismissed(connection, msgspec.structs.astuple(fact), old.id):
                    return msgspec.structs.replace(kept, id="")
            if row is not None:
                fact_rows.change(connection, row[0], {"state": "superseded", "superseded_by": fact.id})
            fact_rows.add(connection, msgspec.structs.astuple(kept))
            if fact.source == "person":
                fact_rows.settle(connection, msgspec.structs.astuple(fact))
            if fact.run_id:
                fact_rows.add_uses(connection, [(fact.id, fact.run_id, "remember", now)])
            return kept

        kept = await self._database.write(write)
        if kept.id:
            self._publish("fact_remembered" if kept.state == "current" else "fact_proposed", kept, source=kept.source)
        return kept

    async def accept(self, fact_id: str) -> Fact:
        """A person takes a proposal for right: it supersedes what was held. Raises ClientError (404, 409)."""
        now = self._clock.time()

        def write(connection: sqlite3.Connection) -> Fact:
            row = fact_rows.find(connection, fact_id)
            if row is None:
                raise unknown()
            if (fact := Fact(*row)).state != "proposed":
                raise ClientError("this is no proposal, or no longer", status=409, code="fact_not_proposed")
            if (old := fact_rows.current(connection, *name_of(fact))) is not None:
                fact_rows.change(connection, old[0], {"state": "superseded", "superseded_by": fact_id})
            right: dict[str, object] = {"state": "current", "source": "person", "updated_at": now}
            fact_rows.change(connection, fact_id, right)
            return msgspec.structs.replace(fact, **right)

        kept = await self._database.write(write)
        self._publish("fact_remembered", kept, source=kept.source)
        return kept

    async def correct(self, fact_id: str, *, value: str, valid_until: float | None = None) -> Fact:
        """What a person says is right instead. Raises ClientError (404, 409 for one that does not hold any more)."""
        fact = await self._known(fact_id)
        if fact.state != "current":
            raise ClientError("this fact is not held any more", status=409, code="fact_not_current")
        return await self.remember(
            NewFact(
                *(fact.scope, fact.subject, fact.category, fact.key, value, "person"),
                valid_from=fact.valid_from,
                valid_until=fact.valid_until if valid_until is None else valid_until,
            )
        )

    async def forget(self, fact_id: str, *, asker: Asker | None = None) -> Fact:
        """Hold it no more; dismiss a proposal. With `asker`, only what they may see. Raises ClientError (404)."""
        now = self._clock.time()

        def write(connection: sqlite3.Connection) -> Fact:
            fact = _seen(connection, fact_id, asker)
            if fact.state not in ("current", "proposed"):
                return fact
            gone: dict[str, object] = {"state": "forgotten", "updated_at": now}
            if fact.state == "proposed" and (kept := fact_rows.current(connection, *name_of(fact))) is not None:
                gone["superseded_by"] = kept[0]  # the same is not proposed again while that one holds
            fact_rows.change(connection, fact_id, gone)
            return fact

        fact = await self._database.write(write)
        self._publish("fact_forgotten", fact, erased=False)
        return fact

    async def erase(self, fact_id: str, *, asker: Asker | None = None) -> Erased:
        """Leave nothing of it, nor of what was known under its name before; what went, and what is left elsewhere.

        With `asker`, only what they may see, and nothing that a person wrote down. Raises ClientError (403, 404).
        """

        def write(connection: sqlite3.Connection) -> tuple[Fact, Erased]:
            fact = _seen(connection, fact_id, asker)
            row = msgspec.structs.astuple(fact)
            if asker is not None and any(Fact(*each).source == "person" for each in fact_rows.history(connection, row)):
                raise ClientError(
                    "a person wrote this down: only a person erases it, on the page Memory",
                    status=403,
                    code="fact_of_a_person",
                )
            return fact, erase(connection, row)

        fact, erased = await self._database.write(write)
        self._publish("fact_forgotten", fact, erased=True)
        return erased

    async def recall(self, asker: Asker, text: str, *, limit: int = 10, how: str = "recall") -> tuple[Fact, ...]:
        """What holds now and this asker may be told: what fits `text` best first; without text, the latest."""
        said = expression(begun(parse(text)))
        found = await self._visible(asker, said, limit) if said or not text.strip() else ()
        if not found:
            found = await self._visible(asker, _any_word(text), limit) if _any_word(text) else ()
        if text.strip() and len(found) < limit:
            found = _joined(found, await self._by_meaning(asker, text, limit))[:limit]
        self._note_uses(asker, found, how)
        return found

    async def named(self, asker: Asker, key: str, category: str = "") -> tuple[Fact, ...]:
        """What holds under this name, of what this asker may be told."""
        name = " ".join(key.split()).lower()
        found = await self._visible(asker, "", self._settings.most * 3) if name else ()
        return tuple(fact for fact in found if fact.key == name and category in ("", fact.category))

    async def for_prompt(self, asker: Asker, text: str) -> tuple[Fact, ...]:
        """What a model should know when it answers `text`: what has to do with it, then what is newest of the person.

        At most `facts.prompt_facts`, with at most `facts.prompt_chars` characters; each is noted as used.
        """
        most, chars = self._settings.prompt_facts, self._settings.prompt_chars
        if not most or await self._has_none():
            return ()
        words = _any_word(text)
        found = await self._visible(asker, words, most) if words else ()
        if len(found) < most:
            found = _joined(found, await self._by_meaning(asker, text, most))
        if len(found) < most and asker.user:
            latest = await self._visible(asker, "", most * 2)
            found = _joined(found, tuple(fact for fact in latest if fact.scope == "person"))
        chosen: list[Fact] = []
        for fact in found[:most]:
            chars -= len(fact.key) + len(fact.value)
            if chars < 0:
                break
            chosen.append(fact)
        self._note_uses(asker, chosen, "prompt")
        return tuple(chosen)

    async def list(
        self, *, equal: dict[str, str], q: str = "", start: tuple[float, str] | None = None, limit: int = 50
    ) -> tuple[Fact, ...]:
        """Of everybody, for the owner: latest update first, from behind (updated_at, id) `start`."""
        said = expression(begun(parse(q)))
        if q.strip() and not said:
            return ()
        found = await self._database.read(
            lambda c: fact_rows.select(c, equal=equal, said=said, start=start, limit=limit)
        )
        return tuple(Fact(*row) for row in found)

    async def get(self, fact_id: str) -> tuple[Fact, tuple[Fact, ...], tuple[Use, ...]]:
        """A fact, all that was known under its name (latest first), and who used it. Raises ClientError (404)."""

        def read(connection: sqlite3.Connection) -> tuple[Fact, tuple[Fact, ...], tuple[Use, ...]] | None:
            row = fact_rows.find(connection, fact_id)
            if row is None:
                return None
            uses = fact_rows.uses_of_fact(connection, fact_id, self._settings.shown_uses)
            others = fact_rows.history(connection, row)
            return Fact(*row), tuple(Fact(*each) for each in others), tuple(Use(*each) for each in uses)

        found = await self._database.read(read)
        if found is None:
            raise unknown()
        return found

    async def used_by(self, run_id: str) -> tuple[tuple[Use, Fact], ...]:
        """The facts that a run was told, or told itself."""
        found = await self._database.read(lambda c: fact_rows.uses_of_run(c, run_id))
        return tuple((Use(*row[:4]), Fact(*row[4:])) for row in found)

    async def take_in(self, facts: Sequence[Fact]) -> int:
        """Facts from elsewhere, with their ids and times; what is there by id or by name stays. How many came."""
        self._has_some = True

        def write(connection: sqlite3.Connection) -> int:
            new = 0
            for fact in facts:
                name = (fact.scope, fact.subject, fact.category, fact.key)
                if fact_rows.find(connection, fact.id) is None and fact_rows.current(connection, *name) is None:
                    fact_rows.add(connection, msgspec.structs.astuple(fact))
                    new += 1
            return new

        return await self._database.write(write)

    async def _has_none(self) -> bool:
        """Whether there is no fact of anybody: then not every turn waits for the disk to find nothing."""
        if self._has_some:
            return False
        if trio.current_time() - self._none_at >= _NONE_SECONDS:
            if await self._database.read(fact_rows.is_any):
                self._has_some = True
            else:
                self._none_at = trio.current_time()
        return not self._has_some

    async def _known(self, fact_id: str) -> Fact:
        row = await self._database.read(lambda c: fact_rows.find(c, fact_id))
        if row is None:
            raise unknown()
        return Fact(*row)

    async def _visible(self, asker: Asker, said: str, limit: int) -> tuple[Fact, ...]:
        now = self._clock.time()
        found = await self._database.read(
            lambda c: fact_rows.visible(
                c, user=asker.user, conversation=asker.conversation_id, now=now, said=said, limit=limit
            )
        )
        return tuple(Fact(*row) for row in found)

    async def _by_meaning(self, asker: Asker, text: str, limit: int) -> tuple[Fact, ...]:
        """The facts whose meaning is near, of the newest `facts.meaning_facts` that may be told; none in time, none."""
        if self._meaning is None or not text.strip():
            return ()
        facts = {fact.id: fact for fact in await self._visible(asker, "", self._settings.meaning_facts)}
        near = await self._meaning.near(text, [(fact.id, f"{fact.key}: {fact.value}") for fact in facts.values()])
        return tuple(facts[fact_id] for fact_id in near[:limit])

    def _checked(self, new: NewFact) -> NewFact:
        most = self._settings
        key, value = " ".join(new.key.split()), " ".join(new.value.split())
        if not key or not value:
            raise ClientError("a fact needs a key and a value")
        if len(key) > most.key_chars or len(value) > most.value_chars:
            raise ClientError(f"a key has at most {most.key_chars} characters, a value {most.value_chars}")
        if new.category not in CATEGORIES:
            raise ClientError(f"category: give one of {', '.join(CATEGORIES)}")
        if (new.scope == "house") == bool(new.subject):
            raise ClientError("subject: give whose fact it is; of the house, give none")
        if not 0 <= new.confidence <= 1:
            raise ClientError("confidence: give a number from 0 to 1")
        return msgspec.structs.replace(new, key=key.lower(), value=value)

    def _note_uses(self, asker: Asker, facts: Sequence[Fact], how: str) -> None:
        if not facts or not asker.run_id:
            return
        now = self._clock.time()
        uses = [(fact.id, asker.run_id, how, now) for fact in facts]
        self._database.post(lambda c: fact_rows.add_uses(c, uses))
        ids = [fact.id for fact in facts]
        self._events.publish(
            "system", "fact_recalled", fact_ids=ids, run_id=asker.run_id, how=how, conversation_id=asker.conversation_id
        )

    def _publish(self, kind: str, fact: Fact, **more: object) -> None:
        told = {"fact_id": fact.id, "scope": fact.scope, "category": fact.category, "key": fact.key}
        self._events.publish("system", kind, run_id=fact.run_id, **told, **more)


def _refresh(connection: sqlite3.Connection, old: Fact, new: Fact) -> Fact:
    """The same was told again; by a person: then it is theirs from now on."""
    values: dict[str, object] = {
        "updated_at": new.updated_at,
        "confidence": max(old.confidence, new.confidence),
        "source": "person" if new.source == "person" else old.source,
    }
    fact_rows.change(connection, old.id, values)
    if new.source == "person":
        fact_rows.settle(connection, msgspec.structs.astuple(old))
    return msgspec.structs.replace(old, **values)


def _seen(connection: sqlite3.Connection, fact_id: str, asker: Asker | None) -> Fact:
    row = fact_rows.find(connection, fact_id)
    if row is None or (asker is not None and not may_see(asker, Fact(*row))):
        raise unknown()
    return Fact(*row)


def unknown() -> ClientError:
    return ClientError("fact not found", status=404, code="fact_not_found")


def _any_word(text: str) -> str:
    """The FTS5 query for any of the longer words of a text, whatever their endings: a quarter of each is let go."""
    stems = {word[: len(word) - len(word) // 4] for word in words_of(text)}
    return " OR ".join(f'"{stem}" *' for stem in sorted(stems)[:32])


def _joined(first: Sequence[Fact], more: Sequence[Fact]) -> tuple[Fact, ...]:
    return tuple({fact.id: fact for fact in (*first, *more)}.values())
