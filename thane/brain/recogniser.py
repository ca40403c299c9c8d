"""From a sentence to an intent and its slots, with hassil over the words of a known house. Pure, but for its caches.

Not thread-safe: one thread at a time may use a recogniser. A sentence takes 1 to 10 ms; the worst that was found
within 300 characters takes 0.3 s.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import msgspec
from hassil import RecognizeResult, recognize_best
from hassil.intents import SlotList, TextSlotList, TextSlotValue
from hassil.util import remove_punctuation

from thane.brain.known import Known
from thane.brain.languages import Language
from thane.config import settings
from thane.turn import JSON

ANYWHERE = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the area of a speaker whose area is not known


class Recognition(msgspec.Struct, frozen=True):
    """What a sentence means. `slots` are values by name and `spoken` the words for them.

    `domain` is the named entity's; `response` is the key of the answer in the language's data; `span` is where the
    entity's name stands in the sentence. `unplaced`: the sentence needs the speaker's area, and it is not known.
    """

    intent: str
    slots: JSON
    spoken: dict[str, str]
    response: str
    domain: str = ""
    span: tuple[int, int] | None = None
    unplaced: bool = False


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


class Recogniser:
    """Recognises sentences; keeps compiled languages, houses and the sentences of late."""

    def __init__(self, limits: settings.Brain) -> None:
        self._languages: Cache[Language] = Cache(limits.languages_kept)
        self._houses: Cache[dict[str, SlotList]] = Cache(limits.houses_kept)
        self._sentences: Cache[Recognition | None] = Cache(limits.sentences_kept)

    def language(self, code: str) -> Language:
        """The compiled language; slow the first time."""
        return self._languages.get(code, lambda: Language(code))

    def recognise(self, text: str, code: str, known: Known) -> Recognition | None:
        """The meaning of a sentence, None when it is not one of the language's.

        Where the speaker's area is not known, a sentence that needs one comes back as `unplaced`.
        """
        words = known.words()
        key = (text, code, known.area, words)
        return self._sentences.get(key, lambda: self._recognise(text, code, known, words))

    def _recognise(self, text: str, code: str, known: Known, words: Hashable) -> Recognition | None:
        language = self.language(code)
        lists = self._houses.get(words, lambda: _slot_lists(known))
        areas = (known.area,) if known.area else ("", ANYWHERE)
        for area in areas:
            result = recognize_best(
                text,
                language.intents,
                slot_lists=lists,
                intent_context={"area": {"value": area, "text": area}} if area else None,
                language=code,
                best_slot_name="name",
            )
            if result is not None:
                return _read(result)
        return None


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
        span=name.text_span if name else None,
        unplaced=slots.get("area") == ANYWHERE,
    )


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
