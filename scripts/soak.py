"""`just soak`: 10,000 conversations come and go through the real program, and nothing of them stays.

Each is a new conversation over HTTP that nobody comes back to, answered by a model server that does what it is asked.
Meanwhile its session ends, is summarised by the model, and goes into checkpoints, all of them far more often than the
defaults would have it; with `--extract` the model looks for facts after each turn as well.

First come as many as fill what Thane keeps on purpose (its ring of events, last words, caches); from there memory,
tasks and loops are compared with what they are when all have gone. It fails when more than `--megabytes` stay, when a
task or a loop is left, when there were more live loops than the settings allow, or when nothing was summarised or no
checkpoint made. The row goes to standard output and, with `--write`, to docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts import load
from tests.e2e import program

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
_ROW = re.compile(r"^\| conversations that came and went .*\n", re.MULTILINE)
_serial = itertools.count()

MAX_LIVE = 200
MODEL = "obliging:1b"
PARENTS = 3  # owu, ha, api


def settings(model_url: str, *, extract: bool) -> dict[str, Any]:
    """Thane's, so that as much as can goes on beside the turns."""
    return {
        "models": {"default": MODEL, "ollama_url": model_url},
        "conversations": {"idle_seconds": 5.0, "max_live": MAX_LIVE},
        "checkpoints": {"least_seconds": 20.0},
        "archive": {"session_idle_minutes": 0.1, "summarize_interval": 5.0, "summarize_pause_seconds": 0.05},
        "extraction": {"enabled": extract},
        "process": {"give_back_seconds": 2.0},
        "logging": {"level": "error"},
    }


@contextmanager
def model_server() -> Generator[str]:
    """URL of a model server with the model `MODEL`, in a process of its own."""
    command = [sys.executable, "-m", "thane.testing.obliging_model"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


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
    time.sleep(5)
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


def made(data: Path) -> dict[str, int]:
    """How many checkpoints are kept, summaries made, and facts found, by what is stored."""
    asked = {
        "checkpoints": "select count(*) from checkpoints where trigger = 'periodic'",
        "summaries": "select count(*) from sessions where summary != ''",
        "facts": "select count(*) from facts",
    }
    with closing(sqlite3.connect(f"file:{next(data.glob('*.db'))}?mode=ro", uri=True)) as connection:
        return {what: connection.execute(sql).fetchone()[0] for what, sql in asked.items()}


def soak(arguments: argparse.Namespace) -> tuple[str, list[str]]:
    """The row for the table, and what was wrong."""
    clients, total = arguments.clients, arguments.conversations
    with (
        model_server() as model,
        tempfile.TemporaryDirectory() as folder,
        program.running(Path(folder), settings(model, extract=arguments.extract)) as thane,
    ):
        port = int(thane.ollama.rpartition(":")[2])
        load.run(port, bodies(), clients=clients, total=arguments.warm_up)
        before = rest(thane.native)
        with Watch(thane.native) as watch:
            took = load.run(port, bodies(), clients=clients, total=total).wall
        after = rest(thane.native)
        beside = made(thane.data)
    grown = (after.memory - before.memory) / 1e6
    row = (
        f"| conversations that came and went | {total:,} in {took:.0f} s | – | "
        f"at most {watch.most} live of {MAX_LIVE}; memory {before.memory / 1e6:.0f} → {after.memory / 1e6:.0f} MB; "
        f"tasks {before.tasks} → {after.tasks}; {', '.join(f'{count} {what}' for what, count in beside.items())} |\n"
    )
    wrong = [
        f"{grown:.1f} MB more than before, allowed are {arguments.megabytes:g}" if grown > arguments.megabytes else "",
        f"{after.tasks} tasks, before {before.tasks}" if after.tasks > before.tasks else "",
        f"{after.loops} loops are left" if after.loops > PARENTS else "",
        f"{watch.most} conversations lived at once, allowed are {MAX_LIVE}" if watch.most > MAX_LIVE else "",
        *(f"no {what}" for what, count in beside.items() if not count and (arguments.extract or what != "facts")),
    ]
    return row, [each for each in wrong if each]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--warm-up", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--megabytes", type=float, default=20.0)
    parser.add_argument("--extract", action="store_true", help="look for facts after each turn")
    parser.add_argument("--write", action="store_true", help="put the row into docs/benchmarks.md")
    arguments = parser.parse_args()
    row, wrong = soak(arguments)
    print(row, end="")
    for each in wrong:
        print(f"soak: {each}", file=sys.stderr)
    if arguments.write and not wrong:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(_ROW.sub("", text).replace("\nMeasured on", f"{row}\nMeasured on"), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
