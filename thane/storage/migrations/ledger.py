"""The ledger: one row for each call of a model, of no run or conversation's keeping, so that it outlives both.

And what the owner says is left with a cloud's account, and the costs of runs and their steps.
"""

from __future__ import annotations

STATEMENTS = (
    """
    create table ledger (
        run_id text not null,
        place integer not null,
        at real not null,
        conversation_id text not null,
        channel text not null,
        profile text not null,
        task text not null,
        role text not null,
        provider text not null,
        model text not null,
        outcome text not null,
        input_tokens integer not null,
        output_tokens integer not null,
        cached_tokens integer not null,
        cache_write_tokens integer not null,
        reasoning_tokens integer not null,
        estimated integer not null,
        picodollars integer,
        duration real not null,
        first_token real,
        prompt_duration real,
        decode_duration real,
        load_duration real,
        primary key (run_id, place)
    ) strict, without rowid
    """,
    "create index ledger_by_time on ledger (at)",
    "create index ledger_by_conversation on ledger (conversation_id, at)",
    """
    create table balances (
        number integer primary key,
        at real not null,
        balance_usd real not null
    ) strict
    """,
    # Null where nothing is known of it: runs from before the ledger, and prices that are not known.
    "alter table runs add column cost_usd real",
    "alter table steps add column cost_usd real",
    "alter table runs add column cache_write_tokens integer not null default 0",
    "alter table steps add column cache_write_tokens integer not null default 0",
)
