"""What is told of the routes of runs: the list, one run, what its models were sent, the reference's shape of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from thane.conversations.live import LiveRun
from thane.http.openapi import native_shapes as native
from thane.http.openapi.facts_table import FactUsed
from thane.http.openapi.shape import Object, Shape, about
from thane.http.openapi.told import CURSOR, LIMIT, Query, Told, moment, one_of
from thane.memory.records import RunRecord, RunState
from thane.turn import Channel, ToolSpec


class RunTold(RunRecord, frozen=True, kw_only=True):
    facts: Annotated[tuple[FactUsed, ...], about("Facts that it was told, or that it remembered.")] = ()


class LiveRunTold(LiveRun, frozen=True, kw_only=True):
    facts: Annotated[tuple[FactUsed, ...], about("Facts that it was told, or that it remembered, so far.")] = ()


class Runs(Shape):
    running: Annotated[tuple[LiveRun, ...], about("What runs or waits, oldest first.")]
    recent: Annotated[tuple[RunRecord, ...], about("What ended, latest first, without its steps and the rest.")]
    next: Annotated[str | None, about("`cursor` of the next page; null on the last.")]


class PromptAnswer(Shape):
    hash: Annotated[str, about("SHA-256 over the names of its pieces, in hex.")]
    tools: tuple[ToolSpec, ...]
    messages: Annotated[tuple[Object, ...], about("As they were sent, without secrets.")]


class RequestToolCall(Shape):
    tool_call_id: str
    tool_name: str
    arguments: Object
    result: str
    ok: bool
    duration_ms: int
    iteration_index: Annotated[int, about("The step that asked for it, from 0.")]


class RequestDetail(Shape):
    request_id: str
    conversation_id: str
    state: str
    prompt_hash: Annotated[str, about("Of the last model step; empty when it is not kept.")]
    system_prompt: str
    messages: Annotated[tuple[Object, ...], about("What the last model step was sent, but for the system prompt.")]
    user_content: str
    model: str
    created_at: Annotated[str, about("RFC 3339.")]
    assistant_content: str
    iteration_count: int
    input_tokens: int
    output_tokens: int
    tools_used: Annotated[dict[str, int], about("How often each was called.")]
    exhausted: Annotated[bool, about("Whether a limit ended it.")]
    exhaust_reason: str
    tool_calls: tuple[RequestToolCall, ...]


class RequestTools(Shape):
    request_id: str
    tool_calls: tuple[RequestToolCall, ...]
    count: int


_NO_RUN: Mapping[int, Any] = {404: "No such run."}

RUNS: Mapping[str, Told] = {
    "GET /v1/runs": Told(
        title="List the runs",
        answer=Runs,
        query=(
            LIMIT,
            CURSOR,
            Query("conversation_id", "Only those of this conversation."),
            one_of("channel", "Only those that came through it.", *get_args(Channel.__value__)),
            one_of("state", "Only those in this state.", *get_args(RunState.__value__)),
            Query("model", "Only those that this model answered."),
            Query("parent_run_id", "Only those that this run started."),
            moment("since", "Only those that started at this time or later."),
            moment("until", "Only those that started at this time or before."),
        ),
    ),
    "GET /v1/runs/{run_id}": Told(title="Look at a run", answer=(RunTold, LiveRunTold), errors=_NO_RUN),
    "DELETE /v1/runs/{run_id}": Told(
        title="Cancel a run",
        answer=native.Cancelling,
        statuses={202: "It is being cancelled."},
        errors={**_NO_RUN, 409: "It has ended already."},
    ),
    "GET /v1/prompts/{prompt_hash}": Told(
        title="Read a prompt", answer=PromptAnswer, errors={404: "It is not kept, or no longer."}
    ),
    "GET /v1/requests/{run_id}": Told(title="Look at a request", answer=RequestDetail, errors=_NO_RUN),
    "GET /v1/requests/{run_id}/tools": Told(
        title="Read the tool calls of a request", answer=RequestTools, errors=_NO_RUN
    ),
}
