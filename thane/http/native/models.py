"""The models on offer, in OpenAI's shape; on both listeners."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, Response

from thane.http.native.answers import answer
from thane.http.offers import Offer, check, offers
from thane.http.replies import refuse_with
from thane.http.rooms import Rooms
from thane.wire.codecs import OPENAI


def routes(rooms: Rooms) -> Blueprint:
    """`GET /v1/models` and `GET /v1/models/{id}`."""
    blueprint = Blueprint("models", __name__)
    refuse_with(blueprint, OPENAI)

    @blueprint.get("/v1/models")
    async def listed() -> Response:
        """`{"object":"list","data":[{"id","object":"model","created","owned_by"}]}`: Thane's profiles, then the models
        that its providers have."""
        return answer({"object": "list", "data": [_model(rooms, offer) for offer in offers(rooms)]})

    @blueprint.get("/v1/models/<path:model_id>")
    async def one(model_id: str) -> Response:
        """One model; 404 `model_not_found`."""
        return answer(_model(rooms, check(rooms, model_id)))

    return blueprint


def _model(rooms: Rooms, offer: Offer) -> dict[str, Any]:
    return {"id": offer.name, "object": "model", "created": int(rooms.started_at), "owned_by": offer.owner}
