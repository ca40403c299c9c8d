"""Joins a request to a codec and a turn: read, run, stream.

The head is sent together with the first thing that there is to show, so that what fails before it gets a status of its
own. Then everything that is ready leaves in one write. Leaving at any point, also by a client that hangs up, leaves
the open turn and so cancels its run. Not here: what the bytes look like (`thane.wire`).
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from http import HTTPStatus

import structlog
import trio
from quart import Blueprint, Quart, Response, request

from thane.conversations.tracker import OpenTurn
from thane.errors import ClientError
from thane.http import offers
from thane.http.documents import read_document
from thane.http.problems import REQUEST_ID, SHOULD_RETRY
from thane.http.quart_app import become_run, request_id, stream
from thane.http.rooms import Rooms
from thane.turn import AgentEvent, RunFailed, RunFinished, Usage
from thane.wire.chat import ChatRequest, Encoder, Opening
from thane.wire.codecs import Codec
from thane.wire.errors import Refusal
from thane.wire.open_webui_token import trusted

_log = structlog.get_logger("thane.http")

_ANTHROPICS = "/v1/messages"
_STREAMED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class FailedRunError(Exception):
    """A run failed before there was anything to show. Raised through the route to its blueprint's error handler."""

    def __init__(self, failed: RunFailed) -> None:
        super().__init__(failed.message)
        self.failed = failed


async def read(rooms: Rooms, codec: Codec) -> ChatRequest:
    """The request that Quart is handling, decoded. Raises ClientError."""
    document = await read_document(rooms)
    headers, why = trusted(
        {name.lower(): value for name, value in request.headers.items()},
        rooms.settings.auth.open_webui_secret,
        rooms.clock.time(),
    )
    if why:
        _log.warning("a user's token is not believed", reason=why, header="X-OpenWebUI-User-Jwt")
    return codec.decode(document, headers, rooms.settings.limits)


async def reply(rooms: Rooms, codec: Codec, chat: ChatRequest) -> Response:
    """Run the turn and answer, streaming or whole. Raises ClientError or FailedRunError before anything is sent."""
    answer = _Answer(rooms, codec, chat)
    if chat.stream:
        response = await stream(answer.pieces(), content_type=answer.encoder.content_type, headers=_STREAMED)
    else:
        async with aclosing(answer.pieces()) as pieces:
            body = b"".join([piece async for piece in pieces])
        response = Response(body, content_type=answer.encoder.content_type)
    response.headers[REQUEST_ID] = answer.run_id or request_id()
    return response


def refuse_with(blueprint: Blueprint, codec: Codec) -> None:
    """Write the errors of a blueprint's routes as `codec` does."""

    @blueprint.errorhandler(ClientError)
    async def client_error(error: ClientError) -> Response:
        return refusal(codec, Refusal.of_error(error))

    @blueprint.errorhandler(FailedRunError)
    async def run_failure(error: FailedRunError) -> Response:
        return refusal(codec, Refusal.of_run(error.failed))


def refusal(codec: Codec, why: Refusal) -> Response:
    """The answer to a request that gets none."""
    response = Response(codec.refuse(why), why.status, content_type="application/json; charset=utf-8")
    if why.useless_retry:
        response.headers[SHOULD_RETRY] = "false"
    if why.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(why.retry_after)))
    if why.run_id:
        response.headers[REQUEST_ID] = why.run_id
    return response


def mark_requests(app: Quart) -> None:
    """Give every answer of an application its request's id, under the name too that Anthropic's clients look for."""

    @app.after_request
    async def mark(response: Response) -> Response:
        headers = response.headers
        if REQUEST_ID not in headers and (known := request_id()):
            headers[REQUEST_ID] = known
        if REQUEST_ID in headers and request.path.startswith(_ANTHROPICS):
            headers["Request-Id"] = headers[REQUEST_ID]
        if response.status_code == HTTPStatus.NO_CONTENT:
            headers.pop("Content-Type", None)  # Quart's own: of nothing there is no type
        return response


class _Answer:
    """One answer on its way. `run_id` is "" until there is a run."""

    def __init__(self, rooms: Rooms, codec: Codec, chat: ChatRequest) -> None:
        self.run_id = ""
        self._rooms = rooms
        self._codec = codec
        self._chat = chat
        self._says_refusals = codec.says_refusals(chat)
        self._heartbeat = codec.heartbeat if chat.stream else b""
        self._quiet_until = 0.0
        self.encoder = self._encoder("", "")

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Bytes to send, each piece everything that was ready. Raises ClientError or FailedRunError, only at first."""
        async with AsyncExitStack() as stack:
            try:
                offers.check_turn(self._rooms, self._chat.turn)
                run = await stack.enter_async_context(self._rooms.conversations.open(self._chat.turn))
            except ClientError as error:
                if not self._says_refusals:
                    raise
                refused = RunFailed("", "overloaded", error.spoken, Usage(), 0.0)
                yield self.encoder.feed((refused,))  # noqa: ASYNC119 `stream` and `aclosing` close this generator
                return
            self.run_id = run.run_id
            if not self._chat.stream:
                run.hold()
            become_run(run.run_id)
            self.encoder = self._encoder(run.run_id, run.conversation_id)
            raises = not self._says_refusals
            self._rest()
            while True:
                events = await self._receive(run)
                last = events[-1] if events else None
                if raises and isinstance(last, RunFailed):
                    raise FailedRunError(last)
                if piece := self.encoder.feed(events) if events else self._heartbeat:
                    raises = False
                    yield piece  # noqa: ASYNC119 as above
                    self._rest()
                if isinstance(last, RunFinished | RunFailed):
                    return

    async def _receive(self, run: OpenTurn) -> list[AgentEvent]:
        """Wait for events, and take all that are ready. Empty when it is time for a heartbeat."""
        batches = run.batches
        events: list[AgentEvent] = []
        try:
            events += batches.receive_nowait()
        except trio.WouldBlock:
            if self._heartbeat:
                with trio.move_on_at(self._quiet_until):
                    events += await batches.receive()
            else:
                events += await batches.receive()
            if not events:
                return events
        except trio.EndOfChannel:
            return [_cut(run)]
        while True:
            try:
                events += batches.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                return events

    def _rest(self) -> None:
        """Something was sent: the next heartbeat is far."""
        seconds = self._rooms.settings.events.ping_seconds if self._heartbeat else math.inf
        self._quiet_until = trio.current_time() + seconds

    def _encoder(self, run_id: str, conversation_id: str) -> Encoder:
        make = self._codec.stream if self._chat.stream else self._codec.whole
        return make(self._chat, Opening(run_id, conversation_id, self._rooms.clock))


def _cut(run: OpenTurn) -> RunFailed:
    """A run's channel ended without its last event: a bug of ours, told as one."""
    _log.error("a run ended without its last event", run_id=run.run_id)
    return RunFailed(run.run_id, "internal", "internal error", Usage(), 0.0)
