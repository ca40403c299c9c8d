from __future__ import annotations

import io
from functools import partial
from typing import Any

import msgspec
import pytest
import trio
from rich.console import Console

from tests.cli.web import page, sent, serving
from thane.cli.ask import Answer, ask
from thane.errors import ConfigurationError, DependencyError

STARTED = {"type": "started", "run_id": "r_1", "conversation_id": "c_1", "profile": "thane:latest"}
CALL = {"type": "tool_started", "id": "x", "name": "HassTurnOff", "arguments": {"name": "Kitchen Lights"}}
CALLED = {"type": "tool_finished", "id": "x", "name": "HassTurnOff", "ok": True, "duration_ms": 3.2}
DONE = {"type": "done", "response": "Done."}


def text(piece: str) -> dict[str, str]:
    return {"type": "text", "text": piece}


def shown(*frames: dict[str, Any], terminal: bool = False) -> tuple[str, str]:
    """Standard output and standard error after these frames."""
    out, side = io.StringIO(), io.StringIO()
    answer = Answer(out, Console(file=side, force_terminal=terminal, width=80, color_system=None))
    for frame in frames:
        answer.take(msgspec.json.encode(frame).decode())
    answer.end()
    return out.getvalue(), side.getvalue()


def test_only_the_answer_goes_to_standard_output() -> None:
    out, side = shown(STARTED, CALL, CALLED, text("Turned "), text("off."), DONE)
    assert out == "Turned off.\n"
    assert side == '→ HassTurnOff name="Kitchen Lights"\n✓ HassTurnOff 3.2 ms\n'


def test_a_tool_in_the_middle_of_a_sentence_starts_a_line_of_its_own() -> None:
    out, side = shown(text("Let me look."), CALL, CALLED | {"ok": False}, text("It failed."), DONE)
    assert out == "Let me look.\nIt failed.\n"
    assert "✗ HassTurnOff" in side


def test_thoughts_are_shown_to_a_person_only() -> None:
    thought = {"type": "thinking", "text": "Hmm."}
    assert shown(thought, text("Yes."), DONE) == ("Yes.\n", "")
    assert shown(thought, text("Yes."), DONE, terminal=True)[1].strip().endswith("Hmm.")


def test_what_a_model_says_cannot_command_the_terminal() -> None:
    out, side = shown(text("\x1b[2Jhi"), CALL | {"name": "\x1b]0;x\x07"}, DONE)
    assert "\x1b" not in out + side


def test_frames_of_a_later_version_are_passed_over() -> None:
    assert shown({"type": "mood", "value": 1}, {"no": "type"}, text("Hi."), DONE) == ("Hi.\n", "")


async def test_the_message_the_conversation_and_the_key_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving({"/v1/chat": sent(STARTED, text("Hello."), DONE)}) as web:
        await ask("say", "hello", url=web.url, key="secret", conversation="c_9", profile="thane:local")
    ((_, headers, body),) = web.requests
    expected = {"message": "say hello", "model": "thane:local", "stream": True, "conversation_id": "c_9"}
    assert expected == msgspec.json.decode(body)
    assert headers["authorization"] == "Bearer secret"
    assert capsys.readouterr().out == "Hello.\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (sent(STARTED, text("I was")), "broke off"),
        (sent(STARTED, {"type": "error", "error": {"message": "the model is away"}}), "the model is away"),
        (page({"error": {"message": "busy now"}}, 429), "busy now"),
        (page({}, 401), "it wants a key"),
        (page({"hello": 1}), "answers is not Thane's"),
        ((200, "text/event-stream", [b"data: <html>\n\n"]), "no answer of Thane's"),
    ],
)
async def test_an_answer_that_does_not_come_is_told(answer: tuple[int, str, list[bytes]], said: str) -> None:
    async with serving({"/v1/chat": answer}) as web:
        with pytest.raises(DependencyError, match=said):
            await ask("hello", url=web.url)


async def test_nobody_there_is_told() -> None:
    with pytest.raises(DependencyError, match="is Thane running"):
        await ask("hello", url="127.0.0.1:1")


async def test_nothing_said_is_told() -> None:
    with pytest.raises(ConfigurationError, match="Say something"):
        await ask(" ")


async def test_cancelling_closes_the_connection() -> None:
    closed = trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: \n\n")
        while await stream.receive_some():
            pass
        closed.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
            url = f"127.0.0.1:{listener.socket.getsockname()[1]}"
            async with trio.open_nursery() as asking:
                asking.start_soon(partial(ask, "hello", url=url))
                await trio.testing.wait_all_tasks_blocked(0.05)
                asking.cancel_scope.cancel()
            await closed.wait()
            nursery.cancel_scope.cancel()
