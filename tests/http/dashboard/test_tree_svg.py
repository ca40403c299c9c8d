from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from thane.http.dashboard.task_tree import Kind, TreeNode
from thane.http.dashboard.tree_svg import COLUMNS, PITCH, cut, list_part, tree_part

KINDS: tuple[Kind, ...] = ("service", "channel", "conversation", "turn", "step")
ICONS = {"channel": "code", "step": "tool"}


@st.composite
def trees(draw: st.DrawFn, level: int = 0, path: str = "n") -> TreeNode:
    """Any shape with up to three children at each of the five levels."""
    count = draw(st.integers(0, 3)) if level < 4 else 0
    kind = KINDS[level]
    return TreeNode(
        id=path,
        kind=kind,
        title=draw(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=30)),
        state=draw(st.sampled_from(("processing", "waiting", "error", "stopped"))),
        icon=ICONS.get(kind, ""),
        live=draw(st.booleans()),
        context=draw(st.none() | st.integers(0, 100)) if kind == "conversation" else None,
        children=tuple(draw(trees(level=level + 1, path=f"{path}-{i}")) for i in range(count)),
    )


@settings(max_examples=50, deadline=None)
@given(trees())
def test_the_drawing_is_well_formed_and_no_two_nodes_of_a_column_overlap(root: TreeNode) -> None:
    markup = str(tree_part(root).whole(0.0)).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    svg = ElementTree.fromstring(markup)
    space = "{http://www.w3.org/2000/svg}"
    columns: dict[float, list[float]] = {}
    for box in svg.iter(f"{space}rect"):
        if box.get("class") == "bx":
            columns.setdefault(float(box.get("x", "")), []).append(float(box.get("y", "")))
    for tops in columns.values():
        assert all(later - earlier >= PITCH - 0.11 for earlier, later in pairwise(tops))
    assert {link.get("id") for link in svg.iter(f"{space}a")} == {node.id for node in root.walk()}


@settings(max_examples=25, deadline=None)
@given(trees())
def test_tree_and_list_show_the_same_nodes(root: TreeNode) -> None:
    drawn = set(tree_part(root).items) - {"tree-edges"}
    assert {f"l-{name}" for name in drawn} == set(list_part(root).items)


def test_names_are_escaped() -> None:
    root = TreeNode(id="n", kind="service", title='<script>alert(1)</script>"')
    for part in (tree_part(root), list_part(root)):
        assert "<script" not in part.whole(0.0)
        assert "&lt;script&gt;" in part.whole(0.0)


def test_a_state_that_changes_leaves_the_shell_as_it_is() -> None:
    def drawn(state: str) -> TreeNode:
        child = TreeNode(id="c", kind="channel", title="API", state=state, icon="code", live=state == "processing")
        return TreeNode(id="n", kind="service", title="thane", children=(child,))

    before, after = tree_part(drawn("waiting")), tree_part(drawn("processing"))
    assert before.shell == after.shell
    assert {name for name in after.items if before.items[name] != after.items[name]} == {"c", "tree-edges"}


def test_long_names_are_cut_to_their_room() -> None:
    assert cut("Boiler manual questions", 1000, 12) == "Boiler manual questions"
    assert cut("Boiler manual questions", 80, 12) == "Boiler manu…"


def test_columns_do_not_touch() -> None:
    assert all(left.x + left.width < right.x for left, right in pairwise(COLUMNS))


def test_the_service_s_name_is_inside_the_drawing_even_when_it_stands_alone() -> None:
    markup = tree_part(TreeNode(id="n", kind="service", title="thane", sub="up 3 s")).whole(0.0)
    height = float(markup.partition('viewBox="0 0 884 ')[2].partition('"')[0])
    lowest = float(markup.rpartition(' y="')[2].partition('"')[0])
    assert lowest < height
