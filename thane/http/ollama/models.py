"""The model list in Ollama's shapes, and what clients ask of it before they chat.

Sources: Ollama's api/types.go and server/routes.go. `template` holds the word "tools" where a model has them, because
LiteLLM looks for it, `model_info` is never null because several clients crash on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from typing import Any

from quart import Blueprint, Response

from thane.clock import iso
from thane.errors import ClientError
from thane.http.offers import Offer, find, offers
from thane.http.ollama.naming import check_form, known, name_of, read_fields
from thane.http.quart_app import stream
from thane.http.replies import refuse_with
from thane.http.rooms import Rooms
from thane.wire.codecs import OLLAMA
from thane.wire.json_text import dump

API_VERSION = "0.32.7"
"""The Ollama whose API this is. Clients compare it; Open WebUI reads three numbers from it and nothing else."""

_NEVER = "2318-01-01T00:00:00Z"
"""When a model is unloaded that is kept for ever; Ollama says about 292 years from now."""

_SYSTEM = "{{ if .System }}{{ .System }}\n{{ end }}"
_TOOLS = "{{ if .Tools }}tools: {{ .Tools }}\n{{ end }}"
_MESSAGES = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}"


def root(_rooms: Rooms) -> Blueprint:
    """`/`, where the listener has no page of its own there."""
    blueprint = Blueprint("ollama_root", __name__)

    @blueprint.get("/")
    async def running() -> Response:
        """`Ollama is running`, which clients look for."""
        return Response("Ollama is running", content_type="text/plain; charset=utf-8")

    return blueprint


def routes(rooms: Rooms) -> Blueprint:
    """`/api/version`, `/api/tags`, `/api/ps`, `/api/show`, `/api/pull`."""
    blueprint = Blueprint("ollama_models", __name__)
    refuse_with(blueprint, OLLAMA)

    @blueprint.get("/api/version")
    async def version() -> Response:
        """The version of Ollama whose API this is; Thane's own is in the header `X-Thane-Version`."""
        answer = _json({"version": API_VERSION})
        answer.headers["X-Thane-Version"] = rooms.version.version
        return answer

    @blueprint.get("/api/tags")
    async def tags() -> Response:
        """Every model on offer."""
        changed = {"modified_at": iso(rooms.started_at)}
        return _json({"models": [_entry(offer) | changed for offer in offers(rooms)]})

    @blueprint.get("/api/ps")
    async def loaded() -> Response:
        """Thane's profiles: they are always ready."""
        more = {"expires_at": _NEVER, "size_vram": 0}
        ready = [offer for offer in offers(rooms) if offer.owner == "thane"]
        return _json({"models": [_entry(offer) | more | {"context_length": offer.context_tokens} for offer in ready]})

    @blueprint.post("/api/show")
    async def show() -> Response:
        """What a model can do."""
        name = name_of(await read_fields(rooms, "ShowRequest"))
        return _json(_shown(name, known(rooms, name)) | {"modified_at": iso(rooms.started_at)})

    @blueprint.post("/api/pull")
    async def pull() -> Response:
        """Success for a model that is there. Others are refused: Thane downloads nothing."""
        body = await read_fields(rooms, "PullRequest")
        name, streams = name_of(body), body.flag("stream", default=True)
        if find(rooms, name) is None:
            check_form(name)
            raise ClientError(
                f"pull model manifest: Thane has no model '{name}' and downloads none; "
                "pull it on the model server that Thane uses",
                status=404,
                code="model_not_found",
            )
        if streams:
            return await stream(_pulled(), content_type="application/x-ndjson")
        return _json({"status": "success"})

    return blueprint


async def _pulled() -> AsyncGenerator[bytes]:
    yield b'{"status":"pulling manifest"}\n{"status":"verifying sha256 digest"}\n{"status":"success"}\n'


def _entry(offer: Offer) -> dict[str, Any]:
    """What tags and ps both tell. Ollama's names always have a tag."""
    name = offer.name if ":" in offer.name else f"{offer.name}:latest"
    return {
        "name": name,
        "model": name,
        "size": 0,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": _details(offer),
        "capabilities": offer.capabilities,
    }


def _details(offer: Offer) -> dict[str, Any]:
    details: dict[str, Any] = {
        "parent_model": "",
        "format": "thane" if offer.owner == "thane" else "",
        "family": offer.owner,
        "families": [offer.owner],
        "parameter_size": "",
        "quantization_level": "",
    }
    return details | ({"context_length": offer.context_tokens} if offer.context_tokens else {})


def _shown(name: str, offer: Offer) -> dict[str, Any]:
    information: dict[str, Any] = {"general.architecture": "thane", "general.basename": name}
    if offer.context_tokens:
        information["thane.context_length"] = offer.context_tokens
    return {
        "license": "",
        "modelfile": f"# {offer.description}\nFROM {offer.name}\n",
        "parameters": "",
        "template": f"{_SYSTEM}{_TOOLS if 'tools' in offer.capabilities else ''}{_MESSAGES}",
        "details": _details(offer),
        "model_info": information,
        "capabilities": offer.capabilities,
    }


def _json(value: object) -> Response:
    return Response(dump(value), content_type="application/json; charset=utf-8")
