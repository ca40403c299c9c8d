"""Reading the query of a request: times, durations, numbers and cursors, with errors that name what is wrong."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from quart import request

from thane.errors import ClientError

_GO_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_SPANS = (3600.0, 60.0, 1.0)


def once(name: str) -> str:
    """A parameter as it is; "" where there is none. Raises ClientError where there are two: which is meant?"""
    given = request.args.getlist(name)
    if len(given) > 1:
        raise ClientError(f"{name}: give it once, not {len(given)} times")
    return given[0] if given else ""


def when(name: str) -> float | None:
    """Epoch seconds of a time in RFC 3339; without an offset it is UTC. None when it is not given."""
    given = once(name)
    if not given:
        return None
    try:
        time = datetime.fromisoformat(given.replace(" ", "+"))  # a plus sign that was not escaped came as a space
    except ValueError:
        raise ClientError(f"{name}: give a time as 2026-11-28T09:30:00Z, not '{given}'") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def duration(name: str) -> float | None:
    """Seconds of `90`, `10m` or `1h30m`. None when it is not given."""
    given = once(name)
    if not given:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", given):
        return float(given)
    match = _GO_DURATION.fullmatch(given)
    if match is None or not any(match.groups()):
        raise ClientError(f"{name}: give a duration such as 10m, 1h30m or 90s, not '{given}'")
    return sum(float(part) * span for part, span in zip(match.groups(), _SPANS, strict=True) if part)


def number(name: str, most: int) -> int | None:
    """A whole number from 0; more than `most` is `most`. None when it is not given."""
    given = once(name)
    if not given:
        return None
    if not given.isascii() or not given.isdigit():
        raise ClientError(f"{name}: give a whole number from 0 on, not '{given}'")
    return min(int(given[:9]), most)


def choice(name: str, *choices: str) -> str:
    """One of `choices`, the first where nothing is given."""
    given = once(name) or choices[0]
    if given not in choices:
        raise ClientError(f"{name}: give one of {', '.join(filter(None, choices))}, not '{given}'")
    return given


def cursor[T](kind: type[T]) -> T | None:
    """Where a page begins, as `next_cursor` wrote it into the page before. `kind` is the type of what it holds."""
    given = once("cursor")
    if not given:
        return None
    try:
        raw = base64.urlsafe_b64decode(given.encode() + b"=" * (-len(given) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, binascii.Error, UnicodeError):
        raise ClientError("cursor: this is no `next` of a page of this list; begin without one") from None


def next_cursor(*place: object) -> str:
    """The `next` of a page that ends at `place`: opaque to clients."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def paged[T](found: Sequence[T], most: int, place: Callable[[T], tuple[object, ...]]) -> tuple[Sequence[T], str | None]:
    """A page, and its `next`: null on the last one. `found` was looked up with one more than `most`, to know."""
    page = found[:most]
    return page, next_cursor(*place(page[-1])) if len(found) > most else None
