"""What a loop is: its name, its work, its pace, its place in the tree. Checked here, run by `thane.loops.loop`.

The fields are the reference's (REFERENCE 4.2), under our names; `config` shows them under its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from thane.loops.iteration import Iteration, Wake
from thane.loops.pace import Pace
from thane.loops.status import IterationSnapshot

type Handler = Callable[[Iteration], Awaitable[object]]
type Wait = Callable[[], Awaitable[Wake]]
type TaskBuilder = Callable[[Iteration], Awaitable[str]]
type Retrigger = Literal["single", "restart", "queue", "spawn"]


class Supervision(msgspec.Struct, frozen=True, kw_only=True):
    """Iterations that look at the work from above: each is one with `probability`, where `enabled`.

    `context` is put before a task's fixed text in such an iteration. A quality floor is a wish for the model of such
    an iteration, from 1; 0 is none.
    """

    enabled: bool = False
    probability: float = 0.0
    context: str = ""
    quality_floor: int = 0

    def check(self) -> None:
        """Raise ValueError, naming the field, where one makes no sense."""
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"supervision.probability must be between 0 and 1, not {self.probability}")
        if self.quality_floor < 0:
            raise ValueError("supervision.quality_floor must not be negative")


@dataclass(frozen=True, kw_only=True)
class Task:
    """Work for a model: `text`, or what `build` makes for each iteration; one of the two.

    `hints` go before what the loop works out itself: `profile` names who answers, `local_only` is "true" or "false".
    `tags` choose capabilities (without any, all are there) and `exclude_tools` take tools away, for as much as whoever
    runs the task knows of them.
    """

    text: str = ""
    build: TaskBuilder | None = None
    quality_floor: int = 0
    hints: Mapping[str, str] = field(default_factory=dict[str, str])
    tags: tuple[str, ...] = ()
    exclude_tools: tuple[str, ...] = ()


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a loop that comes back has done before: it goes on counting from there. Newest first."""

    iterations: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    conversations: tuple[str, ...] = ()
    recent: tuple[IterationSnapshot, ...] = ()
    last_wake_at: float | None = None
    context_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class LoopSpec:
    """What a loop is. A `handler` or a `task` is its work; with neither it is a parent.

    `setup` is called before the loop is started and may raise, which refuses it. `after` is given each iteration that
    succeeded; what it raises is logged. `ended` is called once with the reason, whatever ended the loop, and must not
    block or raise. `on_retrigger` says what a trigger does while a timer loop works: `single` nothing; `queue` has
    another round after this one; `restart` ends this one, which is no failure, and has another; `spawn` has another
    beside it, and the loop sleeps when all have ended.
    """

    name: str
    handler: Handler | None = None
    task: Task | None = None
    wait: Wait | None = None
    pace: Pace = field(default_factory=Pace)
    supervision: Supervision = field(default_factory=Supervision)
    on_retrigger: Retrigger = "single"
    parent_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    setup: Callable[[], None] | None = None
    after: Handler | None = None
    ended: Callable[[str], None] | None = None
    queued: Callable[[], int] | None = None  # how many things wait for this loop
    window_of: Callable[[str], int] | None = None  # how many tokens a model can take, 0 where that is not known
    past: Past = field(default_factory=Past)

    @property
    def works(self) -> bool:
        """False for a parent."""
        return self.handler is not None or self.task is not None

    @property
    def is_timer(self) -> bool:
        return self.wait is None and self.works

    def check(self) -> None:
        """Raise ValueError for a spec that makes no sense."""
        if not self.name:
            raise ValueError("a loop needs a name")
        if self.handler is not None and self.task is not None:
            raise ValueError(f"the loop {self.name!r} has both a handler and a task: give it one")
        if self.wait is not None and not self.works:
            raise ValueError(f"the loop {self.name!r} waits but has no handler")
        if self.task is not None and bool(self.task.text) == (self.task.build is not None):
            raise ValueError(f"the task of the loop {self.name!r} needs a text, or a function that makes one")
        self.pace.check()
        self.supervision.check()


def without_work(spec: LoopSpec) -> LoopSpec:
    """What is left to tell of a loop that has ended: everything but what it called."""
    return replace(spec, handler=None, wait=None, setup=None, after=None, ended=None, queued=None, window_of=None)


def config(spec: LoopSpec, name: str) -> dict[str, Any]:
    """The reference's shape: its field names, durations in integer nanoseconds."""
    pace, supervision, task = spec.pace, spec.supervision, spec.task or Task()
    return {
        "Name": name,
        "Task": task.text,
        "Tags": list(task.tags),
        "ExcludeTools": list(task.exclude_tools),
        "SleepMin": round(pace.sleep_min_seconds * 1e9),
        "SleepMax": round(pace.sleep_max_seconds * 1e9),
        "SleepDefault": round(pace.sleep_default_seconds * 1e9),
        "Jitter": pace.jitter,
        "MaxDuration": round(pace.max_duration_seconds * 1e9),
        "MaxIter": pace.max_iterations,
        "Supervisor": supervision.enabled,
        "SupervisorProb": supervision.probability,
        "QualityFloor": task.quality_floor,
        "SupervisorQualityFloor": supervision.quality_floor,
        "SupervisorContext": supervision.context,
        "OnRetrigger": spec.on_retrigger,
        "Hints": dict(task.hints),
        "Metadata": dict(spec.metadata),
        "ParentID": spec.parent_id,
    }
