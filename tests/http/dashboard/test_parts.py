from __future__ import annotations

from markupsafe import Markup

from thane.http.dashboard.parts import NOTHING, Page, Part, Share, changes, place
from thane.http.dashboard.words import age_of


def part(shell: str = "", svg: bool = False, **items: str) -> Part:
    inside = Markup("").join(place(name) for name in items)
    return Part("list", Markup('<ul id="list">{}{}</ul>').format(shell, inside), items, svg=svg)


def page(*parts: Part) -> Page:
    return {each.id: each for each in parts}


def test_a_part_is_written_with_its_items_in_their_places() -> None:
    assert part(a='<li id="a">1</li>', b='<li id="b">2</li>').whole(0.0) == (
        '<ul id="list"><li id="a">1</li><li id="b">2</li></ul>'
    )


def test_a_viewer_who_knows_nothing_is_told_everything() -> None:
    assert changes({}, page(part(a="<li>1</li>")), 0.0) == [
        '<hx-partial hx-target="#list" hx-swap="outerMorph"><ul id="list"><li>1</li></ul></hx-partial>'
    ]


def test_nothing_is_sent_while_nothing_differs() -> None:
    assert changes(page(part(a="<li>1</li>")), page(part(a="<li>1</li>")), 0.0) == []


def test_only_the_item_that_changed_is_sent() -> None:
    before, after = part(a="<li>1</li>", b="<li>2</li>"), part(a="<li>1</li>", b="<li>3</li>")
    assert changes(page(before), page(after), 0.0) == [
        '<hx-partial hx-target="#b" hx-swap="outerMorph"><li>3</li></hx-partial>'
    ]


def test_the_whole_part_is_sent_when_an_item_comes_goes_or_moves() -> None:
    before = part(a="<li>1</li>", b="<li>2</li>")
    for after in (
        part(a="<li>1</li>"),
        part(b="<li>2</li>", a="<li>1</li>"),
        part(a="<li>1</li>", b="<li>2</li>", c="x"),
    ):
        (sent,) = changes(page(before), page(after), 0.0)
        assert sent.startswith('<hx-partial hx-target="#list"')


def test_an_item_of_an_svg_part_is_wrapped_so_that_it_is_read_as_svg() -> None:
    before, after = part(a="<a/>", svg=True), part(a=f"<text>{age_of(0.0)}</text>", svg=True)
    drawn = '<svg><text><tspan data-age="0.00">5 s</tspan></text></svg>'
    assert changes(page(before), page(after), 5.0) == [
        f'<hx-partial hx-target="#a" hx-swap="outerMorph strip:true">{drawn}</hx-partial>'
    ]


def test_time_alone_changes_nothing() -> None:
    drawn = page(part(a=f"<li>{age_of(0.0)}</li>"))
    assert changes(drawn, page(part(a=f"<li>{age_of(0.0)}</li>")), 1000.0) == []


def test_viewers_who_know_the_same_share_what_is_written() -> None:
    share, first, second = Share(), page(part(a="<li>1</li>")), page(part(a="<li>2</li>"))
    whole = share.changes(NOTHING, first, 0.0)
    assert whole == "".join(changes(NOTHING, first, 0.0))
    assert share.changes(NOTHING, first, 0.0) is whole
    assert share.changes(first, second, 0.0) == "".join(changes(first, second, 0.0))
    assert share.changes(NOTHING, first, 0.0) == whole
