"""Prompts as they are kept: each piece once, by hash, without secrets; and read back as they were sent."""

from __future__ import annotations

import base64
import hashlib
import tracemalloc
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from tests.memory.samples import AT, conversation, run
from thane.config.settings import Runs, Storage
from thane.memory.archive import Archive
from thane.memory.prompts import Packer
from thane.memory.records import SentPrompt, Span
from thane.redaction import Redactor
from thane.storage.database import Database, open_database
from thane.testing.clock import TrioClock
from thane.turn import Message, Options, Prompt, ToolCall, ToolSpec, Usage

SYSTEM = Message("system", "You are Thane, the steward of this house. " * 40)
TOOLS = (ToolSpec("light.turn_off", "Turns a light off"),)
PIXEL = base64.b64encode(b"\x89PNG and the rest").decode()


class Here:
    def __init__(self, database: Database) -> None:
        self.database = database

    def archive(self, limits: Runs | None = None, redactor: Redactor | None = None) -> Archive:
        return Archive(self.database, TrioClock(), packer=Packer(limits, redactor))

    async def number(self, what: str) -> int:
        return await self.database.read(lambda c: c.execute(f"select {what}").fetchone()[0])


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Here]:
    async with open_database(tmp_path / "thane.db", Storage()) as database:
        yield Here(database)


def talk(turns: int) -> tuple[Message, ...]:
    """What is said in so many turns, and the last question with something volatile behind it."""
    said = [SYSTEM]
    for turn in range(turns):
        said += [Message("user", f"question {turn} " * 30), Message("assistant", f"answer {turn} " * 30)]
    last = said[-2]
    return (*said[:-2], msgspec.structs.replace(last, content=f"{last.content} It is 1{turns}:00."))


async def test_a_prompt_is_read_back_as_it_was_sent(here: Here) -> None:
    archive = here.archive()
    call = ToolCall("call_1", "light.turn_off", {"name": "Lamp", "deep": [1, None, "ü🙂"]})
    messages = (
        SYSTEM,
        Message("user", "lights off"),
        Message("assistant", "", thinking="hm", tool_calls=(call,)),
        Message("tool", "done", tool_call_id="call_1", tool_name="light.turn_off"),
    )
    sent = SentPrompt(0, 1, Prompt(messages, TOOLS, Options(temperature=0.5, think="low")))
    await archive.run_ended(conversation("c_1"), run("r_1", "c_1"), (), (sent,))
    found = await archive.run("r_1")
    assert found is not None
    (record,) = found.prompts
    assert (0, 1, 4, 1, {"temperature": 0.5, "think": "low"}) == (
        record.place,
        record.step,
        record.messages,
        record.tools,
        msgspec.json.decode(record.options),
    )
    prompt = await archive.prompt(record.hash)
    assert prompt is not None
    assert (TOOLS, messages) == (prompt.tools, msgspec.convert(prompt.messages, tuple[Message, ...]))


async def test_the_name_of_a_prompt_can_be_checked_from_its_pieces(here: Here) -> None:
    prompt = Prompt((Message("user", "hello"),))
    packed = Packer().pack(0, 1, prompt)
    name = b""
    for kind, body in ((b"tools", b"[]"), (b"message", b'{"role":"user","content":"hello"}')):
        name = hashlib.sha256(name + hashlib.sha256(kind + b"\0" + body).digest()).digest()
    assert name.hex() == packed.hash


async def test_a_conversation_stores_each_text_once(here: Here) -> None:
    archive, turns = here.archive(), 60
    for turn in range(1, turns + 1):
        sent = (SentPrompt(0, 1, Prompt(talk(turn), TOOLS)),)
        await archive.run_ended(conversation("c_1"), run(f"r_{turn}", "c_1"), (), sent)
    # The tools, the system prompt; each question as sent; each but the last as it was said, and its answer.
    assert 2 + turns + 2 * (turns - 1) == await here.number("count(*) from prompt_pieces")
    assert await here.number("count(*) from prompt_nodes") <= 4 * turns
    found = await archive.run(f"r_{turns}")
    assert found is not None
    prompt = await archive.prompt(found.prompts[0].hash)
    assert prompt is not None
    assert talk(turns) == msgspec.convert(prompt.messages, tuple[Message, ...])


async def test_the_same_run_stored_again_leaves_no_text_behind(here: Here) -> None:
    archive = here.archive()
    for text in ("first", "second"):
        sent = (SentPrompt(0, 1, Prompt((Message("user", text),))),)
        await archive.run_ended(conversation("c_1"), run("r_1", "c_1"), (), sent)
    found = await archive.run("r_1")
    assert found is not None
    prompt = await archive.prompt(found.prompts[0].hash)
    assert prompt is not None
    assert [{"role": "user", "content": "second"}] == list(prompt.messages)
    assert 1 == await here.number("count(*) from prompt_nodes where refs = 0")


async def test_secrets_are_out_before_anything_is_stored(here: Here) -> None:
    archive = here.archive(redactor=Redactor(["opensesame"]))
    messages = (
        Message("user", "the word is opensesame"),
        Message("assistant", tool_calls=(ToolCall("c", "get", {"headers": {"x-api-key": "abc"}}),)),
        Message("tool", "Bearer abcdefghijkl0123", tool_call_id="c"),
    )
    sent = (SentPrompt(0, 1, Prompt(messages, options=Options(extra={"api_key": "abc"}))),)
    await archive.run_ended(conversation("c_1"), run("r_1", "c_1"), (), sent)
    kept = await here.database.read(
        lambda c: str(c.execute("select body from prompt_pieces union all select options from run_prompts").fetchall())
    )
    assert "redacted" in kept
    assert not [secret for secret in ("opensesame", '"abc"', "abcdefghijkl0123") if secret in kept]


@pytest.mark.parametrize("keep", [False, True])
async def test_images_are_kept_only_where_wanted_and_told_of_always(here: Here, keep: bool) -> None:
    archive = here.archive(Runs(keep_images=keep))
    sent = (SentPrompt(0, 1, Prompt((Message("user", "look", images=(PIXEL,)),))),)
    await archive.run_ended(conversation("c_1"), run("r_1", "c_1"), (), sent)
    found = await archive.run("r_1")
    assert found is not None
    prompt = await archive.prompt(found.prompts[0].hash)
    assert prompt is not None
    about = {"sha256": hashlib.sha256(base64.b64decode(PIXEL)).hexdigest(), "bytes": 17, "media_type": "image/png"}
    assert [about | {"data": PIXEL if keep else ""}] == prompt.messages[0]["images"]


async def test_prompts_are_not_kept_where_they_are_not_wanted(here: Here) -> None:
    archive = here.archive(Runs(keep_prompts=False))
    sent = (SentPrompt(0, 1, Prompt((Message("user", "hello"),))),)
    await archive.run_ended(conversation("c_1"), run("r_1", "c_1"), (), sent)
    assert 0 == await here.number("count(*) from prompt_pieces")


async def test_half_a_surrogate_pair_does_not_cost_the_run(here: Here) -> None:
    archive = here.archive()
    sent = (SentPrompt(0, 1, Prompt((Message("user", "half \ud83d"),))),)
    await archive.run_ended(conversation("c_1"), run("r_1", "c_1", text="half \ud83d"), (), sent)
    found = await archive.run("r_1")
    assert found is not None
    prompt = await archive.prompt(found.prompts[0].hash)
    assert prompt is not None
    assert "half \N{REPLACEMENT CHARACTER}" == prompt.messages[0]["content"]


async def test_a_name_that_names_nothing_finds_nothing(here: Here) -> None:
    archive = here.archive()
    assert [None, None] == [await archive.prompt(name) for name in ("ab" * 32, "no hash")]


async def test_spans_are_read_as_they_were(here: Here) -> None:
    archive = here.archive()
    spans = (
        Span("queue", "queue", AT, 0.5, "done"),
        Span("model", "qwen3", AT + 1, 2.0, "done", 1, 0.25, "ollama", "why", usage=Usage(10, 2), finish_reason="stop"),
        Span("tool", "light.turn_off", AT + 3, 0.1, "error", 1, call_id="call_1"),
    )
    await archive.run_ended(conversation("c_1"), run("r_1", "c_1", spans=spans), ())
    found = await archive.run("r_1")
    assert found is not None
    assert spans == found.spans


async def test_what_is_shown_of_a_run_that_goes_on_has_the_name_under_which_it_will_be_kept(here: Here) -> None:
    archive = here.archive()
    sent = SentPrompt(0, 1, Prompt((SYSTEM, Message("user", "hello " * 100)), TOOLS))
    shown = archive.as_kept(sent)
    await archive.run_ended(conversation("c_1"), run("r_1", "c_1"), (), (sent,))
    assert shown == await archive.prompt(shown.hash)


def test_what_is_remembered_of_prompts_takes_no_more_memory_than_the_setting_says() -> None:
    packer = Packer(Runs(prompt_cache_bytes=400_000))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(3000):  # brief ones: what is said in them is the least of it
            packer.pack(0, 1, Prompt((Message("user", f"Question {number}: what is the tide doing?"),)))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 500_000
