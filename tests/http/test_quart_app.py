"""The application class, served for real: errors, bodies, background tasks."""

from __future__ import annotations

import pytest
import structlog
import trio
from quart import abort, redirect, request
from quart.typing import ResponseTypes
from trio.testing import MockClock

from tests.http.apps import LIMITS, error_of
from thane.errors import ClientError, DependencyError
from thane.http.problems import native_problem, ollama_problem
from thane.http.quart_app import ThaneApp, request_id
from thane.testing.serving import request as raw_request
from thane.testing.serving import serving


async def test_a_client_error_becomes_an_answer(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.get("/busy")
    async def busy() -> str:
        raise ClientError("too many turns wait", status=429, code="queue_full", retry_after=2.4)

    async with serving(app) as served:
        answer = await served.ask("GET", "/busy")
    assert 429 == answer.status
    assert "2" == answer.headers["retry-after"]
    assert {"message": "too many turns wait", "type": "rate_limit_error", "code": "queue_full"} == error_of(answer)


@pytest.mark.parametrize(("temporary", "status"), [(True, 503), (False, 502)])
async def test_a_failing_dependency_is_named(
    app: ThaneApp, autojump_clock: MockClock, temporary: bool, status: int
) -> None:
    @app.get("/")
    async def fail() -> str:
        raise DependencyError("Ollama does not answer", dependency="ollama", temporary=temporary)

    async with serving(app) as served:
        answer = await served.ask("GET", "/")
    assert (status, "ollama_unavailable") == (answer.status, error_of(answer)["code"])


async def test_a_database_that_may_recover_says_when_to_come_again(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.get("/<temporary>")
    async def fail(temporary: str) -> str:
        raise DependencyError("The disk is full", dependency="database", temporary=temporary == "full")

    async with serving(app) as served:
        full, damaged = await served.ask("GET", "/full"), await served.ask("GET", "/damaged")
    assert (503, "5") == (full.status, full.headers["retry-after"])
    assert (502, False) == (damaged.status, "retry-after" in damaged.headers)


async def test_a_bug_is_logged_whole_and_told_without_words_of_its_own(
    app: ThaneApp, autojump_clock: MockClock
) -> None:
    @app.get("/crash")
    async def crash() -> str:
        raise RuntimeError("the key is 1234")

    @app.get("/group")
    async def group() -> str:
        async def crash() -> None:
            raise RuntimeError("the key is 1234")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
        return ""

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served:
            for path in ("/crash", "/group"):
                answer = await served.ask("GET", path)
                assert 500 == answer.status
                assert b"1234" not in answer.body
                error = error_of(answer)
                assert ("internal error", served.records[-1].request_id) == (error["message"], error["request_id"])
    assert ["internal error"] * 2 == [line["event"] for line in logs]
    assert "1234" in repr(logs[0]["exc_info"])


async def test_a_client_error_from_a_nursery_is_still_a_client_error(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.get("/")
    async def fail() -> str:
        async def refuse() -> None:
            raise ClientError("no")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
        return ""

    async with serving(app) as served:
        assert 400 == (await served.ask("GET", "/")).status


async def test_unknown_paths_and_methods_have_the_listeners_own_words(autojump_clock: MockClock) -> None:
    for problems in (native_problem, ollama_problem):
        app = ThaneApp("test", limits=LIMITS, problems=problems)

        @app.get("/known")
        async def known() -> str:
            return ""

        @app.get("/teapot")
        async def teapot() -> str:
            abort(418)

        async with serving(app) as served:
            missing, method, teapot_ = (
                await served.ask("GET", "/v2/missing"),
                await served.ask("POST", "/known"),
                await served.ask("GET", "/teapot"),
            )
        assert (404, 405, 418) == (missing.status, method.status, teapot_.status)
        assert "GET, HEAD, OPTIONS" == method.headers["allow"]
        if problems is native_problem:
            assert ("not_found", "unknown_path") == (error_of(missing)["type"], error_of(missing)["code"])
            assert "method_not_allowed" == error_of(method)["code"]
        else:
            assert (b"404 page not found", "text/plain") == (missing.body, missing.headers["content-type"])
            assert (b"405 method not allowed", "text/plain") == (method.body, method.headers["content-type"])


async def test_redirects_are_kept(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.get("/old")
    async def old() -> ResponseTypes:
        return redirect("/new")

    @app.get("/branch/")
    async def branch() -> str:
        return ""

    async with serving(app) as served:
        assert (302, "/new") == ((answer := await served.ask("GET", "/old")).status, answer.headers["location"])
        assert 308 == (await served.ask("GET", "/branch")).status


async def test_a_body_beyond_the_limit_is_refused_while_it_arrives(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.post("/")
    async def take() -> str:
        return str(len(await request.get_data()))

    async with serving(app, limits=LIMITS) as served:
        assert b"1000" == (await served.ask("POST", "/", b"x" * 1000)).body
        for head in ("Content-Length: 5000000", "Transfer-Encoding: chunked", "Content-Length: 1001"):
            async with await served.connect() as client:
                await client.send(raw_request("POST", "/", b"", head))
                piece = b"x" * 1001 if "Length" in head else b"3e9\r\n" + b"x" * 1001 + b"\r\n"
                await client.send(piece)
                answer = await client.answer()
                assert (413, "body_too_large") == (answer.status, error_of(answer)["code"])


async def test_a_body_too_large_is_not_even_asked_for(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.post("/")
    async def take() -> str:
        return str(len(await request.get_data()))

    async with serving(app) as served, await served.connect() as client:
        await client.send(raw_request("POST", "/", b"", "Expect: 100-continue", "Content-Length: 1001"))
        assert 413 == (await client.answer()).status


async def test_forms_are_read(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.post("/")
    async def take() -> dict[str, str]:
        return dict(await request.form)

    multipart = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n--x--\r\n'
    async with serving(app) as served:
        plain = await served.ask("POST", "/", b"a=one", "Content-Type: application/x-www-form-urlencoded")
        parts = await served.ask("POST", "/", multipart, "Content-Type: multipart/form-data; boundary=x")
    assert [b'{"a":"one"}\n'] * 2 == [plain.body, parts.body]


async def test_the_request_id_is_the_servers(app: ThaneApp, autojump_clock: MockClock) -> None:
    @app.get("/")
    async def tell() -> str:
        return request_id()

    async with serving(app) as served:
        answer = await served.ask("GET", "/")
        assert served.records[-1].request_id == answer.body.decode()
    assert "" == request_id()
    async with app.test_request_context("/"):
        assert "" == request_id()


async def test_a_route_may_be_tried_without_a_server(app: ThaneApp) -> None:
    @app.post("/")
    async def take() -> str:
        return f"{await request.get_data(as_text=True)}!"

    response = await app.test_client().post("/", data=b"hello")
    assert b"hello!" == await response.get_data()


async def test_a_background_task_that_fails_is_logged_and_ends_nothing_else(
    app: ThaneApp, autojump_clock: MockClock
) -> None:
    finished = trio.Event()

    async def fail() -> None:
        await trio.sleep(0.1)
        raise RuntimeError("a bug")

    async def go_on() -> None:
        await trio.sleep(1)
        finished.set()

    @app.get("/")
    async def begin() -> str:
        app.nursery.start_soon(fail)
        app.nursery.start_soon(go_on)
        app.add_background_task(fail)
        return "ok"

    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served:
            await served.ask("GET", "/")
            await finished.wait()
            assert b"ok" == (await served.ask("GET", "/")).body
            served.drain.set()
    failed = [line for line in logs if line["log_level"] == "error"]
    assert 2 <= len(failed)
    assert all("RuntimeError" in repr(line["exc_info"]) for line in failed)


async def test_startup_and_shutdown_functions_run(app: ThaneApp, autojump_clock: MockClock) -> None:
    seen: list[str] = []

    @app.before_serving
    async def before() -> None:
        seen.append("before")

    @app.after_serving
    async def after() -> None:
        seen.append("after")

    async with serving(app):
        assert ["before"] == seen
    assert ["before", "after"] == seen
