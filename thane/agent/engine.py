"""The turn engine: what answers turns, any number at a time.

It knows neither HTTP nor storage: it is given a `Turn`, sends `AgentEvent` s in batches, and returns the one that ends
the run. How one turn is answered is in `run`.

A run ends early in these ways: a call of the client's tools ends the reply (`tool_calls`); after `agent.max_steps`,
`agent.unknown_tool_strikes` or its tokens comes one last step without tools; a budget ends it between two steps with a
sentence; `agent.run_timeout_seconds` does at any moment, but while tools run, which end first; when every model
that may answer has failed, the embedded brain answers what it understands, else a sentence ends it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

import structlog

from thane.agent.context import RunContext
from thane.agent.routing import Routes
from thane.agent.run import Run
from thane.clock import Clock
from thane.config.settings import Settings
from thane.errors import ClientError
from thane.events.event import NoEvents
from thane.home.house import House
from thane.models.catalogue import Catalogue
from thane.models.provider import ModelError
from thane.router.circuit import Circuits
from thane.router.decisions import NoDecisions, Noted
from thane.router.profiles import Profiles
from thane.tools.tool import ToolRegistry
from thane.turn import (
    Batch,
    FailureKind,
    RunFailed,
    RunFinished,
    Turn,
)

_log = structlog.get_logger("thane.agent")

type Send = Callable[[Batch], Awaitable[None]]


class Agent:
    """Runs turns, any number at a time. It keeps nothing between them."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalogue: Catalogue,
        tools: ToolRegistry,
        house: House | None,
        clock: Clock,
        source: random.Random,
        routes: Routes | None = None,
        decisions: Noted | None = None,
    ) -> None:
        """`routes` says who answers, by default with nothing to go by but the settings; `decisions` is told of it."""
        self.routes = routes or Routes(
            settings,
            catalogue=catalogue,
            profiles=Profiles(settings.profiles),
            circuits=Circuits(settings.routing, NoEvents()),
        )
        self.decisions = decisions or NoDecisions()
        self.settings = settings
        self.catalogue = catalogue
        self.tools = tools
        self.house = house
        self.source = source
        self._clock = clock
        self._zone: tzinfo | None = ZoneInfo(settings.timezone) if settings.timezone else None

    async def run(self, turn: Turn, context: RunContext, send: Send) -> RunFinished | RunFailed:
        """Answer one turn. Everything but the returned event goes through `send`, one call at a time.

        Cancelled propagates, with the model's connection closed and the tools cancelled. Never raises otherwise.
        """
        run = Run(self, turn, context, send)
        final: RunFinished | RunFailed | None = None
        try:
            final = ended = await self._run(run, context)
        finally:
            run.note_outcome(final)
        return ended

    async def _run(self, run: Run, context: RunContext) -> RunFinished | RunFailed:
        try:
            with run.time.scope:
                return await run.answer()
            return run.failed("deadline", f"The answer took longer than {run.time.seconds:g} s, so it was stopped.")
        except ModelError as error:
            return run.failed(_kind(error), error.message)
        except ClientError as error:
            return run.failed("model", f"{error.message[:1].upper()}{error.message[1:]}.")
        except Exception:  # noqa: BLE001  a bug ends this turn, not the conversation's loop
            _log.exception("a run failed", run_id=context.run_id)
            return run.failed("internal", "Internal error. The log has it under this request's id.")

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), self._zone).astimezone(self._zone)


def _kind(error: ModelError) -> FailureKind:
    if error.status in (429, 503, 529):
        return "overloaded"
    return "unavailable" if error.status is None and error.temporary else "model"
