"""Identifiers. Randomness is passed in, so that tests can repeat a run.

Those of runs and conversations ascend in time: they are the keys of some twenty tables and indexes, and a new row then
goes to the end of each, beside the one before it, and not to a page of its own somewhere. They are names, not secrets.
"""

from __future__ import annotations

import random

from thane.clock import Clock


class Ids:
    """Makes ids from a random source and a clock; `Ids.system()` is the one for real use."""

    def __init__(self, source: random.Random, clock: Clock) -> None:
        self._random = source
        self._clock = clock
        self._last = 0

    def _ascending(self) -> str:
        """16 hex digits: 44 bits of milliseconds and 20 random ones, and more than those before, so that none comes
        twice, also when the clock is set back."""
        now = int(self._clock.time() * 1000) << 20 | self._random.getrandbits(20)
        self._last = max(now & (1 << 64) - 1, self._last + 1)
        return f"{self._last:016x}"

    def run(self) -> str:
        """A run's id, also the request id that clients and logs see: `r_` and 16 hex digits, ascending."""
        return f"r_{self._ascending()}"

    def conversation(self) -> str:
        """`c_` and 16 hex digits, ascending."""
        return f"c_{self._ascending()}"

    def call(self) -> str:
        """A tool call's id, in the form that Ollama uses: `call_` and 8 characters."""
        return f"call_{self._random.getrandbits(32):08x}"

    def uuid7(self) -> str:
        """A UUID version 7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits."""
        ms = int(self._clock.time() * 1000) & (1 << 48) - 1
        value = ms << 80 | 7 << 76 | self._random.getrandbits(12) << 64 | 2 << 62 | self._random.getrandbits(62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
