from __future__ import annotations

import itertools
import random
import threading
from zoneinfo import ZoneInfo

import pytest
import trio

from tests.brain.homes import NEW, recorded
from tests.home.doubles import KeptEvents, StandingClock
from thane.brain.brain import Act, Brain, Question, Say
from thane.brain.recogniser import Recogniser
from thane.config import settings
from thane.home.demo import DemoHome
from thane.ids import Ids
from thane.models.embedded import EmbeddedProvider
from thane.models.provider import ModelCalls, ModelDone, ModelError, ModelInfo, ModelOutput, ModelRequest, Provider
from thane.testing.cancellation import run_cancelled_at
from thane.tools.house import house_tools
from thane.tools.tool import ToolContext, ToolRegistry
from thane.turn import Message, Options, Text, ToolCall


class Steward:
    """The provider with a demo home and its tools, and the smallest loop that an agent can be."""

    def __init__(self, limits: settings.Brain | None = None) -> None:
        clock = StandingClock()
        self.events = KeptEvents()
        self.home = DemoHome(clock, self.events)
        self.tools = ToolRegistry(house_tools(self.home))
        self.provider = EmbeddedProvider(
            limits or settings.Brain(),
            clock=clock,
            ids=Ids(random.Random(1), clock),
            zone=ZoneInfo("Europe/Amsterdam"),
            house=lambda: self.home,
            own_tools=self.tools.specs,
        )
        self.messages: list[Message] = []

    def request(
        self, *messages: Message, area: str = "", language: str = "en", options: Options | None = None
    ) -> ModelRequest:
        return ModelRequest(
            "embedded", messages, self.tools.specs(), options or Options(), language=language, area=area
        )

    async def output(self, request: ModelRequest) -> list[ModelOutput]:
        async with self.provider.stream(request) as stream:
            return [item async for batch in stream for item in batch]

    async def say(self, text: str, *, area: str = "", language: str = "en") -> str:
        """One turn: model steps and tool steps until there is an answer."""
        self.messages.append(Message("user", text))
        while True:
            output = await self.output(self.request(*self.messages, area=area, language=language))
            assert isinstance(output[-1], ModelDone)
            calls = tuple(call for item in output if isinstance(item, ModelCalls) for call in item.calls)
            answer = "".join(item.text for item in output if isinstance(item, Text))
            self.messages.append(Message("assistant", answer, tool_calls=calls))
            if not calls:
                return answer
            for call in calls:
                self.messages.append(await self.run(call, area))

    async def run(self, call: ToolCall, area: str) -> Message:
        tool = self.tools.get(call.name)
        assert tool is not None
        result = await tool.call(call.arguments, ToolContext("r_1", call.id, "c_1", "api", "en", area))
        return Message("tool", result.content, tool_call_id=call.id, tool_name=call.name)

    def state(self, entity_id: str) -> str:
        entity = self.home.entity(entity_id)
        assert entity is not None
        return entity.state


async def test_turn_off_the_kitchen_lights() -> None:
    steward = Steward()

    assert "Turned off the light." == await steward.say("turn off the kitchen lights")
    assert "off" == steward.state("light.kitchen_lights")
    (change,) = steward.events.of("home/state_changed")
    assert ("light.kitchen_lights", "r_1") == (change["entity_id"], change["run_id"])


async def test_a_conversation_about_the_house() -> None:
    steward = Steward()

    assert "Turned off all of the lights." == await steward.say("turn off all the lights")
    assert "Not any." == await steward.say("what lights are on")
    assert "Turned on the light. Opening." == await steward.say("turn on the desk lamp and open the garage door")
    assert "Desk Lamp." == await steward.say("which lights are on?")
    assert "Yes." == await steward.say("is the garage door open?")
    assert "20.4 degrees." == await steward.say("what is the temperature in the living room")
    assert "Temperature set to 21 degrees." == await steward.say("set the thermostat to 21")
    assert "Activated." == await steward.say("movie night")
    assert "closed" == steward.state("cover.living_room_blinds")
    assert "Turned off the lights." == await steward.say("turn off the lights", area="Office")
    assert "off" == steward.state("light.desk_lamp")
    assert "In which room?" == await steward.say("turn on the lights")
    assert "Turned on the lights." == await steward.say("the kitchen")
    assert ("on", "on", "off") == (
        steward.state("light.kitchen_lights"),
        steward.state("light.counter_light"),
        steward.state("light.desk_lamp"),
    )


async def test_another_language_reaches_the_same_house() -> None:
    steward = Steward()

    assert "Licht ausgeschaltet." == await steward.say("Schalte Kitchen Lights aus", language="de")
    assert "off" == steward.state("light.kitchen_lights")


async def test_times_are_told_in_the_configured_zone() -> None:
    assert "3:05 PM." == await Steward().say("what time is it")


async def test_it_streams_as_any_provider_does() -> None:
    steward = Steward()
    provider: Provider = steward.provider

    words = await steward.output(steward.request(Message("user", "hello")))

    assert ["Hello, ", "I ", "am ", "Thane."] == [item.text for item in words if isinstance(item, Text)]
    done = words[-1]
    assert isinstance(done, ModelDone)
    assert ("stop", True, 2, 5) == (
        done.finish_reason,
        done.usage.estimated,
        done.usage.input_tokens,
        done.usage.output_tokens,
    )
    assert "embedded" == provider.name
    assert (ModelInfo("embedded", "embedded"),) == await provider.models()


async def test_calls_have_ids_and_say_so_at_the_end() -> None:
    steward = Steward()

    output = await steward.output(steward.request(Message("user", "turn on the printer")))

    calls, done = output
    assert isinstance(calls, ModelCalls)
    assert isinstance(done, ModelDone)
    assert [("HassTurnOn", {"name": "Printer"})] == [(call.name, call.arguments) for call in calls.calls]
    assert all(call.id.startswith("call_") for call in calls.calls)
    assert "tool_calls" == done.finish_reason


@pytest.mark.parametrize("wanted", ["json", {"type": "object", "properties": {"a": {"type": "string"}}}])
async def test_a_request_for_a_schema_is_refused_plainly(wanted: object) -> None:
    steward = Steward()
    request = steward.request(Message("user", "hello"), options=Options(format=wanted))  # type: ignore[arg-type]  # any format

    with pytest.raises(ModelError, match=r"models\.default") as failure:
        await steward.output(request)

    assert not failure.value.temporary
    assert None is await steward.provider.recognise(request)


@pytest.mark.parametrize(
    ("text", "recognised"),
    [
        ("turn off the kitchen lights", True),
        ("what lights are on", True),
        ("what time is it", True),
        ("hello", True),
        ("what can you do", True),
        ("never mind", True),
        ("turn on the disco ball", False),
        ("turn off the lights", False),  # a model may know the room
        ("tell me a joke", False),
        ("remember that my cat is Tom", False),
        ("what is my cat", False),
        ("set a timer for 5 minutes", False),
        ("x" * 201, False),
        ("", False),
    ],
)
async def test_it_knows_beforehand_what_it_does_as_well_as_a_model(text: str, recognised: bool) -> None:
    steward = Steward()

    found = await steward.provider.recognise(steward.request(Message("user", text)))
    assert recognised == (found is not None)


async def test_what_it_has_recognised_it_does_not_think_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    steward, thought = Steward(), list[str]()
    think = Brain.think

    def counted(brain: Brain, question: Question, *, explain: bool) -> Say | Act:
        thought.append(question.messages[-1].content)
        return think(brain, question, explain=explain)

    monkeypatch.setattr(Brain, "think", counted)
    request = steward.request(Message("user", "what time is it"))
    found = await steward.provider.recognise(request)
    assert found is not None
    async with found.stream(request) as stream:
        assert [item async for batch in stream for item in batch]
    assert ["what time is it"] == thought
    another = steward.request(Message("user", "hello"))
    async with found.stream(another) as stream:  # whatever else it is asked, it thinks of anew
        assert [item async for batch in stream for item in batch]
    assert ["what time is it", "hello"] == thought


async def test_it_does_not_look_into_what_it_leaves_to_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    steward = Steward()
    looked: list[str] = []
    monkeypatch.setattr(Recogniser, "find_stranger", lambda _self, text, *_: looked.append(text))  # pyright: ignore[reportUnknownLambdaType] takes what it is given
    request = steward.request(Message("user", "turn on the disco ball"))

    assert None is await steward.provider.recognise(request)
    assert [] == looked
    await steward.output(request)
    assert ["turn on the disco ball"] == looked


async def test_greetings_are_left_to_the_model_where_the_owner_wants_it() -> None:
    steward = Steward(settings.Brain(greeting=False))

    assert None is await steward.provider.recognise(steward.request(Message("user", "hello")))
    assert None is not await steward.provider.recognise(steward.request(Message("user", "what time is it")))
    assert "Hello, I am Thane." == await steward.say("hello")


async def test_it_knows_its_own_tool_round_from_the_messages() -> None:
    steward = Steward()
    said = Message("user", "turn off the kitchen lights")
    result = await steward.run(ToolCall("call_1", "HassTurnOff", {"name": "Kitchen Lights"}), "")
    ours = Message("assistant", tool_calls=(ToolCall("call_1", "HassTurnOff", {"name": "Kitchen Lights"}),))
    others = Message("assistant", tool_calls=(ToolCall("call_1", "HassTurnOff", {"area": "Kitchen"}),))

    assert None is not await steward.provider.recognise(steward.request(said, ours, result))
    assert None is await steward.provider.recognise(steward.request(said, others, result))


async def test_a_clients_tools_are_called_by_the_clients_names() -> None:
    home = recorded(NEW)
    steward = Steward()
    messages = (Message("system", home.system), Message("user", "turn off the kitchen lights"))
    request = ModelRequest("embedded", messages, (*steward.tools.specs(), *home.tools))

    calls = (await steward.output(request))[0]

    assert isinstance(calls, ModelCalls)
    assert [("intent__HassTurnOff", {"name": "Kitchen Lights"})] == [(c.name, c.arguments) for c in calls.calls]


async def test_many_turns_at_once_do_not_mix() -> None:
    steward = Steward()
    answers: dict[str, str] = {}
    lamps = ["Desk Lamp", "Bed Light", "Floor Lamp", "Garage Light", "Hall Light"]

    async def ask(name: str) -> None:
        output = await steward.output(steward.request(Message("user", f"turn on the {name}")))
        assert isinstance(output[0], ModelCalls)
        answers[name] = output[0].calls[0].arguments["name"]

    async with trio.open_nursery() as nursery:
        for name in lamps * 4:
            nursery.start_soon(ask, name)

    assert {name: name for name in lamps} == answers


async def test_a_cancelled_turn_leaves_the_brain_usable() -> None:
    steward = Steward()
    await steward.provider.prepare("en")

    for step in itertools.count(1):
        if not await run_cancelled_at(step, lambda: steward.output(steward.request(Message("user", "hello")))):
            break
    with trio.fail_after(5):
        assert "Hello, I am Thane." == await steward.say("hello")


async def test_a_turn_is_cancelled_at_once_while_the_brain_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    steward = Steward()
    thinking, stop = trio.Event(), threading.Event()

    def think_long(*_: object, **__: object) -> None:
        trio.from_thread.run_sync(thinking.set)
        stop.wait(10)

    monkeypatch.setattr(Brain, "think", think_long)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(steward.output, steward.request(Message("user", "hello")))
            await thinking.wait()
            started = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - started < 0.05
    finally:
        stop.set()


async def test_a_request_that_wants_nothing_more_of_the_stream_may_leave_it() -> None:
    steward = Steward()

    async with steward.provider.stream(steward.request(Message("user", "hello"))) as stream:
        assert await anext(aiter(stream))
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    async with steward.provider.stream(steward.request(Message("user", "hello"))):
        pass
