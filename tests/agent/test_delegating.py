from __future__ import annotations

import pytest

from thane.agent.delegating import DELEGATE, own_tools
from thane.config.routing import Delegation
from thane.config.settings import Agent, Settings
from thane.router.models import Model
from thane.router.profiles import Profile
from thane.turn import ToolSpec

TOOLS = tuple(ToolSpec(name) for name in ("GetDateTime", "HassTurnOn", "GetLiveContext", DELEGATE))
STRONG = Model("strong", "cloud", quality=9, cost_tier=2)
SMALL = Model("small", "ollama", quality=4)
ALL = (STRONG, SMALL)
NAMES = ["GetDateTime", "HassTurnOn", "GetLiveContext"]


def offered(
    model: Model = STRONG,
    *,
    models: tuple[Model, ...] = ALL,
    profile: Profile | None = None,
    settings: Settings | None = None,
    delegated: bool = False,
) -> list[str]:
    named = own_tools(TOOLS, profile or Profile("p"), model, models, settings or Settings(), delegated=delegated)
    return [tool.name for tool in named]


def test_a_strong_model_is_offered_the_tool_and_a_small_one_is_not() -> None:
    assert [*NAMES, DELEGATE] == offered()
    assert NAMES == offered(SMALL)
    assert [*NAMES, DELEGATE] == offered(Model("b", "ollama", quality=4), profile=Profile("p", delegation="offer"))


@pytest.mark.parametrize("models", [(STRONG,), (STRONG, Model("bigger", "cloud", quality=10, cost_tier=3))])
def test_where_there_is_nobody_to_hand_to_it_is_not_offered(models: tuple[Model, ...]) -> None:
    required = Settings(agent=Agent(delegation_required=True))
    assert NAMES == offered(models=models) == offered(models=models, settings=required)


def test_a_task_that_was_handed_over_is_not_handed_on() -> None:
    assert NAMES == offered(delegated=True)


def test_a_model_that_must_delegate_has_only_the_orchestrators_tools() -> None:
    assert ["GetDateTime", DELEGATE] == offered(settings=Settings(agent=Agent(delegation_required=True)))
    mine = Agent(delegation_required=True, orchestrator_tools=("GetLiveContext",))
    assert ["GetLiveContext", DELEGATE] == offered(settings=Settings(agent=mine))
    assert ["GetDateTime", DELEGATE] == offered(profile=Profile("p", delegation="required"))


def test_ops_sees_every_tool_whatever_is_required() -> None:
    required = Settings(agent=Agent(delegation_required=True))
    assert NAMES == offered(profile=Profile("thane:ops", delegation="off"), settings=required)
    assert NAMES == offered(settings=Settings(delegation=Delegation(enabled=False)))
