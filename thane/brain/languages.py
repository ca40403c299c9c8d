"""The languages of home-assistant-intents: which there are, and one of them compiled.

Compiling takes 0.1 to 0.3 s and some megabytes: call it in a worker thread and keep the result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hassil import Intents
from home_assistant_intents import get_intents, get_languages

_RENAMED = {  # tags that people use for a language that the data has under another
    "no": "nb",
    "nn": "nb",
    "zh": "zh-CN",
    "zh-hans": "zh-CN",
    "zh-sg": "zh-CN",
    "zh-hant": "zh-TW",
    "zh-mo": "zh-HK",
    "sr-cyrl": "sr",
    "sh": "sr-Latn",
    "bs": "hr",
    "iw": "he",
    "in": "id",
}
_COMMANDS = (  # the intents that name what they act on, for telling that it is not there
    "HassTurnOn",
    "HassTurnOff",
    "HassLightSet",
    "HassClimateSetTemperature",
    "HassSetPosition",
    "HassFanSetSpeed",
    "HassSetVolume",
    "HassMediaPause",
    "HassMediaUnpause",
)
_TAGS = {language.lower(): language for language in get_languages()}

_BRIGHTNESS = "[to] {brightness}[([ ]%)| percent]"
_MORE: dict[str, dict[str, tuple[dict[str, Any], ...]]] = {  # what people say and the data lacks, in its own form
    "en": {
        "HassTurnOn": (
            {
                "sentences": [
                    "<turn> on <all> <light> [<everywhere>]",
                    "<turn> <all> <light> on [<everywhere>]",
                    "<turn> on [<the>] <light> <everywhere>",
                    "<turn> [<the>] <light> on <everywhere>",
                ],
                "slots": {"domain": "light"},
                "response": "light_all",
            },
        ),
        "HassLightSet": (
            {
                "sentences": [
                    f"(<numeric_value_set>|dim) [<the>] {{area}} <light> [brightness] {_BRIGHTNESS}",
                    f"dim [<the>] <light> <in> [<the>] {{area}} {_BRIGHTNESS}",
                ],
                "slots": {"domain": "light"},
                "response": "brightness",
            },
            {
                "sentences": [f"dim [<the>] {{name}} {_BRIGHTNESS}"],
                "requires_context": {"domain": ["light"]},
                "response": "brightness",
            },
        ),
        "HassGetCurrentDate": ({"sentences": ["what (day|date) is (it|today) [today]", "<what_is> today"]},),
    }
}

AND: dict[str, tuple[str, ...]] = {
    "bg": ("и",),
    "ca": ("i",),
    "cs": ("a",),
    "da": ("og",),
    "de": ("und",),
    "de-CH": ("und",),
    "el": ("και",),
    "en": ("and", "then"),
    "es": ("y", "e"),
    "eu": ("eta",),
    "fi": ("ja",),
    "fr": ("et",),
    "gl": ("e",),
    "hr": ("i",),
    "hu": ("és",),
    "it": ("e", "ed"),
    "nb": ("og",),
    "nl": ("en",),
    "pl": ("i", "oraz"),
    "pt": ("e",),
    "pt-BR": ("e",),
    "ro": ("și", "şi"),
    "ru": ("и",),
    "sk": ("a",),
    "sl": ("in",),
    "sr": ("и",),
    "sr-Latn": ("i",),
    "sv": ("och",),
    "tr": ("ve",),
    "uk": ("і", "та", "й"),
}
"""The words that join two commands, by language."""


def find_language(tag: str) -> str:
    """The data's language for a BCP 47 tag: itself, its relative, its base, else English."""
    wanted = tag.strip().replace("_", "-").lower()
    while wanted:
        found = _TAGS.get(_RENAMED.get(wanted, wanted).lower())
        if found:
            return found
        wanted = wanted.rpartition("-")[0]
    return "en"


class Language:
    """One language: its sentences, compiled, and its answers, as templates by intent and key."""

    def __init__(self, code: str) -> None:
        data: dict[str, Any] = get_intents(code) or {"language": code, "intents": {}}
        for name, blocks in _MORE.get(code, {}).items():
            data["intents"][name]["data"].extend(blocks)
        responses: dict[str, Any] = data.get("responses", {})
        self.code = code
        self.intents = Intents.from_dict(data)
        self.answers: dict[str, dict[str, str]] = responses.get("intents", {})
        self.errors: dict[str, str] = responses.get("errors", {})
        self.ands = AND.get(code, ())
        self.commands = replace(self.intents, intents={n: i for n, i in self.intents.intents.items() if n in _COMMANDS})
        for intent in self.intents.intents.values():
            for block in intent.data:
                _ = block.sentences  # parsed when first read; now is the time
