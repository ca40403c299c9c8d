"""Facts name the message that they come from, besides the run in which they were remembered."""

from __future__ import annotations

STATEMENTS = (
    "alter table facts add column message_id text not null default ''",
    "create index facts_by_run on facts (run_id) where run_id <> ''",
)
