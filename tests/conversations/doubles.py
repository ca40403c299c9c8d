"""Test doubles around the tracker: an archive in memory below it, an agent that does as it is told."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import trio
from msgspec.structs import replace

from tests.loops.doubles import Events
from thane.agent.context import RunContext
from thane.config import settings
from thane.conversations.tracker import Conversations, OpenTurn, open_conversations
from thane.events.event import Publisher
from thane.ids import Ids
from thane.loops.registry import LoopRegistry, open_registry
from thane.memory.archive import Archive
from thane.memory.lately import Lately
from thane.memory.prompts import KeptPrompt, Packer, read_prompt
from thane.memory.records import (
    ConversationPage,
    ConversationQuery,
    ConversationRecord,
    Holder,
    MessageRecord,
    PromptRecord,
    RunFilter,
    RunRecord,
    SentPrompt,
    TitleBy,
)
from thane.redaction import Redactor
from thane.testing.clock import TrioClock
from thane.turn import (
    AgentEvent,
    Batch,
    Caller,
    Channel,
    Message,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    ToolCall,
    ToolSpec,
    Turn,
    Usage,
)

type Send = Callable[[Batch], Awaitable[None]]
type Script = Callable[[Turn, RunContext, Send], Awaitable[RunFinished | RunFailed]]


class Handed:
    """What the sessions of a fake archive were handed over, by conversation."""

    def __init__(self, notes: dict[str, str]) -> None:
        self._notes = notes

    def handoff(self, conversation_id: str) -> str:
        return self._notes.get(conversation_id, "")


class FakeArchive:
    """Keeps what it is told, as the real one does. `delay` is seconds for each call; `fails` makes storing fail."""

    def __init__(self) -> None:
        self.handed: dict[str, str] = {}
        self.sessions = Handed(self.handed)
        self.records: dict[str, ConversationRecord] = {}
        self.started: list[RunRecord] = []
        self.stored: dict[str, RunRecord] = {}
        self.said: list[MessageRecord] = []
        self.prompts: dict[str, KeptPrompt] = {}
        self.earlier: tuple[Lately, ...] = ()
        self.delay = 0.0
        self.fails = False
        self.asked = 0

    def run_started(self, conversation: ConversationRecord, run: RunRecord) -> None:
        self.records.setdefault(conversation.id, conversation)
        self.started.append(run)

    async def run_ended(
        self,
        conversation: ConversationRecord,
        run: RunRecord,
        messages: Sequence[MessageRecord],
        prompts: Sequence[SentPrompt] = (),
        alongside: Sequence[Callable[[Any], object]] = (),
    ) -> None:
        await trio.sleep(self.delay)
        if self.fails:
            raise OSError("disk full")
        assert run.id not in self.stored, "a run was recorded twice"
        kept = tuple(map(self.as_kept, prompts))
        self.prompts |= {prompt.hash: prompt for prompt in kept}
        told = (
            PromptRecord(sent.place, sent.step, prompt.hash, len(prompt.messages), len(prompt.tools), 100)
            for sent, prompt in zip(prompts, kept, strict=True)
        )
        self.stored[run.id] = msgspec.structs.replace(run, prompts=tuple(told))
        if conversation.id:
            self.records[conversation.id] = conversation
            known = {(each.conversation_id, each.key) for each in self.said}
            self.said += [each for each in messages if (each.conversation_id, each.key) not in known]

    async def conversation(self, conversation_id: str) -> ConversationRecord | None:
        await trio.sleep(self.delay)
        return self.records.get(conversation_id)

    async def messages(self, conversation_id: str) -> tuple[MessageRecord, ...]:
        await trio.sleep(self.delay)
        return self.of(conversation_id)

    async def messages_after(self, conversation_id: str, beginning: str) -> tuple[MessageRecord, ...]:
        await trio.sleep(self.delay)
        return tuple(each for each in self.of(conversation_id) if each.parent_key.startswith(beginning))

    async def lately_of(self, record: ConversationRecord, *, runs: int) -> Lately:
        await trio.lowlevel.checkpoint()
        return Lately(record)

    async def lately(self, *, since: float, most: int, runs: int) -> tuple[Lately, ...]:
        await trio.sleep(self.delay)
        return self.earlier

    async def holders(self, key: str) -> tuple[Holder, ...]:
        await trio.sleep(self.delay)
        self.asked += 1
        parents = {(each.conversation_id, each.parent_key) for each in self.said}
        found = [self.records[each.conversation_id] for each in self.said if each.key == key]
        return tuple(Holder(each.id, each.updated_at, (each.id, key) not in parents, each.channel) for each in found)

    def of(self, conversation_id: str) -> tuple[MessageRecord, ...]:
        return tuple(each for each in self.said if each.conversation_id == conversation_id)

    async def run(self, run_id: str) -> RunRecord | None:
        await trio.sleep(self.delay)
        return self.stored.get(run_id) or next((run for run in self.started if run.id == run_id), None)

    async def runs(
        self,
        *,
        conversation_id: str = "",
        wanted: RunFilter | None = None,
        start: tuple[float, str] | None = None,
        limit: int = 50,
    ) -> tuple[RunRecord, ...]:
        """Only the filters by conversation, channel and state; the real one is tested for the rest."""
        await trio.sleep(self.delay)
        which = wanted or RunFilter(conversation_id=conversation_id)
        found = sorted(
            (self.stored.get(run.id, run) for run in self.started),
            key=lambda run: (run.started_at, run.id),
            reverse=True,
        )
        return tuple(
            run
            for run in found
            if which.conversation_id in ("", run.conversation_id)
            and which.channel in ("", run.channel)
            and which.state in ("", run.state)
            and (start is None or (run.started_at, run.id) < start)
        )[:limit]

    redactor = Redactor()

    async def question(self, conversation_id: str, run_id: str) -> str:
        said = await self.messages(conversation_id)
        return next((each.message.content for each in said if each.run_id == run_id), "")

    async def prompt(self, prompt_hash: str) -> KeptPrompt | None:
        await trio.sleep(self.delay)
        return self.prompts.get(prompt_hash)

    def as_kept(self, sent: SentPrompt) -> KeptPrompt:
        packed = Packer().pack(sent.place, sent.step, sent.prompt)
        return read_prompt(packed.hash, [piece for _, piece in packed.links])

    async def conversations(self, *, limit: int = 100, before: str = "") -> tuple[ConversationRecord, ...]:
        await trio.sleep(self.delay)
        found = sorted(self.records.values(), key=lambda record: -record.updated_at)
        start = next((place for place, record in enumerate(found, 1) if record.id == before), 0)
        return tuple(found[start : start + limit])

    async def find(self, query: ConversationQuery) -> ConversationPage:
        """By channel and by whether it is put away; the real one is tested with its database."""
        await trio.sleep(self.delay)
        found = [
            replace(each, message_count=len(self.of(each.id)))
            for each in sorted(self.records.values(), key=lambda record: (-record.updated_at, record.id))
            if query.channel in ("", each.channel) and query.archived in (None, each.archived)
        ]
        start = next((place for place, each in enumerate(found, 1) if query.after and each.id == query.after[1]), 0)
        page = found[start : start + query.limit]
        more = (page[-1].updated_at, page[-1].id) if len(found) > start + query.limit else None
        return ConversationPage(tuple(page), len(found), more)

    async def name(self, conversation_id: str, title: str, by: TitleBy) -> bool:
        await trio.sleep(self.delay)
        record = self.records.get(conversation_id)
        if record is None or (record.title_by == "person" and by != "person"):
            return False
        self.records[conversation_id] = replace(record, title=title, title_by=by)
        return True

    async def put_away(self, conversation_id: str, *, away: bool) -> bool:
        await trio.sleep(self.delay)
        if conversation_id in self.records:
            self.records[conversation_id] = replace(self.records[conversation_id], archived=away)
        return conversation_id in self.records

    async def delete(self, conversation_id: str) -> bool:
        await trio.sleep(self.delay)
        self.said = [each for each in self.said if each.conversation_id != conversation_id]
        self.started = [each for each in self.started if each.conversation_id != conversation_id]
        self.stored = {each.id: each for each in self.stored.values() if each.conversation_id != conversation_id}
        return self.records.pop(conversation_id, None) is not None

    async def count_conversations(self) -> int:
        await trio.sleep(self.delay)
        return len(self.records)


async def echo(turn: Turn, context: RunContext, send: Send) -> RunFinished:
    """Says back what was said last, in one piece."""
    return await say(f"You said {turn.messages[-1].content}", turn, context, send)


async def say(text: str, _turn: Turn, context: RunContext, send: Send) -> RunFinished:
    started = RunStarted(context.run_id, context.conversation_id, context.caller.channel, context.profile)
    await send((started, Text(text)))
    return finished(context, text)


def finished(context: RunContext, text: str, calls: tuple[ToolCall, ...] = ()) -> RunFinished:
    return RunFinished(
        context.run_id,
        "model",
        text,
        Usage(10, 5),
        "tool_calls" if calls else "stop",
        steps=1,
        duration=0.0,
        client_calls=calls,
    )


class FakeAgent:
    """Runs `script`, and counts the turns that it is in the middle of."""

    def __init__(self, script: Script = echo) -> None:
        self.script = script
        self.turns: list[Turn] = []
        self.contexts: list[RunContext] = []
        self.running = 0
        self.most_running = 0

    async def run(self, turn: Turn, context: RunContext, send: Send) -> RunFinished | RunFailed:
        self.turns.append(turn)
        self.contexts.append(context)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self.script(turn, context, send)
        finally:
            self.running -= 1


class Gate:
    """A script that says one word, then waits to be opened before it says another and ends."""

    def __init__(self) -> None:
        self.open = trio.Event()

    async def __call__(self, _turn: Turn, context: RunContext, send: Send) -> RunFinished:
        await send((RunStarted(context.run_id, context.conversation_id, context.caller.channel, context.profile),))
        await send((Text("one"),))
        await self.open.wait()
        await send((Text(" two"),))
        return finished(context, "one two")


class Rooms:
    """The rooms under test, put together."""

    def __init__(
        self, conversations: Conversations, loops: LoopRegistry, archive: Any, agent: FakeAgent, events: Events
    ) -> None:
        self.conversations = conversations
        self.loops = loops
        self.archive: FakeArchive = archive
        self.agent = agent
        self.events = events

    async def ask(self, turn: Turn) -> Answer:
        """Have a turn answered, to its end."""
        async with self.conversations.open(turn) as opened:
            return Answer(opened, [event async for batch in opened.batches for event in batch])

    def loop_names(self) -> list[str]:
        return [status.name for status in self.loops.statuses()]


class Answer:
    """All that came of a turn."""

    def __init__(self, opened: OpenTurn, events: list[AgentEvent]) -> None:
        self.run_id = opened.run_id
        self.conversation_id = opened.conversation_id
        self.events = events
        self.final = events[-1]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))


@asynccontextmanager
async def rooms(
    script: Script = echo,
    *,
    archive: FakeArchive | Archive | None = None,
    models: settings.Models | None = None,
    publisher: Publisher | None = None,
    seed: int = 0,
    context_of: Callable[[str], int] = lambda _: 0,
    full: Callable[[], str] = lambda: "",
    **limits: Any,
) -> AsyncGenerator[Rooms]:
    """The tracker on its doubles. `limits` are settings of `conversations`."""
    archive, agent, kept, clock = archive or FakeArchive(), FakeAgent(script), Events(), TrioClock()
    events = publisher or kept
    source = random.Random(seed)
    ids = Ids(source, clock)
    chosen = settings.Settings(
        conversations=settings.Conversations(**limits),
        models=models or settings.Models(),
    )
    async with (
        open_registry(chosen.loops, events=events, clock=clock, ids=ids, source=source) as loops,
        open_conversations(
            chosen,
            agent=agent,
            archive=cast("Archive", archive),
            loops=loops,
            events=events,
            clock=clock,
            ids=ids,
            context_of=context_of,
            full=full,
        ) as conversations,
    ):
        yield Rooms(conversations, loops, archive, agent, kept)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def turn(
    *messages: Message | str,
    channel: Channel = "owu",
    conversation_id: str = "",
    tools: tuple[ToolSpec, ...] = (),
    person: str = "",
    task: str = "",
    continues: bool = False,
) -> Turn:
    """A turn of these messages; a bare string is said by the user."""
    said = tuple(user(each) if isinstance(each, str) else each for each in messages)
    caller = Caller(channel=channel, conversation_id=conversation_id, user=person, task=task)
    return Turn(said, tools=tools, caller=caller, continues=continues)
