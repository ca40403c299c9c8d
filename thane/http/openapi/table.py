"""What the routes take and give, beyond what their paths and docstrings tell.

One `Told` for each route with a body, a query or an answer of a known shape, by "METHOD path" as the document has it.
A route that is not here is in the document all the same; tests/http/openapi holds that nothing stands here in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thane.health.watch import HealthReport
from thane.http.openapi import native_shapes as native
from thane.http.openapi import ollama_shapes as ollama
from thane.http.openapi import v1_shapes as v1
from thane.http.openapi.archive_table import ARCHIVE
from thane.http.openapi.checkpoint_table import CHECKPOINTS
from thane.http.openapi.facts_table import FACTS
from thane.http.openapi.router_table import ROUTER
from thane.http.openapi.runs_table import RUNS
from thane.http.openapi.told import LIMIT, MARKDOWN, NDJSON, SSE, Query, Told, Type
from thane.loops.status import LoopStatus
from thane.memory.records import ConversationRecord

_LATEST = "thane:latest"
_HELLO = {"model": _LATEST, "messages": [{"role": "user", "content": "hello"}]}
_EVENTS = tuple(
    Query(name, f"Only these: {what}.", "array")
    for name, what in {
        "source": "parts of Thane that events come from",
        "kind": "kinds of events",
        "loop_id": "loops",
        "conversation_id": "conversations",
        "run_id": "runs",
    }.items()
)
_SINCE = Query("since", "First what came after the event of this number.", "integer")
_NOT_MADE = {501: "No model makes embeddings."}
_NO_CONVERSATION = {404: "No such conversation."}
_NO_MODEL = {404: "No such model."}
_LOOPS = Told(title="List the loops", answer=tuple[LoopStatus, ...])
_LOOP_STREAM = Told(title="Follow the loops", streams=SSE)
_NO_LOOP = {404: "No such loop."}
_NO_INDEX = {503: "No lines are kept (`logging.index_rows` is 0)."}
_LINES = (
    Query("level", "Least level: `trace`, `debug`, `info`, `warning`, `error`."),
    LIMIT,
    Query("before", "The `next` of the page before."),
)
_SYSTEM_LINES = (Query("run_id", "Only those of this run."), Query("requests", "`1`: those about requests too."))
_SHUT = {501: "Always."}
_NO_CLOUD = {403: "Always."}
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
            Query("hours", "How far back, 24 if nothing is given."),
            Query(
                "group_by", "model (if nothing is given), provider, channel, conversation, profile, role, hour or day."
            ),
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
            Query("channel", "Only those of this channel: owu, ha or api."),
            Query("user", "Only those of this user, by the name that is shown."),
            Query("area", "Only those that were begun in this area."),
            Query("q", "Only those whose title, or what was said in them, has this in it."),
            Query("updated_after", "Only those spoken in since then: RFC 3339 or epoch seconds."),
            Query("updated_before", "Only those not spoken in since then."),
            Query("created_after", "Only those begun since then."),
            Query("created_before", "Only those begun before then."),
            Query("min_messages", "Only those with so many messages or more.", "integer"),
            Query("max_messages", "Only those with so many messages at most.", "integer"),
            Query("archived", "false (if nothing is given), true or all."),
            Query("sort", "updated (if nothing is given), created, title or messages."),
            Query("order", "desc (if nothing is given) or asc."),
            LIMIT,
            Query("cursor", "The `next` of the page before."),
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
        query=(Query("format", "markdown (if nothing is given), md or json."),),
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
            Query("since", "The first after the event of this number.", "integer"),
            Query("before", "Only what came before the event of this number.", "integer"),
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

V1: Mapping[str, Told] = {
    "POST /v1/chat/completions": Told(
        title="Chat", body=v1.ChatCompletionRequest, answer=v1.ChatCompletion, streams=SSE, example=_HELLO
    ),
    "POST /v1/completions": Told(
        title="Complete a text",
        body=v1.CompletionRequest,
        answer=v1.Completion,
        streams=SSE,
        example={"model": _LATEST, "prompt": "hello"},
    ),
    "POST /v1/responses": Told(
        title="Make a response",
        body=v1.ResponseRequest,
        answer=v1.ResponseAnswer,
        streams=SSE,
        example={"model": _LATEST, "input": "hello"},
    ),
    "GET /v1/responses/{response_id}": Told(
        title="Read a response", answer=v1.ResponseAnswer, errors={404: "No such response."}
    ),
    "POST /v1/embeddings": Told(
        title="Make embeddings",
        body=v1.EmbeddingRequest,
        answer=v1.Embeddings,
        errors=_NOT_MADE,
        example={"model": _LATEST, "input": ["kitchen", "garden"]},
    ),
    "GET /v1/models": Told(title="List the models", answer=v1.ModelList),
    "GET /v1/models/{model_id}": Told(title="Look at a model", answer=v1.ListedModel, errors=_NO_MODEL),
    "POST /v1/messages": Told(
        title="Chat",
        body=v1.MessagesRequest,
        answer=v1.MessagesAnswer,
        streams=SSE,
        example={**_HELLO, "max_tokens": 500},
    ),
    "POST /v1/messages/count_tokens": Told(
        title="Count tokens", body=v1.MessagesRequest, answer=v1.TokenCount, example=_HELLO
    ),
}

OLLAMA: Mapping[str, Told] = {
    "POST /api/chat": Told(
        title="Chat", body=ollama.OllamaChatRequest, answer=ollama.OllamaChatAnswer, streams=NDJSON, example=_HELLO
    ),
    "POST /api/generate": Told(
        title="Answer a prompt",
        body=ollama.OllamaGenerateRequest,
        answer=ollama.OllamaGenerateAnswer,
        streams=NDJSON,
        example={"model": _LATEST, "prompt": "hello", "stream": False},
    ),
    "POST /api/embed": Told(
        title="Make embeddings",
        body=ollama.OllamaEmbedRequest,
        answer=ollama.OllamaEmbedAnswer,
        errors=_NOT_MADE,
        example={"model": _LATEST, "input": ["kitchen", "garden"]},
    ),
    "POST /api/embeddings": Told(
        title="Make one embedding",
        body=ollama.OllamaEmbeddingsRequest,
        answer=ollama.OllamaEmbeddingsAnswer,
        errors=_NOT_MADE,
        example={"model": _LATEST, "prompt": "kitchen"},
    ),
    "GET /api/version": Told(title="Ask for Ollama's version", answer=ollama.OllamaVersion),
    "GET /api/tags": Told(title="List the models", answer=ollama.OllamaTags),
    "GET /api/ps": Told(title="List what is ready", answer=ollama.OllamaLoaded),
    "POST /api/show": Told(
        title="Look at a model",
        body=ollama.OllamaName,
        answer=ollama.OllamaShown,
        errors=_NO_MODEL,
        example={"model": _LATEST},
    ),
    "POST /api/pull": Told(
        title="Pull a model",
        body=ollama.OllamaPullRequest,
        answer=ollama.OllamaStatus,
        streams=NDJSON,
        errors=_NO_MODEL,
        example={"model": _LATEST},
    ),
    "POST /api/push": Told(
        title="Push a model", body=ollama.OllamaName, statuses={}, errors=_SHUT, example={"model": _LATEST}
    ),
    "POST /api/create": Told(
        title="Create a model", body=ollama.OllamaName, statuses={}, errors=_SHUT, example={"model": "mine"}
    ),
    "POST /api/copy": Told(
        title="Copy a model",
        body=ollama.OllamaCopyRequest,
        statuses={},
        errors={**_NO_MODEL, **_SHUT},
        example={"source": _LATEST, "destination": "mine"},
    ),
    "DELETE /api/delete": Told(
        title="Delete a model",
        body=ollama.OllamaName,
        statuses={},
        errors={**_NO_MODEL, **_SHUT},
        example={"model": _LATEST},
    ),
    "HEAD /api/blobs/{digest}": Told(title="Look for a file", statuses={}, errors={404: "Always."}),
    "POST /api/blobs/{digest}": Told(title="Store a file", statuses={}, errors=_SHUT),
    "POST /api/me": Told(title="Ask who is signed in", statuses={}, errors=_NO_CLOUD),
    "POST /api/signout": Told(title="Sign out", statuses={}, errors=_NO_CLOUD),
    "DELETE /api/user/keys/{key}": Told(title="Take away a key", statuses={}, errors=_NO_CLOUD),
    "POST /api/experimental/web_search": Told(title="Search the web", statuses={}, errors=_NO_CLOUD),
    "POST /api/experimental/web_fetch": Told(title="Fetch a page", statuses={}, errors=_NO_CLOUD),
    "GET /api/experimental/model-recommendations": Told(title="Ask which models to get"),
    "GET /api/status": Told(title="Ask for the cloud", answer=ollama.OllamaCloudStatus),
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
    return {"Anthropic": v1.AnthropicError, "Ollama": ollama.OllamaError}.get(where, native.Error)
