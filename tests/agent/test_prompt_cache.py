"""Two successive prompts as they reach a model server, byte by byte: what it keeps of one serves for the next."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
import trio

from tests.models.servers import MODEL, PROTOCOLS, Protocol, fake_server, provider_of
from thane.agent.context import RunContext
from thane.agent.engine import Agent
from thane.clock import SystemClock
from thane.config.settings import AvailableModel, Models, Settings
from thane.home.demo import DemoHome
from thane.models.catalogue import Catalogue
from thane.testing.clock import TrioClock
from thane.testing.events import RecordedEvents
from thane.testing.fake_server import Request
from thane.tools.date_time import DateTime
from thane.tools.house import house_tools
from thane.tools.tool import ToolRegistry
from thane.turn import Batch, Caller, Message, RunFinished, Turn


async def ignore(batch: Batch) -> None:
    await trio.lowlevel.checkpoint()


def bare(value: Any) -> Any:
    """A body without the marks that say what to keep: they are no part of the prompt."""
    if isinstance(value, dict):
        return {name: bare(item) for name, item in value.items() if name != "cache_control"}
    return [bare(item) for item in value] if isinstance(value, list) else value


def parts(request: Request) -> list[bytes]:
    """The prompt in the order in which a server puts it together: tools, system, then each message."""
    body = bare(request.body)
    return [msgspec.json.encode(each) for each in (body["tools"], body.get("system"), *body["messages"])]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_second_turn_begins_with_every_byte_of_the_first_up_to_its_question(
    protocol: Protocol, autojump_clock: object
):
    fake, clock, events = fake_server(protocol), TrioClock(), RecordedEvents()
    home = DemoHome(clock, events)
    model = AvailableModel(name=MODEL, provider="box")
    settings = Settings(models=Models(default=MODEL, available=(model,)))
    async with provider_of(fake, protocol) as provider:
        agent = Agent(
            settings=settings,
            catalogue=Catalogue([provider]),
            tools=ToolRegistry([DateTime(SystemClock(), None), *house_tools(home)]),
            house=home,
            clock=clock,
            source=random.Random(1),
        )
        said = [Message("user", "Why is the sky blue?")]
        for question in ("And in the evening?", "And on Mars?"):
            for entity in home.entities()[:5]:  # states change, and so does the time
                await home.call_service(entity.id.partition(".")[0], "toggle", (entity.id,))
            end = await agent.run(
                Turn(tuple(said)), RunContext("r_1", "c_1", "thane:latest", Caller(area="Kitchen"), "en"), ignore
            )
            assert isinstance(end, RunFinished)
            said += [Message("assistant", end.text), Message("user", question)]
            await trio.sleep(3600)
    first, second = map(parts, fake.requests)
    question = next(index for index, part in enumerate(first) if b"sky blue" in part)
    assert first[:question] == second[:question]
    assert question >= 2 or protocol == "anthropic"
    told = [part for part in first if b"Circumstances" in part]
    assert told == first[question:], "what changes comes last"
    assert any(b"sky blue" in part and b"Circumstances" not in part for part in second)
