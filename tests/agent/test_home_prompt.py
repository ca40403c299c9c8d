"""Of Home Assistant's instructions the owner's words stay, and nothing that belongs to tools which are not offered."""

from __future__ import annotations

import pytest

from thane.agent.home_prompt import HomePrompt, keep_of_home_prompt, owners_instructions
from thane.turn import Message

OWN = """When controlling Home Assistant always call the intent tools. Use intent__HassTurnOn to lock.
You are in area Kitchen (floor Ground) and all generic commands like 'turn on the lights' should target this area.
This device is not able to start timers.
You ARE equipped to answer questions about the current state of
the home by retrieving live context. This is a primary function. Do not state you lack the
functionality if the question requires live data.
If the user asks about device existence/type (e.g., "Do I have lights in the bedroom?"): Answer from the static context.
If the user asks about the CURRENT state, value, or mode (e.g., "Is the lock locked?"):
  1. Recognize this requires live data.
  2. You MUST call GetLiveContext.
Static Context: An overview of the areas and the devices in this smart home:
- names: Bed Light
  domain: light
  areas: Bedroom
- names: Garage Door
  domain: cover

"""
CLOCK = "Current time is 09:36:40. Today's date is 2026-11-28."
OWNERS = "Talk like a butler.\n\nThe bins go out on Tuesday:\n- paper in even weeks\n- glass in odd ones"


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        (f"{OWNERS}\n{OWN}", OWNERS),
        (f"{OWNERS}\n{OWN}\nBe brief today.", f"{OWNERS}\nBe brief today."),
        (f"You are a voice assistant for Home Assistant.\n{OWNERS}\nKEY=1-2 USER=Ada DEV=abc\n{CLOCK}\n", OWNERS),
        (OWN, ""),
        (OWNERS, OWNERS),
        ("", ""),
    ],
)
def test_the_owners_instructions_stay(prompt: str, kept: str) -> None:
    assert kept == owners_instructions(prompt)


@pytest.mark.parametrize(
    ("how", "roles"),
    [("keep", ["system", "system", "user"]), ("extract", ["system", "user"]), ("drop", ["user"])],
)
def test_what_is_kept_is_a_choice(how: HomePrompt, roles: list[str]) -> None:
    messages = (Message("system", OWNERS), Message("system", OWN), Message("user", "hi"))
    assert roles == [message.role for message in keep_of_home_prompt(messages, how)]


def test_the_marker_of_a_conversation_goes_in_any_case_and_nothing_else_with_it() -> None:
    marked = Message("system", "Be brief. KEY=1.5-77 USER=Anna DEV=None\nThe KEY=fob hangs at the door.")
    (kept,) = keep_of_home_prompt((marked,), "keep")
    assert "Be brief.\nThe KEY=fob hangs at the door." == kept.content
    said = Message("user", "KEY=1 USER=me DEV=x")
    assert (said,) == keep_of_home_prompt((said,), "keep")
