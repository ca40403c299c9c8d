"""A turn that is waiting or running, as the dashboard and the API see it."""

from __future__ import annotations

from typing import Literal

import msgspec

from thane.memory.records import Span
from thane.turn import Channel


class LiveRun(msgspec.Struct, frozen=True):
    """One turn now. `title` is the conversation's; `position` counts from 1 and is 0 for one that is not waiting.

    `state` is `waiting` between two rounds of its client's tools: no run of it goes on.
    `started_at` is when it was accepted, in epoch seconds; `what` says in a few words what it does now;
    `output_tokens` counts the pieces of the answer so far, which is about its tokens; `first_token` is in seconds.
    """

    run_id: str
    conversation_id: str
    loop_id: str
    channel: Channel
    title: str
    turn_number: int
    state: Literal["queued", "processing", "waiting"]
    position: int
    started_at: float
    profile: str
    model: str
    what: str
    text_chars: int
    output_tokens: int
    first_token: float | None
    spans: tuple[Span, ...]
    task: str = ""
    parent_run_id: str = ""  # of the run that delegated this one
    turn_id: str = ""  # the first run of its turn
