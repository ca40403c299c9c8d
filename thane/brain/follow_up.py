"""Asking back which room or device was meant, and reading the answer; the question stands in the conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from thane.brain.known import Known
from thane.brain.phrases import phrase, plain
from thane.brain.plan import fitting
from thane.brain.recogniser import Recognition
from thane.turn import Message

_NAMES = 6  # devices that are named in a question


def ask_which(meaning: Recognition, code: str, known: Known) -> str:
    """The question for the room, or for the device where the house has no rooms that fit."""
    devices = fitting(meaning, known)
    if any(device.areas for device in devices) or not devices:
        return phrase(code, "which_room")
    return phrase(code, "which_device", names=", ".join(device.name for device in devices[:_NAMES]))


def find_sentence(
    messages: Sequence[Message], code: str, known: Known, recognise: Callable[[str], Recognition | None]
) -> tuple[str, Known]:
    """The sentence to act on: the last one, or the one before it when this answers our question which was meant."""
    text = messages[-1].content.strip()
    spoken = [m for m in messages[:-1] if m.role in ("user", "assistant") and m.content.strip()]
    if len(spoken) < 2 or spoken[-2].role != "user" or not _asks_which(spoken[-1].content, code):
        return text, known
    sentence = spoken[-2].content.strip()
    area = _mentioned(text, (name for names in known.areas for name in names))
    device = _mentioned(text, (name for entity in known.entities for name in entity.names))
    if _is_command(text, area or device or "", recognise):
        return text, known
    if area:
        return sentence, replace(known, area=area)
    if device:
        return sentence, replace(known, entities=known.named(device), area="")
    return text, known


def _is_command(text: str, name: str, recognise: Callable[[str], Recognition | None]) -> bool:
    """`Turn on the lamp` is; `the lamp` is not, though there are languages in which it means the same."""
    more = len(plain(text).split()) - len(name.split())
    meaning = recognise(plain(text).casefold()) if more else None
    return meaning is not None and (more > 1 or meaning != recognise(name.casefold()))


def _asks_which(said: str, code: str) -> bool:
    device, _, _ = phrase(code, "which_device", names="\0").partition("\0")
    return said.strip() == phrase(code, "which_room") or said.strip().startswith(device)


def _mentioned(text: str, names: Iterable[str]) -> str | None:
    """The name that a short answer gives: `the kitchen`."""
    said = plain(text).casefold()
    best = max((name for name in names if said.endswith(name.casefold())), key=len, default=None)
    return best if best and len(said.split()) <= len(best.split()) + 2 else None
