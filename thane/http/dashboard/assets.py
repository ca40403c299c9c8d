"""The files of `web/`: found in a checkout or in an installed wheel, read once, served with a hash in their address.

Only files with a known suffix outside `templates/` are assets; a request names one of them or gets nothing, so no path
of a client ever reaches the file system.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

import thane

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


class Asset(msgspec.Struct, frozen=True):
    """One file as it is served. `tag` is the start of its SHA-256, in hex."""

    body: bytes
    content_type: str
    tag: str


def find_web() -> Path:
    """The folder `web/`: `thane/web` in an installed package, `../web` beside `thane/` in a checkout."""
    package = Path(thane.__file__).parent
    for folder in (package / "web", package.parent / "web"):
        if (folder / "templates").is_dir():
            return folder
    raise FileNotFoundError(
        f"the dashboard's files are missing: neither {package / 'web'} nor {package.parent / 'web'}"
    )


class Assets:
    """All assets of a folder, by path relative to it."""

    def __init__(self, folder: Path) -> None:
        self._assets = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in CONTENT_TYPES and path.is_file() and folder / "templates" not in path.parents
        }

    def get(self, path: str) -> Asset | None:
        return self._assets.get(path)

    def paths(self) -> tuple[str, ...]:
        return tuple(self._assets)

    def url(self, path: str) -> str:
        """The address of an asset; it changes with the content, so that browsers may keep it for ever."""
        return f"/static/{path}?v={self._assets[path].tag}"


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, CONTENT_TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
