"""Houses to talk to: Home Assistants as recorded, prompts in their form, and Thane's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec

from thane.brain.brain import Act, Brain, Question, Say
from thane.brain.known import Known
from thane.config import settings
from thane.turn import JSON, Message, ToolCall, ToolSpec

NOW = datetime(2026, 11, 23, 14, 5, 9, tzinfo=UTC)
NEW, OLD = "2026.11.0", "2025.4.4"
type Device = tuple[str, str, str]
"""Names, domain and areas, as an overview has them."""


class Round(msgspec.Struct, frozen=True):
    calls: tuple[tuple[str, JSON], ...]
    results: tuple[str, ...]


class Recorded(msgspec.Struct, frozen=True):
    """One Home Assistant. `rounds` are calls that it was asked to make and what it answered."""

    version: str
    system: str
    tools: tuple[ToolSpec, ...]
    rounds: tuple[Round, ...]

    def result(self, name: str, /, **arguments: object) -> str:
        """The recorded result of one call; the first, where it was made twice."""
        return next(r.results[0] for r in self.rounds if r.calls[0][0].endswith(name) and r.calls[0][1] == arguments)


@cache
def recorded(version: str) -> Recorded:
    """A Home Assistant of that version with its demo devices, English, no areas but one."""
    path = Path(__file__).parent / "recorded" / f"home_assistant_{version.replace('.', '_')}.json"
    return msgspec.json.decode(path.read_bytes(), type=Recorded)


def prompt(devices: Sequence[Device], *, area: str = "", floor: str = "") -> str:
    """A system prompt in the form of 2026.11."""
    listed = "\n".join(
        f"- names: {names}\n  domain: {domain}" + (f"\n  areas: {areas}" if areas else "")
        for names, domain, areas in devices
    )
    where = f" (floor {floor})" if floor else ""
    here = (
        f"\nYou are in area {area}{where} and all generic commands like 'turn on the lights' should target this area."
    )
    return (
        "You are a voice assistant for Home Assistant.\n\n"
        f"Static Context: An overview of the areas and the devices in this smart home:\n{listed}\n\n"
        f"When controlling Home Assistant always call the intent tools.{here if area else ''}\n"
        "This device is not able to start timers."
    )


@cache
def shared_brain() -> Brain:
    """One brain for all tests: languages are compiled once."""
    return Brain(settings.Brain(languages_kept=100))


def question(
    *messages: Message,
    tools: tuple[ToolSpec, ...] = (),
    language: str = "en",
    house: Known | None = None,
    own_tools: tuple[ToolSpec, ...] = (),
    area: str = "",
) -> Question:
    return Question(messages, tools, language, NOW, house or Known(), own_tools, area)


def think(*messages: Message, explain: bool = True, **options: object) -> Say | Act:
    return shared_brain().think(question(*messages, **options), explain=explain)  # type: ignore[arg-type]  # any part of a question


def ask_home_assistant(
    text: str, system: str = "", *, version: str = NEW, language: str = "en", earlier: Sequence[Message] = ()
) -> Say | Act:
    """What the brain makes of a sentence that comes from Home Assistant, with its tools."""
    home = recorded(version)
    return think(
        Message("system", system or home.system),
        *earlier,
        Message("user", text),
        tools=home.tools,
        language=language,
    )


def calls_of(thought: Say | Act) -> list[tuple[str, JSON]]:
    """The calls, by the name without the integration's; of an answer, none."""
    return [(s.tool.rpartition("__")[2], s.arguments) for s in thought.steps] if isinstance(thought, Act) else []


def after(
    text: str, thought: Say | Act, *results: str, language: str = "en", system: str = "", version: str = NEW
) -> str:
    """What the brain says when the results of its calls come back as Home Assistant sends them."""
    assert isinstance(thought, Act)
    home = recorded(version)
    calls = tuple(ToolCall(f"call_{i}", step.tool, step.arguments) for i, step in enumerate(thought.steps))
    told = (Message("tool", r, tool_call_id=call.id) for call, r in zip(calls, results, strict=True))
    said = think(
        Message("system", system or home.system),
        Message("user", text),
        Message("assistant", tool_calls=calls),
        *told,
        tools=home.tools,
        language=language,
    )
    assert isinstance(said, Say)
    return said.text


def done(name: str, entity_id: str) -> str:
    """The result of an action that reached one entity (2026.11)."""
    success = [{"name": name, "type": "entity", "id": entity_id}]
    data = {"speech": {}, "response_type": "action_done", "data": {"success": success, "failed": []}}
    return msgspec.json.encode({"data": data, "error": False}).decode()


def live(*lines: str) -> str:
    """The result of GetLiveContext with such a list (2026.11)."""
    text = "Live Context: An overview of the areas and the devices in this smart home:\n" + "\n".join(lines)
    return msgspec.json.encode({"data": {"result": text}, "error": False}).decode()
