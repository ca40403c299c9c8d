"""Checkpoints over the native API: made, listed, looked at, restored, taken to and from other machines."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from quart import Blueprint, Response, request

from thane.clock import iso
from thane.conversations.checkpointer import Checkpointer
from thane.errors import ClientError
from thane.http.native.answers import answer, fields, given, limit
from thane.http.native.query import cursor, paged
from thane.http.rooms import Rooms
from thane.memory.checkpoints import CheckpointRecord, Difference, Part, unknown
from thane.memory.portable import pack, unpack

_MOST = 500
_TRIGGER_CHARS = 64
_NOTE_CHARS = 1000
_FACT_TIMES = ("created_at", "updated_at", "valid_from", "valid_until")


class _Create(msgspec.Struct):
    trigger: str = "manual"
    note: str = ""


class _Restore(msgspec.Struct):
    dry_run: bool = False
    conversations: list[str] = []
    force: bool = False


def routes(rooms: Rooms) -> Blueprint:
    """The reference's `/v1/checkpoint…` and the newer `/v1/checkpoints…`: the same at both names."""
    blueprint = Blueprint("checkpoints", __name__)
    archive = rooms.archive

    @blueprint.post("/v1/checkpoint")
    @blueprint.post("/v1/checkpoints")
    async def create() -> Response:
        """Make a checkpoint: 201 with it, at the older path with its `state`. `{"trigger","note"}`, both optional."""
        wanted = await given(_Create, rooms.settings.limits)
        if len(wanted.trigger) > _TRIGGER_CHARS or len(wanted.note) > _NOTE_CHARS:
            raise ClientError(f"a trigger has at most {_TRIGGER_CHARS} characters, a note {_NOTE_CHARS}")
        record = await _checkpointer(rooms).create(wanted.trigger or "manual", wanted.note)
        return answer(fields(record) if request.path.endswith("s") else await _whole(rooms, record), 201)

    @blueprint.get("/v1/checkpoints")
    async def listed() -> Response:
        """`{"checkpoints","count","next"}`, latest first, without what is in them. `limit` is 20, at most 500; `cursor`
        is the `next` of the page before."""
        most, start = limit(20, _MOST), cursor(tuple[float, str])
        after = CheckpointRecord(start[1], start[0], "", "", 0, 0, 0, 0) if start else None
        found = await archive.checkpoints.list(limit=most + 1, after=after)
        page, following = paged(found, most, lambda last: (last.created_at, last.id))
        return answer({"checkpoints": [fields(each) for each in page], "count": len(page), "next": following})

    @blueprint.get("/v1/checkpoint/<checkpoint_id>")
    @blueprint.get("/v1/checkpoints/<checkpoint_id>")
    async def one(checkpoint_id: str) -> Response:
        """A checkpoint with its `state`: conversations with their messages. `damaged` names the parts of it that cannot
        be read any more; the others still work."""
        return answer(await _whole(rooms, await _known(rooms, checkpoint_id)))

    @blueprint.delete("/v1/checkpoint/<checkpoint_id>")
    @blueprint.delete("/v1/checkpoints/<checkpoint_id>")
    async def delete(checkpoint_id: str) -> Response:
        """Delete a checkpoint: 204."""
        _check_id(checkpoint_id)
        if not await archive.checkpoints.delete(checkpoint_id):
            raise unknown()
        return Response(b"", 204)

    @blueprint.post("/v1/checkpoint/<checkpoint_id>/restore")
    @blueprint.post("/v1/checkpoints/<checkpoint_id>/restore")
    async def restore(checkpoint_id: str) -> Response:
        """Take the memory back to a checkpoint, in one piece, after making another one of how it is now (`before`).
        `{"dry_run","conversations","force"}`, all optional: only say what would change; touch only these conversations;
        stop turns that run in them. What was not there at the time is removed, but with `conversations`."""
        wanted = await given(_Restore, rooms.settings.limits)
        _check_id(checkpoint_id)
        if wanted.dry_run:
            difference = await _checkpointer(rooms).compare(checkpoint_id, wanted.conversations)
            return answer({"status": "dry_run", "id": checkpoint_id} | _told(difference))
        difference, before = await _checkpointer(rooms).restore(checkpoint_id, wanted.conversations, force=wanted.force)
        message = f"Restored. Checkpoint {before.id} has how it was before."
        done = {"status": "restored", "id": checkpoint_id, "message": message, "before": before.id}
        return answer(done | _told(difference))

    return blueprint


def file_routes(rooms: Rooms) -> Blueprint:
    """Checkpoints as files, to and from other machines."""
    blueprint = Blueprint("checkpoint_files", __name__)

    @blueprint.get("/v1/checkpoints/<checkpoint_id>/export")
    async def export(checkpoint_id: str) -> Response:
        """The checkpoint as one file, for `POST /v1/checkpoint-imports` of another Thane."""
        record = await _known(rooms, checkpoint_id)
        file = pack(record, await rooms.archive.checkpoints.parts(checkpoint_id))
        name = f"thane-checkpoint-{iso(record.created_at)[:10]}-{record.id[:8]}.json.gz"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(file, headers=headers, content_type="application/gzip")

    @blueprint.post("/v1/checkpoint-imports")
    async def adopt() -> Response:
        """Take in a file that `export` made: 201 with the checkpoint, which can then be restored. `damaged` names the
        parts of the file that were not what they should be; they are left out."""
        found = unpack(await request.body, rooms.settings.checkpoints.import_bytes)
        note = found.note or f"Imported; it was made as {found.trigger}."
        record = await _checkpointer(rooms).adopt(note, found.created_at, found.parts)
        return answer(fields(record) | {"damaged": list(found.damaged)}, 201)

    return blueprint


def _checkpointer(rooms: Rooms) -> Checkpointer:
    if rooms.checkpointer is None:
        raise ClientError("checkpointing not configured", status=503, code="unavailable")
    return rooms.checkpointer


def _check_id(checkpoint_id: str) -> None:
    try:
        UUID(checkpoint_id)
    except ValueError:
        raise ClientError("invalid checkpoint id", code="invalid_checkpoint_id") from None


async def _whole(rooms: Rooms, record: CheckpointRecord) -> dict[str, Any]:
    parts = await rooms.archive.checkpoints.parts(record.id)
    damaged = [f"{part.kind} {part.name}" for part in parts if part.state is None]
    return fields(record) | {"state": _state(parts), "damaged": damaged}


async def _known(rooms: Rooms, checkpoint_id: str) -> CheckpointRecord:
    _check_id(checkpoint_id)
    record = await rooms.archive.checkpoints.get(checkpoint_id)
    if record is None:
        raise unknown()
    return record


def _told(difference: Difference) -> dict[str, Any]:
    return {"changes": [fields(each) for each in difference.changes], "same": difference.same}


def _state(parts: tuple[Part, ...]) -> dict[str, Any]:
    """The reference's `state` (REFERENCE 7.7): what is of a conversation stands within it."""
    conversations: list[dict[str, Any]] = []
    other: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        if part.state is None:
            continue
        if part.kind != "conversation":
            for table, rows in part.state.items():
                other.setdefault(table, []).extend(row | _times(row, *_FACT_TIMES) for row in rows)
            continue
        for row in part.state.get("conversations", ()):
            said = [_said(message) for message in part.state.get("messages", ())]
            conversations.append(row | _times(row, "created_at", "updated_at") | {"messages": said})
    return {"conversations": conversations, "facts": other.pop("facts", [])} | other


def _times(row: dict[str, Any], *names: str) -> dict[str, str]:
    return {name: iso(row[name]) for name in names if row.get(name) is not None}


def _said(row: dict[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = msgspec.json.decode(row["extra"]) if row.get("extra") else {}
    extra.pop("images", None)
    kept = {name: row[name] for name in ("id", "run_id", "session_id", "role", "content", "key", "parent_key")}
    return kept | {"timestamp": iso(row["at"])} | extra
