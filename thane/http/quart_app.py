"""The application class of both listeners: Quart-Trio with one task for each request and one place for errors.

A handler is cancelled when its client hangs up. A route raises `ClientError` or `DependencyError` and is done; what it
raises else is a bug: logged whole, told to the client as "internal error" with the request's id.

Not here: the routes, and who may call them (`thane.http.guard`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, override

import structlog
from quart import Response, has_request_context, has_websocket_context, request, websocket
from quart.ctx import AppContext
from quart.sessions import SecureCookieSession, SessionInterface, SessionMixin
from quart.wrappers.response import ResponseBody
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioRequest, TrioWebsocket
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from thane.config.settings import Limits
from thane.errors import ClientError, DependencyError
from thane.http.body import RequestBody
from thane.http.problems import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    RETRIED,
    SHOULD_RETRY,
    UNKNOWN_PATH,
    Problem,
    RenderProblem,
)
from thane.http.quart_connections import AppLifespan, HttpConnection, WebsocketConnection, WebsocketInbox

_log = structlog.get_logger("thane.http")
_RETRY_SECONDS = 5.0  # until a disk that failed may be better


class Request(TrioRequest):
    """Quart's request with a body that is pulled and counted."""

    body_class = RequestBody


class Websocket(TrioWebsocket):
    """Quart's WebSocket with a bounded queue."""

    buffer_class = WebsocketInbox


class _NoSessions(SessionInterface):
    """Quart's sessions are not used (`thane.http.login` has its own), and looking for one at each request costs."""

    @override
    async def open_session(self, app: Any, request: Any) -> SessionMixin:
        return SecureCookieSession()

    @override
    def is_null_session(self, instance: object) -> bool:
        return True

    @override
    async def save_session(self, app: Any, session: Any, response: Any) -> None:
        return


class ThaneApp(QuartTrio):
    """`problems` writes every error of this application; routes are added as blueprints.

    `pages`, where something sets it, is asked first: it answers with a page what a person asked for in a browser.
    """

    asgi_http_class = HttpConnection
    asgi_websocket_class = WebsocketConnection
    asgi_lifespan_class = AppLifespan
    request_class = Request
    websocket_class = Websocket
    session_interface = _NoSessions()

    def __init__(self, name: str, *, limits: Limits, problems: RenderProblem) -> None:
        super().__init__(name, static_folder=None, template_folder=None)
        self.pages: Callable[[Problem], Response | None] | None = None
        self._problems = problems
        self.config["RESPONSE_TIMEOUT"] = None  # a run has its own deadline
        self.config["BODY_TIMEOUT"] = None  # the server watches the body while it arrives
        self.config["MAX_CONTENT_LENGTH"] = limits.body_bytes
        self.config["PROPAGATE_EXCEPTIONS"] = False
        self.register_error_handler(ClientError, self._client_error)
        self.register_error_handler(DependencyError, self._dependency_error)
        self.register_error_handler(HTTPException, self._http_error)

    @override
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.asgi_app(scope, receive, send)

    def problem(self, problem: Problem) -> Response:
        """The answer to a request that failed."""
        response = self.pages(problem) if self.pages is not None else None
        if response is None:
            page = self._problems(problem)
            response = Response(page.body, problem.status, content_type=page.content_type)
        if problem.status not in RETRIED:
            response.headers[SHOULD_RETRY] = "false"
        if problem.retry_after is not None:
            response.headers["Retry-After"] = str(max(1, round(problem.retry_after)))
        return response

    async def _client_error(self, error: ClientError) -> Response:
        return self.problem(Problem(error.status, error.message, error.code, _path(), retry_after=error.retry_after))

    async def _dependency_error(self, error: DependencyError) -> Response:
        _log.warning("dependency failed", dependency=error.dependency, error=error.message, request_id=request_id())
        status = 503 if error.temporary else 502
        code = f"{error.dependency}_unavailable"
        again = _RETRY_SECONDS if error.temporary and error.dependency == "database" else None
        return self.problem(Problem(status, error.message, code, _path(), retry_after=again))

    async def _http_error(self, error: HTTPException) -> Any:
        if isinstance(error, NotFound):
            problem = Problem(404, f"there is nothing at {_path()}", UNKNOWN_PATH, _path())
        elif isinstance(error, MethodNotAllowed):
            problem = Problem(405, f"{_path()} does not answer to this method", METHOD_NOT_ALLOWED, _path())
        elif error.code is None:
            return error
        else:
            problem = Problem(error.code, error.description or error.name, "http_error", _path())
        response = self.problem(problem)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @override
    async def full_dispatch_request(self, ctx: AppContext) -> Any:
        """As Quart-Trio's, without the signals that nobody here listens to."""
        try:
            result = await self.preprocess_request(ctx)
            if result is None:
                result = await self.dispatch_request(ctx)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 whose handlers decide what is told
            result = await self.handle_user_exception(ctx, error)
        return await self.process_response(ctx, await self.make_response(result))

    @override
    async def handle_user_exception(self, ctx: AppContext, error: Any) -> Any:
        if isinstance(error, HTTPException) and has_websocket_context():
            return await self._http_error(error)  # handlers for pages expect a request
        return await super().handle_user_exception(ctx, error)

    @override
    async def handle_exception(self, ctx: AppContext, error: Any) -> Any:
        request_id_ = request_id()
        _log.error("internal error", path=_path(), request_id=request_id_, exc_info=error)
        problem = Problem(500, "internal error", INTERNAL, _path(), request_id=request_id_)
        return await self.finalize_request(ctx, self.problem(problem), from_error_handler=True)

    @override
    def log_exception(self, ctx: AppContext, exception_info: Any) -> None:
        """Quart's word for what fails outside of requests: startup, shutdown, background tasks."""
        _log.error("the application failed", exc_info=exception_info)

    @override
    async def handle_websocket_exception(self, ctx: AppContext, error: Any) -> Any:
        raise error  # the server logs it once and closes with 1011


def request_id() -> str:
    """The id of the request or WebSocket being handled; "" where the server gave none, as in tests of an app alone."""
    if has_request_context():
        scope: Any = request.scope
    elif has_websocket_context():
        scope = websocket.scope
    else:
        return ""
    return scope.get("state", {}).get("request_id", "")


def become_run(run_id: str) -> None:
    """The request being handled goes by its run's id from now on: in its answer, and in the log."""
    scope: Any = request.scope
    scope.setdefault("state", {})["request_id"] = run_id


def _path() -> str:
    if has_request_context():
        return request.path
    return websocket.path if has_websocket_context() else ""


async def stream(
    pieces: AsyncGenerator[bytes],
    *,
    content_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    wait_for_first: bool = True,
) -> Response:
    """A streamed answer: each piece leaves in one write as soon as the generator gives it.

    The first piece is awaited here, so that what goes wrong before it is still answered with a status of its own, and
    leaves together with the head. With `wait_for_first=False` the head leaves at once (event streams). The generator is
    closed when the stream ends or its client hangs up; it must not hold a nursery or a cancel scope across a `yield`,
    and Quart's `request` is not to be used in it after its first piece. A HEAD request does not run it.
    """
    body = _Pieces(pieces)
    if has_request_context() and request.method == "HEAD":
        await pieces.aclose()
    elif wait_for_first:
        await body.pull_first()
    else:
        body.first = b""
    return Response(body, status, headers=dict(headers or {}), content_type=content_type)


class _Pieces(ResponseBody):
    """A stream's pieces, the first of which may be there already; closing it closes their generator."""

    def __init__(self, rest: AsyncGenerator[bytes]) -> None:
        self.first: bytes | None = None
        self._rest = rest

    async def pull_first(self) -> None:
        """Wait for the first piece."""
        try:
            self.first = await anext(self._rest)
        except StopAsyncIteration:
            self.first = None

    @override
    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self

    @override
    async def __aexit__(self, *_: object) -> None:
        await self._rest.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        first, self.first = self.first, None
        return await anext(self._rest) if first is None else first
