"""One evening in the demo home, for tests and screenshots: real bus, home and health; scripted loops, turns and archive."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import trio

from thane.clock import Clock, iso
from thane.config.settings import Settings
from thane.conversations.live import LiveRun, Span
from thane.errors import ClientError
from thane.events.bus import EventBus
from thane.health.watch import Health
from thane.home.demo import DemoHome
from thane.http.rooms import Rooms
from thane.ids import Ids
from thane.loops.status import LoopState, LoopStatus
from thane.memory.records import ConversationRecord, MessageRecord, RunRecord, ToolCallRecord
from thane.models.provider import ModelInfo
from thane.testing.clock import TrioClock
from thane.version import Version
from thane.turn import (
    Batch,
    Channel,
    Message,
    ModelStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    ToolCall,
    ToolFinished,
    ToolStarted,
    Turn,
    Usage,
)


def status(loop_id: str, name: str, state: LoopState = "waiting", parent: str | None = None, **more: Any) -> LoopStatus:
    """A loop's status; `more` replaces fields."""
    plain = LoopStatus(
        id=loop_id,
        name=name,
        state=state,
        parent_id=parent,
        started_at=iso(1_800_000_000.0),
        last_wake_at=None,
        next_wake_at=None,
        iterations=0,
        attempts=0,
        total_input_tokens=0,
        total_output_tokens=0,
        last_input_tokens=0,
        last_output_tokens=0,
        context_window=0,
        last_error="",
        consecutive_errors=0,
        queued=0,
        recent_conv_ids=(),
        recent_iterations=(),
        handler_only=True,
        event_driven=True,
        state_since=1_800_000_000.0,
        metadata={},
        llm_context=None,
        config={},
    )
    return msgspec.structs.replace(plain, **more)


def live_run(run_id: str, loop_id: str, title: str, channel: Channel = "api", **more: Any) -> LiveRun:
    """A turn that is processing; `more` replaces fields."""
    plain = LiveRun(
        run_id=run_id,
        conversation_id=f"c_{loop_id}",
        loop_id=loop_id,
        channel=channel,
        title=title,
        turn_number=1,
        state="processing",
        position=0,
        started_at=1_800_000_000.0,
        profile="thane:latest",
        model="",
        what="Starting",
        text_chars=0,
        output_tokens=0,
        first_token=None,
        spans=(),
    )
    return msgspec.structs.replace(plain, **more)


class FakeLoops:
    def __init__(self) -> None:
        self.all: dict[str, LoopStatus] = {}

    def statuses(self) -> tuple[LoopStatus, ...]:
        return tuple(self.all.values())


@dataclass
class OpenTurn:
    run_id: str
    conversation_id: str
    loop_id: str
    profile: str
    batches: trio.MemoryReceiveChannel[Batch]


@dataclass
class FakeConversations:
    """Answers a turn with a script: batches with a pause before each."""

    bus: EventBus
    runs: dict[str, LiveRun] = field(default_factory=dict[str, LiveRun])
    script: list[tuple[float, Batch]] = field(default_factory=list[tuple[float, Batch]])
    refuse: ClientError | None = None
    turns: list[Turn] = field(default_factory=list[Turn])
    cancelled: list[str] = field(default_factory=list[str])

    def running(self) -> tuple[LiveRun, ...]:
        return tuple(self.runs.values())

    @asynccontextmanager
    async def open(self, turn: Turn) -> AsyncIterator[OpenTurn]:
        if self.refuse is not None:
            raise self.refuse
        self.turns.append(turn)
        run_id, conversation = f"r_{len(self.turns):016x}", turn.caller.conversation_id or "c_0000000000000001"
        send, receive = trio.open_memory_channel[Batch](0)
        finished = False

        async def play() -> None:
            nonlocal finished
            async with send:
                await send.send((RunStarted(run_id, conversation, "api", "thane:latest"),))
                for pause, batch in self.script:
                    await trio.sleep(pause)
                    await send.send(batch)
            finished = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            try:
                yield OpenTurn(run_id, conversation, "l_1", "thane:latest", receive)
            finally:
                if not finished:
                    self.cancelled.append(run_id)
                nursery.cancel_scope.cancel()


class FakeArchive:
    def __init__(self) -> None:
        self.known: dict[str, ConversationRecord] = {}
        self.said: dict[str, tuple[MessageRecord, ...]] = {}
        self.past: dict[str, RunRecord] = {}

    async def count_conversations(self) -> int:
        await trio.lowlevel.checkpoint()
        return len(self.known)

    async def conversation(self, conversation_id: str) -> ConversationRecord | None:
        await trio.lowlevel.checkpoint()
        return self.known.get(conversation_id)

    async def messages(self, conversation_id: str) -> tuple[MessageRecord, ...]:
        await trio.lowlevel.checkpoint()
        return self.said.get(conversation_id, ())

    async def run(self, run_id: str) -> RunRecord | None:
        await trio.lowlevel.checkpoint()
        return self.past.get(run_id)


class World:
    """The rooms of one scripted house."""

    def __init__(self, clock: Clock | None = None, settings: Settings | None = None) -> None:
        self.clock: Clock = clock or TrioClock()
        self.settings = settings or Settings(timezone="UTC")
        self.bus = EventBus(self.settings.events, self.clock)
        self.loops = FakeLoops()
        self.conversations = FakeConversations(self.bus)
        self.archive = FakeArchive()
        self.home = DemoHome(self.clock, self.bus)
        self.health = Health(self.settings.health, self.clock, self.bus, random.Random(1))
        self.models: tuple[ModelInfo, ...] = (ModelInfo("embedded", "embedded"),)
        self.started_at = self.clock.time()
        for loop_id, name in (("owu", "owu"), ("ha", "ha"), ("api", "api")):
            self.loops.all[loop_id] = status(loop_id, name, started_at=iso(self.started_at))

    def rooms(self) -> Rooms:
        return Rooms(
            settings=self.settings,
            clock=self.clock,
            ids=Ids(random.Random(1), self.clock),
            version=Version("0.1.0", "5f1b2a9c", "main", "", "3.13.0", "linux", "x86_64"),
            started_at=self.started_at,
            bus=self.bus,
            archive=cast("Any", self.archive),
            conversations=cast("Any", self.conversations),
            loops=cast("Any", self.loops),
            home=self.home,
            health=self.health,
            models=lambda: self.models,
        )

    def conversation(self, loop_id: str, title: str, parent: str, state: LoopState = "waiting", **more: Any) -> None:
        now = self.clock.time()
        self.loops.all[loop_id] = status(
            loop_id,
            f"{parent}/{title}",
            state,
            parent,
            started_at=iso(now),
            state_since=now,
            metadata={"conversation_id": f"c_{loop_id}", "title": title},
            **more,
        )

    def set_state(self, loop_id: str, state: LoopState) -> None:
        """Change a loop's state and tell of it, as the registry does."""
        old = self.loops.all[loop_id]
        self.loops.all[loop_id] = msgspec.structs.replace(old, state=state, state_since=self.clock.time())
        self.bus.publish(
            "loop", "loop_state_change", loop_id=loop_id, loop_name=old.name, conversation_id=f"c_{loop_id}",
            **{"from": old.state, "to": state},
        )  # fmt: skip


async def evening(world: World) -> None:
    """The mock's evening: conversations in every state, running turns, devices that were just changed."""
    now = world.clock.time()
    ago = now - 120
    world.conversation("l1", "Lisbon long weekend", "owu", "processing", last_input_tokens=38, context_window=100)
    world.conversation("l2", "Sunday recipe", "owu", "queued", last_input_tokens=22, context_window=100)
    world.conversation("l3", "Boiler manual questions", "owu", last_input_tokens=71, context_window=100)
    for number in range(24):
        world.conversation(f"w{number}", f"Question {number}", "owu")
    world.conversation("l5", "Kitchen satellite", "ha", last_input_tokens=4, context_window=100)
    world.conversation("l6", "Hall tablet", "ha", last_input_tokens=9, context_window=100)
    world.conversation("l7", "Movie night", "api", "processing", last_input_tokens=27, context_window=100)
    world.conversation("l8", "invoice-bot", "api", "processing", last_input_tokens=84, context_window=100)
    world.conversation("l9", "hermes-cli", "api", "stopped")
    world.loops.all["s1"] = status("s1", "Morning briefing", "sleeping", next_wake_at=iso(now + 9 * 3600))
    world.loops.all["s2"] = status(
        "s2", "Battery watch", "error", next_wake_at=iso(now + 24), consecutive_errors=3, state_since=ago
    )
    for entry in (
        live_run("r_5d0c91ae", "l1", "Lisbon long weekend", "owu", turn_number=12, started_at=now - 11.8,
                 model="claude-sonnet-4-5", what="web.search",
                 spans=(Span("queue", "queue", now - 11.8, 0.2, "done"), Span("model", "claude-sonnet-4-5", now - 11.6, 3.4, "done"),
                        Span("tool", "web.search", now - 8.2, 2.6, "done"), Span("model", "claude-sonnet-4-5", now - 5.6, 3.5, "done"),
                        Span("tool", "web.search", now - 2.1, None, "running"))),
        live_run("r_19be0a52", "l2", "Sunday recipe", "owu", turn_number=2, state="queued", position=1, started_at=now - 0.8),
        live_run("r_8f3a21c4", "l7", "Movie night", turn_number=4, started_at=now - 4.1, model="qwen3:14b",
                 what="Writing the answer", output_tokens=61, first_token=2.5,
                 spans=(Span("queue", "queue", now - 4.1, 0.1, "done"), Span("model", "qwen3:14b", now - 4.0, 1.2, "done"),
                        Span("tool", "light.turn_on", now - 2.8, 0.084, "done"), Span("tool", "vacuum.pause", now - 2.7, 1.1, "done"),
                        Span("model", "qwen3:14b", now - 1.6, None, "running"))),
        live_run("r_c02e77f1", "l8", "invoice-bot", turn_number=31, started_at=now - 6.4, model="claude-sonnet-4-5",
                 what="Waiting for the first word",
                 spans=(Span("error", "claude-sonnet-4-5", now - 6.3, 2.1, "error"), Span("model", "claude-sonnet-4-5", now - 4.2, None, "running"))),
    ):  # fmt: skip
        world.conversations.runs[entry.run_id] = entry
        world.bus.publish(
            "agent", "request_start", run_id=entry.run_id, request_id=entry.run_id, conversation_id=entry.conversation_id,
            loop_id=entry.loop_id, channel=entry.channel, profile=entry.profile, title=entry.title,
        )  # fmt: skip
    about = {"run_id": "r_8f3a21c4", "conversation_id": "c_l7", "loop_id": "l7"}
    world.bus.publish(
        "agent", "llm_call", iter=1, model="qwen3:14b", provider="ollama", est_tokens=3412, messages=6, tools=9, **about
    )
    world.bus.publish(
        "agent",
        "llm_response",
        iter=1,
        model="qwen3:14b",
        tokens_in=3412,
        tokens_out=47,
        tool_calls=2,
        duration_ms=1280,
        **about,
    )
    world.bus.publish(
        "agent",
        "tool_call",
        call_id="call_1",
        tool="light.turn_on",
        args={"entity_id": "light.floor_lamp", "brightness_pct": 35},
        **about,
    )
    await world.home.call_service("light", "turn_on", ["light.floor_lamp"], {"brightness_pct": 35}, run_id="r_8f3a21c4")
    world.bus.publish(
        "agent", "tool_done", call_id="call_1", tool="light.turn_on", ok=True, result="done", duration_ms=84, **about
    )
    world.bus.publish(
        "agent", "tool_call", call_id="call_2", tool="vacuum.start", args={"entity_id": "vacuum.vacuum"}, **about
    )
    await world.home.call_service("vacuum", "start", ["vacuum.vacuum"], {}, run_id="r_8f3a21c4")
    world.bus.publish(
        "agent",
        "tool_done",
        call_id="call_2",
        tool="vacuum.start",
        ok=False,
        error="the vacuum did not answer within 30 s",
        duration_ms=30000,
        **about,
    )
    world.bus.publish(
        "agent",
        "request_complete",
        run_id="r_0",
        conversation_id="c_l3",
        loop_id="l3",
        model="qwen3:14b",
        iterations=2,
        total_tokens_in=184_200,
        total_tokens_out=21_600,
        elapsed_ms=2210,
    )
    world.bus.publish(
        "loop",
        "loop_error",
        loop_id="s2",
        loop_name="Battery watch",
        error="home.list_states timed out",
        consecutive_errors=3,
        retry_in_ms=24000,
    )
    world.bus.publish(
        "agent", "request_cancelled", run_id="r_9", conversation_id="c_l9", loop_id="l9", by="dashboard", elapsed_ms=812
    )
    world.health.mark("garage", ready=False, error="connect timed out")
    world.models = (ModelInfo("qwen3:14b", "ollama"), ModelInfo("claude-sonnet-4-5", "anthropic"))
    remember_chat(world)


def remember_chat(world: World) -> None:
    """A stored conversation of two turns, `c_l7`."""
    now = world.clock.time()
    world.archive.known["c_l7"] = ConversationRecord("c_l7", "api", "Movie night", now - 60, now, 4, 2)
    answers = (
        "Only the office lamp, at 40 %. Everything else upstairs is off.",
        "The floor lamp is at 35 %, and the vacuum is on its way.",
    )
    questions = ("Anything still on upstairs?", "Film time: dim the floor lamp and start the vacuum.")
    records: list[MessageRecord] = []
    for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        run_id = f"r_past{number}"
        for role, text in (("user", question), ("assistant", answer)):
            position = len(records)
            records.append(
                MessageRecord(
                    f"m{position}",
                    "c_l7",
                    run_id,
                    position,
                    Message(role, text),
                    now,
                    f"k{position}",
                    f"k{position - 1}",
                )  # pyright: ignore[reportArgumentType] a role by name
            )
        calls = (
            (ToolCallRecord("call_1", run_id, "c_l7", 1, "light.turn_on", "{}", "done", True, now, 0.084),)
            if number
            else ()
        )  # noqa: FBT003 a record
        world.archive.past[run_id] = RunRecord(
            run_id, "c_l7", "l7", "api", "thane:latest", "done", now, model="qwen3:14b", text=answer,
            usage=Usage(3412, 61), duration=1.3, first_token=0.38, tool_calls=calls,
        )  # fmt: skip
    world.archive.said["c_l7"] = tuple(records)


def spoken_answer(text: str = "The floor lamp is on.", pause: float = 0.05) -> list[tuple[float, Batch]]:
    """A script: a model step, a tool, the text word by word, the end."""
    call = ToolCall("call_1", "light.turn_on", {"entity_id": "light.floor_lamp"})
    usage = Usage(100, 12)
    return [
        (pause, (ModelStarted(1, "qwen3:14b", "ollama", 2, 9, 100),)),
        (pause, (ToolStarted(1, call),)),
        (pause, (ToolFinished(1, call, True, "done", 0.084),)),  # noqa: FBT003 a record
        *((pause, (Text(word),)) for word in text.replace(" ", " \n").split("\n")),
        (pause, (RunFinished("r_0000000000000001", "qwen3:14b", text, usage, "stop", 2, 0.9, 0.38),)),
    ]


def failing_answer(message: str = "the model server does not answer") -> list[tuple[float, Batch]]:
    return [
        (0.0, (Text("The floor"),)),
        (0.0, (RunFailed("r_0000000000000001", "unavailable", message, Usage(), 0.2),)),
    ]


async def collect(generator: AsyncGenerator[bytes]) -> bytes:
    return b"".join([piece async for piece in generator])
