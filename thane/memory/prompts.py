"""Prompts as they are kept: cut into pieces (the tools, each message), each named by its SHA-256 and stored once.

A prompt's own name is that of its last node: the hash of the node before it and of its piece. It is computed over what
is kept, so after secrets were taken out and images were replaced, and anyone can check it. Pure; the SQL is in
`thane.storage.prompt_rows`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from thane.config import settings
from thane.memory.rows import mended
from thane.redaction import Redactor
from thane.turn import Message, Prompt, ToolSpec

type Piece = tuple[bytes, str, int, int, bytes]
"""(hash, kind, size, packed, body), as a row."""
type Kind = Literal["tools", "message", "image"]

PACKED_FROM = 256  # bytes; a shorter text is not worth deflating
_LEVEL = 6  # of zlib: measured on prompts of Home Assistant, 1 is a fifth larger and 9 no smaller
_ENTRY_BYTES = 230  # of memory for each message that is remembered, besides its pieces: its key, its place in the order
_PIECE_BYTES = 170  # and for each piece, besides what it says; both measured, on CPython 3.13
_IMAGES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


class KeptImage(msgspec.Struct, frozen=True):
    """An image in a kept message. `data` is base64, where images are kept."""

    sha256: str
    bytes: int
    media_type: str
    data: str = ""


class KeptPrompt(msgspec.Struct, frozen=True):
    """A prompt as it was kept: `messages` as JSON values, images as `KeptImage`."""

    hash: str
    tools: tuple[ToolSpec, ...]
    messages: tuple[dict[str, Any], ...]


class PackedPrompt(msgspec.Struct, frozen=True):
    """A prompt ready for its rows: the chain's links, and the columns about it."""

    place: int
    step: int
    links: tuple[tuple[bytes, Piece], ...]
    options: str
    messages: int
    tools: int
    size: int

    @property
    def hash(self) -> str:
        return self.links[-1][0].hex()

    @property
    def about(self) -> tuple[int, int, str, int, int, int]:
        """The columns of its row besides the run and the node."""
        return self.place, self.step, self.options, self.messages, self.tools, self.size


class Packer:
    """Makes rows of prompts. Remembers what it made lately, since each turn sends all that was said before it.

    `pack` is called in the database's writer thread, one call at a time: whatever it costs, no token waits for it.
    """

    def __init__(
        self, limits: settings.Runs | None = None, redactor: Redactor | None = None, *, deflates: bool = True
    ) -> None:
        """`deflates` off is for what is shown and not stored: the names of the pieces are the same."""
        self._deflates = deflates
        self._limits = limits or settings.Runs()
        self.redactor = redactor or Redactor()
        self._made: OrderedDict[bytes, tuple[Piece, ...]] = OrderedDict()
        self._made_bytes = 0
        self._offered: tuple[tuple[ToolSpec, ...], tuple[Piece, ...]] = ((), ())  # the tools of the last prompt

    def pack(self, place: int, step: int, prompt: Prompt) -> PackedPrompt:
        """Cut up, redacted, hashed and deflated."""
        links: list[tuple[bytes, Piece]] = []
        for piece in self._pieces(prompt):
            before = links[-1][0] if links else b""
            links.append((hashlib.sha256(before + piece[0]).digest(), piece))
        options = self.redactor.value(msgspec.to_builtins(prompt.options))
        return PackedPrompt(
            place,
            step,
            tuple(links),
            _encode(options).decode(),
            len(prompt.messages),
            len(prompt.tools),
            sum(piece[2] for _, piece in links),
        )

    def for_view(self) -> Packer:
        """One like it for another thread, which only names and redacts."""
        return Packer(self._limits, self.redactor, deflates=False)

    @property
    def is_wanted(self) -> bool:
        """Whether prompts are kept at all."""
        return self._limits.keep_prompts

    def _pieces(self, prompt: Prompt) -> list[Piece]:
        pieces = list(self._tool_pieces(prompt.tools))
        for message in prompt.messages:
            try:
                raw = _encode(message)
            except UnicodeEncodeError:  # half of a surrogate pair, which no text that is kept can hold
                message = mended(message)
                raw = _encode(message)
            pieces += self._remembered("message", raw, message)
        return pieces

    def _tool_pieces(self, tools: tuple[ToolSpec, ...]) -> tuple[Piece, ...]:
        """Nearly every prompt has the same tools, not only equal ones: looking is cheaper than encoding them."""
        known, pieces = self._offered
        if not pieces or len(known) != len(tools) or any(a is not b for a, b in zip(known, tools, strict=True)):
            pieces = self._remembered("tools", _encode(tools), tools)
            self._offered = tools, pieces
        return pieces

    def _remembered(self, kind: Kind, raw: bytes, value: Message | tuple[ToolSpec, ...]) -> tuple[Piece, ...]:
        key = hashlib.sha256(kind.encode() + raw).digest()
        if (made := self._made.get(key)) is not None:
            self._made.move_to_end(key)
            return made
        made = self._message(value) if isinstance(value, Message) else (self._tools(value),)
        self._made[key] = made
        self._made_bytes += _size(made)
        while self._made_bytes > self._limits.prompt_cache_bytes and len(self._made) > 1:
            self._made_bytes -= _size(self._made.popitem(last=False)[1])
        return made

    def _tools(self, tools: Sequence[ToolSpec]) -> Piece:
        return self._piece("tools", _encode([self.redactor.value(msgspec.to_builtins(tool)) for tool in tools]))

    def _message(self, message: Message) -> tuple[Piece, ...]:
        """The message's piece, and before it those of its images where they are kept."""
        images = [_image(data) for data in message.images]
        bare = msgspec.structs.replace(message, images=())
        kept = self.redactor.value(msgspec.to_builtins(bare))
        if images:
            kept["images"] = [msgspec.to_builtins(about) for about, _ in images]
        pieces = [self._piece("image", body) for _, body in images] if self._limits.keep_images else []
        return (*pieces, self._piece("message", _encode(kept)))

    def _piece(self, kind: Kind, body: bytes) -> Piece:
        """The kind is part of the name, so that the same bytes as an image and as a message are two pieces."""
        digest = hashlib.sha256(kind.encode() + b"\0" + body).digest()
        if self._deflates and len(body) >= PACKED_FROM and kind != "image":
            small = zlib.compress(body, _LEVEL)
            if len(small) < 0.9 * len(body):
                return digest, kind, len(body), 1, small
        return digest, kind, len(body), 0, body


def read_prompt(node_hash: str, pieces: Sequence[Piece]) -> KeptPrompt:
    """The prompt that was kept as these rows."""
    tools: tuple[ToolSpec, ...] = ()
    messages: list[dict[str, Any]] = []
    images: dict[str, bytes] = {}
    for piece in pieces:
        body = zlib.decompress(piece[4]) if piece[3] else piece[4]
        match piece[1]:
            case "tools":
                tools = msgspec.json.decode(body, type=tuple[ToolSpec, ...])
            case "image":
                images[hashlib.sha256(body).hexdigest()] = body
            case _:
                messages.append(_decode(body))
    for message in messages:
        for image in message.get("images", ()):
            if (body := images.get(image["sha256"])) is not None:
                image["data"] = base64.b64encode(body).decode()
    return KeptPrompt(node_hash, tools, tuple(messages))


def _image(data: str) -> tuple[KeptImage, bytes]:
    try:
        body = base64.b64decode(data)
    except (binascii.Error, ValueError):
        body = data.encode("utf-8", "replace")
    media = next((name for start, name in _IMAGES.items() if body.startswith(start)), "application/octet-stream")
    return KeptImage(hashlib.sha256(body).hexdigest(), len(body), media), body


def _size(pieces: Sequence[Piece]) -> int:
    """Bytes of memory that it takes to remember them. What is said is the least of it where people are brief."""
    return _ENTRY_BYTES + sum(len(piece[4]) + _PIECE_BYTES for piece in pieces)
