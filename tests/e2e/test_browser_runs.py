"""The pages of runs in a real browser: a run that goes on, one that was stopped, one with tools, the list."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.program import Program, fetch, wait_until
from tests.e2e.test_browser import (
    AUDIT,
    CLEAN,
    DESKTOP,
    LONG,
    clean_page,
    clean_phone,
    headless_chromium,
    is_live,
    pages,
    running_program,
)

__all__ = ["clean_page", "clean_phone", "headless_chromium", "running_program"]  # fixtures of the pages before

pytestmark = pytest.mark.e2e


@contextmanager
def running(thane: Program, message: str) -> Generator[str]:
    """The id of a run that goes on meanwhile; it is stopped at the end if nobody did."""

    def ask() -> None:
        with suppress(HTTPError):  # that of a run that was stopped
            fetch(f"{thane.native}/v1/chat", {"message": message})

    before = {run["run_id"] for run in thane.get("/v1/runs")["running"]}
    asking = threading.Thread(target=ask)
    asking.start()
    new: Any = wait_until(
        "the run goes on",
        lambda: [run for run in thane.get("/v1/runs")["running"] if run["run_id"] not in before and run["text_chars"]],
    )
    run_id = str(new[0]["run_id"])
    try:
        yield run_id
    finally:
        with suppress(HTTPError):
            fetch(f"{thane.native}/v1/runs/{run_id}", method="DELETE")
        asking.join(10)


def test_a_run_is_followed_on_its_page_and_stopped_there(page: Page, thane: Program) -> None:
    with running(thane, f"{LONG} The word is sk-abcdefghijklmnopqrstuvwx and <b>bold</b>.") as run_id:
        page.goto(thane.native)
        page.locator(".turn-t a").click()
        expect(page).to_have_url(f"{thane.native}/runs/{run_id}")
        is_live(page)
        expect(page.locator("#run-head")).to_contain_text("Running")
        expect(page.locator("h1")).to_contain_text("[redacted] and <b>bold</b>")
        step = page.locator(".wf-row", has_text="fake")
        expect(step.locator(".lane .k-model")).to_be_attached()

        step.locator("summary").click()
        expect(step.locator(".chip").first).to_contain_text("GetDateTime")
        expect(step.locator(".prompt")).to_contain_text("You are Thane")
        expect(step.locator(".prompt")).not_to_contain_text("sk-abc")
        said = page.locator("#run-said .it")
        expect(said).to_contain_text("tok20")
        expect(said).to_contain_text("tok60")
        expect(step.locator(".prompt")).to_be_visible()  # still open, though the row was drawn anew
        assert page.evaluate(AUDIT) == CLEAN

        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#run-head")).to_contain_text("Cancelled")
        expect(page.get_by_role("alert").filter(has_text="stopped on the dashboard")).to_be_visible()
        expect(step).to_contain_text("Cancelled")
        expect(step.locator(".prompt")).to_be_visible()
        expect(page.locator("#run-tokens")).to_contain_text("cancelled ≈ est.")
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        assert page.evaluate(AUDIT) == CLEAN


def test_an_event_leads_to_its_run_and_the_run_to_its_prompt(page: Page, thane: Program) -> None:
    run_id = fetch(f"{thane.native}/v1/chat", {"message": "turn on the hall light"})["run_id"]
    page.goto(f"{thane.native}/events?run={run_id}&kind=request_complete")
    page.locator(".ev summary").click()
    page.get_by_role("link", name="Look at the run").click()
    expect(page.locator("#run-head")).to_contain_text("Done")
    tool = page.locator(".wf-row", has_text="HassTurnOn")
    tool.locator("summary").click()
    expect(tool).to_contain_text("Arguments")
    expect(tool).to_contain_text("Hall Light")
    page.get_by_role("button", name="Expand all").click()
    expect(page.locator(".prompt").last).to_contain_text("turn on the hall light")
    assert page.evaluate(AUDIT) == CLEAN
    page.goto(f"{thane.native}/runs/{run_id}/prompts/0")
    expect(page.locator(".prompt")).to_contain_text("turn on the hall light")
    assert page.evaluate(AUDIT) == CLEAN


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_list_of_runs_can_be_filtered_and_leads_to_them(browser: Browser, thane: Program, theme: str) -> None:
    fetch(f"{thane.native}/v1/chat", {"message": "turn off the hall light"})
    for page in pages(browser, DESKTOP, color_scheme=theme):
        page.goto(thane.native)
        page.get_by_role("link", name="Runs", exact=True).click()
        expect(page.locator("tbody tr").first).to_contain_text("turn off the hall")
        assert page.evaluate(AUDIT) == CLEAN
        page.get_by_label("State").select_option("done")
        page.get_by_role("button", name="Filter").click()
        expect(page).to_have_url(re.compile("state=done"))
        page.locator("tbody a").first.click()
        expect(page.locator("#run-head")).to_contain_text("Done")
        assert page.evaluate(AUDIT) == CLEAN


def test_a_run_fits_on_a_phone(phone: Page, thane: Program) -> None:
    with running(thane, LONG) as run_id:
        phone.goto(f"{thane.native}/runs/{run_id}")
        is_live(phone)
        phone.locator(".wf-row", has_text="fake").locator("summary").click()
        expect(phone.locator(".prompt")).to_contain_text("You are Thane")
        assert phone.evaluate(AUDIT) == CLEAN
        phone.get_by_role("button", name="Stop").click()
        expect(phone.locator("#run-head")).to_contain_text("Cancelled")
    phone.goto(f"{thane.native}/runs")
    expect(phone.locator("tbody tr").first).to_contain_text("Cancelled")
    assert phone.evaluate(AUDIT) == CLEAN
