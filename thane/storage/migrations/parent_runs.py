"""A run that another run has started knows which: a delegated task belongs to the turn that gave it away."""

from __future__ import annotations

STATEMENTS = (
    "alter table runs add column parent_run_id text not null default ''",
    "create index runs_by_parent on runs (parent_run_id) where parent_run_id <> ''",
)
