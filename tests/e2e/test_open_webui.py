"""A chat in a real Open WebUI is answered, and is a live loop under `owu` while it streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e import open_webui, program
from tests.e2e.model_server import model_server
from tests.e2e.open_webui import OpenWebUI, say
from tests.e2e.program import Program, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """A model server that answers slowly: 60 words, ten a second."""
    with model_server(tokens=60, interval=0.1) as url:
        yield url


@pytest.fixture(scope="module")
def thane(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[Program]:
    settings = {"models": {"default": "fake", "ollama_url": model}}
    with program.running(tmp_path_factory.mktemp("thane"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def webui(tmp_path_factory: pytest.TempPathFactory, thane: Program) -> Iterator[OpenWebUI]:
    folder: Path = tmp_path_factory.mktemp("open-webui")
    with open_webui.running(folder, thane.ollama) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_webui.browser() as chromium:
        yield chromium


@pytest.fixture
def page(webui: OpenWebUI, browser: Browser) -> Iterator[Page]:
    page = webui.page(browser)
    yield page
    page.context.close()


def chats(thane: Program) -> list[dict[str, Any]]:
    """Live conversation loops of Open WebUI."""
    return [loop for loop in thane.get("/v1/loops") if loop["name"].startswith("owu/")]


def processing(thane: Program) -> list[dict[str, Any]]:
    return [loop for loop in chats(thane) if loop["state"] == "processing"]


def test_a_chat_is_a_live_loop_under_owu_while_it_streams(page: Page, thane: Program, browser: Browser) -> None:
    dashboard = browser.new_page()
    dashboard.goto(thane.native)
    say(page, "Tell me about the sea")
    loop = wait_until("the loop processes", lambda: processing(thane))[0]
    dashboard.bring_to_front()  # a page that is not looked at closes its live channel
    parents = {each["id"]: each["name"] for each in thane.get("/v1/loops")}
    assert parents[loop["parent_id"]] == "owu"
    dashboard.locator(f"#n-{loop['id']}.is-processing").wait_for(timeout=5_000)
    wait_until("the answer is complete", lambda: not processing(thane), seconds=40)
    conversations = [each for each in thane.conversations() if each["channel"] == "owu"]
    assert len(conversations) == 1
    assert conversations[0]["title"].startswith("Tell me about")
    dashboard.close()


def test_a_command_is_done_in_the_house_and_confirmed_on_the_page(page: Page, thane: Program) -> None:
    say(page, "turn off the kitchen lights")
    page.get_by_text("Turned off").first.wait_for(timeout=20_000)
    latest = thane.get(f"/v1/runs/{thane.get('/v1/runs')['recent'][0]['id']}")
    assert [call["name"] for call in latest["tool_calls"]] == ["HassTurnOff"]


def test_stop_on_the_page_ends_the_run(page: Page, thane: Program) -> None:
    say(page, "Tell me a very long story about a lighthouse")
    wait_until("the loop processes", lambda: processing(thane))
    page.get_by_role("button", name="Stop").first.click()
    wait_until("the run is over", lambda: not processing(thane), seconds=5)
    runs = thane.get("/v1/runs")["recent"]
    assert any(run["state"] == "cancelled" for run in runs)


def test_two_chats_that_begin_alike_are_two_conversations(webui: OpenWebUI, browser: Browser, thane: Program) -> None:
    before = {each["id"] for each in thane.conversations()}
    for _ in range(2):
        page = webui.page(browser)
        say(page, "hello there, good house")
        wait_until("the loop processes", lambda: processing(thane))
        wait_until("the answer is complete", lambda: not processing(thane), seconds=40)
        page.context.close()
    new = [each for each in thane.conversations() if each["id"] not in before]
    assert len(new) == 2
