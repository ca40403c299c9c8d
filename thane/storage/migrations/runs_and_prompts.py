"""Spans of runs, and the prompts of their model steps, each piece of text stored once.

A prompt is a chain of nodes, its parent's content and one piece more, as in a chain of commits: the steps and turns of
a conversation share what they have in common, so that N turns store about N pieces and not N². Triggers count who
leans on a node and on a piece (`refs`), whichever way the rows come and go; what nobody leans on is swept.
"""

from __future__ import annotations

STATEMENTS = (
    """
    create table spans (
        run_id text not null references runs (id) on delete cascade,
        place integer not null,
        kind text not null,
        name text not null,
        state text not null,
        started_at real not null,
        duration real not null,
        step integer not null,
        extra text,
        primary key (run_id, place)
    ) strict, without rowid
    """,
    # `size` is the length of the text, `body` is deflated where `packed` is 1; both count bytes.
    """
    create table prompt_pieces (
        id integer primary key,
        hash blob not null unique,
        kind text not null,
        size integer not null,
        packed integer not null,
        body blob not null,
        refs integer not null default 0
    ) strict
    """,
    "create index prompt_pieces_unused on prompt_pieces (id) where refs = 0",
    """
    create table prompt_nodes (
        id integer primary key,
        hash blob not null unique,
        parent integer,
        piece integer not null,
        refs integer not null default 0
    ) strict
    """,
    "create index prompt_nodes_unused on prompt_nodes (id) where refs = 0",
    """
    create table run_prompts (
        run_id text not null references runs (id) on delete cascade,
        place integer not null,
        step integer not null,
        node integer not null,
        options text not null,
        messages integer not null,
        tools integer not null,
        size integer not null,
        primary key (run_id, place)
    ) strict, without rowid
    """,
    """
    create trigger prompt_node_made after insert on prompt_nodes begin
        update prompt_nodes set refs = refs + 1 where id = new.parent;
        update prompt_pieces set refs = refs + 1 where id = new.piece;
    end
    """,
    """
    create trigger prompt_node_gone after delete on prompt_nodes begin
        update prompt_nodes set refs = refs - 1 where id = old.parent;
        update prompt_pieces set refs = refs - 1 where id = old.piece;
    end
    """,
    """
    create trigger run_prompt_made after insert on run_prompts begin
        update prompt_nodes set refs = refs + 1 where id = new.node;
    end
    """,
    """
    create trigger run_prompt_gone after delete on run_prompts begin
        update prompt_nodes set refs = refs - 1 where id = old.node;
    end
    """,
)
