"""A model step, tried until a model answers: the same one again while that may help, then the next in order.

Another try is only made while nothing of the step was said: a word that has reached the client is never said twice.
Every try is told of: it begins with `ModelStarted` and ends with `ModelFinished` or `ModelFailed`. Which models there
are to try is decided elsewhere (`thane.router.route`); which of them rest is in `thane.router.circuit`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import trio
from msgspec.structs import replace

from thane.agent.model_step import ModelStep, StepResult, prompt_tokens
from thane.backoff import retry_pause
from thane.config import settings as config
from thane.models.provider import ModelError, ModelRequest, Provider
from thane.router.circuit import Circuits
from thane.router.models import EMBEDDED, Model
from thane.turn import Batch, ModelFailed, ModelStarted, Prompt, Usage

_RETRIED = frozenset({429, 500, 502, 503, 504, 529})  # what a model server may well do better at once

type Send = Callable[[Batch], Awaitable[None]]


class Attempts:
    """The model steps of one run. `model` is the one that is on; `spent` is what failed tries have cost, about.

    `make` makes the request for a model, `provider` finds its provider; `may` says whether there is money for it;
    `rescue` is asked for one more model when all have failed. `failed` are the models that were given up, in order.
    """

    def __init__(
        self,
        order: Sequence[Model],
        reason: str,
        *,
        settings: config.Settings,
        circuits: Circuits,
        source: random.Random,
        send: Send,
        provider: Callable[[Model], Provider],
        rescue: Callable[[], Awaitable[Model | None]],
        may: Callable[[Model], bool] = lambda _: True,
    ) -> None:
        self.model, *rest = order
        self.spent = Usage()
        self.failed: list[str] = []
        self._rest = rest[: settings.routing.fallback_models]
        self._reason = reason
        self._settings = settings
        self._circuits = circuits
        self._source = source
        self._send = send
        self._provider = provider
        self._rescue = rescue
        self._may = may

    async def step(
        self, number: int, make: Callable[[Model], ModelRequest], *, opening: Batch = (), separate: bool = False
    ) -> StepResult:
        """Run model step `number`; `opening` is sent before its first event. Raises ModelError when nobody answers."""
        tries = 0
        while True:
            model = self.model
            provider, request = self._provider(model), make(model)
            await self._send((*opening, self._started(number, provider, request, tries + 1)))
            opening = ()
            step = ModelStep(provider, request, number, self._send, separate=separate)
            began, error = trio.current_time(), None
            try:
                return await self._call(step, model)
            except ModelError as raised:
                error = raised  # what comes after waits, and must not be cancelled inside the handler
            tries += 1
            failed = ModelFailed(
                number,
                request.model,
                provider.name,
                error.message,
                trio.current_time() - began,
                usage=step.spent(),
                status=error.status,
                attempt=tries,
            )
            self.spent += failed.usage or Usage()
            if step.said:
                await self._send((failed,))
                raise error
            if not await self._goes_on(failed, error, tries):
                raise error
            tries = tries if self.model is model else 0

    async def _call(self, step: ModelStep, model: Model) -> StepResult:
        key = (model.provider, model.name)
        if model.provider == EMBEDDED:
            return await step.run()
        told = False
        self._circuits.began(key)
        try:
            result = await step.run()
            self._circuits.succeeded(key)
            told = True
        except ModelError as error:
            self._circuits.failed(key, error)
            told = True
            raise
        finally:
            if not told:
                self._circuits.abandoned(key)
        return result

    async def _goes_on(self, failed: ModelFailed, error: ModelError, tries: int) -> bool:
        """Tell what comes after a failed try, and wait for it. False when nothing does."""
        pause = self._pause(error, tries)
        if pause is not None:
            await self._send((replace(failed, next="retry", next_model=failed.model, pause=pause),))
            await trio.sleep(pause)
            return True
        after = await self._next(self.model.provider if error.whole_server else "")
        if after is None:
            await self._send((failed,))
            return False
        self.failed.append(failed.model)
        self._reason = f"{_named(after)} answers in place of {failed.model}: {error.message}"
        self.model = after
        await self._send((replace(failed, next="fallback", next_model=after.name),))
        return True

    def _pause(self, error: ModelError, tries: int) -> float | None:
        """Seconds until the same model is tried again; None when it is not, in this step."""
        agent, wanted = self._settings.agent, error.retry_after
        key = (self.model.provider, self.model.name)
        if (
            not error.temporary
            or error.status not in _RETRIED
            or tries >= agent.model_tries
            or not self._circuits.allows(key)
        ):
            return None
        if wanted is not None and wanted > self._settings.routing.retry_after_limit_seconds:
            return None
        return max(wanted or 0.0, retry_pause(tries, agent.model_retry_seconds, self._source))

    async def _next(self, shut: str) -> Model | None:
        """The next that may be tried; none of the provider `shut`, where it would fail alike."""
        while self._rest:
            model = self._rest.pop(0)
            if model.provider != shut and self._circuits.allows((model.provider, model.name)) and self._may(model):
                return model
        return None if self.model.provider == EMBEDDED else await self._rescue()

    def _started(self, number: int, provider: Provider, request: ModelRequest, attempt: int) -> ModelStarted:
        return ModelStarted(
            number,
            request.model,
            provider.name,
            len(request.messages),
            len(request.tools),
            prompt_tokens(request.messages, request.tools),
            " ".join(part for part in (self._reason, _missing(request)) if part),
            attempt,
            Prompt(request.messages, request.tools, request.options),
            request.left_out,
        )


def _missing(request: ModelRequest) -> str:
    """What of the conversation the model is not shown, in words."""
    parts = [
        f"{request.left_out} earlier messages are left out" if request.left_out else "",
        f"{request.shortened} earlier tool results are cut" if request.shortened else "",
    ]
    told = " and ".join(part for part in parts if part)
    return f"To fit its window, {told}." if told else ""


def _named(model: Model) -> str:
    return "The embedded brain" if model.provider == EMBEDDED else model.name
