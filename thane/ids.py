"""Identifiers. Randomness is passed in, so that tests can repeat a run."""

from __future__ import annotations

import random

from thane.clock import Clock


class Ids:
    """Makes ids from a random source and a clock; `Ids.system()` is the one for real use."""

    def __init__(self, source: random.Random, clock: Clock) -> None:
        self._random = source
        self._clock = clock

    def run(self) -> str:
        """A run's id, also the request id that clients and logs see: `r_` and 16 hex digits."""
        return f"r_{self._random.getrandbits(64):016x}"

    def conversation(self) -> str:
        """`c_` and 16 hex digits."""
        return f"c_{self._random.getrandbits(64):016x}"

    def call(self) -> str:
        """A tool call's id, in the form that Ollama uses: `call_` and 8 characters."""
        return f"call_{self._random.getrandbits(32):08x}"

    def uuid7(self) -> str:
        """A UUID version 7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits."""
        ms = int(self._clock.time() * 1000) & (1 << 48) - 1
        value = ms << 80 | 7 << 76 | self._random.getrandbits(12) << 64 | 2 << 62 | self._random.getrandbits(62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
