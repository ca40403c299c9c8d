"""The engine in front of a model server, over real sockets: what one cannot see with scripted providers."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from thane.agent.context import RunContext
from thane.agent.engine import Agent
from thane.clock import SystemClock
from thane.config.settings import Models, Settings
from thane.ids import Ids
from thane.models.catalogue import Catalogue
from thane.models.opening import open_ollama
from thane.testing.fake_ollama import FakeOllama, open_fake_ollama
from thane.testing.ollama_script import Reply, Say, Stop, Wait, tool_call
from thane.tools.date_time import DateTime
from thane.tools.tool import ToolRegistry
from thane.turn import Batch, Caller, Message, RunFinished, Text, Turn

CONTEXT = RunContext("r_1", "c_1", "thane:latest", Caller(), "en")
TURN = Turn((Message("user", "What time is it?"),))


@asynccontextmanager
async def open_agent(fake: FakeOllama) -> AsyncGenerator[Agent]:
    source = random.Random(1)
    settings = Settings(models=Models(default="qwen3:4b", ollama_url=fake.url))
    async with open_ollama(fake.url, settings.models, Ids(source, SystemClock()), source=source) as provider:
        yield Agent(
            settings=settings,
            catalogue=Catalogue([provider]),
            tools=ToolRegistry([DateTime(SystemClock(), None)]),
            house=None,
            clock=SystemClock(),
            source=source,
        )


async def ignore(batch: Batch) -> None:
    await trio.lowlevel.checkpoint()


async def test_a_tool_round_goes_over_one_connection():
    async with open_fake_ollama() as fake, open_agent(fake) as agent:
        fake.script(tool_call("GetDateTime"), Reply((Say(("It is ", "noon.")), Stop())))
        end = await agent.run(TURN, CONTEXT, ignore)
        assert isinstance(end, RunFinished)
        assert ("It is noon.", 22, 14, 2) == (end.text, end.usage.input_tokens, end.usage.output_tokens, end.steps)
        assert 1 == len(fake.connections)
        first, second = (request.body for request in fake.requests)
        assert ["GetDateTime"] == [tool["function"]["name"] for tool in first["tools"]]
        assert first["messages"] == second["messages"][:2]
        assert "GetDateTime" == second["messages"][-1]["tool_name"]


async def test_a_slow_client_slows_the_model_down_and_not_the_memory():
    reply = Reply((Say(("x" * 1000,) * 20_000), Stop()))
    async with open_fake_ollama(reply) as fake, open_agent(fake) as agent:
        arrived = 0

        async def stuck(batch: Batch) -> None:
            nonlocal arrived
            arrived += sum(isinstance(event, Text) for event in batch)
            if arrived:
                await trio.sleep_forever()

        with trio.move_on_after(0.2):
            await agent.run(TURN, CONTEXT, stuck)
        assert 0 < arrived < 200
        await fake.wait_until(lambda: fake.live == 0)


@pytest.mark.parametrize("stuck_in_send", [False, True])
async def test_a_cancelled_run_closes_the_models_connection_within_50_ms(stuck_in_send: bool):
    reply = Reply((Say(("a",)), Wait()))
    async with open_fake_ollama(reply) as fake, open_agent(fake) as agent:

        async def send(batch: Batch) -> None:
            await trio.lowlevel.checkpoint()
            if any(isinstance(event, Text) for event in batch):
                said.set()
                if stuck_in_send:
                    await trio.sleep_forever()

        said = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.run, TURN, CONTEXT, send)
            await said.wait()
            nursery.cancel_scope.cancel()
            cancelled_at = trio.current_time()
        await fake.wait_until(lambda: fake.live == 0)
        closed_at = fake.connections[0].closed_at
        assert closed_at is not None
        assert closed_at - cancelled_at < 0.05
