"""Days as the owner's clock has them. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo


def day_of(at: float, zone: tzinfo | None) -> date:
    """The day of a moment (epoch seconds); without a zone, by the machine's clock."""
    return datetime.fromtimestamp(at, zone).date()


def start_of(day: date, zone: tzinfo | None) -> float:
    """The day's midnight, in epoch seconds."""
    return datetime.combine(day, time.min, zone).timestamp()


def next_start(day: date, zone: tzinfo | None) -> float:
    return start_of(day + timedelta(days=1), zone)
