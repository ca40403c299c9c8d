"""The work of a loop whose work is done by a model: each iteration is one question to it.

Who answers is handed in as a `Runner`: loops know neither models nor conversations.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from thane.loops.iteration import Iteration
from thane.loops.spec import Handler, LoopSpec


class Ask(msgspec.Struct, frozen=True):
    """What a model is asked in one iteration. `hints` are the reference's (REFERENCE 4.4), all texts."""

    loop_id: str
    loop_name: str
    text: str
    hints: Mapping[str, str]
    tags: tuple[str, ...] = ()
    exclude_tools: tuple[str, ...] = ()


type Runner = Callable[[Ask, Iteration], Awaitable[str]]
"""Answers, and notes in the iteration which run it was, its model, tokens and tools. Raises IterationFailed when
there is no answer."""


def task_handler(spec: LoopSpec, loop_id: str, name: Callable[[], str], runner: Runner) -> Handler:
    """What a loop with this task does in each iteration."""
    task, supervision = spec.task, spec.supervision
    if task is None:
        raise ValueError(f"the loop {spec.name!r} has no task")

    async def handle(iteration: Iteration) -> None:
        if task.build is not None:
            text = await task.build(iteration)
        elif iteration.supervisor and supervision.context:
            text = f"{supervision.context}\n\n{task.text}"
        else:
            text = task.text
        floor = supervision.quality_floor if iteration.supervisor else task.quality_floor
        hints = {"source": "loop", "loop_id": loop_id, "loop_name": name()}
        hints |= {"supervisor": "true"} if iteration.supervisor else {}
        hints |= {"quality_floor": str(floor)} if floor else {}
        hints |= {"local_only": "false" if iteration.supervisor else "true", **task.hints}
        answer = await runner(Ask(loop_id, name(), text, hints, task.tags, task.exclude_tools), iteration)
        iteration.summary.setdefault("answer", answer)

    return handle
