"""The rules of the dashboard's look that a machine can hold: strict CSP, one sprite, colours only from tokens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SOURCES = [*TEMPLATES, *sorted(WEB.glob("*.js")), *sorted((ROOT / "thane" / "http" / "dashboard").glob("*.py"))]
TEXT = "\n".join(path.read_text() for path in SOURCES)
SPRITE = (WEB / "templates" / "icons.svg").read_text()
BASE = (WEB / "templates" / "base.html").read_text()
STYLES = re.findall(r"asset\('(\w+\.css)'\)", BASE)
CSS = re.sub(r"/\*.*?\*/", "", "\n".join((WEB / name).read_text() for name in STYLES), flags=re.DOTALL)


def test_every_style_sheet_is_on_every_page_the_base_first_and_narrow_screens_last() -> None:
    assert {path.name for path in WEB.glob("*.css")} == set(STYLES)
    assert ("thane.css", "narrow.css") == (STYLES[0], STYLES[-1])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_inline_script_style_or_handler(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=|hx-on|javascript:|js:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert "<style" not in text


def test_scripts_make_no_markup_of_text_and_need_no_eval() -> None:
    for path in WEB.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text()
        )


def test_every_icon_that_is_used_is_in_the_sprite_and_every_icon_is_used() -> None:
    known = set(re.findall(r'<symbol id="i-([a-z]+)"', SPRITE))
    used = set(re.findall(r"""icon\(['"]([a-z]+)['"]\)""", TEXT)) | set(re.findall(r"#i-([a-z]+)\"", TEXT))
    assert used <= known
    assert {name for name in known if not re.search(rf"""['"#-]{name}['"]""", TEXT)} == set()


def test_every_class_of_the_sheet_is_used() -> None:
    made = {"is", "k", "tn"}  # prefixes of classes that are put together from a state or a kind
    names = set(re.findall(r"\.([a-zA-Z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", CSS)))
    unused = {
        name
        for name in names
        if name.partition("-")[0] not in made and not re.search(rf"(?<![\w-]){name}(?![\w-])", TEXT + SPRITE)
    }
    assert unused == set()


def test_colours_stand_only_in_the_tokens() -> None:
    _, _, rules = CSS.partition(":root[data-theme=light]")
    # the mask of the log and a transparent mix are not colours that anyone sees
    found = set(re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\([^)]*\)|hsl\([^)]*\)", rules)) - {"#0000", "#000"}
    assert found == set()


def test_every_token_is_used() -> None:
    tokens = set(re.findall(r"(--[a-z0-9-]+):", CSS))
    assert {token for token in tokens if f"var({token})" not in CSS} == set()
