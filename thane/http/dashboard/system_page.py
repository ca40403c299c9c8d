"""The System page: how Thane does, what it leans on, the counters of its parts, the end of its log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from markupsafe import Markup

from thane.health.watch import Dependency
from thane.http.dashboard import words
from thane.http.dashboard.drawing import Sign, state
from thane.http.vitals import System

_STATUS: dict[str, tuple[Sign, str]] = {
    "healthy": ("done", "Healthy"),
    "degraded": ("warn", "Degraded"),
    "draining": ("stopped", "Shutting down"),
}


class DependencyRow(msgspec.Struct, frozen=True):
    name: str
    state: Markup
    checked: Markup | str
    latency: str
    error: str


class PartRow(msgspec.Struct, frozen=True):
    """A part of Thane and its counters, by name."""

    name: str
    figures: tuple[tuple[str, Markup | str], ...]


class SystemView(msgspec.Struct, frozen=True):
    status: Markup
    facts: tuple[tuple[str, Markup | str], ...]
    dependencies: tuple[DependencyRow, ...]
    parts: tuple[PartRow, ...]


def system_view(found: System, now: float) -> SystemView:
    """`now` is the moment of drawing, in epoch seconds."""
    sign, told = _STATUS[found.status]
    process, version = found.process, found.version
    facts: tuple[tuple[str, Markup | str], ...] = (
        ("Up", words.settle(words.age_of(found.started_at), now)),
        ("Version", version.version),
        ("Commit", version.git_commit[:10] or "–"),
        ("Python", f"{version.python_version} · {version.os} {version.arch}"),
        ("Memory", f"{process.memory_bytes / 1e6:,.0f} MB"),
        ("Highest", f"{process.peak_memory_bytes / 1e6:,.0f} MB"),
        ("Processor", words.duration(process.cpu_seconds)),
        ("Tasks", words.count(process.tasks)),
    )
    return SystemView(
        status=state(sign, told),
        facts=facts,
        dependencies=tuple(_dependency(each, now) for each in found.health.values()),
        parts=tuple(
            PartRow(name.replace("_", " "), _figures(figures, now)) for name, figures in found.statistics.items()
        ),
    )


def _dependency(each: Dependency, now: float) -> DependencyRow:
    checked = words.moment(each.last_check)
    return DependencyRow(
        name=each.name,
        state=state("done", "answers") if each.ready else state("off", "does not answer"),
        checked=words.settle(f"{words.age_of(checked)} ago", now) if checked is not None else "–",
        latency=f"{each.latency_ms:,.0f} ms" if each.latency_ms is not None else "–",
        error=words.clean(each.last_error),
    )


def _figures(figures: Mapping[str, Any], now: float) -> tuple[tuple[str, Markup | str], ...]:
    """Counters in words; one that holds others is told as those."""
    told: list[tuple[str, Markup | str]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            inner: Mapping[str, Any] = value  # pyright: ignore[reportUnknownVariableType] made by msgspec: names are texts
            told += [_figure(f"{name} {key}", each, now) for key, each in inner.items()]
        else:
            told.append(_figure(name, value, now))
    return tuple(told)


def _figure(name: str, value: object, now: float) -> tuple[str, Markup | str]:
    if isinstance(value, int | float) and name.endswith("_at"):  # epoch seconds
        return name.removesuffix("_at").replace("_", " "), words.settle(f"{words.age_of(value)} ago", now)
    if isinstance(value, int) and name.endswith("_bytes"):
        return name.removesuffix("_bytes").replace("_", " "), words.size(value)
    if isinstance(value, float) and name.endswith("_seconds"):
        return name.removesuffix("_seconds").replace("_", " "), words.duration(value)
    return name.replace("_", " "), _value(value)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return "–" if value is None else words.clean(str(value))
    return words.count(value) if isinstance(value, int) else f"{value:,.3g}"
