"""The tool with which a strong model hands tool-heavy work to a smaller one: `thane_delegate`, as in the reference.

The task is a run of its own within the one that hands it over: cancelled with it, recorded beside it, counted in the
ledger, with limits of its own (`delegation`), and with every tool but this one. It sees nothing of the conversation
but what it is told. Which model takes it is the router's business; whom the tool may be offered to is in
`thane.agent.delegating`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import trio

from thane.agent.context import RunLimits
from thane.agent.delegating import DELEGATE
from thane.config.routing import Delegation
from thane.router.profiles import DELEGATES
from thane.tools.tool import ToolContext, ToolResult
from thane.turn import JSON, Batch, Caller, FinishReason, Message, RunFailed, RunFinished, ToolSpec, Turn

_SLACK_SECONDS = 5.0  # for recording the run, after its own deadline and its last tool

_EXHAUSTED: dict[FinishReason, str] = {
    "max_steps": "max_iterations",
    "budget": "token_budget",
    "deadline": "wall_clock",
    "illegal_tool": "illegal_tool",
}
"""Why a task was not done to its end, by the names of the reference."""

_BRIEF = (
    "You do one task for another assistant, with the tools you are given. Do it to its end without asking back, then "
    "report in a few sentences what was done and what was found, with the exact values. Say plainly what failed."
)


class Handed(msgspec.Struct, frozen=True):
    """A task on its way: the turn that it makes, who hands it over, and how far it may go."""

    turn: Turn
    parent_run_id: str
    limits: RunLimits
    local_only: bool
    instead_of: tuple[str, str]  # provider and model of the one who hands it over


type Perform = Callable[[Handed], Awaitable[RunFinished | RunFailed | str]]
"""Does a task; a text says why it is not done."""


class Delegate:
    """`thane_delegate`. `perform` is the tracker's."""

    spec = ToolSpec(
        DELEGATE,
        "Hands a task that takes several tool calls to a smaller, faster assistant with all tools, and returns its "
        "report. It knows nothing of this conversation: tell it everything that it needs. Use it for looking "
        "through many states, or for several actions in the house; do what is quick yourself.",
        {
            "type": "object",
            "properties": {
                "task": {"type": "string", "description": "What is to be done, complete in itself."},
                "profile": {
                    "type": "string",
                    "enum": list(DELEGATES),
                    "description": "ha for the house and its devices, general for everything else.",
                },
                "guidance": {
                    "type": "string",
                    "description": "What to look out for, and what the report should contain.",
                },
            },
            "required": ["task"],
        },
    )

    def __init__(self, settings: Delegation, perform: Perform) -> None:
        self._settings = settings
        self._perform = perform
        self.timeout_seconds = settings.run_timeout_seconds + settings.tool_timeout_seconds + _SLACK_SECONDS

    async def call(self, arguments: JSON, context: ToolContext) -> ToolResult:
        task, guidance, kind = (arguments.get(name, "") for name in ("task", "guidance", "profile"))
        if not isinstance(task, str) or not task.strip():
            return ToolResult("Error: 'task' says what is to be done, as text.", ok=False)
        profile = DELEGATES.get(str(kind) or "general")
        if profile is None:
            return ToolResult(f"Error: 'profile' is one of {', '.join(DELEGATES)}, not {kind!r}.", ok=False)
        said = f"{task.strip()}\n\nGuidance: {guidance}" if isinstance(guidance, str) and guidance.strip() else task
        ended = await self._perform(
            Handed(
                Turn(
                    (Message("system", _BRIEF), Message("user", said)),
                    model=profile,
                    caller=Caller(
                        context.channel,
                        user=context.user,
                        device=context.device,
                        area=context.area,
                        language=context.language,
                    ),
                ),
                context.run_id,
                RunLimits(
                    self._settings.max_steps,
                    min(self._settings.run_timeout_seconds, context.seconds_left),
                    self._settings.tool_timeout_seconds,
                    self._settings.output_tokens,
                ),
                context.local_only,
                (context.provider, context.model),
            )
        )
        return report(ended)


async def last_event(batches: trio.MemoryReceiveChannel[Batch]) -> RunFinished | RunFailed:
    """How a run ended: what it says on the way is only for the one who handed it over, and in the end."""
    last: object = None
    async for batch in batches:
        last = batch[-1]
    assert isinstance(last, RunFinished | RunFailed)  # noqa: S101 every run ends with one
    return last


def report(ended: RunFinished | RunFailed | str) -> ToolResult:
    """What the one who handed a task over is told: a line that says whether it was done, then the report."""
    if isinstance(ended, str):
        return ToolResult(f"[Delegate FAILED: {ended}]", ok=False)
    figures = f"{ended.usage.output_tokens} tokens, {ended.duration:.1f} s"
    if isinstance(ended, RunFailed):
        why = "wall_clock" if ended.failure == "deadline" else ended.failure
        return ToolResult(f"[Delegate FAILED: {why}, {figures}]\n\n{ended.message}", ok=False)
    steps = "1 step" if ended.steps == 1 else f"{ended.steps} steps"
    figures = f"{ended.model}, {steps}, {figures}"
    exhausted = _EXHAUSTED.get(ended.finish_reason, "") or ("" if ended.text.strip() else "no_output")
    if exhausted:
        return ToolResult(f"[Delegate FAILED: {exhausted}, {figures}]\n\n{ended.text}".rstrip(), ok=False)
    return ToolResult(f"[Delegate SUCCEEDED: {figures}]\n\n{ended.text}")
