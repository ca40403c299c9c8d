"""Lines wait in a bounded queue, and what does not fit is counted."""

from __future__ import annotations

import msgspec

from thane.clock import SystemClock
from thane.journal.line import Lines, LinesStatistics


def lines(most: int = 10, chars: int = 100) -> Lines:
    return Lines(SystemClock(), most=most, chars=chars)


def test_ids_are_taken_out_of_the_attributes() -> None:
    queue = lines()
    queue.take(20, "agent", "hello", {"run_id": "r-1", "tool": "t", "size": 3, "source": ("thane/a.py", 7)})
    (line,) = queue.drain()
    assert ("r-1", "t", '{"size":3}') == (line.run_id, line.tool, line.attributes)
    assert ("thane/a.py", 7) == (line.source_file, line.source_line)


def test_a_request_without_a_run_is_found_by_its_own_id() -> None:
    queue = lines()
    queue.take(10, "http", "request", {"request_id": "r-2", "status": 400})
    (line,) = queue.drain()
    assert ("r-2", '{"request_id":"r-2","status":400}') == (line.run_id, line.attributes)


def test_a_full_queue_drops_and_counts() -> None:
    queue = lines(most=2)
    for number in range(5):
        queue.take(20, "agent", str(number), {})
    assert LinesStatistics(taken=2, dropped=3, waiting=2) == queue.statistics()
    assert ["0", "1"] == [line.message for line in queue.drain()]


def test_long_attributes_are_cut_and_stay_json() -> None:
    queue = lines(chars=50)
    queue.take(20, "agent", "m" * 99, {"a": "x" * 500, "b": "y"})
    (line,) = queue.drain()
    assert 50 == len(line.message)
    assert {"a": "x" * 25, "b": "y"} == msgspec.json.decode(line.attributes)


def test_the_keeper_is_woken_by_the_first_line_only() -> None:
    queue, woken = lines(), list[int]()
    queue.wake_with(lambda: woken.append(1))
    queue.take(20, "agent", "one", {})
    queue.take(20, "agent", "two", {})
    assert [1] == woken
