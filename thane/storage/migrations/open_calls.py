"""Calls of models that have begun and not ended: what the ledger has of them if Thane is killed meanwhile.

A row is the ledger entry that it then comes to, as JSON; there are as many as calls go on. See `thane.ledger.ledger`.
"""

from __future__ import annotations

STATEMENTS = (
    """
    create table open_calls (
        run_id text not null,
        place integer not null,
        entry text not null,
        primary key (run_id, place)
    ) strict, without rowid
    """,
)
