"""How long to wait before trying again. Pure; randomness is passed in."""

from __future__ import annotations

import random


def pause(failures: int, *, initial: float, maximum: float, jitter: float = 0.0, source: random.Random) -> float:
    """Seconds to wait after failure number `failures` (from 1): doubled each time, at most `maximum`.

    `jitter` is the fraction by which it may be shorter, so that many that failed together do not return together.
    """
    full = min(maximum, initial * 2.0 ** min(failures - 1, 62))
    return full * (1.0 - jitter * source.random()) if jitter else full


def retry_pause(tries: int, first: float, source: random.Random) -> float:
    """Seconds to wait within a turn before another try, after `tries` of them: about `first`, doubled each time."""
    return pause(tries, initial=first, maximum=8 * first, jitter=0.5, source=source)
