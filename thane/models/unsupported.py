"""What a model server's refusal says it does not take, so that it can be asked again without that. Pure.

Models of one server differ in what they take: OpenAI's reasoning models and Anthropic's newer ones refuse a
`temperature`, some servers any field that they do not know. None of them tells beforehand, and a refusal costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from thane.models.provider import ModelError

_REFUSED = frozenset({400, 422})
_SAYS_SO = re.compile(
    r"unsupported|not support|deprecated|not permitted|not allowed|unrecognized|unrecognised|unexpected|unknown|extra "
)

_EVERYDAY = frozenset({"stop", "user", "seed"})


def unsupported(error: ModelError, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the fields `names` that the refusal names as such that the model does not take; not for a bad value."""
    words = error.message.lower()
    if error.status not in _REFUSED or not _SAYS_SO.search(words):
        return ()
    return tuple(name for name in names if re.search(_pattern(name), words))


def _pattern(name: str) -> str:
    """A name as a word of its own; one that is an everyday word in quotes, or before a colon."""
    word = re.escape(name)
    return rf"['\"`]{word}['\"`]|\b{word}:" if name in _EVERYDAY else rf"(?<![\w.]){word}(?![\w.]\w)"
