"""Blobs come back as they were put in, from memory and from disk."""

from __future__ import annotations

import gc
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from thane.memory.spool import Parts, Spool


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=50)), max_size=20))
def test_each_hash_has_what_was_first_put_in(given_: list[tuple[str, bytes]]) -> None:
    wanted: dict[str, bytes] = {}
    with Spool() as spool:
        for hash_, body in given_:
            spool.add(hash_, body)
            wanted.setdefault(hash_, body)
        assert wanted == dict(spool)
        assert sum(map(len, wanted.values())) == spool.size


def test_much_goes_to_disk_and_comes_back() -> None:
    with Spool() as spool:
        for number in range(8):
            spool.add(str(number), bytes([number]) * 1_000_000)
        assert bytes([5]) * 1_000_000 == spool["5"]
        spool.add("8", b"last")
        assert b"last" == spool["8"]
        assert 9 == len(spool)


def test_parts_come_back_in_order_as_often_as_they_are_asked_for() -> None:
    given_ = [("conversation", f"c_{number} «a\nb»", "hash" * 16, "stamp", number) for number in range(20_000)]
    with closing(Parts()) as parts:
        for part in given_:
            parts.add(part)
        assert given_ == list(parts)
        assert given_ == list(parts)


def test_what_nobody_closes_closes_when_it_is_let_go() -> None:
    """A warning of an open file would be an error here."""
    spool, parts = Spool(), Parts()
    spool.add("0", bytes(1_000_000))
    for number in range(10_000):
        parts.add(("conversation", f"c_{number}", "hash" * 16, "stamp", number))
    del spool, parts
    gc.collect()
