"""Which tools the model is offered in a turn: Thane's own, and those that the request brings. Pure.

`agent.client_tools` decides about the request's tools:

* `strip`: they are not offered.
* `pass`: they are; a call to one ends the reply, and the client runs it and comes back with the result.
* `auto`: `strip` when they are Home Assistant's and Thane has a link of its own to Home Assistant, else `pass`.

Where Home Assistant's tools are passed, Thane's own house tools are not offered beside them: a voice command must
reach the client's real house, not the demo home. Any other client (Open WebUI brings about 36 on every turn) gets both,
Thane's first. Where both have a tool of one name the client's is offered: the client expects its own to be called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from thane.models.tools_memo import ToolsMemo
from thane.turn import ToolSpec, Turn

_HOUSE_TOOL = re.compile(r"Hass[A-Z]\w*|GetLiveContext")

type Mode = Literal["auto", "strip", "pass"]


class Offer(msgspec.Struct, frozen=True):
    """`tools` is what the model is given, in order; a name in `own` or `client` says who runs it.

    `one_call`: the client takes one call at a time. `client_house`: the house of this turn is the client's, so the
    client's own prompt is the only one.
    """

    tools: tuple[ToolSpec, ...] = ()
    own: frozenset[str] = frozenset()
    client: frozenset[str] = frozenset()
    client_house: bool = False
    one_call: bool = False


def is_house_tool(name: str) -> bool:
    """Whether a tool is one of Home Assistant's Assist tools, or named as one, as Thane's own house tools are.

    2026.11 names them `intent__HassTurnOn` and `homeassistant__GetLiveContext`, older ones without a prefix.
    """
    return _HOUSE_TOOL.fullmatch(_short(name)) is not None


def offer_tools(turn: Turn, own: Iterable[ToolSpec], mode: Mode, *, linked: bool) -> Offer:
    """The tools of a turn. `linked`: Thane's house is a Home Assistant of its own.

    Housekeeping gets none. A turn that asks for a format, or that requires a call of the client's tools, gets none of
    Thane's: the client could not tell them from its own. `tool_choice: none` leaves out the client's.
    """
    if turn.caller.task:
        return Offer()
    if not turn.tools and not turn.exclude_tools and turn.parallel_tool_calls and turn.options.format is None:
        return _ours_alone(tuple(own))
    theirs = turn.tools
    from_home_assistant = any(is_house_tool(tool.name) for tool in theirs)
    if mode == "strip" or turn.tool_choice == "none" or (mode == "auto" and linked and from_home_assistant):
        theirs = ()
    if turn.tool_choice not in ("auto", "none", "required"):
        theirs = tuple(tool for tool in theirs if tool.name == turn.tool_choice)
    required = bool(theirs) and turn.tool_choice not in ("auto", "none")
    client_house = bool(theirs) and from_home_assistant
    client = frozenset(tool.name for tool in theirs)
    ours: tuple[ToolSpec, ...] = ()
    if turn.options.format is None and not required:
        taken = client | {_short(name) for name in client} if client_house else client
        taken = taken.union(turn.exclude_tools)
        ours = tuple(tool for tool in own if tool.name not in taken and not (client_house and is_house_tool(tool.name)))
    return Offer(
        (*ours, *theirs), frozenset(tool.name for tool in ours), client, client_house, not turn.parallel_tool_calls
    )


_ours_alone = ToolsMemo(lambda tools: Offer(tools, frozenset(tool.name for tool in tools)))
"""What most turns are offered."""


def _short(name: str) -> str:
    return name.rpartition("__")[2]
