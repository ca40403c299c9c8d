"""The live tree drawn: as SVG in five columns, laid out here and not in the browser, and as a list for narrow screens.

Only SVG attributes and classes, no style. Leaves take rows, parents stand in the middle of theirs; text is cut here,
by an average width of letters, because nothing in the page measures it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from markupsafe import Markup, escape

from thane.http.dashboard.drawing import attributes, gauge, icon, level, sign
from thane.http.dashboard.parts import Part, place
from thane.http.dashboard.task_tree import Kind, TreeNode

PITCH, TOP, WIDTH = 37.4, 24, 884
LETTER = 0.53  # width of a letter, in font sizes
LEVELS: dict[Kind, int] = {"service": 0, "channel": 1, "conversation": 2, "more": 2, "turn": 3, "step": 4}


class Column(msgspec.Struct, frozen=True):
    x: float
    width: float
    height: float
    title: str


COLUMNS = (
    Column(0, 68, 64, "Service"),
    Column(92, 148, 30, "Channels"),
    Column(264, 212, 33, "Conversations"),
    Column(500, 128, 30, "Turns"),
    Column(652, 230, 30, "Steps"),
)


def tree_part(root: TreeNode) -> Part:
    """The tree as SVG. Each node is an item of the part, and all edges together are one more."""
    centres: dict[str, float] = {}
    rows = _lay_out(root, 0, centres)
    height = max(TOP + rows * PITCH, centres[root.id] + 58) + 4  # the service's name stands below it
    nodes = list(root.walk())
    items = {node.id: _node(node, centres[node.id]) for node in nodes}
    items["tree-edges"] = _edges(nodes, centres)
    heads = [
        _text("h", column.x + (34 if i == 0 else 2), 12, column.title, "middle" if i == 0 else "")
        for i, column in enumerate(COLUMNS)
    ]
    heads.append(_text("h", COLUMNS[2].x + COLUMNS[2].width - 12, 12, "context", "end"))
    rules = [Markup('<path class="rule" d="M{:g} 20V{:g}"/>').format(column.x - 12, height) for column in COLUMNS[1:]]
    shell = Markup(
        '<svg class="tree" id="tree" viewBox="0 0 {} {:g}" role="group" aria-labelledby="h-tree" '
        'aria-describedby="legend"><g aria-hidden="true">{}</g>{}{}</svg>'
    ).format(
        WIDTH,
        height,
        Markup("").join(heads + rules),
        place("tree-edges"),
        Markup("").join(place(node.id) for node in nodes),
    )
    return Part("tree", shell, items, svg=True)


def _lay_out(node: TreeNode, row: int, centres: dict[str, float]) -> int:
    """Give each node of a branch its y, in `centres`, beginning at `row`; returns the next free row."""
    if not node.children:
        centres[node.id] = TOP + row * PITCH + PITCH / 2
        return row + 1
    for child in node.children:
        row = _lay_out(child, row, centres)
    centres[node.id] = (centres[node.children[0].id] + centres[node.children[-1].id]) / 2
    return row


def _edges(nodes: list[TreeNode], centres: Mapping[str, float]) -> Markup:
    pairs = sorted(((parent, child) for parent in nodes for child in parent.children), key=lambda pair: pair[1].live)
    drawn = Markup("").join(_edge(parent, child, centres) for parent, child in pairs)
    return Markup('<g id="tree-edges" aria-hidden="true">{}</g>').format(drawn)


def _edge(parent: TreeNode, child: TreeNode, centres: Mapping[str, float]) -> Markup:
    start, end = COLUMNS[LEVELS[parent.kind]], COLUMNS[LEVELS[child.kind]]
    x1, y1 = start.x + start.width, centres[parent.id]
    if parent.kind == "service":
        x1 = start.x + 58
    x2, y2 = end.x, centres[child.id]
    middle = (x1 + x2) / 2
    path = f"M{x1:g} {y1:g}H{x2:g}"
    if abs(y1 - y2) > 0.5:
        path = f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}"
    colour = f" is-{child.state}" if child.state in ("error", "stopped") else ""
    edge = Markup('<path class="te{}{}" d="{}"/>').format(" live" if child.live else "", colour, path)
    return edge + Markup('<path class="flow" d="{}"/>').format(path) if child.live else edge


def _node(node: TreeNode, centre: float) -> Markup:
    column = COLUMNS[LEVELS[node.kind]]
    drawn = {
        "service": _service,
        "channel": _channel,
        "conversation": _conversation,
        "more": _more,
        "turn": _turn,
        "step": _step,
    }[node.kind](node, column, centre)
    return Markup("<a{}><title>{}</title>{}</a>").format(
        attributes(class_=classes("tn", node), id=node.id, href=node.href or None, aria_label=node.label),
        node.label,
        drawn,
    )


def classes(name: str, node: TreeNode) -> str:
    kind = f"{name}-{node.kind}"
    state = f"is-{node.state}" if node.state else ""
    return " ".join(filter(None, (name, kind, state, f"k-{node.category}" if node.category else "")))


def _service(node: TreeNode, column: Column, y: float) -> Markup:
    x = column.x + 34
    return (
        Markup('<circle class="bx" cx="{:g}" cy="{:g}" r="24"/>').format(x, y)
        + _use("i-thane", x - 15, y - 15.5, 30, "mark")
        + _text("t", x, y + 42, node.title, "middle")
        + _text("s", x, y + 56, node.sub, "middle")
    )


def _channel(node: TreeNode, column: Column, y: float) -> Markup:
    return (
        _box(column, y, 15)
        + _use(f"i-{node.icon}", column.x + 10, y - 8, 16, "i")
        + _text("t", column.x + 32, y + 4.2, cut(node.title, column.width - 56, 12))
        + _text("n", column.x + column.width - 12, y + 4, node.sub, "end")
    )


def _conversation(node: TreeNode, column: Column, y: float) -> Markup:
    x, top = column.x, y - column.height / 2
    right = x + column.width
    drawn = (
        _box(column, y, 9)
        + _sign(f"s-{node.state}", x + 10, y - 7)
        + _text("t", x + 32, top + 13.8, cut(node.title, column.width - 44, 12.5))
        + _text("s", x + 32, top + 26.2, node.sub)
    )
    if node.context is None:
        return drawn
    colour = level(node.context)
    bar = Markup('<rect class="{}" x="{:g}" y="{:g}" width="{:g}" height="4" rx="2"/>')
    return (
        drawn
        + _text(f"s {colour}".strip(), right - 12, top + 26.2, f"{node.context} %", "end")
        + bar.format("cb", right - 76, top + 21.2, 36)
        + bar.format(f"cv {colour}".strip(), right - 76, top + 21.2, max(2.5, 36 * node.context / 100))
    )


def _more(node: TreeNode, column: Column, y: float) -> Markup:
    """A stack of conversations, with a dot for each in two rows of ten; more than twenty are a number alone."""
    x, top, height = column.x, y - column.height / 2, column.height
    dot = Markup('<circle cx="{:g}" cy="{:g}" r="1.9"/>')
    dots = [dot.format(x + column.width - 70 + 6.4 * (i % 10), y - 3.4 + 7 * (i // 10)) for i in range(node.hidden)]
    return (
        Markup('<rect class="bx back" x="{:g}" y="{:g}" width="{:g}" height="{:g}" rx="9"/>').format(
            x + 6, top + 3, column.width - 12, height - 0.5
        )
        + _box(column, y, 9)
        + _sign(f"s-{node.state}", x + 10, y - 7)
        + _text("t", x + 32, top + 13.8, node.title)
        + _text("s", x + 32, top + 26.2, node.sub)
        + Markup('<g class="dots">{}</g>').format(Markup("").join(dots if node.hidden <= 20 else ()))
    )


def _turn(node: TreeNode, column: Column, y: float) -> Markup:
    return (
        _box(column, y, 15)
        + _sign(f"s-{node.state}", column.x + 11, y - 7)
        + _text("t", column.x + 32, y + 4.3, node.title)
        + _text("n", column.x + column.width - 13, y + 4.2, node.sub, "end")
    )


def _step(node: TreeNode, column: Column, y: float) -> Markup:
    drawn = (
        _use(f"i-{node.icon}", column.x + 10, y - 8, 16, "i")
        if node.icon
        else _sign(f"s-{node.state}", column.x + 10, y - 7)
    )
    return (
        _box(column, y, 9)
        + drawn
        + _text("m", column.x + 34, y + 4, cut(node.title, column.width - 108, 13))
        + _text("n", column.x + column.width - 12, y + 4, node.sub, "end")
    )


def _box(column: Column, y: float, radius: float) -> Markup:
    return Markup('<rect class="bx" x="{:g}" y="{:g}" width="{:g}" height="{:g}" rx="{:g}"/>').format(
        column.x, y - column.height / 2, column.width, column.height, radius
    )


def _text(name: str, x: float, y: float, text: str, anchor: str = "") -> Markup:
    where = attributes(text_anchor=anchor)
    return Markup('<text class="{}" x="{:g}" y="{:g}"{}>{}</text>').format(name, x, y, where, text)


def _use(name: str, x: float, y: float, size: float, extra: str) -> Markup:
    return Markup('<use class="{}" href="#{}" x="{:g}" y="{:g}" width="{:g}" height="{:g}"/>').format(
        extra, name, x, y, size, size
    )


def _sign(name: str, x: float, y: float) -> Markup:
    """A state sign in a box of its own, so that it can turn about its middle."""
    return Markup(
        '<svg x="{:g}" y="{:g}" width="14" height="14" viewBox="0 0 16 16">'
        '<use class="g" href="#{}" width="16" height="16"/></svg>'
    ).format(x, y, name)


def cut(text: str, room: float, size: float) -> str:
    """Text that fits into `room`, at a font size; both in units of the drawing."""
    letters = int(room / (size * LETTER))
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def list_part(root: TreeNode) -> Part:
    """The same tree as nested lists. Each row is an item of the part."""
    items = {f"l-{node.id}": _row(node) for node in root.walk()}
    return Part("tree-list", Markup('<ul class="tlist" id="tree-list">{}</ul>').format(_entry(root)), items)


def _entry(node: TreeNode) -> Markup:
    children = Markup("<ul>{}</ul>").format(Markup("").join(_entry(child) for child in node.children))
    return Markup("<li>{}{}</li>").format(place(f"l-{node.id}"), children if node.children else "")


def _row(node: TreeNode) -> Markup:
    name = " ".join(filter(None, ("tl", f"is-{node.state or 'plain'}", f"k-{node.category}" if node.category else "")))
    if node.kind == "service":
        front = Markup('<svg class="mark" aria-hidden="true"><use href="#i-thane"/></svg>')
    else:
        front = icon(node.icon) if node.icon else sign(node.state)
    said = Markup('<span class="vh">, {}</span>').format(node.state) if node.kind == "turn" else ""
    return Markup('<a{}>{}<span class="tl-t{}">{}{}</span>{}<span class="tl-s">{}</span></a>').format(
        attributes(class_=name, id=f"l-{node.id}", href=node.href or None),
        front,
        " mono" if node.kind == "step" else "",
        node.title,
        said,
        gauge(node.context, f"Context {node.context} %") if node.context is not None else "",
        escape(node.sub),
    )
