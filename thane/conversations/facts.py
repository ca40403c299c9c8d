"""What is known of a run when it is accepted, by where it comes from: a conversation, housekeeping, a loop."""

from __future__ import annotations

from thane.conversations import housekeeping
from thane.conversations.conversation import Conversation
from thane.conversations.run_facts import RunFacts
from thane.conversations.words import last_title, title
from thane.loops.iteration import Iteration
from thane.turn import Turn

HOUSEKEEPING_PROFILE = "thane:local"


def of_turn(run_id: str, turn: Turn, conversation: Conversation, *, profile: str, turn_id: str) -> RunFacts:
    """Of the next turn of a conversation, or, with its `turn_id`, of one that goes on."""
    return RunFacts(
        run_id=run_id,
        conversation_id=conversation.record.id,
        loop_id=conversation.loop.id,
        channel=turn.caller.channel,
        profile=profile,
        title=last_title(turn.messages),
        conversation_title=conversation.record.title,
        turn_number=conversation.turns if turn_id else conversation.turns + 1,
        turn_id=turn_id,
    )


def of_housekeeping(run_id: str, turn: Turn, task: str) -> RunFacts:
    """Of a turn that a client makes for itself, such as a title; `task` is its kind."""
    return RunFacts(
        run_id=run_id,
        conversation_id="",
        loop_id="",
        channel=turn.caller.channel,
        profile=(task in housekeeping.OWN_TASKS and turn.model) or HOUSEKEEPING_PROFILE,
        title=title(task.replace("_", " ").capitalize()),
        conversation_title=task.replace("_", " ").capitalize(),
        turn_number=1,
        task=task,
    )


def of_delegated(run_id: str, turn: Turn, parent: RunFacts) -> RunFacts:
    """Of a task that the run of `parent` hands over: it stands in that run's conversation and loop."""
    return RunFacts(
        run_id=run_id,
        conversation_id=parent.conversation_id,
        loop_id=parent.loop_id,
        channel=parent.channel,
        profile=turn.model,
        title=last_title(turn.messages),
        conversation_title=last_title(turn.messages),
        turn_number=parent.turn_number,
        parent_run_id=parent.run_id,
    )


def of_iteration(run_id: str, turn: Turn, iteration: Iteration) -> RunFacts:
    """Of a turn that a loop makes by itself."""
    return RunFacts(
        run_id=run_id,
        conversation_id="",
        loop_id=iteration.loop_id,
        channel=turn.caller.channel,
        profile=turn.model,
        title=last_title(turn.messages),
        conversation_title=iteration.loop_name,
        turn_number=iteration.attempt,
    )
