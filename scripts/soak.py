"""`just soak`: 10,000 conversations come and go through the real program, and nothing of them stays.

Each is a new conversation over HTTP that nobody comes back to. First come as many as fill what Thane keeps on purpose
(its ring of events, last words, caches); from there memory, tasks and loops are compared with what they are when all
have gone. It fails when more than `--megabytes` stay, when a task or a loop is left, or when there were more live
loops than the settings allow. The row goes to standard output and, with `--write`, to docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts import load
from tests.e2e import program

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
_ROW = re.compile(r"^\| conversations that came and went .*\n", re.MULTILINE)
_serial = itertools.count()

MAX_LIVE = 200
SETTINGS = {
    "conversations": {"idle_seconds": 5.0, "max_live": MAX_LIVE},
    "logging": {"level": "warn"},
}
PARENTS = 3  # owu, ha, api


class State(msgspec.Struct, frozen=True):
    """How the process stands. Memory in bytes; `loops` are all, those that are just ending too."""

    memory: int
    tasks: int
    loops: int
    conversations: int


def bodies() -> Iterator[bytes]:
    """Requests of new conversations, no two alike."""
    while True:
        text = f"Question {next(_serial)}: what is the tide doing?"
        body = {"model": "thane:latest", "stream": False, "messages": [{"role": "user", "content": text}]}
        yield load.request("/api/chat", msgspec.json.encode(body))


def look(native: str) -> State:
    """Ask Thane."""
    found = program.fetch(f"{native}/v1/system")
    process, parts = found["process"], found["statistics"]
    live = parts["conversations"]["live"]
    return State(process["memory_bytes"], process["tasks"], parts["loops"]["live"], live)


def rest(native: str) -> State:
    """Wait until no conversation lives any more, and a little longer; how it stands then."""
    program.wait_until("every conversation's loop has ended", lambda: look(native).loops <= PARENTS, seconds=60)
    time.sleep(3)
    return look(native)


class Watch:
    """Looks on while others work, and keeps the most live conversations that there were."""

    def __init__(self, native: str) -> None:
        self.most = 0
        self._native = native
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, look(self._native).conversations)


def soak(conversations: int, warm_up: int, clients: int, megabytes: float) -> tuple[str, list[str]]:
    """The row for the table, and what was wrong."""
    with tempfile.TemporaryDirectory() as folder, program.running(Path(folder), SETTINGS) as thane:
        port = int(thane.ollama.rpartition(":")[2])
        load.run(port, bodies(), clients=clients, total=warm_up)
        before = rest(thane.native)
        with Watch(thane.native) as watch:
            took = load.run(port, bodies(), clients=clients, total=conversations).wall
        after = rest(thane.native)
    grown = (after.memory - before.memory) / 1e6
    row = (
        f"| conversations that came and went | {conversations:,} in {took:.0f} s | – | "
        f"at most {watch.most} live of {MAX_LIVE}; memory {before.memory / 1e6:.0f} → {after.memory / 1e6:.0f} MB; "
        f"tasks {before.tasks} → {after.tasks} |\n"
    )
    wrong = [
        f"{grown:.1f} MB more than before, allowed are {megabytes:g}" if grown > megabytes else "",
        f"{after.tasks} tasks, before {before.tasks}" if after.tasks > before.tasks else "",
        f"{after.loops} loops are left" if after.loops > PARENTS else "",
        f"{watch.most} conversations lived at once, allowed are {MAX_LIVE}" if watch.most > MAX_LIVE else "",
    ]
    return row, [each for each in wrong if each]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--warm-up", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--megabytes", type=float, default=20.0)
    parser.add_argument("--write", action="store_true", help="put the row into docs/benchmarks.md")
    arguments = parser.parse_args()
    row, wrong = soak(arguments.conversations, arguments.warm_up, arguments.clients, arguments.megabytes)
    print(row, end="")
    for each in wrong:
        print(f"soak: {each}", file=sys.stderr)
    if arguments.write and not wrong:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(_ROW.sub("", text).replace("\nMeasured on", f"{row}\nMeasured on"), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
