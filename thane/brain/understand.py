"""Sentences that hold more than one command: taken apart until every part is one that the recogniser knows. Pure.

"Turn off the bed light and the desk lamp and open the blinds" becomes three. Nothing is guessed: where any part is not
understood whole, nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from thane.brain.known import Known
from thane.brain.languages import Language
from thane.brain.plan import ANSWERS
from thane.brain.recogniser import Recogniser, Recognition

_BETWEEN = r"(?:,?\s+(?:{ands})\s+|,\s*)(?:\S{{1,4}}\s+)?"  # between two names of a list: "and", and an article


def understand(
    text: str, code: str, known: Known, recogniser: Recogniser, *, allowed: frozenset[str], commands: int
) -> tuple[Recognition, ...] | None:
    """What a sentence means: one command or question, or several; None when any part is not clear.

    `allowed` are the intents that it may mean, `commands` the most that one sentence may join.
    """

    def recognise(sentence: str) -> Recognition | None:
        return recogniser.recognise(sentence, code, known, allowed)

    whole = recognise(text)
    language = recogniser.language(code)
    if whole is not None or not language.ands or not _joins(text, language):
        return (whole,) if whole else None
    spelled_out = _spell_out(text, language, known, commands)
    readings = ([text],) if spelled_out == [text] else (spelled_out, [text])
    for sentences in readings:
        meanings = _all_parts(sentences, language, recognise)
        if meanings and len(meanings) <= commands:
            return meanings
    return None


def _all_parts(
    sentences: list[str], language: Language, recognise: Callable[[str], Recognition | None]
) -> tuple[Recognition, ...] | None:
    meanings: list[Recognition] = []
    for sentence in sentences:
        for part in [sentence] if recognise(sentence) else _split(sentence, language):
            meaning = recognise(part)
            if meaning is None or meaning.intent in ANSWERS:
                return None
            if meaning not in meanings:
                meanings.append(meaning)
    return tuple(meanings)


def _ands(language: Language) -> str:
    return "|".join(re.escape(word) for word in language.ands)


def _joins(text: str, language: Language) -> bool:
    return "," in text or re.search(rf"\s(?:{_ands(language)})\s", text, re.IGNORECASE) is not None


def _split(text: str, language: Language) -> list[str]:
    pieces = re.split(rf",?\s+(?:{_ands(language)})\s+|,\s*", text, flags=re.IGNORECASE)
    return [part for piece in pieces if (part := piece.strip())]


def _spell_out(text: str, language: Language, known: Known, commands: int) -> list[str]:
    """One sentence for each name of a list of devices or areas: "turn the lamp and the fan off" is two."""
    names = {name for entity in known.entities for name in entity.names} | {n for names in known.areas for n in names}
    there = sorted((name for name in names if name.casefold() in text.casefold()), key=len, reverse=True)
    if not there:
        return [text]
    name = "|".join(re.escape(each) for each in there)
    between = _BETWEEN.format(ands=_ands(language))
    listed = re.search(rf"\b(?:{name})(?:{between}(?:{name})\b)+", text, re.IGNORECASE)
    if listed is None:
        return [text]
    each = re.findall(rf"\b(?:{name})\b", listed.group(), re.IGNORECASE)
    return [text[: listed.start()] + one + text[listed.end() :] for one in each[: commands + 1]]
