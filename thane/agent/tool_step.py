"""The tool step: Thane's own tools run side by side, each within its time, and none can break the turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from thane.agent.rules import Task, cut_result
from thane.agent.time_limit import TimeLimit
from thane.config import settings as config
from thane.tools.tool import Slow, Tool, ToolContext, ToolRegistry, ToolResult
from thane.turn import Batch, Message, ToolCall, ToolFinished, ToolStarted

_log = structlog.get_logger("thane.agent")

_TIME_IS_UP = "Error: not run, because the time for this turn is up."

type Send = Callable[[Batch], Awaitable[None]]


async def run_tools(
    tasks: Sequence[Task],
    step: int,
    *,
    registry: ToolRegistry,
    context: Callable[[ToolCall], ToolContext],
    settings: config.Agent,
    send: Send,
    seconds: float,
    time: TimeLimit,
) -> tuple[Message, ...]:
    """Run the calls of a step, answer the refused ones; returns the tool messages in call order, as models expect them.

    A call may take `seconds`, where its tool does not say otherwise, also when the run's time is up meanwhile; after
    that none begins.
    At most `agent.parallel_tools` run at a time. `ToolStarted` is sent when a call begins, `ToolFinished` when it ends.
    Cancelled, the tools are too.
    """
    results: list[Message | None] = [None] * len(tasks)
    places = trio.Semaphore(settings.parallel_tools)
    sending = trio.Lock()  # events of tools that run side by side: one at a time

    async def run(index: int, task: Task) -> None:
        call, started = task.call, trio.current_time()
        try:
            if task.refusal:
                result = ToolResult(task.refusal, ok=False)
            else:
                result = await _call(call, registry, context(call), seconds)
        finally:
            places.release()
        content = cut_result(result.content, settings.tool_result_chars)
        results[index] = Message("tool", content, tool_call_id=call.id, tool_name=call.name)
        async with sending:
            await send((ToolFinished(step, call, result.ok, content, trio.current_time() - started),))

    longest = max((_limit(registry.get(task.call.name), seconds) for task in tasks), default=0.0)
    with time.tools(longest):
        async with trio.open_nursery() as nursery:
            for index, task in enumerate(tasks):
                await places.acquire()  # here, so that they begin in call order
                started = task if time.left else Task(task.call, task.refusal or _TIME_IS_UP)
                async with sending:
                    await send((ToolStarted(step, task.call),))
                nursery.start_soon(run, index, started)
    return tuple(result for result in results if result is not None)


def _limit(tool: Tool | None, seconds: float) -> float:
    return tool.timeout_seconds if isinstance(tool, Slow) else seconds


async def _call(call: ToolCall, registry: ToolRegistry, context: ToolContext, seconds: float) -> ToolResult:
    tool = registry.get(call.name)
    if tool is None:
        return ToolResult(f"Error: there is no tool {call.name!r}.", ok=False)
    seconds = _limit(tool, seconds)
    with trio.move_on_after(seconds):
        try:
            return await tool.call(call.arguments, context)
        except Exception:  # noqa: BLE001  a bug in a tool is the tool's failure, not the turn's
            _log.exception("a tool failed", tool=call.name, call_id=call.id, run_id=context.run_id)
            return ToolResult("Error: internal error of the tool.", ok=False)
    return ToolResult(f"Error: {call.name!r} took longer than {seconds:g} s and was stopped.", ok=False)
