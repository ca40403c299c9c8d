"""What a person types into a search box, as an FTS5 query. Pure; whatever is typed, it means something.

`kitchen light` is both words, `"kitchen light"` the phrase, `kit*` a beginning, `a OR b`, `a NOT b` and `a -b` as they
read (operators in capitals, as in FTS5: https://www.sqlite.org/fts5.html#full_text_query_syntax). What does not fit
the grammar (an open quotation mark, an operator with nothing beside it, a bracket) is taken for what it most likely is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import msgspec

MOST_TERMS = 32
"""Terms of one query that are looked at; a pasted page needs no more to be found."""

_PIECE = re.compile(r'(-?)"([^"]*)"?(\*?)|(\S+)')
_WORD = re.compile(r"[^\W_]+")
WORD_CHARS = (4, 32)
"""Length of the words among which misspelt ones are looked for."""


class Term(msgspec.Struct, frozen=True):
    """Words in a row, `prefix` if the last is only a beginning. `joined` says how it stands to the terms before."""

    words: tuple[str, ...]
    prefix: bool = False
    joined: str = "AND"  # AND | OR | NOT


def parse(text: str) -> tuple[Term, ...]:
    """The terms, in their order. Empty when there is no word to look for."""
    terms: list[Term] = []
    joined = "AND"
    for match in _PIECE.finditer(text):
        minus, quoted, star, plain = match.groups()
        if plain in ("AND", "OR", "NOT"):
            joined = plain
            continue
        if plain is not None:
            minus, star = plain[:1] == "-", plain.rstrip(").,;!?").endswith("*")
            quoted = plain
        words = tuple(_WORD.findall(quoted))
        if not words:
            continue
        terms.append(Term(words, bool(star), "NOT" if minus else joined))
        joined = "AND"
    return tuple(terms[:MOST_TERMS])


def begun(terms: Sequence[Term]) -> tuple[Term, ...]:
    """The terms with the last one a beginning: of a query that is still being typed."""
    return (*terms[:-1], msgspec.structs.replace(terms[-1], prefix=True)) if terms else ()


def expression(terms: Sequence[Term]) -> str:
    """The FTS5 query; "" when nothing is asked for, only things that are not wanted.

    AND binds closer than OR, and what is not wanted is left out of everything, wherever it was typed.
    """
    groups: list[list[str]] = []
    unwanted: list[str] = []
    for term in terms:
        quoted = '"' + " ".join(term.words) + '"' + (" *" if term.prefix else "")
        if term.joined == "NOT":
            unwanted.append(quoted)
        elif term.joined == "OR" or not groups:
            groups.append([quoted])
        else:
            groups[-1].append(quoted)
    if not groups:
        return ""
    wanted = " OR ".join("(" + " AND ".join(group) + ")" for group in groups)
    return f"({wanted}) NOT ({' OR '.join(unwanted)})" if unwanted else wanted


def words_of(text: str) -> frozenset[str]:
    """The words of a text as the index has them (lower case, without accents) that are long enough to be misspelt."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    least, most = WORD_CHARS
    return frozenset(word for word in _WORD.findall(plain) if least <= len(word) <= most and not word[0].isdigit())


def trigrams(word: str) -> str:
    """The FTS5 query for words that share a trigram with `word`; "" when it is too short to have one."""
    pieces = dict.fromkeys(word[place : place + 3] for place in range(len(word) - 2))
    return " OR ".join(f'"{piece}"' for piece in pieces)


def distance(one: str, other: str, most: int) -> int:
    """Optimal string alignment distance (insert, delete, replace, swap neighbours), `most` + 1 when it is larger."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        now = [i]
        for j, b in enumerate(other, 1):
            cost = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        if min(now) > most:
            return most + 1
        before, row = row, now
    return min(row[-1], most + 1)


def meant(word: str, known: Sequence[str]) -> str:
    """The known word that a misspelt one most likely is: one slip in a short word, two in a long one; "" for none."""
    most = 1 if len(word) < 8 else 2
    ranked = sorted((distance(word, each, most), each) for each in known)
    return ranked[0][1] if ranked and ranked[0][0] <= most else ""
