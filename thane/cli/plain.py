"""Text from models, tools and devices, made harmless for a terminal.

What they say may hold escape sequences (which could recolour, retitle or rewrite the screen) and marks that turn the
reading direction; these are shown as � instead. See "Terminal escape injection", CWE-150.
"""

from __future__ import annotations

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_MANY_LINES = dict.fromkeys(_CONTROLS, "\ufffd") | {0x09: "\t", 0x0A: "\n", 0x0D: ""}
_ONE_LINE = _MANY_LINES | {0x09: " ", 0x0A: "⏎"}


def many_lines(text: str) -> str:
    """`text` with its line ends and tabs kept."""
    return text.translate(_MANY_LINES)


def one_line(text: str) -> str:
    """`text` on one line; a line end becomes ⏎."""
    return text.translate(_ONE_LINE)
