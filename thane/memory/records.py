"""The rows of memory as values: conversations, messages, runs, tool calls. No SQL here."""

from __future__ import annotations

from typing import Literal

import msgspec

from thane.turn import Channel, FailureKind, FinishReason, Message, Prompt, Usage

type RunState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
type StepEnd = FinishReason | Literal["cancelled", "failed"]
"""How a model step ended; the last two for one that was cut off, whose counts are estimated."""
type SpanKind = Literal["queue", "prompt", "model", "tool", "retry", "fallback", "error"]
type TitleBy = Literal["words", "model", "person"]
"""Whose a title is: the first words said, Open WebUI asked a model for one, a person gave it."""


class ConversationRecord(msgspec.Struct, frozen=True):
    """Times are epoch seconds."""

    id: str
    channel: Channel
    title: str
    created_at: float
    updated_at: float
    message_count: int = 0
    run_count: int = 0
    user: str = ""
    area: str = ""
    turn_count: int = 0
    """Turns: runs of one turn, between which the client ran its tools, are counted once."""
    archived: bool = False
    title_by: TitleBy = "words"


class MessageRecord(msgspec.Struct, frozen=True):
    """A message as it was said. `key` is its node in the content tree (see `thane.conversations.identity`)."""

    id: str
    conversation_id: str
    run_id: str
    position: int
    message: Message
    at: float
    key: str = ""
    parent_key: str = ""


class ToolCallRecord(msgspec.Struct, frozen=True):
    id: str
    run_id: str
    conversation_id: str
    step: int
    name: str
    arguments: str  # JSON
    result: str
    ok: bool
    started_at: float
    duration: float
    owner: Literal["thane", "client"] = "thane"


class StepRecord(msgspec.Struct, frozen=True):
    """One model step of a run. `cost_usd` is None where the price is not known."""

    step: int
    model: str
    provider: str
    usage: Usage
    finish_reason: StepEnd
    started_at: float
    duration: float
    first_token: float | None = None
    cost_usd: float | None = None


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """One bar of a run's waterfall. `started_at` is epoch seconds; `duration` is None while it goes on.

    `note` says in words why: of a model step why this model, of a failed one what was wrong. `first_token` is in
    seconds from the span's start. `call_id` is a tool's; `prompt` is the place of what a model step was sent.
    """

    kind: SpanKind
    name: str
    started_at: float
    duration: float | None
    state: Literal["running", "done", "error"]
    step: int = 0
    first_token: float | None = None
    provider: str = ""
    note: str = ""
    call_id: str = ""
    usage: Usage | None = None
    finish_reason: StepEnd | None = None
    prompt_duration: float | None = None
    decode_duration: float | None = None
    load_duration: float | None = None
    prompt: int | None = None
    queue_duration: float = 0.0  # of a model step: waited for a place at the provider
    truncated_tokens: int = 0  # of a model step's prompt, about, that the model did not see


class SentPrompt(msgspec.Struct, frozen=True):
    """What a model step was sent, on its way to be kept. `place` counts a run's prompts from 0."""

    place: int
    step: int
    prompt: Prompt


class PromptRecord(msgspec.Struct, frozen=True):
    """That a model step was sent a prompt. `hash` names its content; `bytes` is the size of all its text."""

    place: int
    step: int
    hash: str
    messages: int
    tools: int
    bytes: int
    options: str = "{}"  # JSON


class RunRecord(msgspec.Struct, frozen=True):
    """One run from door to answer. `started_at` is epoch seconds, durations are seconds.

    `parent_run_id` is the run that started this one, by delegating a task; "" for a turn of a client's.
    `cost_usd` is of all its model calls, those that failed too; None where a price is not known.
    """

    id: str
    conversation_id: str
    loop_id: str
    channel: Channel
    profile: str
    state: RunState
    started_at: float
    title: str = ""
    model: str = ""
    text: str = ""
    thinking: str = ""
    usage: Usage = Usage()
    finish_reason: FinishReason | None = None
    failure: FailureKind | None = None
    error: str = ""
    cancelled_by: str = ""
    queued: float = 0.0
    duration: float = 0.0
    first_token: float | None = None
    steps: tuple[StepRecord, ...] = ()
    tool_calls: tuple[ToolCallRecord, ...] = ()
    task: str = ""
    parent_run_id: str = ""
    spans: tuple[Span, ...] = ()
    prompts: tuple[PromptRecord, ...] = ()
    turn_id: str = ""
    """The first run of its turn: this one, or the one whose calls the client ran before it came back."""
    cost_usd: float | None = None


class ConversationQuery(msgspec.Struct, frozen=True):
    """Which conversations, in which order. Times are epoch seconds; what is None or empty selects nothing.

    `q` is looked for in titles and in what was said, whatever the case of its letters. `after` is the place to go on
    from: what the last one of the page before is sorted by, and its id.
    """

    ids: tuple[str, ...] = ()
    channel: str = ""
    user: str = ""
    area: str = ""
    q: str = ""
    updated_after: float | None = None
    updated_before: float | None = None
    created_after: float | None = None
    created_before: float | None = None
    min_messages: int | None = None
    max_messages: int | None = None
    archived: bool | None = False
    sort: Literal["updated", "created", "title", "messages"] = "updated"
    order: Literal["asc", "desc"] = "desc"
    limit: int = 100
    after: tuple[float | int | str, str] | None = None


class ConversationPage(msgspec.Struct, frozen=True):
    """`count` is of all that fit; `after` is where the next page begins, None on the last."""

    conversations: tuple[ConversationRecord, ...]
    count: int
    after: tuple[float | int | str, str] | None


class RunFilter(msgspec.Struct, frozen=True):
    """Which runs are wanted; "" and None select all. Times are epoch seconds of their start, `until` included."""

    conversation_id: str = ""
    channel: str = ""
    state: str = ""
    model: str = ""
    parent_run_id: str = ""
    since: float | None = None
    until: float | None = None


class Holder(msgspec.Struct, frozen=True):
    """A conversation whose content tree contains a certain message; `is_head` when nothing follows it there yet."""

    conversation_id: str
    updated_at: float
    is_head: bool
    channel: Channel
