"""What is remembered that has to do with a turn, in words for its model."""

from __future__ import annotations

import structlog

from thane.conversations.ticket import Ticket
from thane.conversations.words import spoken
from thane.errors import ThaneError
from thane.memory.fact import Asker
from thane.memory.facts import Facts
from thane.turn import Turn

_log = structlog.get_logger("thane.conversations")


async def recollect(facts: Facts, ticket: Ticket, turn: Turn) -> str:
    """A line, "" for nothing. A disk that fails costs the memory, not the turn."""
    said = next((spoken(each.content) for each in reversed(turn.messages) if each.role == "user"), "")
    asker = Asker(turn.caller.user, ticket.conversation_id, ticket.run_id)
    try:
        found = await facts.for_prompt(asker, said)
    except ThaneError as error:
        _log.warning("what is remembered could not be read", run_id=ticket.run_id, error=str(error))
        return ""
    return " ".join(f"{_plain(fact.key)}: {_plain(fact.value)}." for fact in found)


def _plain(text: str) -> str:
    """Without what would end the note."""
    return text.replace("[", "(").replace("]", ")").rstrip(".")
