"""What is known of a run from the moment that it is accepted."""

from __future__ import annotations

import msgspec

from thane.turn import Channel


class RunFacts(msgspec.Struct, frozen=True):
    """What is known of a run when it is accepted. `title` is that of what was asked now."""

    run_id: str
    conversation_id: str
    loop_id: str
    channel: Channel
    profile: str
    title: str
    conversation_title: str
    turn_number: int
    task: str = ""
    parent_run_id: str = ""
    turn_id: str = ""
    """The first run of the turn, where this one goes on with it."""
