"""The dashboard in a real browser, over the running program: what a person does and sees.

Every page must leave the console empty: a violation of the content security policy is a message there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.e2e import program
from tests.e2e.model_server import model_server
from tests.e2e.open_webui import browser as open_browser
from tests.e2e.program import Program, fetch, free_port, wait_until

pytestmark = pytest.mark.e2e

AUDIT = Path(__file__).with_name("audit.js").read_text()
CLEAN: dict[str, Any] = {
    "contrast": [],
    "small": [],
    "targets": [],
    "nameless": [],
    "doubled": [],
    "overflow": False,
    "headings": 1,
}
DESKTOP: Any = {"viewport": {"width": 1440, "height": 900}}
PHONE: Any = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LONG = "Tell me a long story about the sea."


@pytest.fixture(scope="module", name="thane")
def running_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """House commands are answered by the embedded brain, everything else by a model that takes a minute for it."""
    with model_server(tokens=1200, interval=0.05) as url:
        settings = {"models": {"default": "fake", "ollama_url": url}}
        with program.running(tmp_path_factory.mktemp("browser"), settings) as running:
            yield running


@pytest.fixture(scope="module", name="browser")
def headless_chromium() -> Iterator[Browser]:
    with open_browser() as chromium:
        yield chromium


@pytest.fixture(name="page")
def clean_page(browser: Browser) -> Iterator[Page]:
    """A desktop page; whatever it writes to its console fails the test."""
    yield from pages(browser, DESKTOP)


@pytest.fixture(name="phone")
def clean_phone(browser: Browser) -> Iterator[Page]:
    yield from pages(browser, PHONE)


def pages(browser: Browser, device: Any, **more: Any) -> Iterator[Page]:
    context = browser.new_context(**device, **more)
    page = context.new_page()
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def ask(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Message")
    box.fill(text)
    box.press("Enter")


def answer(page: Page) -> Any:
    return page.locator("[data-log] .it").last


def is_live(page: Page) -> None:
    expect(page.locator("body")).to_have_attribute("data-link", "up")


def runs_of(thane: Program, state: str) -> list[dict[str, Any]]:
    return [run for run in thane.get("/v1/runs")["recent"] if run["state"] == state]


def test_a_command_in_the_chat_box_is_obeyed_and_seen(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    is_live(page)
    lights = page.locator("#tile-light-kitchen_lights")
    expect(lights).to_contain_text("On · 100 %")
    ask(page, "turn off the kitchen lights")
    expect(answer(page).locator(".said")).to_contain_text("Turned off the light")
    expect(answer(page).locator(".chip.is-done")).to_contain_text("HassTurnOff")
    expect(answer(page).locator(".by")).to_contain_text("embedded")
    expect(lights).to_contain_text("Off")
    expect(lights).to_have_class(re.compile("changed"))
    expect(lights.get_by_role("link")).to_contain_text("was On")
    expect(page.locator(".tn-conversation").last).to_have_attribute("aria-label", re.compile("kitchen li.*waiting"))

    expect(page).to_have_url(re.compile(r"\?conversation="))
    page.reload()
    expect(page.locator("[data-log] .me")).to_have_text("turn off the kitchen lights")
    expect(answer(page).locator(".said")).to_contain_text("Turned off the light")


def test_a_follow_up_stays_in_the_conversation(page: Page, thane: Program) -> None:
    before = len(thane.conversations())
    page.goto(thane.native)
    ask(page, "turn on the desk lamp")
    expect(answer(page).locator(".by")).to_contain_text("ms")
    ask(page, "turn off the desk lamp")
    expect(page.locator("[data-log] .it")).to_have_count(2)
    expect(answer(page).locator(".by")).to_contain_text("ms")
    assert before + 1 == len(thane.conversations())


def test_a_long_answer_streams_lights_the_tree_and_can_be_stopped(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    is_live(page)
    cancelled = len(runs_of(thane, "cancelled"))
    ask(page, LONG)
    text = answer(page).locator("[data-text]")
    expect(text).to_contain_text("tok10")
    expect(text).to_contain_text("tok20")
    expect(page.locator(".tn-conversation.is-processing")).to_have_count(1)
    expect(page.locator(".tn-turn.is-processing")).to_have_count(1)
    expect(page.locator(".tn-step.k-model.is-processing")).to_contain_text("tok/s")
    expect(page.locator(".flow").first).to_be_attached()
    row = page.locator(".turn")
    expect(row).to_contain_text("fake")
    expect(page.locator("#f-runs")).to_contain_text("1 of")

    row.get_by_role("button", name="Stop").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator(".tn-turn")).to_have_count(0)
    expect(page.locator(".tn-conversation.is-processing")).to_have_count(0)
    expect(answer(page)).to_contain_text("Stopped")
    assert cancelled + 1 == len(runs_of(thane, "cancelled"))
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_the_chat_box_can_stop_its_own_answer_and_goes_on(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    ask(page, LONG)
    expect(answer(page).locator("[data-text]")).to_contain_text("tok5")
    page.get_by_role("button", name="Stop this answer").click()
    expect(answer(page)).to_contain_text("Stopped")
    ask(page, "turn on the hall light")
    expect(answer(page).locator(".said")).to_contain_text("light")


def test_leaving_the_page_cancels_the_answer(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    ask(page, LONG)
    expect(answer(page).locator("[data-text]")).to_contain_text("tok5")
    page.goto(f"{thane.native}/events")
    wait_until("the turn ends", lambda: not thane.get("/v1/runs")["running"], seconds=5)
    is_live(page)  # a page that goes before its channel is open complains on the console


def test_a_new_line_is_typed_with_shift(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    box = page.get_by_role("textbox", name="Message")
    box.press_sequentially("turn on")
    box.press("Shift+Enter")
    box.press_sequentially("the garden lights")
    assert box.input_value() == "turn on\nthe garden lights"
    expect(page.locator("[data-log] .me")).to_have_count(0)


def test_what_is_typed_stays_while_the_page_changes_around_it(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    is_live(page)
    box = page.get_by_role("textbox", name="Message")
    box.press_sequentially("half a sent")
    fetch(f"{thane.native}/v1/chat", {"message": "turn on the bathroom light"})
    expect(page.locator("#tile-light-bathroom_light")).to_contain_text("was Off")
    assert box.input_value() == "half a sent"
    expect(box).to_be_focused()


def test_what_people_and_models_say_is_never_markup(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    is_live(page)
    ask(page, "<img src=x onerror=alert(1)><b>remember</b>")
    expect(answer(page).locator("[data-text]")).to_contain_text("tok3")
    expect(page.locator("[data-log] .me")).to_have_text("<img src=x onerror=alert(1)><b>remember</b>")
    expect(page.locator(".turn-t a")).to_contain_text("<img src=x")
    assert page.locator("main img, main .said b, .tree b").count() == 0
    page.get_by_role("button", name="Stop this answer").click()
    expect(answer(page)).to_contain_text("Stopped")


def test_events_arrive_live_can_be_filtered_and_opened(page: Page, thane: Program) -> None:
    page.goto(f"{thane.native}/events")
    is_live(page)
    fetch(f"{thane.native}/v1/chat", {"message": "turn on the garage light"})
    row = page.locator(".ev", has_text="Garage Light: off to on")
    expect(row).to_be_visible()
    expect(page.locator(".hist rect").last).to_be_attached()
    row.locator("summary").click()
    expect(row.locator(".code")).to_contain_text('"entity_id": "light.garage_light"')

    page.get_by_role("search").get_by_text("home", exact=True).click()
    expect(page).to_have_url(f"{thane.native}/events?source=home")
    is_live(page)
    assert set(page.locator(".e-src").all_inner_texts()) == {"home"}
    fetch(f"{thane.native}/v1/chat", {"message": "turn off the garage light"})
    expect(page.locator(".ev", has_text="Garage Light: on to off")).to_be_visible()
    assert set(page.locator(".e-src").all_inner_texts()) == {"home"}


def test_the_tail_holds_still_while_it_is_paused_and_catches_up(page: Page, thane: Program) -> None:
    page.goto(f"{thane.native}/events?kind=state_changed")
    is_live(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    before = page.locator(".ev").count()
    for state in ("on", "off", "on"):
        fetch(f"{thane.native}/v1/chat", {"message": f"turn {state} the bed light"})
    jump = page.get_by_role("button", name="Jump to live")
    expect(jump).to_contain_text("3 new")
    assert before == page.locator(".ev").count()
    jump.click()
    expect(page.locator(".ev")).to_have_count(before + 3)
    fetch(f"{thane.native}/v1/chat", {"message": "turn off the bed light"})
    expect(page.locator(".ev")).to_have_count(before + 4)
    shown = [int(seq) for seq in page.locator(".ev").evaluate_all("rows => rows.map((row) => row.dataset.seq)")]
    assert sorted(set(shown)) == shown


def test_scrolling_away_holds_new_rows_back(page: Page, thane: Program) -> None:
    for _ in range(12):
        fetch(f"{thane.native}/v1/chat", {"message": "what lights are on"})
    page.goto(f"{thane.native}/events")
    is_live(page)
    tail = page.get_by_role("log", name="Events, newest last")
    tail.evaluate("element => { element.scrollTop = 0 }")
    jump = page.get_by_role("button", name="Jump to live")
    expect(jump).to_be_visible()
    fetch(f"{thane.native}/v1/chat", {"message": "turn on the printer"})
    expect(jump).to_contain_text("new")
    jump.click()
    expect(page.locator(".ev", has_text="Printer: off to on")).to_be_in_viewport()
    expect(jump).to_be_hidden()


def test_a_lost_link_is_said_and_found_again(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = cycle((free_port(), free_port()))  # both starts listen on the same ones
    monkeypatch.setattr(program, "free_port", lambda: next(ports))
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    with program.running(tmp_path) as thane:
        page.goto(thane.native)
        is_live(page)
        page.locator("#tile-light-hall_light").wait_for()
    banner = page.get_by_role("alert").filter(has_text="The live link is lost")
    expect(banner).to_be_visible()
    expect(banner).to_contain_text(re.compile(r"What you see is from \d"))
    expect(page.locator("#f-link")).to_contain_text("Lost")
    with program.running(tmp_path) as thane:
        expect(banner).to_be_hidden(timeout=15_000)
        is_live(page)
        fetch(f"{thane.native}/v1/chat", {"message": "turn off the hall light"})
        expect(page.locator("#tile-light-hall_light")).to_contain_text("was On")
    context.close()


def test_without_a_script_the_form_still_answers(browser: Browser, thane: Program) -> None:
    for page in pages(browser, DESKTOP, java_script_enabled=False):
        page.goto(thane.native)
        page.get_by_role("textbox", name="Message").fill("turn on the dishwasher")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("[data-log] .me")).to_have_text("turn on the dishwasher")
        expect(answer(page).locator(".said")).to_contain_text("Turned on")
        expect(page.locator("#tile-switch-dishwasher")).to_contain_text("On")


def test_on_a_phone_the_tree_is_a_list_and_everything_is_in_reach(phone: Page, thane: Program) -> None:
    phone.goto(thane.native)
    is_live(phone)
    expect(phone.locator("#tree")).to_be_hidden()
    expect(phone.locator("#tree-list")).to_be_visible()
    ask(phone, LONG)
    expect(phone.locator("#tree-list .is-processing").first).to_be_visible()
    assert phone.evaluate(AUDIT) == CLEAN
    phone.get_by_role("button", name="Stop Tell me").click()
    expect(answer(phone)).to_contain_text("Stopped")
    phone.get_by_role("link", name="Events").click()
    expect(phone.locator(".ev").last).to_be_in_viewport()
    assert phone.evaluate(AUDIT) == CLEAN


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_look_keeps_its_rules(browser: Browser, thane: Program, theme: str) -> None:
    for page in pages(browser, DESKTOP, color_scheme=theme):
        page.goto(thane.native)
        is_live(page)
        ask(page, LONG)
        expect(page.locator(".tn-step.k-model.is-processing")).to_be_visible()
        assert page.evaluate(AUDIT) == CLEAN
        page.get_by_role("button", name="Stop this answer").click()
        expect(answer(page)).to_contain_text("Stopped")
        page.goto(f"{thane.native}/events")
        is_live(page)
        page.locator(".ev summary").last.click()
        expect(page.locator(".code").last).to_be_visible()
        assert page.evaluate(AUDIT) == CLEAN
        page.goto(f"{thane.native}/events/1")
        assert page.evaluate(AUDIT) == CLEAN


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_loops_and_the_system_keep_its_rules(
    browser: Browser, thane: Program, theme: str, device: Any
) -> None:
    fetch(f"{thane.native}/v1/chat", {"message": "turn on the kitchen lights"})
    loop = next(each["id"] for each in thane.get("/v1/loops") if each["name"].startswith("api/"))
    for page in pages(browser, device, color_scheme=theme):
        for path in ("/system", f"/loops/{loop}"):
            page.goto(thane.native + path)
            expect(page.locator("[aria-label=Log] tbody tr").first).to_be_visible()
            assert page.evaluate(AUDIT) == CLEAN


def test_the_theme_is_kept(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    root = page.locator("html")
    for theme in ("light", "dark"):
        page.locator("[data-theme-toggle]").click()
        expect(root).to_have_attribute("data-theme", theme)
    page.goto(f"{thane.native}/events")
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_whole_page_can_be_used_with_the_keyboard(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.get_by_role("textbox", name="Message").evaluate("element => element === document.activeElement"):
            break
    page.keyboard.type("turn on the counter light")
    page.keyboard.press("Enter")
    expect(answer(page).locator(".by")).to_contain_text("ms")


def test_an_unknown_address_is_a_page_with_a_way_back(browser: Browser, thane: Program) -> None:
    context = browser.new_context(**DESKTOP)  # its console tells of the 404
    page = context.new_page()
    page.goto(f"{thane.native}/nowhere")
    expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
    page.get_by_role("link", name="See what happens now").click()
    is_live(page)
    context.close()


def test_a_loops_page_follows_what_it_does_and_can_stop_it(page: Page, thane: Program) -> None:
    said = fetch(f"{thane.native}/v1/chat", {"message": "turn on the office lamp"})
    page.goto(thane.native)
    page.locator(".tn-conversation").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("turn on the office lamp")
    expect(page.locator("[aria-label=Iterations] tbody tr")).to_have_count(1)
    expect(page.locator("[aria-label=Log]")).to_contain_text("a turn was answered")
    fetch(
        f"{thane.native}/v1/chat", {"message": "turn off the office lamp", "conversation_id": said["conversation_id"]}
    )
    expect(page.locator("[aria-label=Iterations] tbody tr")).to_have_count(2, timeout=10_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This loop has ended", timeout=10_000)
    assert said["conversation_id"] not in str(thane.get("/v1/loops"))


def test_the_system_page_shows_versions_counters_and_the_log_by_level(page: Page, thane: Program) -> None:
    page.goto(f"{thane.native}/system")
    expect(page.locator("[aria-label=Figures]")).to_contain_text("Memory")
    expect(page.locator("[aria-label=Dependencies]")).to_contain_text("ollama")
    expect(page.locator("[aria-label=conversations]")).to_contain_text("live")
    expect(page.locator("[aria-label=Log]")).to_contain_text("Thane is up")
    page.get_by_role("link", name="error").click()
    expect(page.locator("[aria-label=Log]")).not_to_contain_text("Thane is up")


def test_costs_are_shown_of_every_length_of_time_and_may_be_had_as_a_file(page: Page, thane: Program) -> None:
    page.goto(thane.native)
    ask(page, "turn on the desk lamp")
    expect(answer(page).locator(".by")).to_contain_text("ms")
    page.goto(f"{thane.native}/costs")
    expect(page.get_by_role("row", name="embedded")).to_contain_text("local")
    page.get_by_role("link", name="Today").click()
    expect(page).to_have_url(re.compile(r"days=1$"))
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "true")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "embedded" in download.value.path().read_text()


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_costs_page_keeps_the_rules(browser: Browser, thane: Program, theme: str, device: Any) -> None:
    fetch(f"{thane.native}/v1/chat", {"message": "turn on the kitchen lights"})
    for page in pages(browser, device, color_scheme=theme):
        for days in (1, 30):
            page.goto(f"{thane.native}/costs?days={days}")
            expect(page.get_by_role("row", name="All models")).to_be_visible()
            assert page.evaluate(AUDIT) == CLEAN
