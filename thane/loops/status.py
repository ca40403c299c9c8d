"""What a loop looks like from outside: its states and the status that the API and the dashboard show."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

type LoopState = Literal["pending", "waiting", "sleeping", "queued", "processing", "error", "stopped"]


class IterationSnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One past iteration. `number` is 0 for a failed one. Times are RFC 3339. `cost_usd` is left out where a price
    is not known."""

    number: int
    started_at: str
    completed_at: str
    elapsed_ms: int
    conv_id: str = ""
    run_id: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    context_window: int = 0
    tools_used: dict[str, int] = msgspec.field(default_factory=dict)
    supervisor: bool = False
    error: str = ""
    sleep_after_ms: int = 0
    wait_after: bool = False
    summary: dict[str, Any] = msgspec.field(default_factory=dict)


class LoopStatus(msgspec.Struct, frozen=True):
    """A copy: changing it changes nothing. Lists are never null; absent times are null, not the year 1.

    `total_cost_usd` is of the iterations whose cost is known. `context_tokens` of the model's `context_window` were in
    use at the end of the last one; both are 0 where they are not known.
    """

    id: str
    name: str
    state: LoopState
    parent_id: str | None
    started_at: str | None
    last_wake_at: str | None
    next_wake_at: str | None
    iterations: int
    attempts: int
    total_input_tokens: int
    total_output_tokens: int
    last_input_tokens: int
    last_output_tokens: int
    context_window: int
    last_error: str
    consecutive_errors: int
    queued: int
    recent_conv_ids: tuple[str, ...]
    recent_iterations: tuple[IterationSnapshot, ...]
    handler_only: bool
    event_driven: bool
    state_since: float  # epoch seconds
    metadata: dict[str, Any]
    llm_context: dict[str, Any] | None
    config: dict[str, Any]
    total_cost_usd: float = 0.0
    last_supervisor_iter: int = 0
    context_tokens: int = 0
