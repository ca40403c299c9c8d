"""Step 1: conversations, messages, runs with their steps and tool calls, and the event log."""

from __future__ import annotations

STATEMENTS = (
    """
    create table meta (
        name text primary key,
        value integer not null
    ) strict, without rowid
    """,
    """
    create table conversations (
        id text primary key,
        channel text not null,
        title text not null,
        created_at real not null,
        updated_at real not null,
        user text not null,
        area text not null
    ) strict, without rowid
    """,
    "create index conversations_by_update on conversations (updated_at, id)",
    # The order of insertion is the order in which things were said; branches of a conversation share their beginning.
    """
    create table messages (
        number integer primary key,
        id text not null,
        conversation_id text not null references conversations (id),
        run_id text not null,
        position integer not null,
        at real not null,
        key text not null,
        parent_key text not null,
        role text not null,
        content text not null,
        extra text
    ) strict
    """,
    "create unique index messages_by_key on messages (key, conversation_id) where key <> ''",
    "create index messages_by_parent on messages (conversation_id, parent_key)",
    """
    create table runs (
        id text primary key,
        conversation_id text references conversations (id),
        loop_id text not null,
        channel text not null,
        profile text not null,
        state text not null,
        started_at real not null,
        title text not null,
        model text not null,
        text text not null,
        thinking text not null,
        input_tokens integer not null,
        output_tokens integer not null,
        cached_tokens integer not null,
        reasoning_tokens integer not null,
        estimated integer not null,
        finish_reason text,
        failure text,
        error text not null,
        cancelled_by text not null,
        queued real not null,
        duration real not null,
        first_token real,
        task text not null
    ) strict
    """,
    "create index runs_by_start on runs (started_at, id)",
    "create index runs_by_conversation on runs (conversation_id, started_at, id)",
    "create index runs_open on runs (state) where state in ('queued', 'running')",
    # The place in the run is the key of steps and calls: a model may repeat the id of a call.
    """
    create table steps (
        run_id text not null references runs (id),
        place integer not null,
        step integer not null,
        model text not null,
        provider text not null,
        input_tokens integer not null,
        output_tokens integer not null,
        cached_tokens integer not null,
        reasoning_tokens integer not null,
        estimated integer not null,
        finish_reason text not null,
        started_at real not null,
        duration real not null,
        first_token real,
        primary key (run_id, place)
    ) strict, without rowid
    """,
    """
    create table tool_calls (
        run_id text not null references runs (id),
        place integer not null,
        id text not null,
        conversation_id text not null,
        step integer not null,
        name text not null,
        arguments text not null,
        result text not null,
        ok integer not null,
        started_at real not null,
        duration real not null,
        owner text not null,
        primary key (run_id, place)
    ) strict, without rowid
    """,
    # Events are kept in blocks, one row for each write: `ordinal` counts the events ever kept, this block's included.
    """
    create table event_blocks (
        ordinal integer primary key,
        last_seq integer not null unique,
        body blob not null
    ) strict
    """,
)
