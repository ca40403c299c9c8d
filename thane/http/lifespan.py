"""The ASGI lifespan of an application: `startup` before the first connection, `shutdown` after the last.

https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
import trio

from thane.http.site import ASGIApp, ASGIMessage

_log = structlog.get_logger("thane.http")


class StartupError(Exception):
    """The application said that it cannot start."""


@asynccontextmanager
async def lifespan(app: ASGIApp, shutdown_seconds: float) -> AsyncGenerator[None]:
    """Run the application's lifespan around the block; what it does at shutdown gets `shutdown_seconds`.

    When the block is cancelled or fails, the lifespan is cancelled too, without a shutdown. An application whose
    lifespan fails or ends early goes on being served, and the failure is logged.
    """
    run = _Lifespan(app)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run)
        await run.startup()
        yield
        with trio.move_on_after(shutdown_seconds):
            await run.shutdown()
        nursery.cancel_scope.cancel()


class _Lifespan:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_app, self._from_server = trio.open_memory_channel[ASGIMessage](2)
        self._to_server, self._from_app = trio.open_memory_channel[ASGIMessage](2)

    async def run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        with self._to_server:
            try:
                await self._app(scope, self._from_server.receive, self._to_server.send)
            except Exception as error:  # noqa: BLE001 the server outlives its application's lifespan
                _log.error("the application's lifespan failed", exc_info=error)

    async def startup(self) -> None:
        await self._to_app.send({"type": "lifespan.startup"})
        answer = await self._answer()
        if answer["type"] == "lifespan.startup.failed":
            raise StartupError(answer.get("message", ""))

    async def shutdown(self) -> None:
        await self._to_app.send({"type": "lifespan.shutdown"})
        answer = await self._answer()
        if answer["type"] == "lifespan.shutdown.failed":
            _log.error("the application did not shut down cleanly", error=answer.get("message", ""))

    async def _answer(self) -> ASGIMessage:
        try:
            return await self._from_app.receive()
        except trio.EndOfChannel:
            return {"type": "lifespan.unsupported"}
