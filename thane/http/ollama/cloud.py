"""What Ollama's clients ask of its cloud. Thane has no part in it, and says so as an Ollama whose cloud is off does."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.errors import ClientError
from thane.http.replies import refuse_with
from thane.http.rooms import Rooms
from thane.wire.codecs import OLLAMA
from thane.wire.json_text import dump


def routes(_rooms: Rooms) -> Blueprint:
    """`/api/status`, `/api/me`, `/api/signout`, `/api/user/keys/{key}`, `/api/experimental/…`."""
    blueprint = Blueprint("ollama_cloud", __name__)
    refuse_with(blueprint, OLLAMA)

    @blueprint.get("/api/status")
    async def status() -> Response:
        """That Ollama's cloud has no part in this: `{"cloud":{"disabled":true,"source":"config"}}`."""
        cloud = {"cloud": {"disabled": True, "source": "config"}}
        return Response(dump(cloud), content_type="application/json; charset=utf-8")

    @blueprint.post("/api/me")
    async def me() -> Response:
        """403: nobody is signed in to Ollama's cloud."""
        raise _no_cloud("nobody is signed in")

    @blueprint.post("/api/signout")
    async def signout() -> Response:
        """403: there is no account to sign out of."""
        raise _no_cloud("there is no account to sign out of")

    @blueprint.delete("/api/user/keys/<key>")
    async def disconnect(key: str) -> Response:  # noqa: ARG001 the route has it
        """403: there is no account with keys."""
        raise _no_cloud("there is no account with keys")

    @blueprint.post("/api/experimental/web_search")
    async def web_search() -> Response:
        """403: the search is one of Ollama's cloud."""
        raise _no_cloud("it searches nothing for you")

    @blueprint.post("/api/experimental/web_fetch")
    async def web_fetch() -> Response:
        """403: fetching is done by Ollama's cloud."""
        raise _no_cloud("it fetches nothing for you")

    @blueprint.get("/api/experimental/model-recommendations")
    async def recommendations() -> Response:
        """None: `{"recommendations":[]}`."""
        return Response(dump({"recommendations": []}), content_type="application/json; charset=utf-8")

    return blueprint


def _no_cloud(why: str) -> ClientError:
    message = f"ollama cloud is disabled: Thane has no part in it, so {why}"
    return ClientError(message, status=403, code="cloud_disabled")
