"""Holds the direction of imports: no room imports a room above it. The table is that of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "thane"

ANY = ["turn", "errors", "clock", "ids", "backoff", "config", "events.event", "version", "redaction", "answer_format"]
"""What every room may use: the types that rooms meet in, time, ids, settings, the vocabulary of events."""

MAY: dict[str, str] = {
    "config": "",
    "storage": "",
    "home": "",
    "health": "",
    "loops": "",
    "wire": "",
    "memory": "storage",
    "journal": "storage",
    "ledger": "storage models.embeddings models.provider",
    "events": "storage",
    "brain": "home",
    "tools": "home memory",
    "models": "brain home",
    "router": "models storage",
    "agent": "models tools router home",
    "conversations": "agent loops memory ledger router tools",
    "http": "wire conversations agent router models home memory ledger loops events health journal",
    "cli": (
        "service router.profiles storage memory.intake memory.facts conversations.reference "
        "conversations.reference_facts http.listeners ledger.pricing ledger.unpriced"
    ),
    "testing": "http models",
}
"""Room: the rooms, or single modules, that it may import besides its own and `ANY`."""

TOP: dict[str, str] = {
    "turn": "",
    "errors": "",
    "clock": "",
    "ids": "",
    "backoff": "",
    "version": "",
    "answer_format": "",
    "redaction": "",
    "heap": "",
    "logs": "journal",
    "supervisor": "",
    "assembly": "*",
    "service": "*",
    "__main__": "cli",
    "__init__": "",
}
"""The same for the modules that stand in no room; `*` is everything."""


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name below `thane`, and file, of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE).with_suffix("")
        yield ".".join(relative.parts).removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    """Dotted names below `thane` that a file imports, also within functions and for type checking."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.removeprefix("thane.") for name in node.names if name.name.startswith("thane."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            if node.module == "thane":
                yield from (name.name for name in node.names if not name.name.startswith("__"))
            elif node.module and node.module.startswith("thane."):
                yield node.module.removeprefix("thane.")


def within(name: str, allowed: list[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


def test_every_room_has_a_line_in_the_table() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert set(MAY) == rooms
    assert {path.stem for path in PACKAGE.glob("*.py")} <= set(TOP)


@pytest.mark.parametrize("room", [*MAY, *TOP])
def test_no_room_imports_a_room_above_it(room: str) -> None:
    may = MAY[room].split() if room in MAY else TOP[room].split()
    if may == ["*"]:
        return
    wrong = [
        f"thane.{name} imports thane.{imported}"
        for name, path in modules()
        if name.partition(".")[0] == room
        for imported in imports(path)
        if not within(imported, [room, *ANY, *may])
    ]
    assert wrong == []


def test_no_two_rooms_need_each_other() -> None:
    """The table itself points one way: whole rooms only, single modules of types are let through."""
    needs = {room: [each for each in may.split() if "." not in each] for room, may in MAY.items() if room != "testing"}

    def reach(room: str, path: tuple[str, ...]) -> None:
        assert room not in path, f"the table goes in a circle: {' → '.join((*path, room))}"
        for below in needs.get(room, []):
            reach(below, (*path, room))

    for room in needs:
        reach(room, ())


def test_the_program_does_not_need_its_test_doubles() -> None:
    wrong = [
        f"thane.{name}"
        for name, path in modules()
        if not name.startswith("testing") and any(within(imported, ["testing"]) for imported in imports(path))
    ]
    assert wrong == []


def test_the_architecture_page_has_the_same_rooms() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert set(MAY) == set(re.findall(r"^\| `thane/(\w+)/` \|", page, flags=re.MULTILINE))
