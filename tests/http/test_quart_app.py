"""The application class, served for real: errors, streams, bodies, WebSockets, background tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec
import pytest
import structlog
import trio
from quart import Response, abort, redirect, request, websocket
from quart.typing import ResponseTypes
from quart.wrappers.base import ClientDisconnectedError
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, wrap_client_stream

from thane.config.settings import Limits
from thane.errors import ClientError, DependencyError
from thane.http.problems import native_problem, ollama_problem
from thane.http.quart_app import ThaneApp, request_id, stream
from thane.http.site import ASGIMessage, Receive, Scope, Send
from thane.testing.serving import Answer, serving
from thane.testing.serving import request as raw_request

LIMITS = Limits(body_bytes=1000)
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)


@pytest.fixture
def app() -> ThaneApp:
    return ThaneApp("test", limits=LIMITS, problems=native_problem)


def error_of(answer: Answer) -> dict[str, str]:
    assert "application/json; charset=utf-8" == answer.headers["content-type"]
    return msgspec.json.decode(answer.body)["error"]


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


class Pieces:
    """A generator of pieces that says how it went."""

    def __init__(self, *pieces: bytes, wait: float = 1, error: Exception | None = None) -> None:
        self.started = False
        self.closed = trio.Event()
        self._pieces = pieces
        self._wait = wait
        self._error = error

    async def run(self) -> AsyncGenerator[bytes]:
        self.started = True
        try:
            for piece in self._pieces:
                await trio.sleep(self._wait)
                yield piece
            if self._error:
                raise self._error
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await trio.sleep(0.01)
            self.closed.set()


def streaming(app: ThaneApp, pieces: Pieces, *, wait_for_first: bool = True) -> None:
    @app.route("/", methods=["GET", "POST"])
    async def answer() -> Response:
        return await stream(
            pieces.run(), content_type="text/plain", headers={"X-Own": "yes"}, wait_for_first=wait_for_first
        )


async def test_a_stream_begins_with_its_first_piece(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, pieces := Pieces(b"one", b"two"))
    async with serving(app) as served, await served.connect() as client:
        await client.send(raw_request("POST", "/", b"{}"))
        first = await client.stream.receive_some(65_536)
        assert 1 == trio.current_time()
        assert first.endswith(b"3\r\none\r\n")
        assert b"x-own: yes\r\n" in first
        assert b"3\r\ntwo\r\n" == await client.stream.receive_some(65_536)
        assert b"0\r\n\r\n" == await client.stream.receive_some(65_536)
    assert pieces.closed.is_set()


async def test_a_stream_may_begin_before_its_first_piece(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces(b"one"), wait_for_first=False)
    async with serving(app) as served, await served.connect() as client:
        await client.send(raw_request("GET", "/"))
        assert (await client.read_until(b"\r\n\r\n")).endswith(b"\r\n\r\n")
        assert 0 == trio.current_time()
        assert b"3\r\none\r\n" == await client.stream.receive_some(65_536)


async def test_what_goes_wrong_before_the_first_piece_has_a_status(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces(error=ClientError("no", status=409)))
    async with serving(app) as served:
        assert 409 == (await served.ask("GET", "/")).status


async def test_an_empty_stream_is_an_answer(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces())
    async with serving(app) as served:
        assert (200, b"") == ((answer := await served.ask("GET", "/")).status, answer.body)


async def test_what_goes_wrong_later_cuts_the_stream_off(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, pieces := Pieces(b"one", error=RuntimeError("a bug")))
    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served, await served.connect() as client:
            await client.send(raw_request("GET", "/"))
            assert (await client.read_all()).endswith(b"one\r\n")
    assert pieces.closed.is_set()
    assert ["request handler failed"] == [line["event"] for line in logs]


@pytest.mark.parametrize("seconds", [0.5, 1.5], ids=["before the first piece", "after it"])
async def test_a_client_that_hangs_up_closes_the_generator(
    app: ThaneApp, autojump_clock: MockClock, seconds: float
) -> None:
    streaming(app, pieces := Pieces(b"one", b"two", b"three"))
    async with serving(app) as served, await served.connect() as client:
        await client.send(raw_request("POST", "/", b"{}"))
        await trio.sleep(seconds)
        client.close()
        with trio.fail_after(0.05):
            await pieces.closed.wait()


async def test_head_does_not_run_the_generator(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, pieces := Pieces(b"one"))
    async with serving(app) as served, await served.connect() as client:
        answer = await client.ask("HEAD", "/")
        assert (200, "yes", b"") == (answer.status, answer.headers["x-own"], answer.body)
        assert not pieces.started
        assert b"one" == (await client.ask("GET", "/")).body


async def test_head_does_not_run_a_generator_that_quart_was_given(app: ThaneApp, autojump_clock: MockClock) -> None:
    pieces = Pieces(b"one")

    @app.get("/")
    async def answer() -> Response:
        return Response(pieces.run())

    async with serving(app) as served:
        assert 200 == (await served.ask("HEAD", "/")).status
    assert not pieces.started


async def test_a_generator_that_is_not_used_up_is_closed_all_the_same(autojump_clock: MockClock) -> None:
    pieces = Pieces(b"one", b"two")
    kept = pieces.run()
    async with (await stream(kept, content_type="text/plain")).response as body:
        async for piece in body:
            assert b"one" == piece
            break
    assert pieces.closed.is_set()


async def test_a_generator_is_closed_when_the_client_is_gone_before_the_head(
    app: ThaneApp, autojump_clock: MockClock
) -> None:
    pieces = Pieces(b"one", b"two")
    kept = pieces.run()

    @app.get("/")
    async def answer() -> Response:
        return await stream(kept, content_type="text/plain")

    async def door(scope: Scope, receive: Receive, send: Send, /) -> None:
        async def fail(message: ASGIMessage) -> None:
            raise ClientDisconnectedError

        await app(scope, receive, send if scope["type"] == "lifespan" else fail)

    async with serving(door) as served:
        await served.ask("GET", "/")
    assert pieces.closed.is_set()


async def test_a_stream_has_no_end_of_its_own(app: ThaneApp, autojump_clock: MockClock) -> None:
    streaming(app, Pieces(b"one", b"two", wait=3600))
    async with serving(app) as served:
        assert b"onetwo" == (await served.ask("GET", "/")).body


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


def rooms(app: ThaneApp) -> None:
    @app.websocket("/echo")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/crash")
    async def crash() -> None:
        await websocket.receive()
        raise RuntimeError("a bug")

    @app.websocket("/crash-before")
    async def crash_before() -> None:
        raise RuntimeError("a bug")

    @app.websocket("/refuse")
    async def refuse() -> None:
        raise ClientError("no filter of that name", code="unknown_filter")

    @app.websocket("/refuse-late")
    async def refuse_late() -> None:
        await websocket.receive()
        raise ClientError("no")

    @app.websocket("/leave")
    async def leave() -> None:
        await websocket.accept()

    @app.websocket("/close")
    async def close() -> None:
        await websocket.accept()
        await websocket.close(4000, "enough")


async def test_websocket_messages_keep_their_kind(app: ThaneApp, autojump_clock: MockClock) -> None:
    rooms(app)
    async with serving(app) as served, await served.connect() as raw, trio.open_nursery() as nursery:
        client = await wrap_client_stream(nursery, raw.stream, "localhost", "/echo")
        for message in ("text", "", b"bytes", b""):
            await client.send_message(message)
            assert message == await client.get_message()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("path", "code", "lines"),
    [
        ("/crash", 1011, ["request handler failed"]),
        ("/refuse-late", 1008, []),
        ("/leave", 1000, []),
        ("/close", 4000, []),
    ],
)
async def test_a_websocket_closes_with_a_code_that_says_why(
    app: ThaneApp, autojump_clock: MockClock, path: str, code: int, lines: list[str]
) -> None:
    rooms(app)
    with structlog.testing.capture_logs() as logs:
        async with serving(app) as served, await served.connect() as raw, trio.open_nursery() as nursery:
            client = await wrap_client_stream(nursery, raw.stream, "localhost", path)
            with pytest.raises(ConnectionClosed) as caught:
                await client.send_message("x")
                await client.get_message()
            assert caught.value.reason
            assert code == caught.value.reason.code
            nursery.cancel_scope.cancel()
    assert lines == [line["event"] for line in logs]


@pytest.mark.parametrize(("path", "status"), [("/refuse", 400), ("/crash-before", 500), ("/nowhere", 404)])
async def test_a_websocket_that_is_not_accepted_is_told_why(
    app: ThaneApp, autojump_clock: MockClock, path: str, status: int
) -> None:
    rooms(app)
    async with serving(app) as served:
        answer = await served.ask("GET", path, b"", *UPGRADE)
        assert status == answer.status
        if path == "/refuse":
            assert "unknown_filter" == error_of(answer)["code"]
        assert 0 == served.statistics().failed


async def test_a_handler_for_missing_pages_is_not_asked_about_websockets(
    app: ThaneApp, autojump_clock: MockClock
) -> None:
    @app.errorhandler(404)
    async def page(error: Exception) -> tuple[str, int]:
        return f"no page {request.path}", 404

    async with serving(app) as served:
        assert b"no page /nowhere" == (await served.ask("GET", "/nowhere")).body
        answer = await served.ask("GET", "/nowhere", b"", *UPGRADE)
        assert (404, "unknown_path") == (answer.status, error_of(answer)["code"])


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
