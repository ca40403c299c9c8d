"""`just bench`: what Thane adds between a client and a model server, beside a direct connection in the same run.

`just bench requests` measures that alone, `just bench archive` how search, appending and context go as an archive
grows.

Thane, a fast fake model server and this client share the machine's cores, as they would at home. Absolute figures
depend on the machine; the ratios to the direct connection, measured in the same minute, are what to compare. The tables
go to standard output and, with `--write`, to docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts import archive_bench, load
from tests.e2e import program

ROOT = Path(__file__).parents[1]
MODEL = "bench"
ARCHIVES = (1000, 100_000, 1_000_000)
"""Messages of the archives that are searched and added to."""
_serial = itertools.count()


class Row(msgspec.Struct, frozen=True):
    """One line of the table."""

    name: str
    thane: str
    direct: str
    note: str


def bodies(*, stream: bool) -> Iterator[bytes]:
    """Requests of new conversations, no two alike."""
    while True:
        text = f"Question {next(_serial)}: what is the tide doing?"
        body = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": text}]}
        yield load.request("/api/chat", msgspec.json.encode(body))


@contextmanager
def model_server(tokens: int, interval: float, core: int | None) -> Generator[int]:
    port = program.free_port()
    command = [sys.executable, "-m", "thane.testing.fake_ollama", "--port", str(port)]
    process = subprocess.Popen(
        [*_on(core), *command, "--tokens", str(tokens), "--interval", str(interval)], stdout=subprocess.DEVNULL
    )
    try:
        program.wait_until("the model server answers", lambda: program.fetch(f"http://127.0.0.1:{port}/api/version"))
        yield port
    finally:
        program.end(process)


@contextmanager
def pair(tokens: int, interval: float, cores: tuple[int | None, int | None]) -> Generator[tuple[int, int, int]]:
    """Ports of Thane and of the model server behind it, and Thane's process id."""
    with tempfile.TemporaryDirectory() as folder, model_server(tokens, interval, cores[1]) as upstream:
        settings = {
            "models": {"default": MODEL, "ollama_url": f"http://127.0.0.1:{upstream}"},
            "brain": {"fast_path": False, "greeting": False},
            "conversations": {"max_live": 100_000},
            "logging": {"level": "warn"},
        }
        with program.running(Path(folder), settings) as thane:
            if cores[0] is not None:
                for task in Path(f"/proc/{thane.process.pid}/task").iterdir():
                    os.sched_setaffinity(int(task.name), {cores[0]})
            yield int(thane.ollama.rpartition(":")[2]), upstream, thane.process.pid


def _on(core: int | None) -> list[str]:
    return [] if core is None else ["taskset", "-c", str(core)]


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, to the nanosecond (Linux, proc(5), schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(rounds: int, cores: tuple[int | None, int | None]) -> list[Row]:
    """One client, one request at a time, Thane and direct in turn so that both see the same machine."""
    rows: list[Row] = []
    with pair(20, 0.0, cores) as (thane, direct, pid):
        for stream, name in ((False, "whole answer, not streamed"), (True, "first token, streamed")):
            pick: Callable[[load.Outcome], list[float]] = (lambda o: o.first_byte) if stream else (lambda o: o.total)
            load.run(thane, bodies(stream=stream), clients=1, total=30)
            times: dict[int, list[float]] = {thane: [], direct: []}
            used = cpu_seconds(pid)
            for _ in range(rounds):
                for port in times:
                    times[port] += pick(load.run(port, bodies(stream=stream), clients=1, total=20))
            used = cpu_seconds(pid) - used
            added = [(percentile(times[thane], q) - percentile(times[direct], q)) * 1000 for q in (0.5, 0.99)]
            rows.append(
                Row(
                    f"{name}, p50 / p99 (ms)",
                    " / ".join(f"{percentile(times[thane], q) * 1000:.2f}" for q in (0.5, 0.99)),
                    " / ".join(f"{percentile(times[direct], q) * 1000:.2f}" for q in (0.5, 0.99)),
                    f"added {added[0]:.2f} / {added[1]:.2f} ms; {used / (rounds * 20) * 1000:.2f} ms CPU a request",
                )
            )
    return rows


def rates(seconds_hint: int, cores: tuple[int | None, int | None]) -> list[Row]:
    rows: list[Row] = []
    with pair(20, 0.0, cores) as (thane, direct, _):
        load.run(thane, bodies(stream=False), clients=8, total=100)
        for clients in (1, 8, 64):
            total = 300 * seconds_hint
            ours = load.run(thane, bodies(stream=False), clients=clients, total=total)
            theirs = load.run(direct, bodies(stream=False), clients=clients, total=total)
            rows.append(_rate(f"requests/s, {clients} clients", total / ours.wall, total / theirs.wall))
    return rows


def streams(seconds_hint: int, cores: tuple[int | None, int | None]) -> list[Row]:
    rows: list[Row] = []
    with pair(200, 0.0, cores) as (thane, direct, _):
        load.run(thane, bodies(stream=True), clients=8, total=32)
        for clients in (1, 16, 128):
            total = max(clients, 128) * seconds_hint
            ours = load.run(thane, bodies(stream=True), clients=clients, total=total)
            theirs = load.run(direct, bodies(stream=True), clients=clients, total=total)
            rows.append(
                _rate(
                    f"streamed tokens/s, {clients} streams of 200", ours.tokens / ours.wall, theirs.tokens / theirs.wall
                )
            )
    return rows


def paced(cores: tuple[int | None, int | None]) -> list[Row]:
    """128 streams of 50 tokens/s for four seconds."""
    with pair(200, 0.02, cores) as (thane, direct, pid):
        load.run(thane, bodies(stream=True), clients=8, total=8)
        used = cpu_seconds(pid)
        ours = load.run(thane, bodies(stream=True), clients=128, total=128)
        used = cpu_seconds(pid) - used
        theirs = load.run(direct, bodies(stream=True), clients=128, total=128)
    return [
        Row(
            "128 streams paced at 50 tokens/s, first token p50 (ms)",
            f"{statistics.median(ours.first_byte) * 1000:.1f}",
            f"{statistics.median(theirs.first_byte) * 1000:.1f}",
            f"{used / ours.tokens * 1e6:.0f} µs CPU a token, {used / ours.wall:.2f} of a core",
        )
    ]


def _rate(name: str, ours: float, theirs: float) -> Row:
    return Row(name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.0%} of direct")


def table(rows: Sequence[Row]) -> str:
    lines = ["| measure | through Thane | direct | |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.name} | {row.thane} | {row.direct} | {row.note} |" for row in rows)])


def renewed(page: str, rows: str, measured: str) -> str:
    """The page with these rows and this last line; its words stay, and the rows that `just soak` is the source of."""
    head, _, rest = page.partition("| measure |")
    old, _, tail = rest.partition("\nMeasured on ")
    names = {line.partition(" | ")[0] for line in rows.splitlines()}
    kept = [line for line in old.splitlines() if line.startswith("| ") and line.partition(" | ")[0] not in names]
    return f"{head}{'\n'.join((rows, *kept))}\n\n{measured}\n{tail.partition('\n')[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["requests", "archive"], help="by default both")
    parser.add_argument("--messages", type=int, default=1_000_000, help="size of the largest archive")
    parser.add_argument("--seconds", type=int, default=4, help="about how long each throughput figure is measured")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--pin", action="store_true", help="give Thane one core, and the others the next one")
    chosen = parser.parse_args()
    available = sorted(os.sched_getaffinity(0))
    cores: tuple[int | None, int | None] = (None, None)
    if len(available) > 1 and chosen.pin:
        cores = (available[0], available[1])
        os.sched_setaffinity(0, {available[1]})
    page = ROOT / "docs" / "benchmarks.md"
    if chosen.what != "requests":
        sizes = [size for size in ARCHIVES if size <= chosen.messages]
        text = archive_bench.archive_table(sizes, archive_bench.archive_rows(sizes, chosen.seconds * 10))
        print(text)
        if chosen.write:
            page.write_text(archive_bench.renewed(page.read_text(), text))
    if chosen.what != "archive":
        rows = latency(chosen.seconds * 3, cores)
        rows += rates(chosen.seconds, cores)
        rows += streams(chosen.seconds, cores)
        rows += paced(cores)
        text = table(rows)
        print(text)
        if chosen.write:
            machine = f"{len(available)} cores, CPython {platform.python_version()}"
            measured = f"Measured on {machine}{'' if cores[0] is None else ', Thane pinned to one'}."
            page.write_text(renewed(page.read_text(), text, measured))


if __name__ == "__main__":
    main()
