"""What Thane is and how it does: version, health, figures."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response

from thane.health.watch import DATABASE
from thane.http.native.answers import answer, fields
from thane.http.rooms import Rooms
from thane.http.vitals import spoken_duration, system


def routes(rooms: Rooms) -> Blueprint:
    """`GET /v1/version`, `/v1/system`, `/health`, `/health/live`, `/health/ready`."""
    blueprint = Blueprint("system", __name__)

    @blueprint.get("/v1/version")
    async def version() -> Response:
        """`{"version","git_commit","git_branch","build_time","python_version","os","arch","uptime","uptime_seconds"}`."""
        seconds = max(0.0, rooms.clock.time() - rooms.started_at)
        up = {"uptime": spoken_duration(seconds), "uptime_seconds": round(seconds, 1)}
        return answer(msgspec.structs.asdict(rooms.version) | up)

    @blueprint.get("/v1/system")
    @blueprint.get("/api/system")
    async def whole() -> Response:
        """How Thane does: `{"status","uptime","version","health":{name:…},"process":{…},"statistics":{part:{…}}}`, with
        the counters of every long-lived part."""
        return answer(fields(system(rooms)))

    @blueprint.get("/health")
    async def health() -> Response:
        """Always 200: `{"status":"healthy"|"degraded"|"draining","dependencies":{name:{"name","ready",…}}}`."""
        return answer(rooms.health.report())

    @blueprint.get("/health/live")
    async def live() -> Response:
        """200 as long as Thane answers at all."""
        return answer({"status": "live"})

    @blueprint.get("/health/ready")
    async def ready() -> Response:
        """200 while turns are taken; 503 once the shutdown began (`draining`), and while nothing can be stored
        (`storage_full`). Another dependency that is down does not change it: the rest works without."""
        found = rooms.health.report()
        full = DATABASE in rooms.health.down()
        status = "draining" if found.status == "draining" else "storage_full" if full else "ready"
        return answer({"status": status}, 200 if status == "ready" else 503)

    return blueprint
