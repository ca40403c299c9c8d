"""Figures and times as people read them, each with its unit.

A time that goes on by itself (a running turn, an age, a countdown) is written into text as a *mark*, which holds the
moment and not the words, so that drawing the same state twice gives the same text. `settle` turns marks into elements
with the words of this moment; from there the browser counts on (`web/thane.js` has the same forms).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Literal

from markupsafe import Markup

THIN = "\N{NARROW NO-BREAK SPACE}"
_MARK = re.compile("\x01(run|brief|age|until):([0-9.]+)\x01")
_MARKED = re.compile(rf"(?: · )?[\w ]*{_MARK.pattern}(?: ago)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def clean(text: str) -> str:
    """One line without control characters, for titles and names that came from outside."""
    return _CONTROL.sub(" ", text).strip()


def running_since(moment: float) -> str:
    """A mark that counts up in tenths of a second. `moment` is epoch seconds, as in the next two."""
    return f"\x01run:{moment:.2f}\x01"


def briefly_since(moment: float) -> str:
    """As `running_since`, where there is little room."""
    return f"\x01brief:{moment:.2f}\x01"


def age_of(moment: float) -> str:
    """A mark that says how long ago something was."""
    return f"\x01age:{moment:.2f}\x01"


def until(moment: float) -> str:
    """A mark that counts down."""
    return f"\x01until:{moment:.2f}\x01"


def settle(markup: str, now: float, tag: Literal["time", "tspan"] = "time") -> Markup:
    """Replace the marks in escaped markup by elements; `tspan` inside SVG text."""

    def element(match: re.Match[str]) -> str:
        form, moment = match.groups()
        passed = float(moment) - now if form == "until" else now - float(moment)
        words = _FORMS[form](max(0.0, passed))
        return f'<{tag} data-{form}="{moment}">{words}</{tag}>'

    return Markup(_MARK.sub(element, markup))  # noqa: S704 the text was escaped when it was drawn


def unmarked(text: str) -> str:
    """Text without its marks and the separator before them, for labels that must not tick."""
    return _MARKED.sub("", text).strip()


def age(seconds: float) -> str:
    """`12 s`, `2 min`, `1 h`, `3 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def elapsed(seconds: float) -> str:
    """`4.1 s`, `1 min 05 s`, `1 h 02 min`."""
    if seconds < 60:
        return f"{int(seconds * 10) / 10:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02} min"


def brief(seconds: float) -> str:
    """`4.1 s`, `16 s`, `2 min`."""
    return elapsed(seconds) if seconds < 10 else age(seconds)


_FORMS = {"run": elapsed, "brief": brief, "age": age, "until": age}


def duration(seconds: float) -> str:
    """`0.2 ms`, `84 ms`, `1.3 s`, `2 min 05 s`."""
    if 0 < seconds < 0.00095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 59.95 else elapsed(seconds)


def count(number: float) -> str:
    """`4,112`, `205.8 k`, `1.2 M`."""
    if number < 10_000:
        return f"{number:,.0f}"
    return f"{number / 1000:.1f} k" if number < 999_950 else f"{number / 1_000_000:.1f} M"


def money(dollars: float) -> str:
    """`$11.84`, `$0.019`, `$0.00042`: two figures at least of what is not nothing."""
    if dollars == 0 or abs(dollars) >= 0.095:
        return f"${dollars:,.2f}"
    return f"${dollars:.3f}" if abs(dollars) >= 0.0095 else f"${dollars:.2g}" if abs(dollars) >= 0.0001 else "<$0.0001"


def spaced(number: int) -> str:
    """`48 723`, for sequence numbers."""
    return f"{number:,}".replace(",", THIN)


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 queued turn`, `3 queued turns`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Bytes: `12.3 MB`, `4.0 kB`."""
    return f"{number / 1e6:,.1f} MB" if number >= 1e6 else f"{number / 1e3:.1f} kB"


def moment(text: str | None) -> float | None:
    """Epoch seconds of an RFC 3339 time; None for no time and for text that is none."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def of_day(seconds: float, zone: tzinfo | None, pattern: str = "%H:%M") -> str:
    """The time of day at epoch `seconds` in the house; `zone` None is the machine's."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).strftime(pattern)
