"""Bodies of Thane's own API that no struct of its rooms has."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from thane.events.encoding import EventFrame
from thane.health.watch import Dependency
from thane.http.openapi.shape import Base64Image, Object, Rule, Said, Shape, about, form
from thane.http.vitals import Process
from thane.memory.records import ConversationRecord, TitleBy
from thane.turn import Channel, FinishReason, Usage
from thane.version import Version

type Think = bool | Literal["low", "medium", "high", "max"]


class NativeChatRequest(Shape):
    message: Annotated[Said, about("What is said.")]
    conversation_id: Annotated[
        str | None, about("The conversation to go on with; a new one without it."), form("conversation-id")
    ] = None
    stream: Annotated[bool | None, about("Answer piece by piece, as `text/event-stream`.")] = None
    model: Annotated[str | None, about("A profile or a model of `/v1/models`.")] = None
    images: Annotated[tuple[Base64Image, ...] | None, about("Images as base64.")] = None
    think: Annotated[Think | None, about("Whether, or how much, the model is to think first.")] = None
    language: Annotated[str | None, about("BCP 47 tag of the language to answer in.")] = None
    area: Annotated[str | None, about("The area that the speaker is in.")] = None
    device: Annotated[str | None, about("The device that was spoken to.")] = None
    user: Annotated[str | None, about("Who speaks.")] = None


class NativeChatAnswer(Shape):
    response: str
    model: Annotated[str, about("The model that answered.")]
    conversation_id: str
    run_id: str
    finish_reason: FinishReason
    steps: int
    usage: Usage
    duration_ms: float
    first_token_ms: float | None
    thinking: str = ""


class ErrorDetail(Shape):
    message: Annotated[str, about("In words for people.")]
    type: Annotated[str, about("`invalid_request_error`, `authentication_error`, `not_found` and the like.")]
    code: Annotated[str, about("What exactly, for programs.")]
    param: Annotated[str | None, about("The field that is wrong.")] = None
    request_id: str = ""


class Error(Shape):
    error: ErrorDetail


class VersionAnswer(Version, frozen=True, kw_only=True):
    uptime: Annotated[str, about("Such as `3h42m0s`.")]
    uptime_seconds: float


class State(Shape):
    status: str


class Conversations(Shape):
    conversations: Annotated[tuple[ConversationRecord, ...], about("The one last spoken in first.")]
    count: Annotated[int, about("How many fit in all.")]
    next: Annotated[str | None, about("`cursor` of the next page; null on the last.")]


class ConversationChange(Shape):
    between_fields: ClassVar[Rule] = {
        "anyOf": [
            {"required": ["title"], "properties": {"title": {"type": "string", "pattern": r"\S"}}},
            {"required": ["archived"], "properties": {"archived": {"type": "boolean"}}},
        ]
    }

    title: Annotated[Said | None, about("What it is called from now on.")] = None
    archived: Annotated[bool | None, about("Whether it is left out of the list.")] = None


class Deleted(Shape):
    id: str
    status: Literal["deleted"]


class SaidCall(Shape):
    id: str
    name: str
    arguments: Object


class SaidMessage(Shape):
    id: str
    conversation_id: str
    run_id: str
    position: int
    timestamp: Annotated[str, about("RFC 3339.")]
    key: str
    parent_key: Annotated[str, about("The message that this one follows.")]
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    thinking: str = ""
    tool_calls: tuple[SaidCall, ...] = ()
    tool_call_id: str = ""
    tool_name: str = ""
    images: Annotated[int, about("How many images came with it.")] = 0


class BranchOfConversation(Shape):
    messages: Annotated[tuple[str, ...], about("Ids, the first said first.")]
    updated_at: Annotated[str, about("RFC 3339.")]
    is_current: Annotated[bool, about("Whether something was last said here.")]


class Conversation(Shape):
    id: str
    channel: Channel
    title: str
    created_at: Annotated[str, about("RFC 3339.")]
    updated_at: Annotated[str, about("RFC 3339.")]
    message_count: int
    run_count: int
    user: str
    area: str
    turn_count: int
    archived: bool
    title_by: TitleBy
    messages: tuple[SaidMessage, ...]
    branches: Annotated[tuple[BranchOfConversation, ...], about("The one last spoken in first.")]


class Cancelling(Shape):
    run_id: str
    status: Literal["cancelling"]


class Stopped(Shape):
    id: str
    status: Literal["stopped", "stopping"]


class EventPage(Shape):
    events: Annotated[tuple[EventFrame, ...], about("Oldest first.")]
    count: int
    first_seq: Annotated[int, about("The oldest number that is kept.")]
    last_seq: Annotated[int, about("The newest number that there is.")]


class LogLineShape(Shape):
    id: int
    at: str
    level: Literal["trace", "debug", "info", "warning", "error", "critical"]
    subsystem: Annotated[str, about("The part of Thane that says it.")]
    message: str
    run_id: Annotated[str, about("Empty where there is none, as are the other ids.")]
    conversation_id: str
    loop_id: str
    tool: str
    model: str
    attributes: dict[str, Any]
    source_file: str
    source_line: int


class LogPage(Shape):
    lines: Annotated[tuple[LogLineShape, ...], about("Newest first.")]
    count: int
    next: Annotated[str | None, about("For `before`; null on the last page.")]


class LogEntry(Shape, rename="pascal"):
    id: int = msgspec.field(name="ID")
    timestamp: str
    level: str
    msg: str
    request_id: str = msgspec.field(name="RequestID")
    session_id: str = msgspec.field(name="SessionID")
    conversation_id: str = msgspec.field(name="ConversationID")
    subsystem: str
    tool: str
    model: str
    attrs: Annotated[str, about("JSON text.")]
    source_file: str
    source_line: int


class LogEntries(Shape):
    entries: Annotated[tuple[LogEntry, ...], about("Newest first.")]
    count: int


class SystemAnswer(Shape):
    status: Literal["healthy", "degraded", "draining"]
    uptime: Annotated[str, about("As in `3h42m0s`.")]
    uptime_seconds: float
    started_at: str
    version: Version
    health: Annotated[dict[str, Dependency], about("By name.")]
    process: Process
    statistics: Annotated[dict[str, dict[str, Any]], about("Counters of each long-lived part, by its name.")]


class Summed(Shape):
    requests: Annotated[int, about("Calls of models.")]
    turns: Annotated[int, about("Runs that they belong to.")]
    failed_requests: int
    cancelled_requests: int
    estimated_requests: Annotated[int, about("Calls whose tokens are an estimate.")]
    unpriced_requests: Annotated[int, about("Calls whose price is not known: they are in no cost.")]
    input_tokens: int
    output_tokens: int
    cached_tokens: Annotated[int, about("Of the input: read from a cache.")]
    cache_write_tokens: Annotated[int, about("Of the input: put into a cache.")]
    reasoning_tokens: Annotated[int, about("Of the output.")]
    cache_hit_rate: Annotated[float, about("0 to 1.")]
    cost_usd: float
    duration_seconds: float
    first_token_seconds: Annotated[float | None, about("On average.")]


class UsageGroup(Summed):
    """The group's name is in the field that `group_by` says."""

    model: str = ""
    provider: str = ""
    channel: str = ""
    conversation: str = ""
    profile: str = ""
    role: str = ""
    hour: Annotated[str, about("RFC 3339.")] = ""
    day: Annotated[str, about("RFC 3339.")] = ""


class UsageAnswer(Shape):
    hours: float
    from_: Annotated[str, about("RFC 3339.")] = msgspec.field(name="from")
    to: str
    group_by: str
    totals: Summed
    groups: tuple[UsageGroup, ...]


class Today(Shape):
    tokens: int
    budget_left_usd: Annotated[float | None, about("Null without a budget of the day.")]


class SessionStats(Shape):
    conversation_id: str
    total_input_tokens: int
    total_output_tokens: int
    total_requests: Annotated[int, about("Turns.")]
    estimated_cost_usd: float
    context_tokens: Annotated[int, about("About.")]
    context_window: int
    message_count: int
    build: Version
    total_cached_tokens: int
    total_cache_write_tokens: int
    cache_hit_rate: Annotated[float, about("Part of the input that came from caches, 0 to 1.")]
    totals: Summed
    by_model: dict[str, Summed]
    by_provider: dict[str, Summed]
    by_role: dict[str, Summed]
    today: Today
    reported_balance_usd: float = 0.0
    balance_set_at: str = ""
    balance_left_usd: float = 0.0


class BalanceRequest(Shape):
    balance_usd: Annotated[float, about("US dollars that are left.")]


class BalanceAnswer(Shape):
    status: Literal["ok"]
    balance_usd: float


class SessionRequest(Shape):
    conversation_id: Annotated[str | None, about("`default` without it.")] = None


class ResetAnswer(Shape):
    status: Literal["ok"]
    message: str
    conversation_id: str
    messages: Annotated[int, about("How many a model does not see any more.")]


class CompactAnswer(ResetAnswer):
    summary: Annotated[str, about("What it sees instead.")]


class HistoryMessage(Shape):
    role: Literal["user", "assistant", "system"]
    content: str
    timestamp: str


class History(Shape):
    conversation_id: str
    messages: tuple[HistoryMessage, ...]
