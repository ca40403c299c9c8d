"""One turn through the agent: its answer, prompt, limits and failures."""

from __future__ import annotations

import gc
import itertools

import msgspec
import pytest
import trio
import trio.testing

from tests.agent.stage import ASSIST, Lamp, Stage
from thane.agent import rules
from thane.agent.run import Run
from thane.config import settings as config
from thane.models.provider import ModelDone, ModelError
from thane.testing.cancellation import run_cancelled_at
from thane.testing.scripted_model import ScriptedModel, calls, say
from thane.turn import (
    Message,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    Options,
    Routed,
    RunStarted,
    Text,
    Thinking,
    ToolSpec,
    Usage,
)


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


async def test_every_step_shares_its_beginning_with_the_one_before():
    stage = Stage(ScriptedModel([calls(("HassTurnOn", {}))], say("Done.")), Lamp())
    await stage.answered()
    one, two = (request.messages for request in stage.model.requests)
    assert one == two[: len(one)]


async def test_thanes_prompt_stands_first_and_the_clients_is_kept():
    stage = Stage(ScriptedModel(say("Hi.")))
    await stage.answered(messages=(Message("system", "Speak like a pirate."), Message("user", "hi")))
    ours, theirs, user = stage.model.requests[0].messages
    assert "You are Thane" in ours.content
    assert Message("system", "Speak like a pirate.") == theirs
    assert user.content.startswith("hi\n\n[Circumstances")
    assert "area Kitchen" in user.content


async def test_home_assistants_prompt_goes_with_its_tools_whole_but_for_the_marker_of_the_conversation():
    prompt = "Talk like a butler.\nKEY=1795.12-4711 USER=Anna B DEV=abc LANG=en\nYou are in area Hall and all generic …"
    stage = Stage(ScriptedModel(say("Hi.")))
    messages = (Message("system", prompt), Message("user", "hi"))
    await stage.answered(messages=messages, tools=(ToolSpec("intent__HassTurnOn"),))
    sent = stage.model.requests[0].messages
    assert "Talk like a butler.\n\nYou are in area Hall and all generic …" == sent[0].content


async def test_the_quality_that_a_turn_wishes_for_decides_who_answers():
    quick, good = (
        config.AvailableModel(name="quick", quality=4, speed=9),
        config.AvailableModel(name="good", quality=6, speed=3),
    )
    for floor, expected in ((0, "quick"), (5, "good")):
        stage = Stage(ScriptedModel(say("Hi.")), default="quick", available=(quick, good))
        end = await stage.answered(quality_floor=floor)
        assert expected == end.model


async def test_a_turn_that_asks_for_a_format_is_passed_on_bare():
    stage = Stage(ScriptedModel(say("{}")), Lamp())
    await stage.answered(options=Options(format="json"))
    assert (Message("user", "hi"),) == stage.model.requests[0].messages
    assert () == stage.model.requests[0].tools


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


async def test_a_run_is_gone_with_its_last_user_and_does_not_wait_for_a_search_for_cycles():
    def runs() -> set[int]:
        return {id(each) for each in gc.get_objects() if isinstance(each, Run)}

    gc.collect()
    gc.disable()
    before = runs()  # those of failed tests, which pytest keeps
    try:
        await Stage(ScriptedModel(say("It is on."))).answered()
        assert set[int]() == runs() - before
    finally:
        gc.enable()
