"""OpenAI's responses: an answer that a later request may follow by its id.

A response is a run: its id is the run's with a prefix, and what it followed is in the archive. So a request that names
`previous_response_id` gets the messages that led to that answer before its own, on a branch of their own where the
conversation has gone on elsewhere meanwhile.
"""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response

from thane.conversations.lookup import path_to_head
from thane.errors import ClientError
from thane.http.replies import read, refuse_with, reply
from thane.http.rooms import Rooms
from thane.memory.records import MessageRecord, RunRecord
from thane.turn import AgentEvent, Message, RunFailed, RunFinished, Thinking, ToolCall, Turn
from thane.wire.chat import Opening
from thane.wire.codecs import RESPONSES
from thane.wire.errors import FieldError
from thane.wire.openai_responses import ResponsesRequest
from thane.wire.openai_responses_reply import PREFIX, ResponseWhole


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/responses` and `/v1/responses/{id}`."""
    blueprint = Blueprint("responses", __name__)
    refuse_with(blueprint, RESPONSES)

    @blueprint.post("/v1/responses")
    async def create() -> Response:
        """OpenAI's responses, streaming and whole. `input` is a text or items (messages, `function_call`,
        `function_call_output`). It follows `previous_response_id`, or continues the `conversation` that it names;
        with neither, it brings its history itself. Functions in `tools`, those of namespaces too, are offered to the
        model, a call of one ends the answer; hosted tools are left out, and the answer's `tools` tells which were
        offered. Every response is kept, whatever `store` says. `background`, `prompt` and item references are
        refused."""
        request = await read(rooms, RESPONSES)
        if isinstance(request, ResponsesRequest) and request.previous:
            turn = await _following(rooms, request.turn, request.previous)
            request = msgspec.structs.replace(request, turn=turn)
        return await reply(rooms, RESPONSES, request)

    @blueprint.get("/v1/responses/<response_id>")
    async def one(response_id: str) -> Response:
        """A response that has ended, as far as the archive tells: its output, status and usage, without what the
        request asked for. 404 `response_not_found`."""
        run = await rooms.archive.run(response_id.removeprefix(PREFIX))
        if run is None or run.state in ("queued", "running") or not response_id.startswith(PREFIX):
            raise ClientError(f"Response with id '{response_id}' not found.", status=404, code="response_not_found")
        return Response(_told(run), content_type=ResponseWhole.content_type)

    return blueprint


async def _following(rooms: Rooms, turn: Turn, previous: str) -> Turn:
    """The turn with what led to the previous response before it; only the instructions are not carried over."""
    run = await rooms.archive.run(previous.removeprefix(PREFIX)) if previous.startswith(PREFIX) else None
    records = await rooms.archive.messages(run.conversation_id) if run and run.conversation_id else ()
    end = _answer_of(run, records) if run else None
    if run is None or end is None:
        raise FieldError(
            f"Previous response with id '{previous}' not found.",
            "previous_response_id",
            code="previous_response_not_found",
        )
    before = [record.message for record in path_to_head(records[: end + 1])]
    system = [message for message in turn.messages if message.role == "system"]
    new = [message for message in turn.messages if message.role != "system"]
    return msgspec.structs.replace(
        turn,
        messages=(*system, *before, *_named(before, new)),
        # The conversation may be of any channel; one that asks by the id of a response may use it.
        caller=msgspec.structs.replace(turn.caller, channel="api", conversation_id=run.conversation_id),
    )


def _answer_of(run: RunRecord, records: tuple[MessageRecord, ...]) -> int | None:
    """Where the answer of a run stands among the messages of its conversation.

    The same answer to the same words is kept once, so that it may stand there as an earlier run's.
    """
    answers = [index for index, record in enumerate(records) if record.message.role == "assistant"]
    own = [index for index in answers if records[index].run_id == run.id]
    same = [index for index in answers if run.text and records[index].message.content == run.text]
    return (own or same or [None])[-1]


def _named(before: list[Message], new: list[Message]) -> list[Message]:
    """The results of tools with the names of their tools, which the calls before tell."""
    names = {call.id: call.name for message in before for call in message.tool_calls}
    return [
        msgspec.structs.replace(message, tool_name=names[message.tool_call_id])
        if message.role == "tool" and not message.tool_name and message.tool_call_id in names
        else message
        for message in new
    ]


class _Then:
    """The time at which a run began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def time(self) -> float:
        return self._seconds


def _told(run: RunRecord) -> bytes:
    """A run that has ended as the response that it gave."""
    model = run.profile or run.model
    whole = ResponseWhole(
        ResponsesRequest(Turn((), model), stream=False),
        Opening(run.id, run.conversation_id, _Then(run.started_at)),
    )
    calls = tuple(
        ToolCall(call.id, call.name, msgspec.json.decode(call.arguments))
        for call in run.tool_calls
        if call.owner == "client"
    )
    last: AgentEvent
    if run.state == "done":
        last = RunFinished(
            run.id,
            run.model,
            run.text,
            run.usage,
            run.finish_reason or "stop",
            len(run.steps),
            run.duration,
            client_calls=calls,
        )
    else:
        failure = run.failure or ("cancelled" if run.state == "cancelled" else "internal")
        last = RunFailed(run.id, failure, run.error, run.usage, run.duration)
    return whole.feed((*((Thinking(run.thinking),) if run.thinking else ()), last))
