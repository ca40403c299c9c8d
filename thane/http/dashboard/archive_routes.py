"""The Archive page: search, sessions, and the checkpoints with what a person does with them."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from thane.conversations.checkpointer import Checkpointer
from thane.errors import ClientError
from thane.http.dashboard import archive_page
from thane.http.dashboard.desk import Desk
from thane.memory.checkpoints import unknown
from thane.memory.search import Around, Found, Wanted

_AROUND = 2
"""Messages of the exchange before and after a match that the page shows; the conversation has the rest."""
_RESULTS = 20
_SESSIONS = 30
_CHECKPOINTS = 50
_QUERY_CHARS = 200


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("archive_pages", __name__)
    rooms, zone = desk.rooms, desk.board.zone

    async def titles(names: Iterable[str]) -> dict[str, str]:
        records = [await rooms.archive.conversation(name) for name in frozenset(names)]
        return {record.id: record.title for record in records if record is not None}

    @blueprint.get("/archive")
    async def archive() -> Response:
        """The page Archive. `q` is looked for in everything that was said; `channel` and `page` narrow and turn it."""
        query = request.args.get("q", "").strip()[:_QUERY_CHARS]
        channel, page = request.args.get("channel", ""), _page(request.args.get("page", ""))
        results, following = None, ""
        if query:
            limits = rooms.settings.archive
            around = Around(_AROUND, limits.search_silence_seconds, limits.search_context_seconds)
            wanted, offset = Wanted(channel=channel), (page - 1) * _RESULTS
            found = await rooms.archive.search.find(query, wanted, limit=_RESULTS + 1, offset=offset, around=around)
            if len(found.hits) > _RESULTS:
                following = "/archive?" + urlencode({"q": query, "channel": channel, "page": page + 1})
            shown = Found(found.hits[:_RESULTS], found.instead)
            results = archive_page.results(shown, await titles(each.match.conversation_id for each in shown.hits), zone)
        sessions = await rooms.archive.sessions.list(limit=_SESSIONS)
        called = await titles(each.conversation_id for each in sessions if not each.title)
        return desk.pages.response(
            "archive.html",
            desk.theme(),
            page="archive",
            query=query,
            channel=channel,
            channels=archive_page.channel_names(),
            results=results,
            following=following,
            counted=archive_page.counted(await rooms.archive.search.statistics()),
            keeping=archive_page.keeping(rooms.settings, rooms.swept(), zone),
            sessions=archive_page.session_rows(sessions, called, zone),
            checkpoints=archive_page.checkpoint_rows(await rooms.archive.checkpoints.list(limit=_CHECKPOINTS), zone),
        )

    return blueprint


def checkpoint_routes(desk: Desk) -> Blueprint:
    """What a person does with checkpoints."""
    blueprint = Blueprint("checkpoint_pages", __name__)
    rooms, zone = desk.rooms, desk.board.zone

    @blueprint.post("/archive/checkpoints")
    async def create() -> WerkzeugResponse:
        """Make a checkpoint with the note in the form."""
        await _checkpointer(desk).create("manual", (await request.form).get("note", "").strip()[:_QUERY_CHARS])
        return redirect("/archive#checkpoints", 303)

    @blueprint.post("/archive/checkpoints/<checkpoint_id>/delete")
    async def delete(checkpoint_id: str) -> WerkzeugResponse:
        """Delete a checkpoint."""
        if not await rooms.archive.checkpoints.delete(checkpoint_id):
            raise unknown()
        return redirect("/archive#checkpoints", 303)

    @blueprint.get("/archive/checkpoints/<checkpoint_id>")
    async def compare(checkpoint_id: str) -> Response:
        """What a restore of a checkpoint would change, before it does."""
        record = await rooms.archive.checkpoints.get(checkpoint_id)
        if record is None:
            raise unknown()
        (row,) = archive_page.checkpoint_rows((record,), zone)
        return desk.pages.response(
            "checkpoint.html",
            desk.theme(),
            page="archive",
            checkpoint=row,
            preview=archive_page.preview(await _checkpointer(desk).compare(checkpoint_id)),
            done=request.args.get("restored", ""),
        )

    @blueprint.post("/archive/checkpoints/<checkpoint_id>/restore")
    async def restore(checkpoint_id: str) -> WerkzeugResponse:
        """Restore a checkpoint: all of it, or the conversations that are ticked. `force` stops turns that run there."""
        form = await request.form
        only = form.getlist("conversation") if form.get("what") == "chosen" else []
        if form.get("what") == "chosen" and not only:
            raise ClientError("Tick the conversations that are to be restored, or restore everything.")
        _, before = await _checkpointer(desk).restore(checkpoint_id, only, force=form.get("force") == "1")
        return redirect(f"/archive/checkpoints/{checkpoint_id}?{urlencode({'restored': before.id})}", 303)

    return blueprint


def _checkpointer(desk: Desk) -> Checkpointer:
    if desk.rooms.checkpointer is None:
        raise ClientError("checkpointing not configured", status=503, code="unavailable")
    return desk.rooms.checkpointer


def _page(given: str) -> int:
    return int(given) if given.isascii() and given.isdigit() and 0 < int(given[:4]) < 1000 else 1
