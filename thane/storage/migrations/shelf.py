"""Conversations are renamed, put away and deleted, and the runs of one turn belong together.

Home Assistant runs its own tools and comes back with their results in a request of its own: several runs, one turn.
"""

from __future__ import annotations

STATEMENTS = (
    "alter table conversations add column archived integer not null default 0",
    # Who the title is from: 'words' (the first ones said), 'model' (Open WebUI asked for one) or 'person'.
    "alter table conversations add column title_by text not null default 'words'",
    "create index conversations_by_creation on conversations (created_at, id)",
    "alter table runs add column turn_id text not null default ''",
)
