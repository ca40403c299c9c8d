"""Secrets out of text: what is stored of a run, and what a page shows of one, goes through here first.

Pure. It knows the secrets of the configuration word for word, and the looks of those that it cannot know: bearer
tokens, the keys of well-known services, private keys, passwords in addresses, and values under names such as
`api_key`. It is no promise that a text is clean: a password that looks like a word is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

REDACTED = "[redacted]"
LEAST = 6
"""Characters of a secret of the configuration that is looked for; a shorter one would be found in any text."""
_SHORT = 256
_REMEMBERED = 64  # short texts: a turn's title and question are looked at five times
_NAMES = (
    r"(?:x-)?api[_-]?key|access[_-]?key|(?:access|refresh|auth|id|bearer|long_lived)?[_-]?token|client[_-]?secret|"
    r"secret(?:[_-]key)?|password|passwd|passphrase|authorization|proxy-authorization|private[_-]?key|"
    r"(?:set-)?cookie|credentials?"
)
_SECRET_NAME = re.compile(rf"(?:.*[_.-])?(?:{_NAMES})", re.IGNORECASE)
_COUNT_NAME = re.compile(r"(?:max|min|num|n|total)[_-].*", re.IGNORECASE)

# What must be in a text, in lower case, for the pattern behind it to be worth trying; most texts have none of them.
# Each pattern's group `keep`, where it has one, stays in front of what is taken out.
_PATTERNS = tuple(
    (hints, re.compile(pattern))
    for hints, pattern in (
        (("private key",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
        (("bearer",), r"(?P<keep>\b[Bb]earer\s+)[A-Za-z0-9._~+/=-]{12,}"),
        (
            ("authorization",),
            r"(?P<keep>\b[Aa]uthorization[\"']?\s*[:=]\s*[\"']?(?:[Bb]asic|[Tt]oken|[Dd]igest)\s+)[^\s\"',;]{6,}",
        ),
        # JSON Web Token: RFC 7519
        (("eyj",), r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        # OpenAI, Anthropic, and those who do as they do
        (("sk-", "pk-", "rk-"), r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"),
        (("_live_", "_test_"), r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}"),
        (
            ("gh", "glpat-"),
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})",
        ),
        (("xox",), r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
        (("akia", "asia"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
        (("aiza",), r"\bAIza[A-Za-z0-9_-]{30,}"),
        (("hf_",), r"\bhf_[A-Za-z0-9]{20,}"),
        (("://",), r"(?P<keep>\b[a-z][a-z0-9+.-]{1,12}://[^\s/:@]{1,64}:)[^\s/@]{3,}(?=@)"),
        # A name and its value, as in a header, a query or a line of settings: the value must look made up.
        (
            ("key", "token", "secret", "passw", "passphrase", "authorization", "cookie", "credential"),
            rf"(?P<keep>\b(?i:{_NAMES})[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?)(?=[^\s\"',;&]*[0-9])[^\s\"',;&]{{8,}}",
        ),
    )
)

_HINTS = tuple((hint, pattern) for hints, pattern in _PATTERNS for hint in hints)


class Redactor:
    """Takes secrets out of text and of JSON values. `known` are secrets word for word."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        # The longest first: one secret may begin with another.
        words = sorted({word for word in known if len(word) >= LEAST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, words))) if words else None
        self._again = lru_cache(maxsize=_REMEMBERED)(self._looked_at)

    def text(self, text: str) -> str:
        """The text with `[redacted]` for each secret."""
        if len(text) < LEAST:
            return text
        return self._again(text) if len(text) <= _SHORT else self._looked_at(text)

    def _looked_at(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        lower = text.lower()
        worth_trying = [pattern for hint, pattern in _HINTS if hint in lower]
        for pattern in dict.fromkeys(worth_trying):
            text = pattern.sub(_replace, text)
        return text

    def value(self, value: Any) -> Any:
        """The JSON value, redacted at every depth: all text, and whatever stands under the name of a secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self._named(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def _named(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and value and is_secret_name(name):
            return REDACTED
        return self.value(value)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret: `api_key`, `X-Api-Key`, `access_token`, not `max_tokens`."""
    return _SECRET_NAME.fullmatch(name) is not None and _COUNT_NAME.fullmatch(name) is None


def known_secrets(settings: object) -> tuple[str, ...]:
    """Every secret of a configuration: text under the name of a secret, the door's `keys`, and `headers`."""
    return tuple(_collect(msgspec.to_builtins(settings), secret=False))


def _collect(value: Any, *, secret: bool) -> Iterable[str]:
    if isinstance(value, str):
        if secret and value:
            yield value
            yield value.split()[-1]  # of `Bearer KEY`, the key too
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _collect(item, secret=secret or is_secret_name(str(name)) or name in ("keys", "headers"))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _collect(item, secret=secret)


def _replace(match: re.Match[str]) -> str:
    kept: str = match.groupdict().get("keep") or ""
    return kept + REDACTED
