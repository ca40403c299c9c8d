"""Loading and unloading for the routes of Ollama's protocol: whose model it is, and how a failure is told."""

from __future__ import annotations

from thane.config.servers import default_provider
from thane.errors import ClientError
from thane.http.offers import Offer
from thane.http.rooms import Rooms
from thane.models.loading import Loader, LoadRequest
from thane.models.provider import ModelError
from thane.turn import Turn


async def load(rooms: Rooms, offer: Offer, turn: Turn) -> None:
    """Have the model behind `offer` loaded, or with `keep_alive` 0 unloaded. A profile stands for the default model.

    Models of servers that know no such thing are always ready. Raises ClientError (404) and ModelError.
    """
    models = rooms.settings.models
    if offer.owner != "thane":
        provider, model = offer.owner, offer.name
    elif models.default:
        provider, model = default_provider(rooms.settings), models.default
    else:
        return
    loader = rooms.provider(provider)
    if not isinstance(loader, Loader):
        return
    options = turn.options
    try:
        await loader.load(LoadRequest(model, options.keep_alive_seconds, options.extra))
    except ModelError as error:
        if error.status == 404:
            raise ClientError(f"model '{turn.model}' not found", status=404, code="model_not_found") from error
        raise
