from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conversations.doubles import FakeArchive, Gate, Send, assistant, rooms, turn, user
from thane.agent.context import RunContext
from thane.config import settings
from thane.conversations.conversation import Slots
from thane.conversations.housekeeping import answer, recognise
from thane.conversations.ticket import Ticket
from thane.turn import Message, RunFailed, RunFinished, ToolSpec, Turn, Usage

HISTORY = "<chat_history>\nUSER: How do I bake rye bread at home today?\nASSISTANT: With rye flour.\n</chat_history>"
PROMPTS = {
    f"### Task:\nGenerate a concise title summarizing the chat history.\n### Chat History:\n{HISTORY}": (
        "title_generation"
    ),
    f"### Task:\nGenerate a concise, 3-5 word title with an emoji.\n{HISTORY}": "title_generation",
    f"### Task:\nGenerate 1-3 broad tags categorizing the main themes.\n{HISTORY}": "tags_generation",
    f"### Task:\nPredict 3-5 useful messages this user might send.\n{HISTORY}": "follow_up_generation",
    f"### Task:\nSuggest 3-5 relevant follow-up questions.\n{HISTORY}": "follow_up_generation",
    f"### Task:\nAnalyze the chat history to determine the necessity of generating search queries.\n{HISTORY}": (
        "query_generation"
    ),
    "### Task:\nYou are an autocompletion system. Continue the text in `<text>`.": "autocomplete_generation",
    f"### Task:\nGenerate a detailed prompt for am image generation task.\n{HISTORY}": "image_prompt_generation",
    "### Task:\nSummarize the conversation history that will be compacted out of the active chat context.": (
        "context_compaction"
    ),
    "Your task is to reflect the speaker's likely facial expression through a fitting emoji.": "emoji_generation",
    "You have been provided with a set of responses from various models to the latest user query": (
        "moa_response_generation"
    ),
}
TITLE = next(iter(PROMPTS))


@pytest.mark.parametrize(("prompt", "kind"), PROMPTS.items(), ids=PROMPTS.values())
def test_open_webuis_own_requests_are_known_by_their_first_words(prompt: str, kind: str) -> None:
    assert kind == recognise(turn(prompt))
    assert kind == recognise(turn(Message("system", "Be brief."), f"\n{prompt}"))


def test_a_function_calling_request_is_known_by_its_system_message() -> None:
    system = Message("system", "Available Tools: []\n\nYour task is to choose")
    assert "function_calling" == recognise(turn(system, "Query: lights"))


@pytest.mark.parametrize(
    "asked",
    [
        turn("### Task:\nRespond to the user query using the provided context, incorporating citations.\nhi"),
        turn("Generate a concise title for my book"),
        turn(f"What does this mean: {TITLE}"),
        turn("hi", assistant("hello"), TITLE),
        turn(TITLE, assistant("{}")),
        turn(TITLE, tools=(ToolSpec("light"),)),
        turn(assistant(TITLE)),
        turn("### Task:\nWater the plants"),
        Turn(()),
    ],
    ids=["retrieval", "no heading", "quoted", "in a chat", "answered", "with tools", "assistant", "own", "empty"],
)
def test_real_turns_are_not_mistaken_for_housekeeping(asked: Turn) -> None:
    assert "" == recognise(asked)


def test_open_webuis_review_of_its_memories_is_known_and_answered() -> None:
    rules = Message("system", "You are Open WebUI's private memory reviewer. Return only valid JSON.")
    review = turn(rules, "Existing memories:")
    assert "memory_review" == recognise(review)
    assert {"operations": []} == msgspec.json.decode(answer("memory_review", review))


def test_further_openings_can_be_configured_and_retrieval_stays_a_real_turn() -> None:
    openings = {"title_generation": ("Name this chat", ""), "tags_generation": ("Respond to the user",)}
    how = settings.Housekeeping(openings=openings)
    assert "title_generation" == recognise(turn("Name this chat: x"), how)
    assert "title_generation" == recognise(turn("### Task:\nName this chat: x"), how)
    assert "" == recognise(turn("Please name this chat"), how)
    assert "" == recognise(turn("### Task:\nRespond to the user query using the provided context\nhi"), how)


def test_how_it_is_known_can_be_chosen() -> None:
    told = turn("hi", task="emoji_generation")
    header, off = settings.Housekeeping(recognise="header"), settings.Housekeeping(recognise="off")
    assert ["emoji_generation", ""] == [recognise(each, header) for each in (told, turn(TITLE))]
    assert ["", ""] == [recognise(each, off) for each in (told, turn(TITLE))]
    own = turn("Summarise", task="session_summary")  # what Thane asks for itself
    assert ["session_summary"] * 2 == [recognise(own, how) for how in (header, off)]


def test_what_the_request_says_of_itself_counts_first() -> None:
    assert "emoji_generation" == recognise(turn("hi", assistant("hello"), "more", task="emoji_generation"))


@pytest.mark.parametrize(("prompt", "kind"), PROMPTS.items(), ids=PROMPTS.values())
def test_every_kind_has_a_valid_answer_of_its_form(prompt: str, kind: str) -> None:
    text = answer(kind, turn(prompt))
    keys = {
        "title_generation": ("title", str),
        "tags_generation": ("tags", list),
        "follow_up_generation": ("follow_ups", list),
        "query_generation": ("queries", list),
        "autocomplete_generation": ("text", str),
        "image_prompt_generation": ("prompt", str),
    }
    if kind in keys:
        name, type_ = keys[kind]
        found = msgspec.json.decode(text)
        assert [name] == list(found)
        assert isinstance(found[name], type_)


def test_answers_are_made_from_the_quoted_chat() -> None:
    prompts = {kind: prompt for prompt, kind in PROMPTS.items()}
    assert {"title": "How do I bake rye bread"} == msgspec.json.decode(
        answer("title_generation", turn(prompts["title_generation"]))
    )
    chat = "<chat_history>\nUSER: Which flour for rye bread?\nASSISTANT: Bread flour, and rye flour.\n</chat_history>"
    assert {"tags": ["Flour", "Bread"]} == msgspec.json.decode(answer("tags_generation", turn(chat)))
    assert {"title": ""} == msgspec.json.decode(answer("title_generation", turn("### Task:\nGenerate a concise")))
    assert {"tags": ["General"]} == msgspec.json.decode(answer("tags_generation", turn("### Task:\nno chat")))
    moa = 'You have been provided\n\nResponses from models: """first\none"""\n\n"""second"""'
    assert "first\none" == answer("moa_response_generation", turn(moa))
    compaction = (
        "### Task:\n### Previous Summary:\nThey baked.\n\n### Messages Being Compacted:\n"
        f"USER: {'x' * 300}\n\nASSISTANT: ok\n\n### Recent Messages Kept In Context:\nUSER: now"
    )
    lines = answer("context_compaction", turn(compaction)).split("\n")
    assert ("They baked.", 200, "ASSISTANT: ok") == (lines[0], len(lines[1]), lines[2])
    assert "" == answer("something_new", turn("hi"))


async def test_housekeeping_is_answered_beside_the_conversations_and_recorded(autojump_clock: MockClock) -> None:
    async with rooms() as house:
        done = await house.ask(turn(TITLE))
        assert '{"title":"How do I bake rye bread"}' == done.text
        assert isinstance(done.final, RunFinished)
        assert ("", done.text, True) == (done.conversation_id, done.final.text, done.final.usage.estimated)
        run = house.archive.stored[done.run_id]
        assert ("title_generation", "", "done", "thane:local", "Title generation") == (
            run.task,
            run.conversation_id,
            run.state,
            run.profile,
            run.title,
        )
        assert ([], []) == (house.archive.said, house.agent.turns)
        assert ["owu", "ha", "api"] == house.loop_names()
        assert ["request_start", "request_complete"] == house.events.kinds("request_start", "request_complete")
        assert {"title_generation"} == {
            data["task"] for kind, data in house.events.all if kind in ("request_start", "request_complete")
        }


async def test_with_a_model_it_answers_without_tools_and_locally(autojump_clock: MockClock) -> None:
    async with rooms(models=settings.Models(default="qwen3:8b")) as house:
        done = await house.ask(turn("hi", assistant("ho"), "title?", task="title_generation"))
        assert "You said title?" == done.text
        (asked,), (context,) = house.agent.turns, house.agent.contexts
        assert ("thane:local", (), "title_generation") == (asked.model, asked.tools, asked.caller.task)
        assert ("thane:local", "") == (context.profile, context.conversation_id)


async def test_housekeeping_can_be_cancelled_running_and_waiting(autojump_clock: MockClock) -> None:
    gate, finals = Gate(), list[object]()
    async with (
        rooms(gate, models=settings.Models(default="m"), max_running=1) as house,
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            finals.append((await house.ask(turn(user("x"), task="title_generation"))).final)

        for _ in range(2):
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
        running, waiting = house.conversations.running()
        assert [("processing", 0), ("queued", 1)] == [(run.state, run.position) for run in (running, waiting)]
        assert "title_generation" == running.task
        assert house.conversations.cancel(waiting.run_id, "dashboard")
        assert house.conversations.cancel(running.run_id, "api")
        await house.conversations.wait_idle()
        assert {"dashboard", "api"} == {run.cancelled_by for run in house.archive.stored.values()}
        assert (0, 0) == (
            house.conversations.statistics().running,
            house.conversations.statistics().waiting_for_slot,
        )
    assert 2 == sum(isinstance(final, RunFailed) for final in finals)


async def test_housekeeping_cancelled_before_it_began_never_runs(autojump_clock: MockClock) -> None:
    async with rooms(models=settings.Models(default="m")) as house:
        async with house.conversations.open(turn("x", task="title_generation")) as opened:
            assert house.conversations.cancel(opened.run_id, "api")
        await house.conversations.wait_idle()
        assert [] == house.agent.turns
        assert "cancelled" == house.archive.stored[opened.run_id].state


async def test_housekeeping_cancelled_in_the_moment_that_it_gets_its_slot_never_runs(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, release = Gate(), Slots.release
    async with (
        rooms(gate, models=settings.Models(default="m"), max_running=1) as house,
        trio.open_nursery() as nursery,
    ):
        for _ in range(2):
            nursery.start_soon(house.ask, turn("x", task="title_generation"))
            await wait_all_tasks_blocked()
        waiting = house.conversations.running()[1].run_id
        cancelled: list[bool] = []

        def release_and_cancel(slots: Slots, ticket: Ticket) -> None:
            release(slots, ticket)  # the slot is handed to the one that waits, which has not seen it yet
            cancelled.append(house.conversations.cancel(waiting, "api"))

        monkeypatch.setattr(Slots, "release", release_and_cancel)
        gate.open.set()
        await house.conversations.wait_idle()
        assert cancelled[0]
        assert ("cancelled", "api") == (house.archive.stored[waiting].state, house.archive.stored[waiting].cancelled_by)
        assert 1 == len(house.agent.turns)
        assert 0 == house.conversations.statistics().running


async def test_housekeeping_that_waits_when_everything_is_cancelled_is_recorded_at_once(
    autojump_clock: MockClock,
) -> None:
    archive, began = FakeArchive(), trio.current_time()
    with trio.CancelScope() as everything:
        async with (
            rooms(Gate(), archive=archive, models=settings.Models(default="m"), max_running=1) as house,
            trio.open_nursery() as nursery,
        ):
            for _ in range(2):
                nursery.start_soon(house.ask, turn("x", task="title_generation"))
                await wait_all_tasks_blocked()
            everything.cancel()
    assert ["cancelled"] * 2 == [run.state for run in archive.stored.values()]
    assert trio.current_time() - began < 0.05


async def test_a_crash_while_housekeeping_ends_that_turn_only(autojump_clock: MockClock) -> None:
    async def fail(asked: Turn, context: object, send: object) -> RunFinished:
        raise RuntimeError("boom")

    async with rooms(fail, models=settings.Models(default="m")) as house:
        assert isinstance((await house.ask(turn("x", task="title_generation"))).final, RunFailed)
        assert 0 == house.conversations.statistics().running


async def test_a_task_that_no_model_may_do_is_answered_plainly(autojump_clock: MockClock) -> None:
    async def nobody(_turn: Turn, context: RunContext, _send: Send) -> RunFailed:
        await trio.lowlevel.checkpoint()
        return RunFailed(context.run_id, "model", "no local model is configured", Usage(), 0.0)

    async with rooms(nobody, models=settings.Models(default="claude")) as house:
        said = await house.ask(turn(user("hello"), task="title_generation"))
    assert isinstance(said.final, RunFinished)
    assert "embedded" == said.final.model
    assert said.text
