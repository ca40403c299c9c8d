"""Routing decisions: one for each run, the latest ones."""

from __future__ import annotations

STATEMENTS = (
    # `model`, `provider` and `latency` are those of the answer, null until there is one; `body` is the whole as JSON.
    """
    create table routing_decisions (
        number integer primary key,
        run_id text not null unique,
        complexity text not null,
        model text,
        provider text,
        success integer,
        latency real,
        tokens integer,
        body text not null
    ) strict
    """,
    "create index routing_decisions_by_model on routing_decisions (model, provider) where model is not null",
)
