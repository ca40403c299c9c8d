"""From tool results to sentences, in the language's words: what was done, how things are, or why it failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from thane.brain.known import Known, KnownEntity
from thane.brain.languages import Language
from thane.brain.overview import read_live
from thane.brain.phrases import phrase
from thane.brain.plan import QUERIES, Step, chosen, domains_of
from thane.brain.recogniser import Recognition, Stranger
from thane.brain.templates import as_state, plain_state, render
from thane.turn import JSON

_REASONS = (  # Home Assistant's words (2026.11, and GetLiveContext's) and what they mean
    (re.compile(r"MatchFailedReason\.(?P<reason>\w+)"), ""),
    (re.compile(r"matched (?:the )?name"), "NAME"),
    (re.compile(r"area.* does not exist", re.IGNORECASE), "INVALID_AREA"),
    (re.compile(r"floor.* does not exist", re.IGNORECASE), "INVALID_FLOOR"),
    (re.compile(r"in (?:the )?area"), "AREA"),
    (re.compile(r"on the floor"), "FLOOR"),
    (re.compile(r"domain\(s\)|matched the domain"), "DOMAIN"),
    (re.compile(r"matched the device class"), "DEVICE_CLASS"),
    (re.compile(r"required features"), "FEATURE"),
    (re.compile(r"required state"), "STATE"),
    (re.compile(r"share the name"), "DUPLICATE_NAME"),
    (re.compile(r"single target"), "MULTIPLE_TARGETS"),
)
_STATES = re.compile(r"given .*states (?P<new>[a-z_, ]+?)(?:, features|\))|states=\{[^}]*'(?P<old>\w+)'")


class Outcome(msgspec.Struct, frozen=True):
    """What a tool result says. `error` is "" when it worked."""

    error: str = ""
    speech: str = ""
    slots: JSON = msgspec.field(default_factory=dict)
    success: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    domain: str = ""


def read_outcome(content: str) -> Outcome:
    """A result of an action, in the forms of all versions of Home Assistant; anything else counts as done."""
    try:
        result: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        text = content.strip()
        return Outcome(text) if text.lower().startswith("error") else Outcome()
    data = _mapping(result)
    inner = _mapping(data.get("data")) if isinstance(data.get("error"), bool) else data
    if data.get("error") is True or isinstance(inner.get("error"), str) or inner.get("success") is False:
        return Outcome(str(inner.get("error_text") or inner.get("error") or "?"))
    targets = _mapping(inner.get("data"))
    plain = _mapping(_mapping(inner.get("speech")).get("plain"))
    entities = [item for item in _items(targets.get("success")) if item.get("type", "entity") == "entity"]
    return Outcome(
        speech=str(plain.get("speech") or ""),
        slots=_mapping(inner.get("speech_slots")),
        success=tuple(str(item.get("name", "")) for item in entities),
        failed=tuple(str(item.get("name", "")) for item in _items(targets.get("failed"))),
        domain=next((str(item.get("id") or "").partition(".")[0] for item in entities), ""),
    )


def _mapping(value: object) -> JSON:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[JSON]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def tell(step: Step, content: str, language: Language, known: Known, limit: int) -> str:
    """What came of one call, as a sentence. `limit` is the longest list of states that is read, in characters."""
    meaning = step.recognition
    if meaning.intent in QUERIES:
        entities = read_live(content, limit)
        if isinstance(entities, str):
            return _explain(entities, meaning, language, known)
        return answer(meaning, entities, language, known)
    outcome = read_outcome(content)
    if outcome.error:
        return _explain(outcome.error, meaning, language, known)
    sentence = outcome.speech or _done(meaning, outcome, language) or phrase(language.code, "done")
    if outcome.failed:
        sentence = f"{finish(sentence)} {phrase(language.code, 'unreached', names=', '.join(outcome.failed))}"
    return sentence


def _done(meaning: Recognition, outcome: Outcome, language: Language) -> str | None:
    template = _template(meaning, language)
    if template is None:
        return None
    name = next(iter(outcome.success), str(meaning.slots.get("name", "")))
    domain = outcome.domain or meaning.domain or next(iter(domains_of(meaning)), "")
    target = KnownEntity((name,), domain, state="")
    return render(template, _slots(meaning) | outcome.slots, [as_state(target, language.code)])


def _template(meaning: Recognition, language: Language) -> str | None:
    answers = language.answers.get(meaning.intent, {})
    return answers.get(meaning.response, answers.get("default"))


def _slots(meaning: Recognition) -> JSON:
    """The slots as templates expect them: as spoken, names as they are written."""
    written = {name: meaning.slots[name] for name in ("name", "area", "floor") if name in meaning.slots}
    return {**meaning.spoken, **written}


def answer(meaning: Recognition, entities: Sequence[KnownEntity], language: Language, known: Known) -> str:
    """The answer to a question about states, from those that were told."""
    found = chosen(meaning, entities, known)
    if meaning.intent == "HassClimateGetTemperature":
        found = _thermometer(found)
    if not found and ("name" in meaning.slots or meaning.intent != "HassGetState"):
        return _explain("AREA" if "area" in meaning.slots else "NAME", meaning, language, known)
    wanted = meaning.slots.get("state")
    accepted = wanted if isinstance(wanted, list) else [wanted]
    fits = [wanted is None or entity.state in accepted or plain_state(entity) in accepted for entity in found]
    states = [as_state(entity, language.code) for entity in found]
    matched = [state for state, fit in zip(states, fits, strict=True) if fit]
    unmatched = [state for state, fit in zip(states, fits, strict=True) if not fit]
    template = _template(meaning, language)
    said = render(template, _slots(meaning), matched, unmatched) if template else None
    return said or ", ".join(f"{state.name}: {state.state_with_unit}" for state in states[:10])


def _thermometer(found: Sequence[KnownEntity]) -> tuple[KnownEntity, ...]:
    """The one device that tells a room's temperature: its thermometer if there is one, else its thermostat."""
    sensors = [e for e in found if e.domain == "sensor" and e.attributes.get("device_class") == "temperature"]
    climates = [e for e in found if e.domain == "climate" and e.attributes.get("current_temperature")]
    best = sensors if len(sensors) == 1 else climates or sensors or [e for e in found if e.domain == "climate"]
    return tuple(best[:1])


def _reason(error: str) -> str:
    if error in {reason for _, reason in _REASONS if reason}:
        return error
    for words, reason in _REASONS:
        if found := words.search(error):
            return reason or found["reason"]
    return ""


def _explain(error: str, meaning: Recognition, language: Language, known: Known) -> str:
    """A failure in the language's words where it has some for it, else the reason as it was given."""
    reason = _reason(error)
    name, states = str(meaning.slots.get("name", "")), _STATES.search(error)
    if reason == "NAME" and states and known.named(name):
        reason = "STATE"  # the device is there, but not in the state that the command needs
    domain = next(iter(domains_of(meaning)), "")
    words = {
        "entity": name,
        "area": str(meaning.slots.get("area", "")),
        "floor": str(meaning.slots.get("floor", "")),
        "domain": domain,
        "device_class": meaning.spoken.get("device_class", ""),
        "state": (states["new"] or states["old"]) if states else "",
    }
    template = language.errors.get(_error_key(reason, words)) if reason else None
    said = render(template, {}, words=words) if template else None
    return said or phrase(language.code, "failed", reason=error.rstrip(".") or "?")


def explain_stranger(stranger: Stranger, language: Language) -> str | None:
    """That a device, area or floor is not known, in the language's words."""
    place = "_in_area" if stranger.kind == "entity" and stranger.area else ""
    template = language.errors.get(f"no_{stranger.kind}{place}")
    words = {stranger.kind: stranger.name, **({"area": stranger.area} if place else {})}
    return render(template, {}, words=words) if template else None


def _error_key(reason: str, words: dict[str, str]) -> str:
    """The key of the sentence in the data's `errors`."""
    plain = {
        "INVALID_AREA": "no_area",
        "INVALID_FLOOR": "no_floor",
        "FEATURE": "feature_not_supported",
        "STATE": "entity_wrong_state",
        "MULTIPLE_TARGETS": "duplicate_targets",
    }
    if reason in plain:
        return plain[reason]
    where = "_in_area" if words["area"] else "_in_floor" if words["floor"] else ""
    if reason == "DUPLICATE_NAME":
        return f"duplicate_entities{where}"
    what = "entity" if words["entity"] else "device_class" if words["device_class"] else "domain"
    return f"no_{what}{where}"


def finish(sentence: str) -> str:
    """A sentence that begins with a capital and ends with a mark, where its script has them."""
    text = sentence.strip()
    text = text[:1].upper() + text[1:]
    latin = text[-1:].isascii() or text[-1:].lower() != text[-1:].upper()
    return f"{text}." if latin and (text[-1:].isalnum() or text.endswith(("%", "°", ")", "”"))) else text


def join(sentences: Sequence[str]) -> str:
    """Several results as one answer; the same sentence is said once."""
    return " ".join(dict.fromkeys(finish(sentence) for sentence in sentences if sentence.strip()))
