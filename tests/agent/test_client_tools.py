from __future__ import annotations

import pytest

from thane.agent.client_tools import Mode, is_house_tool, offer_tools
from thane.turn import Caller, Message, Options, ToolSpec, Turn


def specs(*names: str) -> tuple[ToolSpec, ...]:
    return tuple(ToolSpec(name) for name in names)


OWN = specs("HassTurnOn", "GetLiveContext", "GetDateTime", "remember")
ASSIST = specs("intent__HassTurnOn", "homeassistant__GetLiveContext", "llm__GetDateTime", "script__party")
OLD_ASSIST = specs("HassTurnOn", "GetLiveContext")
FUNCTIONS = specs("get_weather", "remember")


def turn(tools: tuple[ToolSpec, ...] = (), choice: str = "auto", **more: object) -> Turn:
    return Turn((Message("user", "hi"),), tools=tools, tool_choice=choice, **more)  # type: ignore[arg-type]  # any field of a turn


def offered(given: Turn, mode: Mode = "auto", *, linked: bool = False) -> list[str]:
    return [tool.name for tool in offer_tools(given, OWN, mode, linked=linked).tools]


def test_without_client_tools_thanes_own_are_offered():
    assert ["HassTurnOn", "GetLiveContext", "GetDateTime", "remember"] == offered(turn())


def test_home_assistants_tools_replace_thanes_house_tools():
    names = [tool.name for tool in ASSIST]
    assert ["remember", *names] == offered(turn(ASSIST))
    offer = offer_tools(turn(ASSIST), OWN, "auto", linked=False)
    assert offer.client_house
    assert (frozenset({"remember"}), frozenset(names)) == (offer.own, offer.client)


def test_older_home_assistants_tools_are_known_too():
    assert ["GetDateTime", "remember", "HassTurnOn", "GetLiveContext"] == offered(turn(OLD_ASSIST))
    assert (
        frozenset({"HassTurnOn", "GetLiveContext"}) == offer_tools(turn(OLD_ASSIST), OWN, "pass", linked=False).client
    )


def test_with_a_link_of_its_own_thane_uses_its_own_tools():
    assert ["HassTurnOn", "GetLiveContext", "GetDateTime", "remember"] == offered(turn(ASSIST), linked=True)
    assert not offer_tools(turn(ASSIST), OWN, "auto", linked=True).client_house


def test_pass_wins_over_the_link_and_strip_over_everything():
    assert "intent__HassTurnOn" in offered(turn(ASSIST), "pass", linked=True)
    assert ["HassTurnOn", "GetLiveContext", "GetDateTime", "remember"] == offered(turn(ASSIST), "strip")


@pytest.mark.parametrize("linked", [False, True])
def test_another_clients_functions_stand_behind_thanes_own_and_keep_their_names(linked: bool):
    offer = offer_tools(turn(FUNCTIONS), OWN, "auto", linked=linked)
    names = [tool.name for tool in offer.tools]
    assert ["HassTurnOn", "GetLiveContext", "GetDateTime", "get_weather", "remember"] == names
    assert frozenset({"get_weather", "remember"}) == offer.client
    assert not offer.client_house


def test_tool_choice_none_leaves_out_the_clients_tools():
    assert ["HassTurnOn", "GetLiveContext", "GetDateTime", "remember"] == offered(turn(FUNCTIONS, "none"))


@pytest.mark.parametrize(("choice", "names"), [("required", ["get_weather", "remember"]), ("remember", ["remember"])])
def test_a_required_call_can_only_be_of_the_clients_tools(choice: str, names: list[str]):
    assert names == offered(turn(FUNCTIONS, choice))


def test_housekeeping_gets_no_tools():
    assert [] == offered(turn(FUNCTIONS, caller=Caller(task="title_generation")))


def test_a_turn_that_asks_for_a_format_gets_none_of_thanes_tools():
    assert ["get_weather", "remember"] == offered(turn(FUNCTIONS, options=Options(format="json")))


def test_house_tools_are_known_by_name():
    assert is_house_tool("intent__HassTurnOff")
    assert is_house_tool("GetLiveContext")
    assert not is_house_tool("script__Hassle_free")
    assert not is_house_tool("get_live_context")
