"""The facts of a database of the reference, as facts of ours. Pure: the rows come from `thane.storage`.

The reference does not say whose a fact is; what it knew, it told everyone. So they come over as facts of the house.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from thane.conversations.reference import Row, when
from thane.memory.fact import CATEGORIES, Fact


def take_facts(tables: Mapping[str, Sequence[Row]]) -> tuple[tuple[Fact, ...], int]:
    """The facts, latest first under a name, and how many rows were none. `entity_facts` are of devices."""
    rows = [*tables.get("facts", ())]
    rows += [
        {"category": "device", "key": f"{row['entity_id']} {row['key'] or ''}", "value": row["value"]}
        | {"updated_at": row["updated_at"]}
        for row in tables.get("entity_facts", ())
        if row["entity_id"]
    ]
    read = [fact for row in rows if (fact := _fact(row)) is not None]
    return tuple(sorted(read, key=lambda fact: -fact.updated_at)), len(rows) - len(read)


def _fact(row: Row) -> Fact | None:
    key, value = (" ".join(str(row.get(name) or "").split()) for name in ("key", "value"))
    if not key or not value:
        return None
    category = str(row.get("category") or "").lower()
    known = category if category in CATEGORIES else "home"
    named = f"{known}\0{key}\0{value}".encode()
    updated = when(row.get("updated_at")) or when(row.get("created_at")) or 0.0
    confidence = row.get("confidence")
    return Fact(
        id=str(row.get("id") or hashlib.blake2b(named, digest_size=16).hexdigest()),
        scope="house",
        subject="",
        category=known,
        key=key.lower(),
        value=value,
        source="import",
        run_id="",
        confidence=min(1.0, max(0.0, float(confidence))) if isinstance(confidence, int | float) else 1.0,
        created_at=when(row.get("created_at")) or updated,
        updated_at=updated,
    )
