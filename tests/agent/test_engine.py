from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from thane.agent import rules
from thane.agent.context import RunContext
from thane.agent.engine import Agent
from thane.config import settings as config
from thane.models.catalogue import Catalogue
from thane.models.provider import ModelDone, ModelError
from thane.testing.cancellation import run_cancelled_at
from thane.testing.clock import TrioClock
from thane.testing.scripted_model import ScriptedModel, calls, say
from thane.tools.tool import ToolContext, ToolRegistry, ToolResult
from thane.turn import (
    JSON,
    AgentEvent,
    Batch,
    Caller,
    Message,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    Options,
    Routed,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    Thinking,
    ToolFinished,
    ToolSpec,
    ToolStarted,
    Turn,
    Usage,
)

CONTEXT = RunContext("r_1", "c_1", "thane:latest", Caller("ha", area="Kitchen", user="Ann", device="d"), "en")
ASSIST = (ToolSpec("intent__HassTurnOn"), ToolSpec("homeassistant__GetLiveContext"))


ON = ToolResult("on")


class Lamp:
    """A tool of Thane's own that records its calls, and can be slow, broken or long-winded."""

    def __init__(self, name: str = "HassTurnOn", result: ToolResult | Exception | float = ON) -> None:
        self._spec = ToolSpec(name)
        self.result = result
        self.seen: list[tuple[JSON, ToolContext]] = []
        self.running = self.most = 0

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        self.seen.append((arguments, context))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.lowlevel.checkpoint()
            if isinstance(self.result, Exception):
                raise self.result
            if isinstance(self.result, float | int):
                await trio.sleep(self.result)
                return ToolResult(f"slept for {arguments}")
            return self.result
        finally:
            self.running -= 1


class Stage:
    """An agent with its surroundings, and what came out of it."""

    def __init__(
        self,
        model: ScriptedModel,
        *tools: Lamp,
        brain: ScriptedModel | None = None,
        default: str = "qwen3:4b",
        fast_path: bool = True,
        available: tuple[config.AvailableModel, ...] = (),
        others: tuple[ScriptedModel, ...] = (),
        routing: config.Routing = config.Routing(),  # noqa: B008 it is frozen
        profiles: dict[str, config.ProfileSettings] | None = None,
        **agent: Any,
    ) -> None:
        self.model = model
        self.brain = brain or ScriptedModel(say("I am embedded."), name="embedded", models=("embedded",))
        self.catalogue = Catalogue([self.brain, model, *others])
        self.agent = Agent(
            settings=config.Settings(
                models=config.Models(default=default, available=available),
                brain=config.Brain(fast_path=fast_path),
                agent=config.Agent(**agent),
                routing=routing,
                profiles=profiles or {},
            ),
            catalogue=self.catalogue,
            tools=ToolRegistry(tools),
            house=None,
            clock=TrioClock(),
            source=random.Random(1),
        )
        self.batches: list[Batch] = []

    @property
    def events(self) -> list[AgentEvent]:
        return [event for batch in self.batches for event in batch]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))

    def of[T](self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    async def send(self, batch: Batch) -> None:
        await trio.lowlevel.checkpoint()
        self.batches.append(batch)

    async def ask(self, said: str = "hi", *, context: RunContext = CONTEXT, **turn: Any) -> RunFinished | RunFailed:
        turn.setdefault("messages", (Message("user", said),))
        return await self.agent.run(Turn(**turn), context, self.send)

    async def answered(self, said: str = "hi", **turn: Any) -> RunFinished:
        end = await self.ask(said, **turn)
        assert isinstance(end, RunFinished), end
        assert self.text == end.text
        return end

    async def failed(self, said: str = "hi", **turn: Any) -> RunFailed:
        end = await self.ask(said, **turn)
        assert isinstance(end, RunFailed), end
        return end


async def test_an_answer_streams_through_between_its_start_and_its_counts():
    batch = (Thinking("Hm."), Text("It is "), Text("on."))
    stage = Stage(ScriptedModel([batch, (ModelDone(Usage(10, 3), "stop", 0.1, 0.2, 0.3),)]))
    end = await stage.answered()
    assert ("It is on.", "qwen3:4b", "stop", 1) == (end.text, end.model, end.finish_reason, end.steps)
    assert (Usage(10, 3), 0.1, 0.2, 0.3) == (end.usage, end.prompt_duration, end.decode_duration, end.load_duration)
    assert [RunStarted, Routed, ModelStarted, Thinking, Text, Text, ModelFinished] == [
        type(event) for event in stage.events
    ]
    assert batch is stage.batches[1]
    assert RunStarted("r_1", "c_1", "ha", "thane:latest") == stage.events[0]
    started = stage.of(ModelStarted)[0]
    assert ("qwen3:4b", "ollama", 2, 0) == (started.model, started.provider, started.messages, started.tools)
    assert "the default model" in started.reason


async def test_own_tools_run_and_the_model_goes_on_from_their_results():
    lamp = Lamp()
    stage = Stage(ScriptedModel([(Text("I will."),), calls(("HassTurnOn", {"name": "Lamp"}))], say("Done.")), lamp)
    end = await stage.answered("lamp on")
    assert ("I will.\n\nDone.", "stop", 2, Usage(20, 2)) == (end.text, end.finish_reason, end.steps, end.usage)
    arguments, context = lamp.seen[0]
    assert {"name": "Lamp"} == arguments
    assert ("r_1", "c_1", "ha", "en", "Kitchen", "Ann", "d") == (
        context.run_id,
        context.conversation_id,
        context.channel,
        context.language,
        context.area,
        context.user,
        context.device,
    )
    step, result = stage.model.requests[1].messages[-2:]
    assert ("assistant", "I will.", context.call_id) == (step.role, step.content, step.tool_calls[0].id)
    assert Message("tool", "on", tool_call_id=context.call_id, tool_name="HassTurnOn") == result
    finished = stage.of(ToolFinished)[0]
    assert (True, "on", 1) == (finished.ok, finished.result, finished.step)


async def test_every_step_shares_its_beginning_with_the_one_before():
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], say("Done.")), Lamp())
    await stage.answered()
    one, two = (request.messages for request in stage.model.requests)
    assert one == two[: len(one)]


async def test_tools_run_side_by_side_and_answer_in_call_order(autojump_clock: trio.testing.MockClock):
    slow, quick = Lamp("slow", 5.0), Lamp("quick", ToolResult("quick"))
    wanted = calls(("slow", {"n": 1}), ("quick", {}), ("slow", {"n": 2}), ("slow", {"n": 3}))
    stage = Stage(ScriptedModel([wanted], say("Done.")), slow, quick, parallel_tools=2)
    started = trio.current_time()
    await stage.answered()
    assert 10.0 == trio.current_time() - started
    assert 2 == slow.most
    names = [message.tool_name for message in stage.model.requests[1].messages if message.role == "tool"]
    assert ["slow", "quick", "slow", "slow"] == names
    assert "quick" == stage.of(ToolFinished)[0].call.name


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (ZeroDivisionError("secret"), "internal error"),
        (99.0, "longer than 30 s"),
        (ToolResult("no such light", ok=False), "no such light"),
    ],
)
async def test_a_failing_tool_is_a_result_and_not_the_end(
    result: Any, words: str, autojump_clock: trio.testing.MockClock
):
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], say("It failed.")), Lamp(result=result))
    assert "It failed." == (await stage.answered()).text
    finished = stage.of(ToolFinished)[0]
    assert not finished.ok
    assert words in finished.result
    assert "secret" not in finished.result


async def test_a_long_result_is_cut_and_said_so():
    stage = Stage(
        ScriptedModel([calls(("HassTurnOn", {}))], say("Done.")),
        Lamp(result=ToolResult("x" * 99)),
        tool_result_chars=10,
    )
    await stage.answered()
    assert "x" * 10 + "\n[cut here: 10 of 99 characters are shown]" == stage.model.requests[1].messages[-1].content


async def test_a_call_of_the_clients_tool_ends_the_reply_with_it():
    stage = Stage(ScriptedModel([(Text("One moment."),), calls(("intent__HassTurnOn", {"name": "Lamp"}))]), Lamp())
    system = Message("system", "You are a voice assistant for Home Assistant.")
    end = await stage.answered(messages=(system, Message("user", "lamp on")), tools=ASSIST)
    assert ("tool_calls", "One moment.") == (end.finish_reason, end.text)
    assert ["intent__HassTurnOn"] == [call.name for call in end.client_calls]
    assert not stage.of(ToolStarted)
    request = stage.model.requests[0]
    assert (system, Message("user", "lamp on")) == request.messages, "the client's own prompt is kept as it is"
    assert ASSIST == request.tools


async def test_in_a_mixed_step_own_tools_run_and_the_clients_call_is_asked_for_again():
    lamp = Lamp("remember")
    mixed = calls(("remember", {}), ("intent__HassTurnOn", {}))
    stage = Stage(ScriptedModel([mixed], [calls(("intent__HassTurnOn", {}))]), lamp)
    end = await stage.answered(tools=ASSIST)
    assert 1 == len(lamp.seen)
    assert ("tool_calls", 1, 2) == (end.finish_reason, len(end.client_calls), end.steps)
    assert "by itself" in stage.model.requests[1].messages[-1].content


async def test_thanes_prompt_stands_first_and_the_clients_is_kept():
    stage = Stage(ScriptedModel(say("Hi.")))
    await stage.answered(messages=(Message("system", "Speak like a pirate."), Message("user", "hi")))
    ours, theirs, user = stage.model.requests[0].messages
    assert "You are Thane" in ours.content
    assert Message("system", "Speak like a pirate.") == theirs
    assert user.content.startswith("hi\n\n[Circumstances")
    assert "area Kitchen" in user.content


async def test_a_turn_that_asks_for_a_format_is_passed_on_bare():
    stage = Stage(ScriptedModel(say("{}")), Lamp())
    await stage.answered(options=Options(format="json"))
    assert (Message("user", "hi"),) == stage.model.requests[0].messages
    assert () == stage.model.requests[0].tools


async def test_after_the_last_step_comes_one_answer_without_tools():
    numbers = itertools.count()
    stage = Stage(
        ScriptedModel(*([calls(("HassTurnOn", {"n": next(numbers)}))] for _ in range(3)), say("Enough.")),
        Lamp(),
        max_steps=3,
    )
    end = await stage.answered()
    assert ("max_steps", "Enough.", 4) == (end.finish_reason, end.text, end.steps)
    last = stage.model.requests[-1]
    assert () == last.tools
    assert Message("user", rules.ANSWER_NOW) == last.messages[-1]


async def test_calls_in_the_last_answer_are_not_run_and_a_person_is_told():
    lamp = Lamp()
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))]), lamp, max_steps=1)
    end = await stage.answered()
    assert ("max_steps", rules.GAVE_UP["max_steps"], 1) == (end.finish_reason, end.text, len(lamp.seen))


async def test_the_same_call_is_not_run_again_and_again():
    lamp = Lamp()
    stage = Stage(
        ScriptedModel(*([calls(("HassTurnOn", {"a": 1}))] for _ in range(5)), say("OK.")), lamp, repeated_calls=3
    )
    end = await stage.answered()
    assert ("OK.", 3) == (end.text, len(lamp.seen))
    assert [True, True, True, False, False] == [finished.ok for finished in stage.of(ToolFinished)]
    assert "already" in stage.of(ToolFinished)[-1].result


async def test_an_unknown_tool_is_told_once_and_then_ends_the_turn_with_an_answer():
    stage = Stage(ScriptedModel([calls(("nope", {}))], [calls(("nope", {}))], say("Sorry.")), Lamp())
    end = await stage.answered()
    assert ("illegal_tool", "Sorry.", 3) == (end.finish_reason, end.text, end.steps)
    assert ["Error: there is no tool 'nope'. The tools are: HassTurnOn."] * 2 == [
        finished.result for finished in stage.of(ToolFinished)
    ]


async def test_an_empty_answer_after_tools_is_asked_for_once_and_then_filled_in():
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], say(), say()), Lamp())
    end = await stage.answered()
    assert (rules.NO_WORDS, "stop", 3) == (end.text, end.finish_reason, end.steps)
    assert Message("user", rules.NUDGE) == stage.model.requests[2].messages[-1]


async def test_an_empty_answer_to_a_clients_tool_result_is_asked_for_too():
    history = (
        Message("user", "lamp on"),
        Message("assistant", tool_calls=calls(("intent__HassTurnOn", {}))[0].calls),  # type: ignore[union-attr]  # one that calls
        Message("tool", "{}"),
    )
    stage = Stage(ScriptedModel(say(), say("It is on.")))
    assert "It is on." == (await stage.answered(messages=history, tools=ASSIST)).text


async def test_an_empty_answer_without_tools_stays_empty():
    end = await Stage(ScriptedModel(say())).answered()
    assert ("", 1) == (end.text, end.steps)


async def test_a_cut_answer_says_length():
    assert "length" == (await Stage(ScriptedModel(say("Once upon", reason="length"))).answered()).finish_reason


async def test_counts_that_a_model_does_not_give_are_estimated_and_marked():
    done = ModelDone(Usage(estimated=True))
    end = await Stage(ScriptedModel([(Text("x" * 40),), (done,)])).answered()
    assert (True, 10) == (end.usage.estimated, end.usage.output_tokens)
    assert end.usage.input_tokens > 50


async def test_the_first_token_counts_from_the_start_of_the_run(autojump_clock: trio.testing.MockClock):
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], [1.0, (Text("a"),)]), Lamp(result=2.0))
    end = await stage.answered()
    assert 3.0 == pytest.approx(end.duration)
    assert 0.0 == pytest.approx(end.first_token)
    assert [0.0, 1.0] == pytest.approx([finished.first_token for finished in stage.of(ModelFinished)])


async def test_a_run_ends_at_its_deadline_with_a_sentence(autojump_clock: trio.testing.MockClock):
    stage = Stage(ScriptedModel([(Text("Half"),), 100.0]), run_timeout_seconds=60.0)
    end = await stage.failed()
    assert ("deadline", "The answer took longer than 60 s, so it was stopped.") == (end.failure, end.message)
    assert (60.0, 0) == (end.duration, stage.model.open)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ModelError("No model server answers.", dependency="ollama"), "unavailable"),
        (ModelError("It does not have the model.", dependency="ollama", temporary=False, status=404), "model"),
    ],
)
async def test_a_failing_model_ends_the_run_with_its_sentence(error: ModelError, failure: str):
    end = await Stage(ScriptedModel([error])).failed()
    assert (failure, error.message) == (end.failure, end.message)


async def test_a_busy_model_server_is_tried_again(autojump_clock: trio.testing.MockClock):
    busy = ModelError("busy", dependency="ollama", status=503)
    stage = Stage(ScriptedModel([busy], say("Hi.")))
    assert "Hi." == (await stage.answered()).text
    assert [1, 2] == [started.attempt for started in stage.of(ModelStarted)]
    (failed,) = stage.of(ModelFailed)
    assert ("retry", "qwen3:4b", "ollama", "busy", 503, None) == (
        *(failed.next, failed.next_model, failed.provider, failed.error, failed.status, failed.usage),
    )
    assert 0 < failed.pause < 0.6
    stage = Stage(ScriptedModel([busy]), model_tries=3)
    assert "overloaded" == (await stage.failed()).failure
    assert 3 == len(stage.model.requests)


@pytest.mark.parametrize("said", [Text("Half"), Thinking("Hm")])
async def test_what_was_said_is_never_said_twice(said: Text | Thinking):
    busy = ModelError("busy", dependency="ollama", status=503)
    stage = Stage(ScriptedModel([(said,), busy], say("Half and more.")))
    await stage.failed()
    assert 1 == len(stage.model.requests)
    assert [said] == [event for event in stage.events if isinstance(event, Text | Thinking)]
    (failed,) = stage.of(ModelFailed)
    assert failed.usage is not None
    assert ("stop", 1, True) == (failed.next, failed.usage.output_tokens, failed.usage.estimated)
    assert failed.usage.input_tokens == stage.of(ModelStarted)[0].estimated_tokens


async def test_a_bug_is_an_internal_error_that_tells_nothing():
    end = await Stage(ScriptedModel([RuntimeError("secret")])).failed()
    assert "internal" == end.failure
    assert "secret" not in end.message


async def test_an_unknown_model_is_said_so():
    stage = Stage(ScriptedModel(say("x")), default="")
    end = await stage.failed(model="gpt-4o")
    assert ("model", "Model 'gpt-4o' not found.") == (end.failure, end.message)


async def test_a_provider_that_is_not_configured_is_named():
    available = (config.AvailableModel(name="claude", provider="anthropic"),)
    stage = Stage(ScriptedModel(say("x")), default="claude", available=available)
    end = await stage.failed()
    assert "model" == end.failure
    assert "claude is said to be at the provider “anthropic”" in end.message


async def test_without_a_model_the_embedded_brain_answers():
    stage = Stage(ScriptedModel(say("x")), Lamp(), default="")
    end = await stage.answered()
    assert ("I am embedded.", "embedded") == (end.text, end.model)
    assert (Message("user", "hi"),) == stage.brain.requests[0].messages
    assert ("en", "Kitchen") == (stage.brain.requests[0].language, stage.brain.requests[0].area)
    assert ["HassTurnOn"] == [tool.name for tool in stage.brain.requests[0].tools]


def understanding() -> ScriptedModel:
    return ScriptedModel(say("Lamp is on."), name="embedded", understands="lamp")


async def test_what_the_brain_fully_understands_needs_no_model():
    stage = Stage(ScriptedModel(say("x")), brain=understanding())
    assert "embedded" == (await stage.answered("lamp on")).model
    assert "fully understands" in stage.of(ModelStarted)[0].reason
    assert "qwen3:4b" == (await stage.ask("why is the sky blue")).model  # type: ignore[union-attr]  # it finished


@pytest.mark.parametrize(
    ("fast_path", "turn"),
    [
        (False, {}),
        (True, {"model": "thane:peer"}),
        (True, {"model": "qwen3:4b"}),
        (True, {"options": Options(format="json")}),
        (True, {"tool_choice": "required"}),
        (True, {"caller": Caller(task="title_generation")}),
    ],
)
async def test_the_fast_path_is_a_choice_of_owner_profile_and_request(fast_path: bool, turn: dict[str, Any]):
    stage = Stage(ScriptedModel(say("{}")), brain=understanding(), fast_path=fast_path)
    assert "qwen3:4b" == (await stage.answered("lamp on", **turn)).model


async def test_the_brain_stands_in_for_a_model_that_fails_before_a_word():
    down = ModelError("No model server answers.", dependency="ollama")
    stage = Stage(ScriptedModel([down]), brain=understanding(), fast_path=False)
    assert ("Lamp is on.", "embedded") == ((end := await stage.answered("lamp on")).text, end.model)
    assert "No model server answers." in stage.of(ModelStarted)[-1].reason
    assert "unavailable" == (await stage.failed("why is the sky blue")).failure
    stage = Stage(ScriptedModel([(Text("La"),), down]), brain=understanding(), fast_path=False)
    await stage.failed("lamp on")
    assert "La" == stage.text


@pytest.mark.parametrize("model", ["qwen3:4b", "thane"])
async def test_the_brain_does_not_stand_in_for_a_named_model_nor_after_tools(model: str):
    down = ModelError("down", dependency="ollama")
    script = [[down]] if model == "qwen3:4b" else [[calls(("HassTurnOn", {}))], [down]]
    stage = Stage(ScriptedModel(*script), Lamp(), brain=understanding(), fast_path=False)
    assert "down" == (await stage.failed("lamp on", model=model)).message


async def test_calls_of_a_model_that_was_offered_no_tools_are_not_run():
    lamp = Lamp()
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], say("Sorry.")), lamp)
    stage.model.supports_tools = False
    await stage.catalogue.ask(stage.model)
    assert "Sorry." == (await stage.answered()).text
    assert () == stage.model.requests[0].tools
    assert [] == lamp.seen


async def test_a_provider_that_ends_without_saying_so_has_failed():
    stage = Stage(ScriptedModel([(Text("Half"),)]))
    stage.model.forgets_the_end = True
    assert "before it was complete" in (await stage.failed()).message


async def test_a_model_without_tools_or_thinking_is_not_asked_for_them():
    stage = Stage(ScriptedModel(say("Hi.")), Lamp())
    await stage.catalogue.ask(stage.model)
    await stage.answered(options=Options(think=True))
    assert stage.model.requests[0].options.think is None
    stage.model.has = ()
    await stage.catalogue.ask(stage.model)
    await stage.ask(options=Options(think=True))
    assert stage.model.requests[1].options.think is True


async def test_cancelled_at_any_await_model_and_tools_are_closed_and_nothing_runs_on():
    lamp = Lamp(result=0.0)
    wanted = calls(("HassTurnOn", {"n": 1}), ("HassTurnOn", {"n": 2}))

    step, stage = 0, Stage(ScriptedModel(say("")))
    for step in itertools.count(1):
        stage = Stage(ScriptedModel([(Text("I will."),), wanted], say("Done.")), lamp)
        tasks = trio.lowlevel.current_statistics().tasks_living
        cancelled = await run_cancelled_at(step, stage.ask)
        assert (0, 0, tasks) == (stage.model.open, lamp.running, trio.lowlevel.current_statistics().tasks_living)
        if not cancelled:
            break
    assert "I will.\n\nDone." == stage.text
    assert step > 15


async def test_housekeeping_is_never_left_to_the_embedded_brain():
    cloud = config.AvailableModel(name="claude", provider="cloud", cost_tier=2)
    stage = Stage(ScriptedModel(say("x"), name="cloud"), default="claude", available=(cloud,))
    end = await stage.failed("a title", model="thane:local", caller=Caller(task="title_generation"))
    assert "no local model is configured" in end.message
    assert [] == stage.events


async def test_two_turns_of_a_conversation_send_the_same_bytes_up_to_what_is_new():
    """A model server reuses what it computed for the beginning of a prompt, as long as it is the same byte for byte."""
    stage = Stage(ScriptedModel(say("Warm.")), Lamp("B_tool"), Lamp("A_tool"))
    first = (Message("user", "is it warm"),)
    await stage.ask(messages=first)
    await stage.ask(messages=(*first, Message("assistant", "Warm."), Message("user", "and outside")))
    one, two = stage.model.requests
    assert msgspec.json.encode(one.tools) == msgspec.json.encode(two.tools)
    assert msgspec.json.encode(one.messages[:-1]) == msgspec.json.encode(two.messages[: len(one.messages) - 1])
    assert one.messages[-1].content.startswith("is it warm")  # the moment's facts stand behind what was said last
    before, after = one.messages[-1].content, two.messages[len(one.messages) - 1].content
    assert before.startswith(after)
