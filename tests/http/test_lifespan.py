from __future__ import annotations

import pytest
import structlog
import trio
from trio.testing import MockClock

from thane.http.lifespan import StartupError, lifespan
from thane.http.site import ASGIApp, Receive, Scope, Send


def app(*, on_startup: str = "complete", on_shutdown: str = "complete", seen: list[str] | None = None) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send, /) -> None:
        while True:
            kind = (await receive())["type"]
            if seen is not None:
                seen.append(kind)
            how = on_startup if kind == "lifespan.startup" else on_shutdown
            if how == "crash":
                raise RuntimeError("a bug")
            if how == "hang":
                await trio.sleep_forever()
            await send({"type": f"{kind}.{how}", "message": "no database"})

    return run


async def test_the_block_runs_between_startup_and_shutdown(autojump_clock: MockClock) -> None:
    seen: list[str] = []
    async with lifespan(app(seen=seen), 1):
        assert ["lifespan.startup"] == seen
    assert ["lifespan.startup", "lifespan.shutdown"] == seen


async def test_an_application_that_cannot_start_says_so(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(StartupError, match="no database")):
        async with lifespan(app(on_startup="failed"), 1):
            raise AssertionError


async def test_an_application_without_a_lifespan_is_served_all_the_same(autojump_clock: MockClock) -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send, /) -> None:
        return

    async with lifespan(nothing, 1):
        pass
    with structlog.testing.capture_logs() as logs:
        async with lifespan(app(on_startup="crash"), 1):
            pass
    assert ["the application's lifespan failed"] == [line["event"] for line in logs]


@pytest.mark.parametrize(("how", "seconds", "lines"), [("hang", 3, 0), ("failed", 0, 1), ("crash", 0, 1)])
async def test_a_shutdown_is_bounded(autojump_clock: MockClock, how: str, seconds: float, lines: int) -> None:
    with structlog.testing.capture_logs() as logs:
        async with lifespan(app(on_shutdown=how), 3):
            started = trio.current_time()
    assert seconds == trio.current_time() - started
    assert lines == len(logs)


async def test_an_error_of_the_block_comes_out(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(KeyError):
        async with lifespan(app(), 1):
            raise KeyError
