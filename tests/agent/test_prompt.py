from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from thane.agent.prompt import circumstances, compose, system_prompt
from thane.home.house import Area, Entity
from thane.turn import JSON, Message


class Rooms:
    """A house that only has names."""

    name = "demo"

    def __init__(self, *entities: Entity) -> None:
        self._entities = entities

    def areas(self) -> tuple[Area, ...]:
        return (Area("kitchen", "Kitchen"), Area("attic", "Attic"))

    def entities(self) -> tuple[Entity, ...]:
        return self._entities

    def entity(self, entity_id: str) -> Entity | None:
        raise NotImplementedError  # a prompt is composed from the snapshot alone

    async def call_service(
        self, domain: str, service: str, entity_ids: Iterable[str], data: JSON | None = None, *, run_id: str = ""
    ) -> tuple[Entity, ...]:
        raise NotImplementedError  # a prompt is composed from the snapshot alone


LAMP = Entity("light.lamp", "Lamp", "on", "kitchen")
FAN = Entity("fan.fan", "Fan", "off", "attic")
CAR = Entity("switch.car", "Car", "off")


def words(*entities: Entity, limit: int = 300) -> str:
    return system_prompt(Rooms(*entities), "nl", overview_entities=limit)


def shared(one: tuple[Message, ...], two: tuple[Message, ...]) -> int:
    """How many messages two prompts share from the start, byte by byte."""
    return next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def test_the_overview_names_devices_by_area_without_states():
    text = words(CAR, LAMP, FAN)
    assert "\nAttic: Fan (fan)\nKitchen: Lamp (light)\nNo area: Car (switch)" in text
    assert " on" not in text.rpartition("Attic")[2]


def test_the_system_prompt_does_not_change_with_states_order_or_time():
    later = Entity("light.lamp", "Lamp", "off", "kitchen", {"brightness": 3}, changed_at=9.0, changed_by="r_1")
    assert words(LAMP, FAN, CAR) == words(CAR, FAN, later)


def test_a_long_overview_is_cut_and_said_so():
    assert "And 2 more devices." in words(LAMP, FAN, CAR, limit=1)


def test_without_a_house_or_devices_there_is_no_overview():
    assert "area" not in system_prompt(None, "en", overview_entities=9)
    assert system_prompt(None, "en", overview_entities=9) == system_prompt(Rooms(), "en", overview_entities=9)


def test_circumstances_tell_time_to_the_minute_area_and_speaker():
    text = circumstances(datetime(2026, 11, 23, 4, 30, 31, tzinfo=UTC), area="Kitchen", user="Ann")
    assert "Monday, 23 November 2026, 04:30 (UTC)" in text
    assert "Ann is speaking" in text
    assert "area Kitchen" in text


def test_circumstances_stand_behind_the_last_user_message():
    messages = (
        Message("system", "Theirs."),
        Message("user", "hi"),
        Message("assistant", "", thinking="x"),
        Message("tool", "7"),
    )
    expected = (Message("system", "Ours."), messages[0], Message("user", "hi\n\n[now]"), *messages[2:])
    assert expected == compose("Ours.", "[now]", messages)


def test_two_turns_of_a_conversation_share_everything_before_the_last_user_message():
    said = (Message("system", "Theirs."), Message("user", "hi"), Message("assistant", "Hello."))
    now = (Message("user", "lamp on"),)
    after = (*now, Message("assistant", "Done."), Message("user", "and off"))
    one = compose(words(LAMP, FAN), circumstances(datetime(2026, 1, 1, 9, 0)), (*said, *now))  # noqa: DTZ001  a wall clock
    two = compose(words(FAN, LAMP), circumstances(datetime(2026, 1, 1, 9, 5)), (*said, *after))  # noqa: DTZ001 a wall clock
    assert 4 == shared(one, two)
    assert one[4].content.startswith("lamp on")
    assert two[4].content == "lamp on"
