"""How hard a request is and what it is about, by its words. Pure; whole words only, so that a clock is not a lock.

The classes are the reference's, and for complexity their order too (REFERENCE 6.6); what a request is about is asked
before whether something is switched, so that "turn the heating off" is of the climate. A guess for scoring, never a
decision by itself.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

type Complexity = Literal["simple", "moderate", "complex"]
type Intent = Literal["device_control", "security", "climate", "presence", "temporal", "general"]

LEVELS: tuple[Complexity, ...] = ("simple", "moderate", "complex")
"""In order; the place is the number that the API gives."""

_WORDS_BETWEEN = r"(?:\s+\S+){0,6}?\s+"


class _Words(msgspec.Struct, frozen=True):
    """Of one language, as regular expressions between word boundaries."""

    look_up: str  # a request that begins with one is simple
    thought: str
    control: str
    lock: str
    climate: str
    presence: str
    temporal: str


_LANGUAGES: dict[str, _Words] = {
    "en": _Words(
        look_up=r"search|read|list|fetch|find|check",
        thought=r"explain|why|analy[sz]e|compare|history|patterns?|trends?|recommend",
        control=rf"turn{_WORDS_BETWEEN}(?:on|off)|switch{_WORDS_BETWEEN}(?:on|off)|set|open|close|dim|(?:un)?lock",
        lock=r"(?:un)?lock(?:s|ed)?|alarm",
        climate=r"temperature|thermostat|heating|warm(?:er)?|cold(?:er)?",
        presence=r"who|where|home|anyone|anybody",
        temporal=r"when|time|last|yesterday|today|tomorrow",
    ),
    "de": _Words(
        look_up=r"such\w*|lies|liste|finde|prüfe|zeige?",
        thought=r"erklär\w*|warum|wieso|weshalb|analysier\w*|vergleich\w*|verlauf|muster|empfiehl|empfehl\w*",
        control=rf"(?:schalte?|mach)(?:{_WORDS_BETWEEN})(?:an|ein|aus|auf|zu)|stelle?|öffne|schließe|dimme|verriegle",
        lock=r"schlösser|schloss|verriegel\w*|entriegel\w*|verriegle|abschließen|alarm",
        climate=r"temperatur|thermostat|heizung|wärmer|kälter|warm|kalt",
        presence=r"wer|wo|zuhause|daheim|jemand",
        temporal=r"wann|uhrzeit|zuletzt|gestern|heute|morgen|spät",
    ),
    "nl": _Words(
        look_up=r"zoek|lees|vind|controleer|toon",
        thought=r"leg\s+uit|uitleg\w*|waarom|analyseer|vergelijk|geschiedenis|patroon|patronen|raad",
        control=rf"(?:doe|zet|schakel)(?:{_WORDS_BETWEEN})(?:aan|uit|open|dicht)|open|sluit|dim|vergrendel",
        lock=r"slot|sloten|vergrendel\w*|ontgrendel\w*|alarm",
        climate=r"temperatuur|thermostaat|verwarming|warmer|kouder|warm|koud",
        presence=r"wie|waar|thuis|iemand",
        temporal=r"wanneer|tijd|laatst|gisteren|vandaag|morgen|laat",
    ),
    "fr": _Words(
        look_up=r"cherche|lis|liste|trouve|vérifie|montre",
        thought=r"expli\w+|pourquoi|analys\w+|compar\w+|historique|tendances?|recommand\w+",
        control=r"allume|éteins|éteindre|allumer|mets|règle|ouvre|ferme|verrouille|déverrouille",
        lock=r"serrures?|verrou\w*|déverrouill\w*|alarme",
        climate=r"température|thermostat|chauffage|chaud|froid",
        presence=r"qui|où|maison|quelqu'un",
        temporal=r"quand|heure|dernier|dernière|hier|aujourd'hui|demain",
    ),
    "es": _Words(
        look_up=r"busca|lee|lista|encuentra|comprueba|muestra",
        thought=r"explica\w*|por\s+qué|analiza\w*|compara\w*|historial|patr[oó]n|patrones|tendencias?|recomienda\w*",
        control=r"enciende|apaga|pon|ajusta|abre|cierra|bloquea|desbloquea",
        lock=r"cerraduras?|cerrojo|bloquea\w*|desbloquea\w*|alarma",
        climate=r"temperatura|termostato|calefacción|calor|frío",
        presence=r"quién|dónde|casa|alguien",
        temporal=r"cuándo|hora|último|última|ayer|hoy|mañana",
    ),
}


class Class(msgspec.Struct, frozen=True):
    complexity: Complexity
    intent: Intent


def classify(query: str, language: str = "en") -> Class:
    """The class of what was asked. English words count in every language; `language` is a BCP 47 tag."""
    patterns = _patterns(language.partition("-")[0].lower())
    text = query.strip()
    return Class(_complexity(text, patterns), _intent(text, patterns))


def _complexity(text: str, patterns: dict[str, re.Pattern[str]]) -> Complexity:
    if patterns["look_up"].match(text):
        return "simple"
    if patterns["thought"].search(text):
        return "complex"
    return "simple" if patterns["control"].search(text) else "moderate"


def _intent(text: str, patterns: dict[str, re.Pattern[str]]) -> Intent:
    if patterns["lock"].search(text):
        return "security"
    if patterns["climate"].search(text):
        return "climate"
    if patterns["control"].search(text):
        return "device_control"
    if patterns["presence"].search(text):
        return "presence"
    return "temporal" if patterns["temporal"].search(text) else "general"


@lru_cache(maxsize=16)
def _patterns(language: str) -> dict[str, re.Pattern[str]]:
    words = [_LANGUAGES[name] for name in dict.fromkeys(("en", language)) if name in _LANGUAGES]
    return {
        field: re.compile(rf"\b(?:{'|'.join(getattr(each, field) for each in words)})\b", re.IGNORECASE)
        for field in _Words.__struct_fields__
    }
