"""Static files: style, scripts, icon. Kept by browsers for ever under an address that has the content's hash in it."""

from __future__ import annotations

from quart import Blueprint, Response, request

from thane.http.dashboard.desk import Desk

FOR_EVER = "public, max-age=31536000, immutable"


def routes(desk: Desk) -> Blueprint:
    blueprint = Blueprint("static", __name__)

    def serve(path: str) -> Response:
        asset = desk.assets.get(path)
        if asset is None:
            return desk.pages.problem(404, f"There is no file {path}.", desk.theme())
        headers = {
            "Cache-Control": FOR_EVER if request.args.get("v") == asset.tag else "no-cache",
            "ETag": f'"{asset.tag}"',
        }
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return Response(b"", 304, headers)
        return Response(asset.body, 200, headers, content_type=asset.content_type)

    @blueprint.get("/static/<path:path>")
    async def static(path: str) -> Response:
        """Style, scripts, icon."""
        return serve(path)

    @blueprint.get("/favicon.ico")
    async def favicon() -> Response:
        """The icon."""
        return serve("icon.svg")

    return blueprint
