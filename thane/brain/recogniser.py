"""From a sentence to an intent and its slots, with hassil over the words of a known house. Pure, but for its caches.

Not thread-safe: one thread at a time may use a recogniser. A sentence takes 1 to 10 ms; the worst that was found
within 200 characters takes 0.2 s.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import msgspec
from hassil import RecognizeResult, recognize_all, recognize_best
from hassil.intents import SlotList, TextSlotList, TextSlotValue
from hassil.models import UnmatchedTextEntity
from hassil.recognize import MISSING_ENTITY
from hassil.util import remove_punctuation

from thane.brain.known import Known
from thane.brain.languages import Language
from thane.config import settings
from thane.turn import JSON

_KINDS = {"name": "entity", "area": "area", "floor": "floor"}
_LITERAL_CHARS = 6  # of a sentence's own words that must be a command's, for a stranger to be believed
_WORDS = 4  # longest name of a stranger
_TRIES = 200  # readings of a sentence that are looked at
ANYWHERE = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the area of a speaker whose area is not known


class Recognition(msgspec.Struct, frozen=True):
    """What a sentence means. `slots` are values by name and `spoken` the words for them.

    `domain` is the named entity's; `response` is the key of the answer in the language's data. `unplaced`: the sentence
    needs the speaker's area, and it is not known.
    """

    intent: str
    slots: JSON
    spoken: dict[str, str]
    response: str
    domain: str = ""
    unplaced: bool = False
    wildcard: bool = False  # a slot took whatever stood there


class Stranger(msgspec.Struct, frozen=True):
    """A command of something that is not known: an `entity`, `area` or `floor`, by `kind`. `area` may be known."""

    kind: str
    name: str
    area: str = ""


class Cache[V]:
    """The values used last, at most `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of that key, made when there is none."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = make()
        self._values[key] = value
        while len(self._values) > self._size:
            self._values.popitem(last=False)
        return value

    def __len__(self) -> int:
        return len(self._values)


class _House(msgspec.Struct, frozen=True):
    """The words of a house, ready for recognition. `number` stands for them in keys."""

    number: int
    lists: dict[str, SlotList]


class Recogniser:
    """Recognises sentences; keeps compiled languages, houses and the sentences of late."""

    def __init__(self, limits: settings.Brain) -> None:
        self._languages: Cache[Language] = Cache(limits.languages_kept)
        self._houses: Cache[_House] = Cache(limits.houses_kept)
        self._numbers = itertools.count()
        self._sentences: Cache[Recognition | None] = Cache(limits.sentences_kept)

    def language(self, code: str) -> Language:
        """The compiled language; slow the first time."""
        return self._languages.get(code, lambda: Language(code))

    def statistics(self) -> dict[str, int]:
        """How much is kept, by kind."""
        return {"languages": len(self._languages), "houses": len(self._houses), "sentences": len(self._sentences)}

    def recognise(
        self, text: str, code: str, known: Known, allowed: frozenset[str] | None = None
    ) -> Recognition | None:
        """The meaning of a sentence, None when it is not one of the language's.

        `allowed` are the intents that it may mean; None allows all. Where the speaker's area is not known, a sentence
        that needs one comes back as `unplaced`.
        """
        house = self._house(known)
        key = (text, code, house.number, known.area, allowed)
        return self._sentences.get(key, lambda: self._recognise(text, code, house, known.area, allowed))

    def _recognise(
        self, text: str, code: str, house: _House, area: str, allowed: frozenset[str] | None
    ) -> Recognition | None:
        intents = self.language(code).intents
        if allowed is not None:
            intents = replace(intents, intents={n: i for n, i in intents.intents.items() if n in allowed})
        here = area or ANYWHERE
        result = recognize_best(
            text,
            intents,
            slot_lists=house.lists,
            intent_context={"area": {"value": here, "text": here}},
            language=code,
            best_slot_name="name",
        )
        return None if result is None else _read(result)

    def _house(self, known: Known) -> _House:
        return self._houses.get(known.words, lambda: _House(next(self._numbers), _slot_lists(known)))

    def find_stranger(self, text: str, code: str, known: Known) -> Stranger | None:
        """What a command names that this house does not have; None when the sentence is no command.

        Only for sentences that `recognise` gave up: slower, and any text looks a little like some command.
        """
        results = recognize_all(
            text,
            self.language(code).commands,
            slot_lists=self._house(known).lists,
            intent_context={"area": {"value": ANYWHERE, "text": ANYWHERE}},
            allow_unmatched_entities=True,
            language=code,
        )
        best: Stranger | None = None
        matched = _LITERAL_CHARS - 1
        for result in itertools.islice(results, _TRIES):
            stranger = _stranger(result)
            if stranger is not None and result.text_chunks_matched > matched:
                best, matched = stranger, result.text_chunks_matched
        names = itertools.chain((n for e in known.entities for n in e.names), (n for each in known.areas for n in each))
        return None if best is None or any(name.casefold() in best.name.casefold() for name in names) else best


def _stranger(result: RecognizeResult) -> Stranger | None:
    missing = [e for e in result.unmatched_entities_list if getattr(e, "text", "") != MISSING_ENTITY]
    if len(missing) != 1 or not isinstance(missing[0], UnmatchedTextEntity) or missing[0].name not in _KINDS:
        return None
    name = missing[0].text.strip()
    area = result.entities.get("area")
    place = str(area.value) if area is not None and area.value != ANYWHERE else ""
    return Stranger(_KINDS[missing[0].name], name, place) if 0 < len(name.split()) <= _WORDS else None


def _slot_lists(known: Known) -> dict[str, SlotList]:
    lists = {
        "name": TextSlotList(
            "name",
            [
                _value(name, name, {"domain": entity.domain})
                for entity in known.entities
                for name in entity.names
                if remove_punctuation(name).strip()
            ],
        ),
        "area": TextSlotList("area", [_value(name, name) for names in known.areas for name in names]),
        "floor": TextSlotList("floor", [_value(name, name) for name, _ in known.floors]),
    }
    for words in lists.values():
        words.get_candidates("")  # its index is built when first asked; now is the time
    return dict(lists)


def _value(spoken: str, value: str, context: dict[str, str] | None = None) -> TextSlotValue:
    """A slot value whose words are plain: no template syntax from a device's name."""
    cleaned = remove_punctuation(spoken).strip()
    return TextSlotValue.from_tuple((cleaned, value, context or {}, context or {}), allow_template=False)


def _read(result: RecognizeResult) -> Recognition:
    slots: JSON = {}
    spoken: dict[str, str] = {}
    for entity in result.entities_list:
        slots[entity.name] = _whole(entity.value)
        spoken[entity.name] = str(entity.text or entity.value).strip()
    name = result.entities.get("name")
    return Recognition(
        result.intent.name,
        slots,
        spoken,
        result.response or "default",
        domain=str((name.metadata or {}).get("domain", "")) if name else "",
        unplaced=slots.get("area") == ANYWHERE,
        wildcard=any(entity.is_wildcard for entity in result.entities_list),
    )


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
