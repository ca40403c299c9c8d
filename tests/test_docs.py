"""Holds docs/ to the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("thane_docs", ROOT / "scripts" / "docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["configuration.md", "events.md", "api.md"])
def test_the_reference_pages_say_what_the_code_says(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert generator().filled(page, text) == text, "run `just docs` and commit what it wrote"


def test_every_route_of_the_api_has_a_meaning() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("- `") and line.endswith(": ")] == []
    assert [line for line in page.splitlines() if line.startswith("- :")] == []
    assert "`POST /api/chat`" in page
    assert "`POST /v1/chat/completions`" in page


def test_every_setting_has_a_meaning() -> None:
    without = [
        f"{path}: {key}" for path, rows in generator().sections() for key, _, _, meaning in rows if not meaning.strip()
    ]
    assert without == []


PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


def test_every_page_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert set() == {page for page in pages if f"({page})" not in index}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_every_recipe_is_told_of_where_it_is_wanted() -> None:
    recipes = re.findall(
        r"^([a-z]\w*)(?: \*\w+)*:", (ROOT / "Justfile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert "conformance" in recipes
    assert [] == [recipe for recipe in recipes if not re.search(rf"just (\w+ )*{recipe}\b", told)]
