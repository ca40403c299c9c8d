"""What is told of the archive's routes: sessions, search, tool calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from thane.http.openapi.native_shapes import SaidMessage
from thane.http.openapi.shape import Object, Shape, about
from thane.http.openapi.told import CURSOR, LIMIT, MARKDOWN, Query, Told, count, moment, one_of


class Session(Shape):
    id: str
    conversation_id: str
    started_at: Annotated[str, about("RFC 3339.")]
    last_at: Annotated[str, about("When the last message of it was said.")]
    ended_at: Annotated[str | None, about("Null while it is open.")]
    end_reason: Annotated[str, about("`idle_timeout`, `reset`, `split` and the like.")]
    title: str
    summary: str
    tags: tuple[str, ...]
    metadata: Annotated[Object, about("What else is said about it: `one_liner`, `key_decisions` and the like.")]
    handoff: Annotated[str, about("What the next session is told.")]
    parent_session_id: Annotated[str, about("The session before it.")]
    parent_tool_call_id: str
    message_count: int


class Sessions(Shape):
    sessions: Annotated[tuple[Session, ...], about("Latest start first.")]
    count: Annotated[int, about("On this page.")]
    next: Annotated[str | None, about("`cursor` of the next page; null on the last.")]


class ToolCallMade(Shape):
    id: str
    run_id: str
    conversation_id: str
    step: int
    name: str
    tool_name: str
    arguments: Annotated[str, about("JSON.")]
    result: str
    ok: bool
    started_at: Annotated[str, about("RFC 3339.")]
    completed_at: str
    duration: Annotated[float, about("Seconds.")]
    duration_ms: int
    owner: Annotated[str, about("Whose tool it is: `thane` or `client`.")]
    error: str = ""


class ModelIteration(Shape):
    run_id: str
    iteration_index: Annotated[int, about("Which model step of its run, from 1.")]
    model: str
    provider: str
    input_tokens: int
    output_tokens: int
    estimated: Annotated[bool, about("Whether the tokens are counted by an estimate.")]
    cost_usd: Annotated[float | None, about("Null where the price is not known.")]
    tool_call_count: int
    has_tool_calls: bool
    started_at: str
    duration_ms: int
    break_reason: Annotated[str, about("How it ended: `stop`, `tool_calls`, `length`, `failed`, …")]


class SessionToolCall(ToolCallMade):
    message_id: Annotated[str, about("The answer that was made of it; empty where there is none.")] = ""


class SessionWhole(Shape):
    session: Session
    transcript: tuple[SaidMessage, ...]
    tool_calls: tuple[SessionToolCall, ...]
    iterations: Annotated[tuple[ModelIteration, ...], about("Each call of a model, in order.")]


class SplitRequest(Shape):
    message_id: Annotated[str, about("The first message of the new session.")]


class CloseRequest(Shape):
    reason: Annotated[str, about("Why it ends.")] = "closed"
    handoff: Annotated[str, about("What the next session is told.")] = ""


class Result(Shape):
    match: SaidMessage
    session_id: str
    context_before: tuple[SaidMessage, ...]
    context_after: tuple[SaidMessage, ...]
    highlight: Annotated[str, about("A part of the message; what was found stands between `**` and `**`.")]


class Results(Shape):
    results: Annotated[tuple[Result, ...], about("Best first.")]
    count: int
    query: str
    next: str | None
    instead: Annotated[dict[str, str], about("For misspelt words, the ones that were looked for.")]


class Messages(Shape):
    messages: Annotated[tuple[SaidMessage, ...], about("Oldest first.")]
    count: int
    since: Annotated[str, about("As asked.")] = msgspec.field(name="from")
    to: Annotated[str, about("As asked.")]
    next: str | None


class ArchiveStatistics(Shape):
    total_messages: int
    total_sessions: int
    total_tool_calls: int
    oldest_message: str | None
    newest_message: str | None
    by_role: dict[str, int]
    by_status: Annotated[dict[str, int], about("`archived` are those of conversations that are put away.")]


class ToolCalls(Shape):
    tool_calls: Annotated[tuple[ToolCallMade, ...], about("Latest first.")]
    count: int
    next: str | None


class ToolCount(Shape):
    calls: int
    failed: int
    avg_duration_ms: float


class ToolCounts(Shape):
    total_calls: int
    by_tool: dict[str, int]
    avg_duration_ms: float
    error_rate: float
    tools: dict[str, ToolCount]


_TALK = Query("conversation_id", "Only of this conversation.")
_NO_SESSION = {404: "No such session."}
_TOOLS = Told(title="Count the tool calls", answer=ToolCounts)

ARCHIVE: Mapping[str, Told] = {
    "GET /v1/archive/sessions": Told(title="List the sessions", answer=Sessions, query=(_TALK, LIMIT, CURSOR)),
    "GET /v1/archive/sessions/{session_id}": Told(title="Read a session", answer=SessionWhole, errors=_NO_SESSION),
    "GET /v1/archive/sessions/{session_id}/export": Told(
        title="Save a session",
        answer=SessionWhole,
        streams=MARKDOWN,
        query=(one_of("format", "`markdown` if nothing is given.", "markdown", "md", "json"),),
        errors={400: "No such format.", **_NO_SESSION},
    ),
    "POST /v1/archive/sessions/{session_id}/split": Told(
        title="Split a session",
        body=SplitRequest,
        answer=Session,
        statuses={201: "The new session."},
        errors={400: "The message is not in it.", **_NO_SESSION},
        example={"message_id": "0199f3c2-0000-7000-8000-000000000000"},
    ),
    "POST /v1/archive/sessions/{session_id}/close": Told(
        title="Close a session",
        body=CloseRequest,
        answer=Session,
        errors={**_NO_SESSION, 409: "It is closed already."},
        example={"reason": "done", "handoff": "We were choosing a lamp."},
    ),
    "GET /v1/archive/search": Told(
        title="Search what was said",
        answer=Results,
        query=(
            Query("q", "What to look for.", words={"pattern": r"\S"}, required=True),
            _TALK,
            one_of("role", "Only what this role said.", "user", "assistant", "system", "tool"),
            Query("channel", "Only of this channel."),
            Query("tool", "Only of runs that called this tool."),
            moment("since", "Not before this time."),
            moment("until", "Not after this time."),
            Query(
                "silence",
                "A pause this long ends the surrounding exchange: seconds, or such as `1h30m`.",
                words={"pattern": r"^(?:\d+(?:\.\d+)?|(?=\d)(?:\d+h)?(?:\d+m)?(?:\d+(?:\.\d+)?s)?)$"},
            ),
            count("context", "How many messages of it are given each way."),
            LIMIT,
            CURSOR,
        ),
        errors={400: "Nothing is asked for."},
    ),
    "GET /v1/archive/messages": Told(
        title="Read what was said in a time",
        answer=Messages,
        query=(
            moment("from", "The first time.", required=True),
            moment("to", "The last time.", required=True),
            _TALK,
            LIMIT,
            CURSOR,
        ),
        errors={400: "A time is missing or is none."},
    ),
    "GET /v1/archive/stats": Told(title="Count the archive", answer=ArchiveStatistics),
    "GET /v1/tools/calls": Told(
        title="List the tool calls",
        answer=ToolCalls,
        query=(_TALK, Query("tool", "Only of this tool."), LIMIT, CURSOR),
    ),
    "GET /v1/tools/stats": _TOOLS,
    "GET /v1/telemetry/tools": _TOOLS,
}
