from __future__ import annotations

import pytest

from thane.home.colours import COLOURS, RGB, find_colour


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("red", (255, 0, 0)),
        ("Sky Blue", (135, 206, 235)),
        ("rebeccapurple", (102, 51, 153)),
        ("octarine", None),
        ("", None),
    ],
)
def test_colours_are_found_by_their_css_names(name: str, colour: RGB | None) -> None:
    assert colour == find_colour(name)


def test_the_table_has_every_colour_of_css() -> None:
    assert 148 == len(COLOURS)
