"""The Archive page in a real browser: searching, and going back to a checkpoint."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.program import Program, fetch
from tests.e2e.test_browser import (
    AUDIT,
    CLEAN,
    DESKTOP,
    clean_page,
    clean_phone,
    headless_chromium,
    pages,
    running_program,
)

__all__ = ["clean_page", "clean_phone", "headless_chromium", "running_program"]  # fixtures of the pages before

pytestmark = pytest.mark.e2e


def say(thane: Program, message: str, conversation: str) -> None:
    fetch(f"{thane.native}/v1/chat", {"message": message, "conversation_id": conversation})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_was_said_is_found_though_it_is_misspelt(browser: Browser, thane: Program, theme: str) -> None:
    say(thane, "is the garage door open?", "archive")
    for page in pages(browser, DESKTOP, color_scheme=theme):
        page.goto(f"{thane.native}/archive")
        assert page.evaluate(AUDIT) == CLEAN
        page.get_by_placeholder("Search everything").fill("garrage")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("mark").first).to_have_text("garage")
        expect(page.get_by_text("this is for garage")).to_be_visible()
        assert page.evaluate(AUDIT) == CLEAN
        page.locator(".hit a").first.click()
        expect(page).to_have_url(re.compile("/conversations/"))


def test_a_checkpoint_is_made_looked_at_and_restored(page: Page, thane: Program) -> None:
    say(thane, "turn on the hall light", "going-back")
    page.goto(f"{thane.native}/archive")
    page.get_by_placeholder("What for?").fill("before it went wrong")
    page.get_by_role("button", name="Make one now").click()
    expect(page.locator("#checkpoints tbody tr").first).to_contain_text("before it went wrong")
    say(thane, "turn off the hall light", "going-back")

    page.locator("#checkpoints tbody tr", has_text="before it went wrong").get_by_role("link", name="Go back").click()
    row = page.locator("tbody tr", has_text="going-back")
    expect(row).to_contain_text("−2")
    assert page.evaluate(AUDIT) == CLEAN
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Restore the ticked ones").click()
    expect(page.get_by_text("Restored.")).to_be_visible()
    said = thane.get("/v1/conversations/api:going-back")["messages"]
    assert ["turn on the hall light"] == [each["content"] for each in said if each["role"] == "user"]

    page.get_by_role("link", name="go back to that").click()
    page.locator("tbody tr", has_text="going-back").get_by_role("checkbox").check()
    page.get_by_role("button", name="Restore the ticked ones").click()
    expect(page.get_by_text("Restored.")).to_be_visible()
    assert 4 == len(thane.get("/v1/conversations/api:going-back")["messages"])


def test_the_archive_is_within_reach_on_a_phone(phone: Page, thane: Program) -> None:
    say(thane, "is the garage door open?", "archive")
    phone.goto(thane.native)
    phone.get_by_role("button", name="More").click()
    phone.get_by_role("link", name="Archive").click()
    expect(phone.locator("h1")).to_have_text("Archive")
    assert phone.evaluate(AUDIT) == CLEAN
