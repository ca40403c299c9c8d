"""The brain's own sentences, and what it hears besides commands, from `phrases.yaml` beside this file.

A language that is not there answers in English. Everything else the brain says is in the language's own data.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

type Key = Literal[
    "hello",
    "thanks",
    "help",
    "who",
    "listening",
    "data",
    "nevermind",
    "done",
    "cannot",
    "no_tool",
    "no_states",
    "which_room",
    "which_device",
    "noted",
    "recall",
    "not_told",
    "notes",
    "no_notes",
    "failed",
    "unreached",
]


class Phrases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language's part of the file. All but `says` and `states` are patterns."""

    says: dict[Key, str]
    hears: dict[Key, str]
    remember: str
    question: str
    everything: str
    facts: tuple[str, ...]
    told: str
    states: dict[str, str] = {}


@cache
def languages() -> dict[str, Phrases]:
    """Every language of the file."""
    text = resources.files(__package__ or "thane.brain").joinpath("phrases.yaml").read_bytes()
    return msgspec.yaml.decode(text, type=dict[str, Phrases])


@cache
def pattern(text: str) -> re.Pattern[str]:
    """A pattern of the file, compiled; case does not matter."""
    return re.compile(text, re.IGNORECASE)


def plain(text: str) -> str:
    """A sentence without spaces and marks at its ends."""
    return text.strip(" \t\n.,;:!?¿¡")


def base(language: str) -> str:
    """The language of the file for one of the data's: itself without its region, or English."""
    code = language.partition("-")[0]
    return code if code in languages() else "en"


def speaks(language: str) -> bool:
    """Whether the file has this language."""
    return language.partition("-")[0] in languages()


def phrases(language: str) -> Phrases:
    return languages()[base(language)]


def phrase(language: str, key: Key, **words: str) -> str:
    """One of the brain's own sentences, with words filled in."""
    return phrases(language).says[key].format(**words)


def heard(language: str, text: str) -> Key | None:
    """What a greeting, thanks or question about Thane itself is; None for anything else."""
    sentence = plain(text)
    for code in dict.fromkeys((base(language), "en")):
        for key, words in languages()[code].hears.items():
            if pattern(words).fullmatch(sentence):
                return key
    return None
