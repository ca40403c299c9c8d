"""SQL of prompts: pieces of text by hash, chains of them, and which step of a run was sent which chain.

Functions of a connection, for use inside a `Database` operation; `thane.memory.prompts` makes and reads the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

type Row = tuple[Any, ...]
type Link = tuple[bytes, Row]
"""A node's hash, and its piece as (hash, kind, size, packed, body)."""


def store_run_prompt(connection: sqlite3.Connection, run_id: str, chain: Sequence[Link], about: Row) -> None:
    """Store a step's prompt, as far as it is not there. `about` is (place, step, options, messages, tools, size)."""
    place, step, *more = about
    node = _store_chain(connection, chain)
    connection.execute(
        "insert into run_prompts (run_id, place, step, node, options, messages, tools, size)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        (run_id, place, step, node, *more),
    )


def _store_chain(connection: sqlite3.Connection, chain: Sequence[Link]) -> int | None:
    """The id of the chain's last node. Looked for from the end: where a node is stored, so is all before it."""
    first, parent = len(chain), None  # the id of the node before
    while first:
        found = connection.execute("select id from prompt_nodes where hash = ?", (chain[first - 1][0],)).fetchone()
        if found is not None:
            parent = found[0]
            break
        first -= 1
    for node_hash, piece in chain[first:]:
        connection.execute(
            "insert into prompt_pieces (hash, kind, size, packed, body) values (?, ?, ?, ?, ?)"
            " on conflict (hash) do nothing",
            piece,
        )
        parent = connection.execute(
            "insert into prompt_nodes (hash, parent, piece)"
            " values (?, ?, (select id from prompt_pieces where hash = ?)) returning id",
            (node_hash, parent, piece[0]),
        ).fetchone()[0]
    return parent


def delete_run_prompts(connection: sqlite3.Connection, run_id: str) -> int:
    """How many there were."""
    return connection.execute("delete from run_prompts where run_id = ?", (run_id,)).rowcount


def list_run_prompts(connection: sqlite3.Connection, run_id: str) -> list[Row]:
    """(place, step, hash, options, messages, tools, size) of each prompt of a run, in order."""
    return connection.execute(
        """
        select p.place, p.step, n.hash, p.options, p.messages, p.tools, p.size
        from run_prompts p join prompt_nodes n on n.id = p.node
        where p.run_id = ? order by p.place
        """,
        (run_id,),
    ).fetchall()


def find_chain(connection: sqlite3.Connection, node_hash: bytes) -> list[Row]:
    """The pieces of a prompt, in order, as (hash, kind, size, packed, body); empty when it is not stored."""
    return connection.execute(
        """
        with recursive chain (depth, parent, piece) as (
            select 0, parent, piece from prompt_nodes where hash = ?
            union all
            select c.depth + 1, n.parent, n.piece from prompt_nodes n join chain c on n.id = c.parent
        )
        select p.hash, p.kind, p.size, p.packed, p.body
        from chain c join prompt_pieces p on p.id = c.piece order by c.depth desc
        """,
        (node_hash,),
    ).fetchall()


def stored_bytes(connection: sqlite3.Connection) -> int:
    """What the pieces take on disk, about."""
    return int(connection.execute("select coalesce(sum(length(body)), 0) from prompt_pieces").fetchone()[0])


def delete_prompts_before(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Delete the prompts of at most `most` runs that started before `before`, oldest first; how many prompts."""
    return connection.execute(
        """
        delete from run_prompts where run_id in (
            select id from runs r where started_at < ? and state not in ('queued', 'running')
            and exists (select 1 from run_prompts p where p.run_id = r.id)
            order by started_at limit ?
        )
        """,
        (before, most),
    ).rowcount


def sweep_unused(connection: sqlite3.Connection, most: int) -> tuple[int, int]:
    """Delete up to about `most` nodes and pieces that nobody leans on; how many pieces, and how many were left to do.

    A node that goes lets go of the one before it, which may be the next to go.
    """
    left = most
    while left > 0:
        gone = connection.execute(
            "delete from prompt_nodes where id in (select id from prompt_nodes where refs = 0 limit ?)", (left,)
        ).rowcount
        if not gone:
            break
        left -= gone
    pieces = connection.execute(
        "delete from prompt_pieces where id in (select id from prompt_pieces where refs = 0 limit ?)", (most,)
    ).rowcount
    more = connection.execute(
        "select exists (select 1 from prompt_nodes where refs = 0)"
        " or exists (select 1 from prompt_pieces where refs = 0)"
    ).fetchone()[0]
    return pieces, int(more)
