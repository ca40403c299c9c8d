"""What manages models on an Ollama server. Thane has no files of models, so it refuses, and says what to do instead."""

from __future__ import annotations

import re

from quart import Blueprint, Response

from thane.errors import ClientError
from thane.http.offers import find
from thane.http.ollama.naming import check_form, known, name_of, read_fields
from thane.http.replies import refuse_with
from thane.http.rooms import Rooms
from thane.wire.codecs import OLLAMA

_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")


def routes(rooms: Rooms) -> Blueprint:
    """`/api/push`, `/api/create`, `/api/copy`, `/api/delete`, `/api/blobs/{digest}`."""
    blueprint = Blueprint("ollama_management", __name__)
    refuse_with(blueprint, OLLAMA)

    @blueprint.post("/api/push")
    async def push() -> Response:
        """501: Thane has no models of its own to push."""
        check_form(name_of(await read_fields(rooms, "PushRequest")))
        raise _refused("pushes no models", "push from the model server that has them")

    @blueprint.post("/api/create")
    async def create() -> Response:
        """501: models are made on the model server."""
        check_form(name_of(await read_fields(rooms, "CreateRequest")))
        raise _refused("creates no models", "create them on the model server that Thane uses")

    @blueprint.post("/api/copy")
    async def copy() -> Response:
        """501, or 404 for a `source` that nobody knows."""
        source = (await read_fields(rooms, "CopyRequest")).text("source")
        if not source.strip():
            raise ClientError("source is required")
        if find(rooms, source) is None:
            raise ClientError(f'model "{source}" not found', status=404, code="model_not_found")
        raise _refused("copies no models", "copy them on the model server that has them")

    @blueprint.delete("/api/delete")
    async def delete() -> Response:
        """501, or 404 for a model that nobody knows."""
        known(rooms, name_of(await read_fields(rooms, "DeleteRequest")))
        raise _refused("deletes no models", "delete them on the model server that has them")

    @blueprint.route("/api/blobs/<digest>", methods=["HEAD"])
    async def look(digest: str) -> Response:
        """404: there are no files of models."""
        _check_digest(digest)
        return Response(b"", 404)

    @blueprint.post("/api/blobs/<digest>")
    async def upload(digest: str) -> Response:
        """501, without a look at the file."""
        _check_digest(digest)
        raise _refused("keeps no files of models", "create models on the model server that Thane uses")

    return blueprint


def _refused(what: str, instead: str) -> ClientError:
    return ClientError(f"Thane {what}: {instead}", status=501, code="not_implemented")


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise ClientError("invalid digest format")
