"""Checkpoints: states of the memory to go back to. What did not change between two of them is stored once."""

from __future__ import annotations

STATEMENTS = (
    """
    create table checkpoints (
        id text primary key,
        created_at real not null,
        trigger text not null,
        note text not null,
        conversation_count integer not null,
        message_count integer not null,
        fact_count integer not null,
        byte_size integer not null
    ) strict, without rowid
    """,
    "create index checkpoints_by_time on checkpoints (created_at, id)",
    """
    create table checkpoint_parts (
        checkpoint_id text not null references checkpoints (id) on delete cascade,
        kind text not null,
        name text not null,
        hash text not null,
        stamp text not null,
        rows integer not null,
        primary key (checkpoint_id, kind, name)
    ) strict, without rowid
    """,
    "create index checkpoint_parts_by_hash on checkpoint_parts (hash)",
    "create table checkpoint_blobs (hash text primary key, body blob not null) strict",
)
