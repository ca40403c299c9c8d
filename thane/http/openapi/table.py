"""What the routes take and give, beyond what their paths and docstrings tell.

One `Told` for each route with a body, a query or an answer of a known shape, by "METHOD path" as the document has it.
A route that is not here is in the document all the same; tests/http/openapi holds that nothing stands here in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from thane.events.event import KINDS
from thane.health.watch import HealthReport
from thane.http.native.telemetry import MOST_HOURS
from thane.http.openapi import anthropic_shapes as anthropic
from thane.http.openapi import native_shapes as native
from thane.http.openapi import ollama_shapes as ollama
from thane.http.openapi.archive_table import ARCHIVE
from thane.http.openapi.checkpoint_table import CHECKPOINTS
from thane.http.openapi.facts_table import FACTS
from thane.http.openapi.router_table import ROUTER
from thane.http.openapi.runs_table import RUNS
from thane.http.openapi.told import CURSOR, LIMIT, MARKDOWN, SSE, Query, Told, Type, count, moment, one_of
from thane.http.openapi.wire_table import OLLAMA, V1
from thane.journal.line import NAMES
from thane.ledger.usage import GROUPS
from thane.loops.status import LoopStatus
from thane.memory.records import ConversationRecord
from thane.turn import Channel

_EVENTS = (
    Query("source", "Only these parts of Thane that events come from.", "array", {"enum": list(KINDS)}),
    Query("kind", "Only these kinds.", "array", {"enum": sorted({each for kinds in KINDS.values() for each in kinds})}),
    Query("loop_id", "Only these loops.", "array"),
    Query("conversation_id", "Only these conversations.", "array"),
    Query("run_id", "Only these runs.", "array"),
)
_NUMBER = {"minimum": 0, "maximum": 10**18 - 1}
_SINCE = Query("since", "First what came after the event of this number.", "integer", _NUMBER)
_NO_CONVERSATION = {404: "No such conversation."}
_LOOPS = Told(title="List the loops", answer=tuple[LoopStatus, ...])
_LOOP_STREAM = Told(title="Follow the loops", streams=SSE)
_NO_LOOP = {404: "No such loop."}
_NO_INDEX = {503: "No lines are kept (`logging.index_rows` is 0)."}
_LINES = (
    one_of("level", "Least level.", *NAMES.values()),
    LIMIT,
    Query("before", "The `next` of the page before.", "integer", _NUMBER),
)
_SYSTEM_LINES = (Query("run_id", "Only those of this run."), Query("requests", "`1`: those about requests too."))
_OPEN_SOCKET = {101: "The WebSocket is open."}

_BUSY = {409: "A turn of the conversation goes on."}
_NAMED = (Query("conversation_id", "Which conversation; `default` without it."),)
_SESSION: Mapping[str, Told] = {
    "GET {}/stats": Told(title="Read the session's numbers", answer=native.SessionStats, query=_NAMED),
    "POST {}/balance": Told(
        title="Say what is left with a cloud",
        body=native.BalanceRequest,
        answer=native.BalanceAnswer,
        example={"balance_usd": 20.0},
    ),
    "POST {}/reset": Told(
        title="Begin anew",
        body=native.SessionRequest,
        answer=native.ResetAnswer,
        query=_NAMED,
        errors=_BUSY,
        example={"conversation_id": "default"},
    ),
    "POST {}/compact": Told(
        title="Summarise what was said",
        body=native.SessionRequest,
        answer=native.CompactAnswer,
        query=_NAMED,
        errors=_BUSY,
        example={"conversation_id": "default"},
    ),
    "GET {}/history": Told(title="Read what a model sees", answer=native.History, query=_NAMED),
}

OWN: Mapping[str, Told] = {
    **{route.format(at): told for at in ("/v1/session", "/v1/sessions") for route, told in _SESSION.items()},
    "GET /v1/telemetry/usage": Told(
        title="Read what was used and spent",
        answer=native.UsageAnswer,
        query=(
            Query(
                "hours",
                "How far back, 24 if nothing is given.",
                "number",
                {"exclusiveMinimum": 0, "maximum": MOST_HOURS},
            ),
            one_of("group_by", "By what, `model` if nothing is given.", *GROUPS),
            Query("conversation_id", "Only this conversation."),
        ),
    ),
    "POST /v1/chat": Told(
        title="Say something",
        body=native.NativeChatRequest,
        answer=native.NativeChatAnswer,
        streams=SSE,
        example={"message": "turn off the kitchen lights"},
    ),
    "GET /v1/conversations": Told(
        title="List the conversations",
        answer=native.Conversations,
        query=(
            Query("ids", "Only these.", "array"),
            one_of("channel", "Only those of this channel.", *get_args(Channel.__value__)),
            Query("user", "Only those of this user, by the name that is shown."),
            Query("area", "Only those that were begun in this area."),
            Query("q", "Only those whose title, or what was said in them, has this in it."),
            moment("updated_after", "Only those spoken in since then."),
            moment("updated_before", "Only those not spoken in since then."),
            moment("created_after", "Only those begun since then."),
            moment("created_before", "Only those begun before then."),
            count("min_messages", "Only those with so many messages or more."),
            count("max_messages", "Only those with so many messages at most."),
            one_of("archived", "`false` if nothing is given.", "false", "true", "all"),
            one_of("sort", "`updated` if nothing is given.", "updated", "created", "title", "messages"),
            one_of("order", "`desc` if nothing is given.", "desc", "asc"),
            LIMIT,
            CURSOR,
        ),
    ),
    "GET /v1/conversations/{conversation_id}": Told(
        title="Read a conversation", answer=native.Conversation, errors=_NO_CONVERSATION
    ),
    "PATCH /v1/conversations/{conversation_id}": Told(
        title="Rename a conversation or put it away",
        body=native.ConversationChange,
        answer=ConversationRecord,
        errors=_NO_CONVERSATION,
        example={"title": "Holiday in Wales"},
    ),
    "DELETE /v1/conversations/{conversation_id}": Told(
        title="Delete a conversation", answer=native.Deleted, errors=_NO_CONVERSATION
    ),
    "GET /v1/conversations/{conversation_id}/export": Told(
        title="Export a conversation",
        answer=native.Conversation,
        streams=MARKDOWN,
        query=(one_of("format", "`markdown` if nothing is given.", "markdown", "md", "json"),),
        errors=_NO_CONVERSATION,
    ),
    "POST /v1/conversations/{conversation_id}/messages": Told(
        title="Say something in a conversation",
        body=native.NativeChatRequest,
        answer=native.NativeChatAnswer,
        streams=SSE,
        errors=_NO_CONVERSATION,
        example={"message": "and the bedroom?"},
    ),
    "GET /v1/loops": _LOOPS,
    "GET /api/loops": _LOOPS,
    "GET /v1/loops/events": _LOOP_STREAM,
    "GET /api/loops/events": _LOOP_STREAM,
    "GET /v1/loops/{loop_id}": Told(title="Look at a loop", answer=LoopStatus, errors={404: "No such loop."}),
    "DELETE /v1/loops/{loop_id}": Told(
        title="Stop a loop",
        answer=native.Stopped,
        statuses={200: "It has ended.", 202: "It has not ended yet."},
        errors={404: "No such loop."},
    ),
    "GET /v1/loops/{loop_id}/logs": Told(
        title="Read a loop's log lines", answer=native.LogPage, query=_LINES, errors=_NO_LOOP | _NO_INDEX
    ),
    "GET /api/loops/{loop_id}/logs": Told(
        title="Read a loop's log lines", answer=native.LogEntries, query=_LINES[:2], errors=_NO_LOOP | _NO_INDEX
    ),
    "GET /v1/system": Told(title="Ask how the whole does", answer=native.SystemAnswer),
    "GET /api/system": Told(title="Ask how the whole does", answer=native.SystemAnswer),
    "GET /v1/system/logs": Told(
        title="Read log lines", answer=native.LogPage, query=(*_LINES, *_SYSTEM_LINES), errors=_NO_INDEX
    ),
    "GET /api/system/logs": Told(
        title="Read log lines", answer=native.LogEntries, query=(*_LINES[:2], *_SYSTEM_LINES), errors=_NO_INDEX
    ),
    "GET /v1/events": Told(
        title="Follow the events",
        streams=SSE,
        query=(*_EVENTS, _SINCE),
        statuses={200: "The stream.", **_OPEN_SOCKET},
    ),
    "GET /ws/events": Told(title="Follow the events over a WebSocket", query=(*_EVENTS, _SINCE), statuses=_OPEN_SOCKET),
    "GET /v1/events/log": Told(
        title="Read past events",
        answer=native.EventPage,
        query=(
            *_EVENTS,
            Query("since", "The first after the event of this number.", "integer", _NUMBER),
            Query("before", "Only what came before the event of this number.", "integer", _NUMBER),
            LIMIT,
        ),
    ),
    "GET /v1/version": Told(title="Ask for the version", answer=native.VersionAnswer),
    "GET /health": Told(title="Ask how Thane does", answer=HealthReport),
    "GET /health/live": Told(title="Ask whether Thane lives", answer=native.State),
    "GET /health/ready": Told(
        title="Ask whether Thane takes turns",
        answer=native.State,
        statuses={200: "It does.", 503: "The shutdown has begun, or nothing can be stored."},
    ),
    "GET /openapi.json": Told(title="Describe this API", answer=dict[str, Any]),
}

TABLE: Mapping[str, Told] = {
    **OWN,
    **ROUTER,
    **RUNS,
    **ARCHIVE,
    **CHECKPOINTS,
    **FACTS,
    **V1,
    **OLLAMA,
}

NOTHING = Told(title="")
"""What is told of a route that is not in the table."""

AREAS: Mapping[str, str] = {
    "Chat": "Thane's own way to talk to it: one message in, the history kept by Thane.",
    "Conversations": "What was said.",
    "Runs": "Turns that go on, wait or have ended.",
    "Router": "Which model was chosen for a run, and why.",
    "Loops": "What lives in Thane now.",
    "Archive": "What was said and done, kept: sessions, search, tool calls, facts, checkpoints.",
    "Costs": "What models have used and cost; the session of a conversation.",
    "Events": "What happens, as it happens and afterwards.",
    "Thane": "Version, health and this description.",
    "OpenAI": "OpenAI's API.",
    "Anthropic": "Anthropic's API.",
    "Ollama": "Ollama's API.",
    "Dashboard": "The dashboard's own routes, not meant for programs.",
}
"""In the order in which they are shown."""

_BEGINNINGS = {
    "/v1/chat/": "OpenAI",
    "/v1/chat": "Chat",
    "/v1/conversations": "Conversations",
    "/v1/runs": "Runs",
    "/v1/prompts": "Runs",
    "/v1/requests": "Runs",
    "/v1/archive/": "Archive",
    "/v1/checkpoint": "Archive",
    "/v1/facts": "Archive",
    "/v1/tools/": "Archive",
    "/v1/telemetry/tools": "Archive",
    "/v1/router/": "Router",
    "/v1/telemetry/router": "Router",
    "/v1/loops": "Loops",
    "/api/loops": "Loops",
    "/v1/system": "Thane",
    "/api/system": "Thane",
    "/v1/session/": "Costs",
    "/v1/sessions/": "Costs",
    "/v1/telemetry/usage": "Costs",
    "/v1/events": "Events",
    "/ws/events": "Events",
    "/v1/version": "Thane",
    "/health": "Thane",
    "/openapi.json": "Thane",
    "/v1/messages": "Anthropic",
    "/v1/": "OpenAI",
    "/api/": "Ollama",
}
"""The area of a path is that of the first beginning that fits."""


def area(path: str, endpoint: str) -> str:
    """The area that a route belongs to. `/` of the Ollama listener is Ollama's, all else is the dashboard's."""
    found = next((name for beginning, name in _BEGINNINGS.items() if path.startswith(beginning)), "")
    return found or ("Ollama" if endpoint.startswith("ollama") else "Dashboard")


def error_type(where: str) -> Type:
    """The shape of errors in an area."""
    return {"Anthropic": anthropic.AnthropicError, "Ollama": ollama.OllamaError}.get(where, native.Error)
