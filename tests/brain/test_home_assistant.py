"""Sentences that come from Home Assistant, with its own tools and its own prompt, and what is said of its results."""

from __future__ import annotations

import pytest

from tests.brain.homes import NEW, OLD, after, ask_home_assistant, calls_of, done, live, prompt, recorded, think
from thane.brain.brain import Act, Say
from thane.turn import JSON, Message

COMMANDS: list[tuple[str, str, JSON]] = [
    ("turn off the kitchen lights", "HassTurnOff", {"name": "Kitchen Lights"}),
    ("Turn off the Kitchen Lights, please.", "HassTurnOff", {"name": "Kitchen Lights"}),
    ("kitchen lights off", "HassTurnOff", {"name": "Kitchen Lights"}),
    ("turn on bed light", "HassTurnOn", {"name": "Bed Light"}),
    ("turn off all the lights", "HassTurnOff", {"domain": ["light"]}),
    ("set bed light to 30%", "HassLightSet", {"name": "Bed Light", "brightness": 30}),
    ("set the bed light brightness to maximum", "HassLightSet", {"name": "Bed Light", "brightness": 100}),
    ("make the bed light red", "HassLightSet", {"name": "Bed Light", "color": "red"}),
    ("set bed light temperature to 3000", "HassLightSet", {"name": "Bed Light", "temperature": 3000}),
    ("set the ecobee to 21 degrees", "HassClimateSetTemperature", {"name": "Ecobee", "temperature": 21}),
    ("set the ecobee to 21.5 degrees", "HassClimateSetTemperature", {"name": "Ecobee", "temperature": 21.5}),
    ("open the garage door", "HassTurnOn", {"name": "Garage Door"}),
    ("close the garage door", "HassTurnOff", {"name": "Garage Door"}),
    ("set hall window to 40%", "HassSetPosition", {"name": "Hall Window", "position": 40}),
    ("lock the front door", "HassTurnOn", {"name": "Front Door"}),
    ("unlock the front door", "HassTurnOff", {"name": "Front Door"}),
    ("pause the walkman", "HassMediaPause", {"name": "Walkman"}),
    ("resume the walkman", "HassMediaUnpause", {"name": "Walkman"}),
    ("skip to the next song on walkman", "HassMediaNext", {"name": "Walkman"}),
    ("set walkman volume to 50 percent", "HassSetVolume", {"name": "Walkman", "volume_level": 50}),
    ("set the ceiling fan speed to 60%", "HassFanSetSpeed", {"name": "Ceiling Fan", "percentage": 60}),
    ("start demo vacuum 0 ground floor", "HassVacuumStart", {"name": "Demo vacuum 0 ground floor"}),
    ("press the push button", "HassTurnOn", {"name": "Push"}),
    ("broadcast dinner is ready", "HassBroadcast", {"message": "dinner is ready"}),
    ("is the garage door open", "GetLiveContext", {"name": "Garage Door"}),
    ("is the front door locked?", "GetLiveContext", {"name": "Front Door"}),
    ("what lights are on", "GetLiveContext", {"domain": ["light"]}),
    ("what is the outside humidity", "GetLiveContext", {"name": "Outside Humidity"}),
]


@pytest.mark.parametrize(("text", "intent", "arguments"), COMMANDS)
def test_a_sentence_becomes_the_call_of_home_assistants_tool(text: str, intent: str, arguments: JSON) -> None:
    thought = ask_home_assistant(text)

    assert [(intent, arguments)] == calls_of(thought)
    assert isinstance(thought, Act)
    assert thought.steps[0].tool in {tool.name for tool in recorded(NEW).tools}


def test_tools_of_older_versions_have_bare_names() -> None:
    thought = ask_home_assistant("turn off the kitchen lights", version=OLD)

    assert isinstance(thought, Act)
    assert [("HassTurnOff", {"name": "Kitchen Lights"})] == [(step.tool, step.arguments) for step in thought.steps]


def test_live_context_of_older_versions_takes_no_filter() -> None:
    assert [("GetLiveContext", {})] == calls_of(ask_home_assistant("what lights are on", version=OLD))


HOUSE = prompt(
    [
        ("Ceiling Light", "light", "Kitchen"),
        ("Counter Light, Strip", "light", "Kitchen"),
        ("Lamp", "light", "Living Room, Lounge"),
        ("Lamp", "light", "Bedroom"),
        ("Front Door", "lock", "Hall"),
        ("Front Door", "binary_sensor", "Hall"),
        ("Blinds", "cover", "Kitchen"),
        ("Heater", "climate", "Bedroom"),
    ]
)
IN_BEDROOM = (
    HOUSE + "\nYou are in area Bedroom and all generic commands like 'turn on the lights' should target this area."
)


@pytest.mark.parametrize(
    ("text", "system", "calls"),
    [
        ("turn off the lights in the kitchen", HOUSE, [("HassTurnOff", {"area": "Kitchen", "domain": ["light"]})]),
        ("turn on the lights in the lounge", HOUSE, [("HassTurnOn", {"area": "Lounge", "domain": ["light"]})]),
        ("turn off the strip", HOUSE, [("HassTurnOff", {"name": "Strip"})]),
        ("turn off the lights", IN_BEDROOM, [("HassTurnOff", {"area": "Bedroom", "domain": ["light"]})]),
        (
            "set the temperature to 20",
            IN_BEDROOM,
            [("HassClimateSetTemperature", {"area": "Bedroom", "temperature": 20})],
        ),
        (
            "what is the temperature",
            IN_BEDROOM,
            [("GetLiveContext", {"area": "Bedroom", "domain": ["climate", "sensor"]})],
        ),
        ("turn on the lamp", IN_BEDROOM, [("HassTurnOn", {"name": "Lamp", "area": "Bedroom"})]),
        ("turn on the lamp in the living room", HOUSE, [("HassTurnOn", {"name": "Lamp", "area": "Living Room"})]),
        ("lock the front door", HOUSE, [("HassTurnOn", {"name": "Front Door", "domain": ["lock"]})]),
        ("set the temperature to 20", HOUSE, [("HassClimateSetTemperature", {"name": "Heater", "temperature": 20})]),
        (
            "open the blinds in the kitchen",
            HOUSE,
            [("HassTurnOn", {"name": "Blinds", "area": "Kitchen"})],
        ),
        (
            "turn off the ceiling light and open the kitchen blinds",
            HOUSE,
            [
                ("HassTurnOff", {"name": "Ceiling Light"}),
                ("HassTurnOn", {"area": "Kitchen", "device_class": ["blind"], "domain": ["cover"]}),
            ],
        ),
        (
            "turn on the ceiling light, the strip and the heater",
            HOUSE,
            [
                ("HassTurnOn", {"name": "Ceiling Light"}),
                ("HassTurnOn", {"name": "Strip"}),
                ("HassTurnOn", {"name": "Heater"}),
            ],
        ),
        (
            "turn the ceiling light and the strip off",
            HOUSE,
            [("HassTurnOff", {"name": "Ceiling Light"}), ("HassTurnOff", {"name": "Strip"})],
        ),
    ],
)
def test_areas_aliases_and_joined_commands(text: str, system: str, calls: list[tuple[str, JSON]]) -> None:
    assert calls == calls_of(ask_home_assistant(text, system))


def test_half_a_sentence_that_is_not_understood_stops_the_whole() -> None:
    assert [] == calls_of(ask_home_assistant("turn off the ceiling light and write a poem", HOUSE))


def test_too_many_commands_in_one_sentence_are_not_done() -> None:
    text = " and ".join(
        f"turn {state} the {name}" for state in ("on", "off") for name in ("ceiling light", "strip", "heater")
    )

    assert [] == calls_of(ask_home_assistant(text, HOUSE))


def test_a_sentence_without_a_room_asks_for_it_and_takes_the_answer() -> None:
    question = ask_home_assistant("turn off the lights", HOUSE)
    assert Say("In which room?", sure=False) == question

    earlier = [Message("user", "turn off the lights"), Message("assistant", "In which room?")]

    for answer in ("the kitchen", "Kitchen.", "in the kitchen please"):
        expected = [("HassTurnOff", {"area": "Kitchen", "domain": ["light"]})] if "please" not in answer else []
        assert expected == calls_of(ask_home_assistant(answer, HOUSE, earlier=earlier))
    assert [("HassTurnOn", {"name": "Strip"})] == calls_of(
        ask_home_assistant("turn on the strip", HOUSE, earlier=earlier)
    )


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("turn on strip", [("HassTurnOn", {"name": "Strip"})]),
        ("turn on the heater", [("HassTurnOn", {"name": "Heater"})]),
        ("lights on in the kitchen", [("HassTurnOn", {"area": "Kitchen", "domain": ["light"]})]),
    ],
)
def test_a_command_after_a_question_back_is_no_answer_to_it(text: str, calls: list[tuple[str, JSON]]) -> None:
    earlier = [Message("user", "turn off the lights"), Message("assistant", "In which room?")]

    assert calls == calls_of(ask_home_assistant(text, HOUSE, earlier=earlier))


def test_a_rooms_name_that_answers_no_question_of_ours_does_nothing() -> None:
    earlier = [Message("user", "turn off the lights"), Message("assistant", "Turned off the lights.")]

    assert [] == calls_of(ask_home_assistant("the kitchen", HOUSE, earlier=earlier))


def test_where_no_device_has_a_room_the_device_is_asked_for() -> None:
    bare = prompt([("Left Lamp", "light", ""), ("Right Lamp", "light", "")])
    question = ask_home_assistant("turn off the lights", bare)
    assert Say("Which one: Left Lamp, Right Lamp?", sure=False) == question

    earlier = [Message("user", "turn off the lights"), Message("assistant", "Which one: Left Lamp, Right Lamp?")]

    calls = calls_of(ask_home_assistant("the left lamp", bare, earlier=earlier))
    assert [("HassTurnOff", {"domain": ["light"], "name": "Left Lamp"})] == calls


def test_the_only_device_that_fits_is_meant_and_told_of_as_one() -> None:
    system = prompt([("Lamp", "light", "Attic"), ("Fan", "fan", "Attic")])
    thought = ask_home_assistant("turn off the lights", system)

    assert [("HassTurnOff", {"domain": ["light"], "name": "Lamp"})] == calls_of(thought)
    assert "Turned off the light." == after("turn off the lights", thought, done("Lamp", "light.lamp"), system=system)


@pytest.mark.parametrize(
    ("text", "result", "said"),
    [
        ("turn off the kitchen lights", done("Kitchen Lights", "light.kitchen_lights"), "Turned off the light."),
        ("open the garage door", done("Garage Door", "cover.garage_door"), "Opening."),
        ("lock the front door", done("Front Door", "lock.front_door"), "Locking."),
        ("set the ecobee to 21 degrees", done("Ecobee", "climate.ecobee"), "Temperature set to 21 degrees."),
        ("make the bed light red", done("Bed Light", "light.bed_light"), "Color set."),
        ("broadcast hi", recorded(NEW).result("HassBroadcast", message="hi"), "Done."),
        ("pause the walkman", recorded(NEW).result("HassMediaPause", name="Walkman"), "Paused."),
        ("turn off the kitchen lights", '{"success": true}', "Turned off the light."),
        ("turn off the kitchen lights", "ok", "Turned off the light."),
    ],
)
def test_what_was_done_is_confirmed_in_the_words_of_the_data(text: str, result: str, said: str) -> None:
    assert said == after(text, ask_home_assistant(text), result)


def failure(error: str, text: str) -> str:
    return f'{{"data":{{"error":"{error}","error_text":"{text}"}},"error":true}}'


@pytest.mark.parametrize(
    ("text", "result", "said"),
    [
        (
            "turn off the kitchen lights",
            failure("MatchFailedError", "No entities matched the name (given name 'Kitchen Lights')"),
            "Sorry, I am not aware of any device called Kitchen Lights.",
        ),
        (
            "turn off all the lights",
            failure("MatchFailedError", "No entities matched the domain (given domains light)"),
            "Sorry, I am not aware of any light.",
        ),
        (
            "turn off the kitchen lights",
            failure("MatchFailedError", "Multiple entities share the name (given name 'Kitchen Lights')"),
            "Sorry, there are multiple devices called Kitchen Lights.",
        ),
        (
            "set the ecobee to 21 degrees",
            recorded(NEW).result("HassClimateSetTemperature", temperature=21),
            "Sorry, more than one device matched your request.",
        ),
        (
            "pause the walkman",
            failure(
                "MatchFailedError", "No entities matched the name (given name 'Walkman', states playing, features 1)"
            ),
            "Sorry, no device is playing.",
        ),
        (
            "make the bed light red",
            failure("InvalidSlotInfo", "Received invalid slot info for HassLightSet"),
            "That did not work: Received invalid slot info for HassLightSet.",
        ),
        (
            "turn off the kitchen lights",
            "Error: took longer than 30 s.",
            "That did not work: Error: took longer than 30 s.",
        ),
        ("turn off the kitchen lights", '{"success": false, "error": "Nope."}', "That did not work: Nope."),
    ],
)
def test_a_failure_is_explained(text: str, result: str, said: str) -> None:
    assert said == after(text, ask_home_assistant(text), result)


def test_failures_of_older_versions_are_understood() -> None:
    paused = next(r.results[0] for r in recorded(OLD).rounds if "error" in r.results[0] and "playing" in r.results[0])
    missing = recorded(OLD).result("HassTurnOff", name="Nonexistent")

    off, pause = "turn off the kitchen lights", "pause the walkman"
    thought = ask_home_assistant(off, version=OLD)
    assert "Sorry, I am not aware of any device called Kitchen Lights." == after(off, thought, missing, version=OLD)
    thought = ask_home_assistant(pause, version=OLD)
    assert "Sorry, no device is playing." == after(pause, thought, paused, version=OLD)


def test_an_area_that_is_empty_or_not_there_is_said() -> None:
    text = "turn off the lights in the kitchen"
    thought = ask_home_assistant(text, HOUSE)
    empty = recorded(NEW).result("HassTurnOff", area="Kitchen", domain=["light"])
    unknown = recorded(NEW).result("HassTurnOff", area="Nowhere", domain=["light"])

    assert "Sorry, I am not aware of any light in the Kitchen area." == after(text, thought, empty, system=HOUSE)
    assert "Sorry, I am not aware of any area called Kitchen." == after(text, thought, unknown, system=HOUSE)


def test_devices_that_did_not_follow_are_named() -> None:
    text = "turn off all the lights"
    result = (
        '{"data":{"response_type":"action_done","data":{"success":[{"name":"A","type":"entity","id":"light.a"}],'
        '"failed":[{"name":"B","type":"entity","id":"light.b"}]}},"error":false}'
    )

    assert "Turned off all of the lights. B did not follow." == after(text, ask_home_assistant(text), result)


def test_several_results_are_told_in_order_and_once() -> None:
    text = "turn off the ceiling light and open the kitchen blinds"
    thought = ask_home_assistant(text, HOUSE)
    results = done("Ceiling Light", "light.c"), done("Blinds", "cover.b")

    assert "Turned off the light. Opening the blinds." == after(text, thought, *results, system=HOUSE)


STATES = live(
    "- names: Bed Light",
    "  domain: light",
    "  state: 'on'",
    "- names: Kitchen Lights",
    "  domain: light",
    "  state: 'off'",
    "- names: Garage Door",
    "  domain: cover",
    "  state: closed",
    "- names: Front Door",
    "  domain: lock",
    "  state: locked",
    "- names: Outside Humidity",
    "  domain: sensor",
    "  state: '54'",
    "  attributes:",
    "    unit_of_measurement: '%'",
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what lights are on", "Bed Light."),
        ("which lights are off", "Kitchen Lights."),
        ("how many lights are on", "1."),
        ("are all the lights on", "No, Kitchen Lights is not on."),
        ("are any lights on", "Yes, Bed Light."),
        ("is the bed light on", "Yes."),
        ("is the kitchen lights on", "No, off."),
        ("is the garage door open", "No, closed."),
        ("is the front door locked", "Yes."),
        ("what is the outside humidity", "Outside humidity is 54 %."),
    ],
)
def test_questions_are_answered_from_the_states(text: str, said: str) -> None:
    assert said == after(text, ask_home_assistant(text), STATES)


def test_a_question_about_what_live_context_lacks_is_answered_honestly() -> None:
    text = "is the garage door open"
    thought = ask_home_assistant(text)

    said = "Sorry, I am not aware of any device called Garage Door."
    assert said == after(text, thought, live("- names: Bed Light", "  domain: light", "  state: 'on'"))
    assert said == after(text, thought, recorded(NEW).result("GetLiveContext", name="nope"))


def test_older_answers_of_everything_are_filtered() -> None:
    text = "what lights are on"
    thought = ask_home_assistant(text, version=OLD)

    assert "Bed Light." == after(text, thought, recorded(OLD).result("GetLiveContext"), version=OLD)[:10]


def told(domain: str, state: str, area: str, *attributes: str) -> str:
    lines = [f"    {attribute}" for attribute in attributes]
    return live("- names: X", f"  domain: {domain}", f"  state: '{state}'", f"  areas: {area}", "  attributes:", *lines)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (told("sensor", "20.4", "Bedroom", "device_class: temperature"), "20.4 degrees."),
        (told("climate", "heat", "Bedroom", "current_temperature: 21.5"), "21.5 degrees."),
        (
            told("climate", "heat", "Attic", "current_temperature: 21.5"),
            "Sorry, I am not aware of any climate in the Bedroom area.",
        ),
    ],
)
def test_a_rooms_temperature_is_its_thermometers_or_its_thermostats(result: str, said: str) -> None:
    text = "what is the temperature in the bedroom"

    assert said == after(text, ask_home_assistant(text, HOUSE), result, system=HOUSE)


def test_doors_and_windows_that_only_have_sensors_count_too() -> None:
    text = "are any windows open"
    states = live(
        "- names: Kitchen Window",
        "  domain: binary_sensor",
        "  state: 'on'",
        "  attributes:",
        "    device_class: window",
        "- names: Motion",
        "  domain: binary_sensor",
        "  state: 'on'",
        "  attributes:",
        "    device_class: motion",
    )
    thought = ask_home_assistant(text)

    assert [("GetLiveContext", {"domain": ["cover", "binary_sensor"]})] == calls_of(thought)
    assert "Yes, Kitchen Window." == after(text, thought, states)


def test_states_that_the_prompt_itself_tells_need_no_tool() -> None:
    system = (
        "An overview of the areas and the devices in this smart home:\n"
        "- names: Bed Light\n  domain: light\n  state: 'on'\n- names: Lamp\n  domain: light\n  state: 'off'\n"
    )
    tools = tuple(tool for tool in recorded(OLD).tools if tool.name != "GetLiveContext")
    thought = think(Message("system", system), Message("user", "what lights are on"), tools=tools)

    assert Say("Bed Light.") == thought
