"""What is told of the checkpoints' routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from thane.http.openapi.shape import Object, Shape, about
from thane.http.openapi.told import CURSOR, GZIP, LIMIT, Told


class Checkpoint(Shape):
    id: str
    created_at: Annotated[str, about("RFC 3339.")]
    trigger: Annotated[str, about("`manual`, `periodic`, `pre-failover`, `pre-restore`, `shutdown`, `import`, …")]
    note: str
    conversation_count: int
    message_count: int
    fact_count: int
    byte_size: Annotated[int, about("What its parts take, packed; parts shared with others are counted too.")]


class CheckpointPage(Shape):
    checkpoints: Annotated[tuple[Checkpoint, ...], about("Latest first.")]
    count: Annotated[int, about("On this page.")]
    next: Annotated[str | None, about("`cursor` of the next page; null on the last.")]


class State(Shape):
    conversations: Annotated[tuple[Object, ...], about("Each with its `messages`.")]
    facts: tuple[Object, ...]


class CheckpointWhole(Checkpoint):
    state: State
    damaged: Annotated[tuple[str, ...], about("Parts that cannot be read any more.")]


class CheckpointRequest(Shape):
    trigger: Annotated[str, about("Why it is made.", maxLength=64)] = "manual"
    note: Annotated[str, about("What is said about it.", maxLength=1000)] = ""


class RestoreRequest(Shape):
    dry_run: Annotated[bool, about("Only say what would change.")] = False
    conversations: Annotated[tuple[str, ...], about("Touch only these; empty is everything.")] = ()
    force: Annotated[bool, about("Stop turns that run in what it touches.")] = False


class ChangeTold(Shape):
    kind: Annotated[str, about("`conversation` or `fact`.")]
    name: str
    title: str
    change: Literal["back", "changed", "removed", "damaged"]
    rows_now: int
    rows_then: int
    added: Annotated[int, about("Messages or facts that come back.")]
    removed: Annotated[int, about("Messages or facts that go.")]


class Restored(Shape):
    status: Literal["restored", "dry_run"]
    id: str
    changes: tuple[ChangeTold, ...]
    same: Annotated[int, about("How many things stay as they are.")]
    message: str = ""
    before: Annotated[str, about("The checkpoint of how it was before.")] = ""


class Imported(Checkpoint):
    damaged: Annotated[tuple[str, ...], about("Parts of the file that were left out.")]


_ID = {"checkpoint_id": {"format": "uuid"}}
_NONE = {400: "This is no id of a checkpoint.", 404: "No such checkpoint."}
_CREATE = Told(
    title="Make a checkpoint",
    body=CheckpointRequest,
    answer=Checkpoint,
    statuses={201: "The checkpoint."},
    example={"note": "before the holidays"},
)
_CREATE_WHOLE = Told(
    title="Make a checkpoint, and read it",
    body=CheckpointRequest,
    answer=CheckpointWhole,
    statuses={201: "The checkpoint."},
    example={"note": "before the holidays"},
)
_READ = Told(title="Read a checkpoint", answer=CheckpointWhole, errors=_NONE, path=_ID)
_DELETE = Told(title="Delete a checkpoint", statuses={204: "It is gone."}, errors=_NONE, path=_ID)
_RESTORE = Told(
    title="Restore a checkpoint",
    path=_ID,
    body=RestoreRequest,
    answer=Restored,
    errors={
        400: "This is no id of a checkpoint, or a conversation is not in it.",
        404: "No such checkpoint.",
        409: "A turn runs in what it touches.",
    },
    example={"dry_run": True},
)

CHECKPOINTS: Mapping[str, Told] = {
    "POST /v1/checkpoint": _CREATE_WHOLE,
    "POST /v1/checkpoints": _CREATE,
    "GET /v1/checkpoints": Told(title="List the checkpoints", answer=CheckpointPage, query=(LIMIT, CURSOR)),
    "GET /v1/checkpoint/{checkpoint_id}": _READ,
    "GET /v1/checkpoints/{checkpoint_id}": _READ,
    "DELETE /v1/checkpoint/{checkpoint_id}": _DELETE,
    "DELETE /v1/checkpoints/{checkpoint_id}": _DELETE,
    "POST /v1/checkpoint/{checkpoint_id}/restore": _RESTORE,
    "POST /v1/checkpoints/{checkpoint_id}/restore": _RESTORE,
    "GET /v1/checkpoints/{checkpoint_id}/export": Told(
        title="Save a checkpoint as a file", streams=GZIP, errors=_NONE, path=_ID
    ),
    "POST /v1/checkpoint-imports": Told(
        title="Take in a checkpoint",
        file=GZIP,
        answer=Imported,
        statuses={201: "The checkpoint."},
        errors={400: "This is no checkpoint."},
    ),
}
