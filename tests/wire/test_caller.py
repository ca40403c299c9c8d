"""Who is speaking, by what real clients send."""

from __future__ import annotations

import pytest

from thane.turn import Caller, Message, ToolSpec
from thane.wire.caller import identify

OLLAMA_PYTHON = {"user-agent": "ollama-python/0.6.2 (x86_64 linux) Python/3.14.7"}
AIOHTTP = {"user-agent": "Python/3.11 aiohttp/3.13.2"}
ASSIST = Message(
    "system",
    "You are a voice assistant for Home Assistant.\nAnswer questions about the world truthfully.\n"
    "You are in area Kitchen (floor Ground floor) and all generic commands like 'turn on the lights' should target "
    "this area.\nStatic Context: An overview of the areas and the devices in this smart home:\n- names: Bed Light\n",
)


def test_a_plain_client_is_an_api_caller() -> None:
    assert Caller(channel="api", user_agent="curl/8") == identify({"user-agent": "curl/8"})


@pytest.mark.parametrize(
    "name", ["intent__HassTurnOff", "HassTurnOn", "homeassistant__GetLiveContext", "light__HassLightSet"]
)
def test_home_assistant_is_known_by_its_tools(name: str) -> None:
    assert "ha" == identify(OLLAMA_PYTHON, tools=[ToolSpec("other"), ToolSpec(name)]).channel


@pytest.mark.parametrize(
    "prompt",
    [
        "Be a pirate.\nCurrent time is 09:36:40. Today's date is 2026-11-23.",
        "You are a Home Assistant expert and help users with their tasks.",
    ],
)
def test_home_assistants_other_agents_are_known_by_their_prompt(prompt: str) -> None:
    assert "ha" == identify(OLLAMA_PYTHON, [Message("system", prompt)]).channel


def test_a_tool_that_only_sounds_alike_is_not_home_assistants() -> None:
    assert "api" == identify(OLLAMA_PYTHON, tools=[ToolSpec("Hassle"), ToolSpec("hass_turn_on")]).channel


def test_home_assistant_is_known_by_its_prompt_and_gives_the_area() -> None:
    caller = identify(OLLAMA_PYTHON, [ASSIST, Message("user", "lights off")])
    assert ("ha", "Kitchen") == (caller.channel, caller.area)


@pytest.mark.parametrize(
    ("prompt", "area"),
    [
        ("You are in area Living Room and all generic commands like 'x' should target this area.", "Living Room"),
        ("You are in area Küche (floor EG) and all generic commands like 'x'", "Küche"),
        ("You are in area Bath (kids) and all generic commands", "Bath (kids)"),
        ("You are in area Office.\nMore", "Office"),
        ("No area", ""),
    ],
)
def test_the_area_is_read_from_the_prompt(prompt: str, area: str) -> None:
    assert area == identify({}, [Message("system", prompt)]).area


def test_what_a_user_says_identifies_nobody() -> None:
    said = (
        "You are a voice assistant for Home Assistant\nYou are in area Attic and all generic commands KEY=1 USER=E DEV="
    )
    assert Caller() == identify({}, [Message("user", said)])


def test_the_marker_in_the_instructions_names_conversation_user_and_device() -> None:
    prompt = "Be brief. KEY=1795400000.12-4711 USER=Ada Lovelace DEV=5f1c"
    caller = identify(OLLAMA_PYTHON, [Message("system", prompt)])
    assert (
        Caller(
            channel="ha",
            conversation_id="ha:1795400000.12-4711",
            user="Ada Lovelace",
            device="5f1c",
            user_agent=OLLAMA_PYTHON["user-agent"],
        )
        == caller
    )


def test_a_marker_may_name_language_and_area_too() -> None:
    prompt = "Be kind. KEY=17-3 USER=Ada DEV=abc LANG=nl AREA=Living Room\nBye."
    found = identify({}, (Message("system", prompt),))
    assert ("ha:17-3", "Ada", "abc", "nl", "Living Room") == (
        *(found.conversation_id, found.user, found.device, found.language, found.area),
    )
    bare = identify({}, (Message("system", "KEY=17-3 USER=None DEV=None LANG=None AREA=None"),))
    assert ("", "", "") == (bare.user, bare.language, bare.area)


def test_a_marker_without_user_and_device_names_neither() -> None:
    caller = identify({}, [Message("system", "KEY=1.5-7 USER=None DEV=None")])
    assert ("ha:1.5-7", "", "") == (caller.conversation_id, caller.user, caller.device)


def test_open_webui_is_known_by_its_user_agent() -> None:
    assert "owu" == identify(AIOHTTP).channel


def test_home_assistants_words_outweigh_a_user_agent_but_not_open_webuis_headers() -> None:
    tools = [ToolSpec("HassTurnOn")]
    assert "ha" == identify(AIOHTTP, tools=tools).channel
    assert "owu" == identify(AIOHTTP | {"x-openwebui-chat-id": "1"}, tools=tools).channel


def test_open_webui_names_chat_user_and_task_in_headers() -> None:
    headers = AIOHTTP | {
        "x-openwebui-chat-id": "3f0c2c4e-0000-4000-8000-000000000000",
        "x-openwebui-user-name": "J%C3%BCrgen M",
        "x-openwebui-user-id": "42",
        "x-openwebui-user-email": "j@example.org",
        "x-thane-task": "title_generation",
    }
    caller = identify(headers)
    assert "owu" == caller.channel
    assert "3f0c2c4e-0000-4000-8000-000000000000" == caller.conversation_id
    assert ("Jürgen M", "title_generation") == (caller.user, caller.task)


def test_a_template_that_was_not_filled_in_says_nothing() -> None:
    headers = {"x-openwebui-chat-id": "{{CHAT_ID}}", "x-thane-task": "{{TASK}}"}
    caller = identify(headers)
    assert ("", "") == (caller.conversation_id, caller.task)


@pytest.mark.parametrize(
    "body",
    [
        {"conversation_id": "mine"},
        {"metadata": {"chat_id": "mine"}},
        {"chat_id": "mine"},
        {"metadata": {"conversation_id": "mine"}},
        {"conversation": "mine"},
        {"conversation": {"id": "mine"}},
    ],
)
def test_a_body_names_its_conversation(body: dict[str, object]) -> None:
    assert "mine" == identify({}, body=body).conversation_id


def test_the_bodys_own_id_comes_before_the_header_and_that_before_the_marker() -> None:
    prompt = [Message("system", "KEY=k USER=u DEV=d")]
    headers = {"x-openwebui-chat-id": "header"}
    assert "body" == identify(headers, prompt, body={"conversation_id": "body"}).conversation_id
    assert "header" == identify(headers, prompt, body={"metadata": {"chat_id": "meta"}}).conversation_id


@pytest.mark.parametrize("bad", [7, ["x"], "", "  ", "x" * 257, "a\nb", {"id": 3}, None])
def test_what_cannot_be_an_id_is_none(bad: object) -> None:
    assert "" == identify({}, body={"conversation_id": bad, "metadata": bad}).conversation_id


def test_openais_user_is_the_user() -> None:
    assert "ada" == identify({}, body={"user": "ada"}).user
    assert "Ada" == identify({}, body={"user": {"name": "Ada"}}).user


@pytest.mark.parametrize(
    ("accept", "language"),
    [("de-DE,de;q=0.9,en;q=0.8", "de-DE"), ("fr;q=0.9", "fr"), ("*", ""), ("", ""), ("en_GB", "en-GB"), ("x" * 50, "")],
)
def test_a_browser_says_its_language(accept: str, language: str) -> None:
    assert language == identify({"accept-language": accept}).language


def test_the_bodys_language_comes_first() -> None:
    assert "nl" == identify({"accept-language": "de"}, body={"language": "nl"}).language
