"""Two chats of a real Open WebUI that begin with the same words, told apart through all that a person does to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e import open_webui, program
from tests.e2e.open_webui import OpenWebUI, say
from tests.e2e.program import Program, wait_until
from tests.e2e.talking_model import MODEL, Relay, TalkingModel, relay, talking_model

pytestmark = pytest.mark.e2e

SECRET = "a secret that both know, long enough"
HEADERS = {
    "X-OpenWebUI-Chat-Id": "{{CHAT_ID}}",
    "X-OpenWebUI-Message-Id": "{{MESSAGE_ID}}",
    "X-Thane-Task": "{{TASK}}",
}


@dataclass(frozen=True)
class Way:
    """How Open WebUI and Thane are set up, and whom Thane then takes for the user."""

    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    user: str = ""


WAYS = {
    "as it comes": Way(),
    "with ids": Way(
        {"ENABLE_FORWARD_USER_INFO_HEADERS": "true", "FORWARD_USER_INFO_HEADER_JWT_SECRET": SECRET},
        {"auth": {"open_webui_secret": SECRET}},
        "Ada",
    ),
    "with headers of the connection": Way(
        {"OLLAMA_API_CONFIGS": json.dumps({"0": {"enable": True, "headers": HEADERS}})},
        {"conversations": {"housekeeping": {"recognise": "header"}}},
    ),
}
OPENING = "What should I cook tonight?"


@dataclass
class World:
    """Everything that runs, and how Open WebUI was set up."""

    way: Way
    model: TalkingModel
    thane: Program
    left: Relay
    webui: OpenWebUI
    browser: Browser

    def conversations(self) -> list[dict[str, Any]]:
        """Every one of Open WebUI's, the first one first, with its messages."""
        found = self.thane.get("/v1/conversations?channel=owu&archived=all&sort=created&order=asc")["conversations"]
        return [self.thane.get(f"/v1/conversations/{each['id']}") for each in found]

    def ask(self, page: Page, text: str) -> str:
        """Say something and wait for the answer on the page."""
        before = len(self.model.turns)
        say(page, text)
        return self.answered(page, before)

    def answered(self, page: Page, before: int) -> str:
        """Wait until the model was asked once more and its answer is on the page, complete; the answer."""
        wait_until("the model is asked", lambda: len(self.model.turns) > before, seconds=20)
        turn = self.model.turns[before]
        page.get_by_text(turn.answer.partition(" to ")[0] + " to").first.wait_for(timeout=20_000)
        page.get_by_label("Regenerate").last.wait_for(timeout=20_000)
        return turn.answer


@pytest.fixture(scope="module", params=WAYS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("chats")
    way = WAYS[request.param]
    with ExitStack() as stack:
        model = stack.enter_context(talking_model())
        settings = {"models": {"default": MODEL, "ollama_url": model.url}, **way.settings}
        thane = stack.enter_context(program.running(folder / "thane", settings))
        left = stack.enter_context(relay(thane.ollama))
        webui = stack.enter_context(open_webui.running(folder / "open-webui", left.url, **way.environ))
        browser = stack.enter_context(open_webui.browser())
        yield World(way, model, thane, left, webui, browser)


def said(conversation: dict[str, Any], role: str) -> list[str]:
    return [each["content"] for each in conversation["messages"] if each["role"] == role]


def test_two_chats_that_begin_alike_stay_two_through_all_that_is_done_to_them(world: World) -> None:
    one, other = world.webui.page(world.browser), world.webui.page(world.browser)
    for text in ("{}", "Something with {}", "And for dessert, {}?"):
        for page, word in ((one, "rice"), (other, "bread")):
            world.ask(page, OPENING if text == "{}" else text.format(word))

    before = len(world.model.turns)
    one.get_by_label("Regenerate").last.click()
    if (again := one.get_by_text("Try Again")).count():
        again.first.click()
    world.answered(one, before)

    before = len(world.model.turns)
    asked = other.locator(".user-message").last
    asked.hover()
    asked.get_by_label("Edit").click()
    asked.locator("textarea").fill("And for breakfast, bread?")
    asked.get_by_role("button", name="Send", exact=True).click()
    world.answered(other, before)

    stopped = []
    for number in range(3):
        before = len(world.model.turns)
        say(one, f"Tell me a long story, number {number}")
        wait_until("the story is told", lambda start=before: len(world.model.turns) > start, seconds=20)
        story = world.model.turns[before]
        wait_until("it goes on", lambda its=story: "word5" in its.answer, seconds=20)
        one.get_by_role("button", name="Stop").first.click()
        wait_until("it ends", lambda its=story: its.hung_up_at, seconds=10)
        stopped.append(story)
        one.get_by_label("Regenerate").last.wait_for(timeout=20_000)
    world.ask(one, "Go on.")

    for story in stopped:
        assert story.hung_up_at is not None
        assert min(abs(story.hung_up_at - at) for at in world.left.left_at) < 0.05

    first, second = world.conversations()
    stories = [story.question for story in stopped]
    assert {OPENING, "Something with rice", "And for dessert, rice?", *stories, "Go on."} == set(said(first, "user"))
    assert {OPENING, "Something with bread", "And for dessert, bread?", "And for breakfast, bread?"} == set(
        said(second, "user")
    )
    assert (2, 2) == (len(first["branches"]), len(second["branches"]))
    assert 4 + len(stories) + 1 == len(said(first, "assistant"))
    assert 4 == len(said(second, "assistant"))
    for turn in world.model.turns:  # no question of one chat was ever asked with a word of the other
        words = " ".join(str(each["content"]) for each in turn.body["messages"] if each["role"] != "system")
        assert not ("rice" in words and "bread" in words)
    assert "word5" in str(world.model.turns[-1].body["messages"])  # what was said until the stop is remembered
    one.context.close()
    other.context.close()


def test_housekeeping_is_answered_and_is_no_conversation(world: World) -> None:
    openings = {asked.question.removeprefix("### Task:\n")[:18] for asked in world.model.asked if asked.is_task}
    assert {"Generate a concise", "Generate 1-3 broad"} <= openings
    assert all(not asked.body.get("tools") for asked in world.model.asked if asked.is_task)
    assert 2 == len(world.conversations())
    assert ["Evenings", "Evenings"] == [each["title"] for each in world.conversations()]
    tasks = [run for run in world.thane.get("/v1/runs?limit=200")["recent"] if run["task"]]
    assert {""} == {run["conversation_id"] for run in tasks}
    assert {"done"} == {run["state"] for run in tasks}


def test_the_dashboard_shows_exactly_the_two(world: World) -> None:
    page = world.browser.new_page()
    page.goto(world.thane.native)
    page.locator("body[data-link=up]").wait_for(timeout=10_000)
    chats = [loop for loop in world.thane.get("/v1/loops") if loop["name"].startswith("owu/")]
    for loop in chats:
        node = page.locator(f"#n-{loop['id']}")
        node.wait_for(timeout=5_000)
        assert "Evenings" in (node.text_content() or "")
    assert 2 == len(chats)
    assert 0 == page.get_by_text("generation").count()
    page.goto(f"{world.thane.native}/conversations?channel=owu")
    assert 2 == page.locator("#clist .ci").count()
    page.goto(f"{world.thane.native}/conversations")
    assert 2 == page.locator("#clist .ci").count()
    talks = (("rice", "dessert", "bread"), ("bread", "breakfast", "rice"))
    for conversation, (word, meal, other) in zip(world.conversations(), talks, strict=True):
        page.goto(f"{world.thane.native}/conversations/{conversation['id']}")
        text = page.locator("#cpane").inner_text()
        wanted = (OPENING, f"Something with {word}", f"And for {meal}, {word}?")
        assert [] == [each for each in wanted if each not in text]
        assert other not in text
        assert "### Task" not in text
    page.close()


def test_a_signed_user_is_believed(world: World) -> None:
    users = {each["user"] for each in world.conversations()}
    assert {world.way.user} == users
