"""What a person asks to be remembered, found again in the conversation itself. Nothing is stored.

Only in the languages of `phrases.yaml`; others use the English patterns. Long-term memory is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from thane.brain.phrases import pattern, phrases, plain


def find_note(language: str, text: str) -> str | None:
    """What a sentence asks to be remembered, or the fact that it states about the speaker; None for other sentences."""
    sentence = plain(text)
    if asked := pattern(phrases(language).remember).fullmatch(sentence):
        return plain(asked["note"])
    return sentence if read_fact(language, sentence) else None


def read_fact(language: str, note: str) -> tuple[str, str] | None:
    """What and value of a fact such as `my cat is Tom`."""
    for words in phrases(language).facts:
        if fact := pattern(words).fullmatch(plain(note)):
            return plain(fact["what"]), plain(fact["value"])
    return None


def _read_told(language: str, text: str) -> tuple[str, str] | None:
    """What and value of a note such as `remember that the cat is Tom`; said alone, it may be about anything."""
    asked = pattern(phrases(language).remember).fullmatch(plain(text))
    told = pattern(phrases(language).told).fullmatch(plain(asked["note"])) if asked else None
    return (plain(told["what"]), plain(told["value"])) if told else None


def asked_for(language: str, text: str) -> str | None:
    """What a question such as `what is my cat` asks for, "" for everything remembered, None for other sentences."""
    sentence = plain(text)
    if pattern(phrases(language).everything).fullmatch(sentence):
        return ""
    asked = pattern(phrases(language).question).fullmatch(sentence)
    return plain(asked["what"]) if asked else None


def recall(language: str, what: str, said: Sequence[str]) -> str | None:
    """The value of a fact in what was said, the last one first; None when it was not told."""
    for text in reversed(said):
        note = find_note(language, text)
        fact = (read_fact(language, note) or _read_told(language, text)) if note else None
        if fact and fact[0].casefold() == what.casefold():
            return fact[1]
    return None


def all_notes(language: str, said: Sequence[str]) -> tuple[str, ...]:
    """Everything that was to be remembered, in order."""
    return tuple(note for text in said if (note := find_note(language, text)))
