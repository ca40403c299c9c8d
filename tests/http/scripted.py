"""Both listeners over conversations that play a script, for tests of what is between a client and a turn."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import trio

from tests.ledger.doubles import FakeLedger
from thane.config.settings import Settings
from thane.conversations.live import LiveRun
from thane.conversations.tracker import OpenTurn
from thane.errors import ClientError
from thane.events.bus import EventBus
from thane.health.watch import Health
from thane.http.native.app import build_native
from thane.http.ollama.app import build_ollama
from thane.http.rooms import Rooms
from thane.ids import Ids
from thane.models.embeddings import Embedder
from thane.models.provider import ModelInfo, Provider
from thane.testing.clock import TrioClock
from thane.testing.serving import Answer, Served, serving
from thane.turn import AgentEvent, Batch, RunFailed, RunFinished, RunStarted, Text, ToolCall, Turn, Usage
from thane.version import Version

RUN = "r_0123456789abcdef"
CONVERSATION = "c_0123456789abcdef"
USAGE = Usage(input_tokens=12, output_tokens=5)

type Step = AgentEvent | float | Batch
"""An event alone, a pause in seconds, or events that are ready at the same moment."""

type Script = Callable[[Turn], Sequence[Step]]


def started() -> RunStarted:
    return RunStarted(RUN, CONVERSATION, "api", "thane:latest")


def finished(text: str, calls: tuple[ToolCall, ...] = ()) -> RunFinished:
    reason = "tool_calls" if calls else "stop"
    return RunFinished(RUN, "llama", text, USAGE, reason, 1, 1.5, 0.25, calls, decode_duration=0.5)


def failed(message: str = "The model server stopped answering.", **more: Any) -> RunFailed:
    return msgspec.structs.replace(RunFailed(RUN, "model", message, USAGE, 2.0), **more)


def says(*pieces: str) -> Script:
    """A run that says `pieces`, each in a batch of its own."""
    return lambda _turn: [started(), *map(Text, pieces), finished("".join(pieces))]


def plays(*steps: Step) -> Script:
    return lambda _turn: [started(), *steps]


@dataclass
class ScriptedConversations:
    """Plays `script` for each turn. `ended` has the times at which turns were left, and whether in the middle."""

    nursery: trio.Nursery
    script: Script
    turns: list[Turn] = field(default_factory=list[Turn])
    ended: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    sent: int = 0
    refuses: ClientError | None = None
    left: trio.Event = field(default_factory=trio.Event)

    @asynccontextmanager
    async def open(self, turn: Turn) -> AsyncGenerator[OpenTurn]:
        await trio.lowlevel.checkpoint()
        if self.refuses is not None:
            raise self.refuses
        self.turns.append(turn)
        send, receive = trio.open_memory_channel[Batch](4)
        scope = trio.CancelScope()
        self.nursery.start_soon(self._play, turn, send, scope)
        in_the_middle = True
        try:
            yield OpenTurn(RUN, CONVERSATION, "loop", "thane:latest", receive)
            in_the_middle = False
        finally:
            self.ended.append((trio.current_time(), in_the_middle))
            self.left.set()
            scope.cancel()
            receive.close()

    def running(self) -> tuple[LiveRun, ...]:
        return ()

    async def _play(self, turn: Turn, send: trio.MemorySendChannel[Batch], scope: trio.CancelScope) -> None:
        with scope, send:
            for step in self.script(turn):
                if isinstance(step, float | int):
                    await trio.sleep(step)
                    continue
                batch = step if isinstance(step, tuple) else (step,)
                try:
                    send.send_nowait(batch)  # as the tracker does: without a checkpoint while there is room
                except trio.WouldBlock:
                    await send.send(batch)
                self.sent += 1


class Site:
    """Both listeners, served on free ports."""

    def __init__(self, rooms: Rooms, conversations: ScriptedConversations, native: Served, ollama: Served) -> None:
        self.rooms = rooms
        self.conversations = conversations
        self.native = native
        self.ollama = ollama

    @property
    def turn(self) -> Turn:
        """The only turn so far."""
        (turn,) = self.conversations.turns
        return turn


@asynccontextmanager
async def site(
    script: Script | None = None,
    *,
    settings: Settings | None = None,
    models: tuple[ModelInfo, ...] = (ModelInfo("embedded", "embedded"),),
    embedder: Embedder | None = None,
    provider: Provider | None = None,
) -> AsyncGenerator[Site]:
    """Around the block, both listeners are served."""
    settings = settings or Settings()
    clock, source = TrioClock(), random.Random(1)
    nothing = cast("Any", None)
    bus = EventBus(settings.events, clock)
    async with trio.open_nursery() as nursery:
        conversations = ScriptedConversations(nursery, script or says("Hello ", "there."))
        rooms = Rooms(
            settings=settings,
            clock=clock,
            ids=Ids(source, clock),
            version=Version("0.1.0", "abc", "main", "", "3.13.0", "linux", "x86_64"),
            started_at=clock.time(),
            bus=bus,
            archive=nothing,
            ledger=cast("Any", FakeLedger()),
            conversations=cast("Any", conversations),
            loops=nothing,
            home=None,
            health=Health(settings.health, clock, bus, source),
            models=lambda: models,
            embedder=embedder,
            provider=lambda name: provider if provider is not None and provider.name == name else None,
        )
        native: Any = build_native(rooms)
        ollama: Any = build_ollama(rooms)
        async with serving(native) as native_served, serving(ollama) as ollama_served:
            yield Site(rooms, conversations, native_served, ollama_served)
        nursery.cancel_scope.cancel()


async def post(served: Served, path: str, body: object, *headers: str) -> Answer:
    """One JSON request."""
    return await served.ask("POST", path, msgspec.json.encode(body), *headers)


def ollama_chat(**more: object) -> dict[str, object]:
    return {"model": "thane", "messages": [{"role": "user", "content": "hi"}]} | more


def frames(body: bytes) -> list[Any]:
    """The events of an SSE body; comments as `:`, `[DONE]` as it is."""
    parts = body.decode().split("\n\n")[:-1]
    return [_frame(part) for part in parts]


def _frame(part: str) -> Any:
    if part.startswith(":"):
        return ":"
    data = part.removeprefix("data: ")
    return data if data == "[DONE]" else msgspec.json.decode(data)


def lines(body: bytes) -> list[Any]:
    return [msgspec.json.decode(line) for line in body.splitlines()]
