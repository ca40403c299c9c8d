"""The rooms of a house for tests: real bus, home and health; scripted loops, turns and archive."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import trio

from tests.ledger.doubles import FakeLedger
from thane.clock import Clock, iso
from thane.config.settings import Settings
from thane.conversations.live import LiveRun
from thane.errors import ClientError
from thane.events.bus import EventBus
from thane.health.watch import Health
from thane.home.demo import DemoHome
from thane.http.rooms import Rooms
from thane.ids import Ids
from thane.loops.status import LoopState, LoopStatus
from thane.memory.prompts import KeptPrompt, Packer, read_prompt
from thane.memory.records import (
    ConversationPage,
    ConversationQuery,
    ConversationRecord,
    MessageRecord,
    RunFilter,
    RunRecord,
    SentPrompt,
)
from thane.memory.search import ArchiveStatistics
from thane.models.provider import ModelInfo
from thane.redaction import Redactor
from thane.testing.clock import TrioClock
from thane.turn import (
    Batch,
    Channel,
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
from thane.version import Version


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


class FakeLoop:
    def __init__(self, found: LoopStatus) -> None:
        self._found = found

    def status(self) -> LoopStatus:
        return self._found


class FakeLoops:
    def __init__(self) -> None:
        self.all: dict[str, LoopStatus] = {}

    def statuses(self) -> tuple[LoopStatus, ...]:
        return tuple(self.all.values())

    def get(self, loop_id: str) -> FakeLoop | None:
        found = self.all.get(loop_id)
        return FakeLoop(found) if found is not None else None


@dataclass
class OpenTurn:
    run_id: str
    conversation_id: str
    loop_id: str
    profile: str
    batches: trio.MemoryReceiveChannel[Batch]


@dataclass
class FakeShelf:
    """Notes what is asked of it."""

    done: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])

    async def rename(self, conversation_id: str, title: str) -> None:
        await trio.lowlevel.checkpoint()
        self.done.append(("rename", conversation_id, title))

    async def put_away(self, conversation_id: str, *, away: bool) -> None:
        await trio.lowlevel.checkpoint()
        self.done.append(("put_away", conversation_id, away))

    async def delete(self, conversation_id: str, by: str) -> None:
        await trio.lowlevel.checkpoint()
        self.done.append(("delete", conversation_id, by))


@dataclass
class FakeConversations:
    """Answers a turn with a script: batches with a pause before each."""

    bus: EventBus
    runs: dict[str, LiveRun] = field(default_factory=dict[str, LiveRun])
    script: list[tuple[float, Batch]] = field(default_factory=list[tuple[float, Batch]])
    refuse: ClientError | None = None
    turns: list[Turn] = field(default_factory=list[Turn])
    cancelled: list[str] = field(default_factory=list[str])
    scopes: dict[str, trio.CancelScope] = field(default_factory=dict[str, trio.CancelScope])
    nursery: trio.Nursery | None = None
    shelf: FakeShelf = field(default_factory=FakeShelf)

    records: dict[str, RunRecord] = field(default_factory=dict[str, RunRecord])
    prompts: dict[str, tuple[SentPrompt, ...]] = field(default_factory=dict[str, tuple[SentPrompt, ...]])

    def running(self) -> tuple[LiveRun, ...]:
        return tuple(run for run in self.runs.values() if run.state != "waiting")

    def between_rounds(self) -> tuple[LiveRun, ...]:
        return tuple(run for run in self.runs.values() if run.state == "waiting")

    def so_far(self, run_id: str) -> RunRecord | None:
        """What the test says, or what is known of a run that it only shows as running."""
        live = self.runs.get(run_id)
        if live is None or run_id in self.records:
            return self.records.get(run_id)
        state = "queued" if live.state == "queued" else "running"
        known = (run_id, live.conversation_id, live.loop_id, live.channel, live.profile, state, live.started_at)
        return RunRecord(*known, title=live.title, model=live.model, spans=live.spans)

    def sent_prompts(self, run_id: str) -> tuple[SentPrompt, ...]:
        return self.prompts.get(run_id, ())

    def asked(self, run_id: str) -> str:
        return self.records[run_id].title if run_id in self.records else ""

    @asynccontextmanager
    async def open(self, turn: Turn) -> AsyncGenerator[OpenTurn]:
        """The script plays in `nursery`, as a turn does in its conversation's loop."""
        if self.refuse is not None:
            raise self.refuse
        assert self.nursery is not None, "give the fake a nursery to play in"
        self.turns.append(turn)
        run_id, conversation = f"r_{len(self.turns):016x}", turn.caller.conversation_id or "c_0000000000000001"
        send, receive = trio.open_memory_channel[Batch](0)
        self.scopes[run_id] = trio.CancelScope()
        self.nursery.start_soon(self._play, run_id, conversation, send)
        try:
            yield OpenTurn(run_id, conversation, "l_1", "thane:latest", receive)
        finally:
            if run_id in self.scopes:
                self.cancelled.append(run_id)
                self.scopes.pop(run_id).cancel()

    async def _play(self, run_id: str, conversation: str, send: trio.MemorySendChannel[Batch]) -> None:
        async with send:
            with self.scopes[run_id] as scope:
                await send.send((RunStarted(run_id, conversation, "api", "thane:latest"),))
                for pause, batch in self.script:
                    await trio.sleep(pause)
                    await send.send(batch)
                self.scopes.pop(run_id, None)
            if scope.cancelled_caught and run_id in self.scopes:
                del self.scopes[run_id]
                await send.send((RunFailed(run_id, "cancelled", "the turn was stopped", Usage(), 0.5),))

    def cancel(self, run_id: str, by: str) -> bool:
        if run_id not in self.scopes:
            return False
        self.cancelled.append(run_id)
        self.scopes[run_id].cancel()
        return True


class Empty:
    """Sessions, checkpoints and the search of an archive in which there is nothing."""

    async def list(self, **_: object) -> tuple[()]:
        await trio.lowlevel.checkpoint()
        return ()

    async def statistics(self) -> ArchiveStatistics:
        await trio.lowlevel.checkpoint()
        return ArchiveStatistics(0, 0, 0, None, None, {}, 0)


class FakeArchive:
    def __init__(self) -> None:
        self.sessions = self.checkpoints = self.search = Empty()
        self.known: dict[str, ConversationRecord] = {}
        self.said: dict[str, tuple[MessageRecord, ...]] = {}
        self.past: dict[str, RunRecord] = {}
        self.prompts: dict[str, KeptPrompt] = {}
        self.redactor = Redactor(["opensesame"])

    async def count_conversations(self) -> int:
        await trio.lowlevel.checkpoint()
        return len(self.known)

    async def conversation(self, conversation_id: str) -> ConversationRecord | None:
        await trio.lowlevel.checkpoint()
        return self.known.get(conversation_id)

    async def find(self, query: ConversationQuery) -> ConversationPage:
        """By what a page selects by most; the real one is tested with its database."""
        await trio.lowlevel.checkpoint()
        found = [
            each
            for each in self.known.values()
            if query.channel in ("", each.channel) and query.q in each.title and each.archived == query.archived
        ]
        page = tuple(found[: query.limit])
        return ConversationPage(page, len(found), ("", page[-1].id) if len(found) > query.limit else None)

    async def messages(self, conversation_id: str) -> tuple[MessageRecord, ...]:
        await trio.lowlevel.checkpoint()
        return self.said.get(conversation_id, ())

    async def run(self, run_id: str) -> RunRecord | None:
        await trio.lowlevel.checkpoint()
        return self.past.get(run_id)

    async def runs(
        self, *, wanted: RunFilter, start: tuple[float, str] | None = None, limit: int = 50
    ) -> tuple[RunRecord, ...]:
        """Only the filters by state and by parent."""
        await trio.lowlevel.checkpoint()
        latest = sorted(self.past.values(), key=lambda run: (run.started_at, run.id), reverse=True)
        return tuple(
            run
            for run in latest
            if wanted.state in ("", run.state)
            and wanted.parent_run_id in ("", run.parent_run_id)
            and (start is None or (run.started_at, run.id) < start)
        )[:limit]

    async def question(self, conversation_id: str, run_id: str) -> str:
        said = await self.messages(conversation_id)
        return next((each.message.content for each in said if each.run_id == run_id), "")

    async def prompt(self, prompt_hash: str) -> KeptPrompt | None:
        await trio.lowlevel.checkpoint()
        return self.prompts.get(prompt_hash)

    def as_kept(self, sent: SentPrompt) -> KeptPrompt:
        packed = Packer(redactor=self.redactor).pack(sent.place, sent.step, sent.prompt)
        return read_prompt(packed.hash, [piece for _, piece in packed.links])


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
            ledger=cast("Any", FakeLedger()),
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


def spoken_answer(text: str = "The floor lamp is on.", pause: float = 0.05) -> list[tuple[float, Batch]]:
    """A script: a model step, a tool, the text word by word, the end."""
    call = ToolCall("call_1", "light.turn_on", {"entity_id": "light.floor_lamp"})
    usage = Usage(100, 12)
    return [
        (pause, (ModelStarted(1, "qwen3:14b", "ollama", 2, 9, 100),)),
        (pause, (ToolStarted(1, call),)),
        (pause, (ToolFinished(1, call, True, "done", 0.084),)),
        *((pause, (Text(word),)) for word in text.replace(" ", " \n").split("\n")),
        (pause, (RunFinished("r_0000000000000001", "qwen3:14b", text, usage, "stop", 2, 0.9, 0.38),)),
    ]


def failing_answer(message: str = "the model server does not answer") -> list[tuple[float, Batch]]:
    return [
        (0.0, (Text("The floor"),)),
        (0.0, (RunFailed("r_0000000000000001", "unavailable", message, Usage(), 0.2),)),
    ]
