"""Log lines, to be found by the loop, conversation or run that they belong to."""

from __future__ import annotations

STATEMENTS = (
    """
    create table log_lines (
        id integer primary key autoincrement,
        at real not null,
        level integer not null,
        subsystem text not null,
        message text not null,
        run_id text not null,
        conversation_id text not null,
        loop_id text not null,
        tool text not null,
        model text not null,
        attributes text not null,
        source_file text not null,
        source_line integer not null
    ) strict
    """,
    "create index log_lines_by_time on log_lines (at)",
    "create index log_lines_by_run on log_lines (run_id, id) where run_id <> ''",
    "create index log_lines_by_conversation on log_lines (conversation_id, id) where conversation_id <> ''",
    "create index log_lines_by_loop on log_lines (loop_id, id) where loop_id <> ''",
)
