"""A long conversation is answered all the same: what has no room is left out, told of, and recapped where it can be."""

from __future__ import annotations

from msgspec.structs import replace

from tests.agent.stage import CONTEXT, Stage
from thane.agent.window import Recap
from thane.config import settings as config
from thane.testing.scripted_model import ScriptedModel, say
from thane.turn import Message, ModelStarted, Options, RunFinished

SMALL = (config.AvailableModel(name="qwen3:4b", context_window=2000),)
LONG = tuple(Message("user" if n % 2 == 0 else "assistant", f"{n} " + "word " * 60) for n in range(60))
ASKED = (*LONG, Message("user", "and now?"))


async def test_what_has_no_room_is_left_out_and_the_run_says_so() -> None:
    stage = Stage(ScriptedModel(say("Fine.")), available=SMALL)
    assert isinstance(await stage.ask(messages=ASKED), RunFinished)
    (request,) = stage.model.requests
    (started,) = stage.of(ModelStarted)
    assert request.left_out == started.left_out > 0
    assert f"{request.left_out} earlier messages are left out" in started.reason
    assert f"[{request.left_out} earlier messages" in request.messages[0].content
    assert "and now?" in request.messages[-1].content
    assert started.estimated_tokens < 2000


async def test_a_recap_is_asked_for_once_and_only_where_there_is_no_room() -> None:
    asked = 0

    async def recap() -> Recap:
        nonlocal asked
        asked += 1
        return Recap("[Conversation Summary] lamps", 10)

    stage = Stage(ScriptedModel(say("Fine.")), available=SMALL)
    context = replace(CONTEXT, recap=recap)
    await stage.ask("hi", context=context)
    assert 0 == asked
    await stage.ask(messages=ASKED, context=context)
    assert 1 == asked
    assert "[Conversation Summary] lamps" in stage.model.requests[-1].messages[0].content


async def test_a_window_that_is_not_known_is_left_to_the_model_server() -> None:
    stage = Stage(ScriptedModel(say("Fine.")))
    await stage.ask(messages=ASKED)
    (request,) = stage.model.requests
    assert 0 == request.left_out
    assert len(ASKED) + 1 == len(request.messages)


async def test_the_note_of_the_last_session_stands_behind_what_is_said() -> None:
    stage = Stage(ScriptedModel(say("Fine.")))
    await stage.ask("hi", context=replace(CONTEXT, handoff="We chose the lamp."))
    (request,) = stage.model.requests
    assert "We chose the lamp." in request.messages[-1].content
    assert "We chose the lamp." not in request.messages[0].content


async def test_room_is_kept_for_the_answer() -> None:
    left: list[int] = []
    for tokens in (10, 1000):
        stage = Stage(ScriptedModel(say("Fine.")), available=SMALL)
        await stage.ask(messages=ASKED, options=Options(max_tokens=tokens))
        left.append(stage.of(ModelStarted)[0].left_out)
    assert left[0] < left[1]
