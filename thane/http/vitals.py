"""How the process does: what the System page and `/v1/system` show. Reading it is cheap and changes nothing."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec
import trio

from thane.health.watch import Dependency
from thane.http.rooms import Rooms
from thane.version import Version

_STATM = Path("/proc/self/statm")


class Process(msgspec.Struct, frozen=True):
    """`memory_bytes` is resident now, where the system tells (else its highest), `peak_memory_bytes` the highest;
    `cpu_seconds` since the start, user and system; `tasks` are those of the task tree."""

    pid: int
    memory_bytes: int
    peak_memory_bytes: int
    cpu_seconds: float
    tasks: int


class System(msgspec.Struct, frozen=True):
    """`health` has the dependencies by name, `statistics` the counters of each long-lived part by its name."""

    status: Literal["healthy", "degraded", "draining"]
    uptime: str
    uptime_seconds: float
    started_at: float
    version: Version
    health: dict[str, Dependency]
    process: Process
    statistics: dict[str, Any]


def system(rooms: Rooms) -> System:
    """How all stands now."""
    seconds, report = max(0.0, rooms.clock.time() - rooms.started_at), rooms.health.report()
    return System(
        status=report.status,
        uptime=spoken_duration(seconds),
        uptime_seconds=round(seconds, 1),
        started_at=rooms.started_at,
        version=rooms.version,
        health=report.dependencies,
        process=process(),
        statistics={name: msgspec.to_builtins(statistics()) for name, statistics in rooms.statistics.items()}
        | {"ignored_keys": dict(rooms.ignored.statistics())},
    )


def process() -> Process:
    """The operating system's figures of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)  # bytes there, kibibytes elsewhere: getrusage(2)
    return Process(
        pid=os.getpid(),
        memory_bytes=_resident() or peak,
        peak_memory_bytes=peak,
        cpu_seconds=round(used.ru_utime + used.ru_stime, 2),
        tasks=trio.lowlevel.current_statistics().tasks_living,
    )


def spoken_duration(seconds: float) -> str:
    """As the reference writes it: `3h42m0s`, `5m1s`, `12s`."""
    left, text = int(seconds), ""
    for unit, size in (("h", 3600), ("m", 60)):
        amount, left = divmod(left, size)
        if amount or text:
            text += f"{amount}{unit}"
    return f"{text}{left}s"


def _resident() -> int:
    """Bytes; 0 where the system does not tell (proc_pid_statm(5))."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()
