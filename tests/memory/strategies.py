"""Any records that there may be, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from thane.memory.records import RunRecord, StepRecord, ToolCallRecord
from thane.turn import Message, ToolCall, Usage

text = st.text(st.characters(codec="utf-8"), max_size=12)
seconds = st.floats(0, 4e9)
usage = st.builds(Usage, *[st.integers(0, 2**40)] * 4, st.booleans(), st.integers(0, 2**40))
maybe_seconds = st.none() | seconds
json_values = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | text, lambda v: st.lists(v, max_size=2))
tool_call = st.builds(ToolCall, text, text, st.dictionaries(text, json_values, max_size=2))
message = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    text,
    text,
    st.lists(tool_call, max_size=2).map(tuple),
    text,
    text,
    st.lists(text, max_size=2).map(tuple),
)
finish_reason = st.sampled_from(["stop", "length", "tool_calls", "max_steps", "illegal_tool", "deadline"])


def steps() -> st.SearchStrategy[tuple[StepRecord, ...]]:
    step = st.tuples(text, text, usage, finish_reason, seconds, seconds, maybe_seconds, maybe_seconds)
    return st.lists(step, max_size=3).map(lambda found: tuple(StepRecord(1, *step) for step in found))


def tool_calls(run_id: str, conversation_id: str) -> st.SearchStrategy[tuple[ToolCallRecord, ...]]:
    call = st.builds(
        ToolCallRecord,
        *[text, st.just(run_id), st.just(conversation_id), st.integers(1, 50), text, text, text],
        *[st.booleans(), seconds, seconds, st.sampled_from(["thane", "client"])],
    )
    return st.lists(call, max_size=3).map(tuple)


def ended_runs(run_id: str, conversation_id: str) -> st.SearchStrategy[RunRecord]:
    """Any run that has ended."""
    return st.builds(
        RunRecord,
        *[st.just(run_id), st.just(conversation_id), text, st.sampled_from(["owu", "ha", "api"]), text],
        *[st.sampled_from(["done", "failed", "cancelled"]), seconds, text, text, text, text, usage],
        *[st.none() | finish_reason, st.none() | st.sampled_from(["cancelled", "model", "internal"]), text, text],
        *[seconds, seconds, maybe_seconds, steps(), tool_calls(run_id, conversation_id), text],
        cost_usd=maybe_seconds,
    )
