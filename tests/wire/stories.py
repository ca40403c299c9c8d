"""Events of small runs, for the encoders' tests."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from thane.turn import (
    AgentEvent,
    Caller,
    Message,
    ModelFinished,
    ModelStarted,
    Options,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    ToolCall,
    ToolFinished,
    ToolStarted,
    Turn,
    Usage,
)
from thane.wire.chat import ChatRequest, Opening

RUN = "r_0123456789abcdef"
CONVERSATION = "c_0123456789abcdef"
USAGE = Usage(input_tokens=12, output_tokens=5)
OWN_CALL = ToolCall("call_0a", "HassTurnOff", {"name": "Kitchen Lights"})
CLIENT_CALL = ToolCall("call_0b", "get_weather", {"city": "Åre", "days": [1, 2]})


class StoppedClock:
    """2027-01-15T08:00:00.25 UTC."""

    def time(self) -> float:
        return 1_800_000_000.25


OPENING = Opening(RUN, CONVERSATION, StoppedClock())


def request(
    model: str = "thane",
    *,
    stream: bool = True,
    wants_usage: bool = False,
    caller: Caller | None = None,
    **options: Any,
) -> ChatRequest:
    turn = Turn((Message("user", "hi"),), model=model, caller=caller or Caller(), options=Options(**options))
    return ChatRequest(turn, stream, wants_usage)


def finished(text: str = "Hello there.", **more: Any) -> RunFinished:
    plain = RunFinished(
        run_id=RUN,
        model="llama",
        text=text,
        usage=USAGE,
        finish_reason="stop",
        steps=1,
        duration=1.5,
        first_token=0.25,
        prompt_duration=0.125,
        decode_duration=0.5,
        load_duration=0.0,
    )
    return msgspec.structs.replace(plain, **more)


def failed(message: str = "The model server stopped answering.", **more: Any) -> RunFailed:
    return msgspec.structs.replace(RunFailed(RUN, "model", message, USAGE, 2.0), **more)


def beginning() -> list[AgentEvent]:
    """What comes before any text, with a tool of Thane's own."""
    return [
        RunStarted(RUN, CONVERSATION, "api", "thane:latest"),
        ModelStarted(1, "llama", "ollama", 1, 3, 40),
        ModelFinished(1, "llama", "ollama", USAGE, "tool_calls", 0.5),
        ToolStarted(1, OWN_CALL),
        ToolFinished(1, OWN_CALL, ok=True, result="{}", duration=0.1),
    ]


def story(*pieces: str) -> list[AgentEvent]:
    """A whole run that says `pieces`."""
    return [*beginning(), *map(Text, pieces), finished("".join(pieces))]


def documents(*keys: str) -> st.SearchStrategy[Any]:
    """Requests with the right names in more or less the right places, and anything under them."""
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    anything = st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4),
        max_leaves=10,
    )
    message = st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | plain},
        optional={"content": anything, "tool_calls": st.lists(anything, max_size=2), "images": anything},
    )
    request = st.fixed_dictionaries(
        {"model": st.just("m") | anything, "messages": st.lists(message, max_size=3) | anything},
        optional=dict.fromkeys(keys, anything),
    )
    return request | anything
