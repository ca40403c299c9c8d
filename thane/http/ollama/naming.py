"""Requests that name a model: reading them, and what the name means."""

from __future__ import annotations

import re

from thane.errors import ClientError
from thane.http.documents import read_document
from thane.http.offers import Offer, check, find
from thane.http.rooms import Rooms
from thane.wire.chat import as_object
from thane.wire.fields import Fields
from thane.wire.ollama_chat import GoDialect

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_NAME = re.compile(rf"(?:https?://)?(?:[A-Za-z0-9_][A-Za-z0-9_.:-]{{0,349}}/)?(?:{_PART}/)?{_PART}(?::{_PART})?")
"""`[host/][namespace/]model[:tag]` (Ollama's types/model/name.go)."""


async def read_fields(rooms: Rooms, struct: str) -> Fields:
    """The body of the request that Quart is handling. `struct` is Ollama's name for it. Raises ClientError (400)."""
    return Fields(as_object(await read_document(rooms)), GoDialect(struct))


def name_of(body: Fields) -> str:
    """The model that is meant: `model`, in older clients `name`."""
    name, older = body.text("model"), body.text("name")
    name = name or older
    if not name.strip():
        raise ClientError("model is required")
    return name


def known(rooms: Rooms, name: str) -> Offer:
    """What is on offer under a name. Raises ClientError: 400 where it is no name at all, 404 where nobody knows it."""
    if find(rooms, name) is None:
        check_form(name)
    return check(rooms, name)


def check_form(name: str) -> None:
    """Refuse what Ollama takes for no name."""
    if not _NAME.fullmatch(name.strip()):
        raise ClientError("invalid model name")
