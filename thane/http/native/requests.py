"""What models were sent, by hash, and runs in the shape that the reference's newer API has for a request."""

from __future__ import annotations

from quart import Blueprint, Response

from thane.errors import ClientError
from thane.http.native.answers import answer
from thane.http.native.request_shape import request_of, tool_calls_of
from thane.http.native.runs import living, stored
from thane.http.rooms import Rooms


def routes(rooms: Rooms) -> Blueprint:
    """`/v1/prompts/{hash}`, `/v1/requests/{id}` and what is below it."""
    blueprint = Blueprint("requests", __name__)
    archive, conversations = rooms.archive, rooms.conversations

    @blueprint.get("/v1/prompts/<prompt_hash>")
    async def prompt(prompt_hash: str) -> Response:
        """What a model step was sent: `{"hash","tools","messages"}`, as it was before its provider put it into the
        words of a protocol, without secrets. Images are told by `sha256` and `bytes`, with `data` only where
        `runs.keep_images` is set. 404 when it is not kept, or no longer (`runs.prompt_days`, `runs.prompt_bytes`)."""
        found = await archive.prompt(prompt_hash)
        if found is None:
            raise ClientError(
                "this prompt is not kept, or no longer (runs.prompt_days)", status=404, code="prompt_not_found"
            )
        return answer(found)

    @blueprint.get("/v1/requests/<run_id>")
    async def request_detail(run_id: str) -> Response:
        """A run in the shape of the reference's newer API: `messages` are those that its last model step was sent,
        `prompt_hash` names that prompt for `/v1/prompts`, `exhausted` says that a limit ended it."""
        live = living(rooms, run_id)
        if live is not None:
            sent = conversations.sent_prompts(run_id)
            return answer(
                request_of(
                    live,
                    archive.redactor.text(conversations.asked(run_id)),
                    archive.as_kept(sent[-1]) if sent else None,
                )
            )
        record = await stored(rooms, run_id)
        kept = await archive.prompt(record.prompts[-1].hash) if record.prompts else None
        return answer(request_of(record, await archive.question(record.conversation_id, run_id), kept))

    @blueprint.get("/v1/requests/<run_id>/tools")
    async def request_tools(run_id: str) -> Response:
        """The tool calls of a run that has ended: `{"request_id","tool_calls","count"}`."""
        calls = tool_calls_of(await stored(rooms, run_id))
        return answer({"request_id": run_id, "tool_calls": calls, "count": len(calls)})

    return blueprint
