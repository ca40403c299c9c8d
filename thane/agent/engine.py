"""The turn engine: a model step and a tool step in a loop, until there is an answer.

It knows neither HTTP nor storage: it is given a `Turn`, sends `AgentEvent` s in batches, and returns the one that ends
the run. What is decided on the way (who answers, which tools are offered, when to stop) are pure functions in
`thane.router`, `client_tools` and `rules`; a step's I/O is in `model_step` and `tool_step`.

A run ends early in these ways: a call of the client's tools ends the reply (`tool_calls`); after `agent.max_steps`, or
`agent.unknown_tool_strikes`, comes one last step without tools; `agent.run_timeout_seconds` ends it with a sentence; a
failing model ends it with a sentence, unless nothing was said yet and trying again, or the embedded brain, can help.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import datetime, tzinfo
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import msgspec
import structlog
import trio
from msgspec.structs import replace

from thane.agent import rules
from thane.agent.client_tools import Offer, offer_tools
from thane.agent.demand import Demand, choice_of, demands
from thane.agent.model_step import ModelStep, StepResult, prompt_tokens
from thane.agent.prompt import circumstances, compose, system_prompt
from thane.agent.tool_step import run_tools
from thane.backoff import retry_pause
from thane.clock import Clock
from thane.config.settings import Settings
from thane.errors import ClientError
from thane.home.house import House
from thane.models.catalogue import Catalogue
from thane.models.provider import ModelError, ModelRequest, Provider
from thane.router.choose import EMBEDDED, Choice, choose
from thane.router.profiles import find_profile
from thane.tools.tool import ToolContext, ToolRegistry
from thane.turn import (
    Batch,
    Caller,
    FailureKind,
    FinishReason,
    Message,
    ModelFailed,
    ModelStarted,
    Prompt,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    ToolCall,
    Turn,
    Usage,
)

_log = structlog.get_logger("thane.agent")
_RETRIED = frozenset({429, 500, 502, 503, 504})  # what a model server may well do better at once

type Send = Callable[[Batch], Awaitable[None]]


class RunContext(msgspec.Struct, frozen=True):
    """What the turn does not say of its run. `language` is a BCP 47 tag, `profile` the name that events tell."""

    run_id: str
    conversation_id: str
    profile: str
    caller: Caller
    language: str


@runtime_checkable
class Recogniser(Protocol):
    """A provider that knows beforehand whether it understands a request, as the embedded brain does."""

    async def recognises(self, request: ModelRequest) -> bool: ...


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
    ) -> None:
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
        run = _Run(self, turn, context, send)
        seconds = self.settings.agent.run_timeout_seconds
        try:
            with trio.move_on_after(seconds):
                return await run.answer()
            return run.failed("deadline", f"The answer took longer than {seconds:g} s, so it was stopped.")
        except ModelError as error:
            return run.failed(_kind(error), error.message)
        except ClientError as error:
            return run.failed("model", f"{error.message[:1].upper()}{error.message[1:]}.")
        except Exception:  # noqa: BLE001  a bug ends this turn, not the conversation's loop
            _log.exception("a run failed", run_id=context.run_id)
            return run.failed("internal", "Internal error. The log has it under this request's id.")

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), self._zone).astimezone(self._zone)


class _Run:
    """The state of one turn while it is answered."""

    def __init__(self, agent: Agent, turn: Turn, context: RunContext, send: Send) -> None:
        self._agent = agent
        self._settings = agent.settings.agent
        self._turn = turn
        self._context = context
        self._send = send
        self._profile = find_profile(turn.model)
        self._offer = offer_tools(
            turn,
            agent.tools.specs(),
            self._settings.client_tools,
            linked=agent.house is not None and agent.house.name == "homeassistant",
        )
        self._choice = Choice(EMBEDDED, EMBEDDED, "")
        self._messages: tuple[Message, ...] = turn.messages  # the prompt so far
        self._added: list[Message] = []  # by this run: steps, results, what the model was told
        self._made = rules.count_calls(turn.messages)
        self._demand: Demand | None = None
        self._announced = False
        self._understood: bool | None = None
        self._strikes = 0
        self._nudged = False
        self._step = 0
        self._said: list[str] = []
        self._usage = Usage()
        self._started = trio.current_time()
        self._first_token: float | None = None
        self._durations = (0.0, 0.0, 0.0)  # prompt, decode, load

    async def answer(self) -> RunFinished:
        if demands(self._turn, self._offer):
            self._demand = Demand(self._turn, self._offer, self._send, repairs=self._settings.answer_repairs)
            self._send = self._demand.send
        self._choose(await self._pick())
        while True:
            self._step += 1
            stop = self._stop()
            result = await self._model_step(tools=stop is None)
            calls = result.calls if stop is None else ()
            if not calls:
                if await self._needs_nudge(result, stop):
                    continue
                if self._demand and (more := self._demand.repair(result, self._choice.provider)):
                    self._added += more
                    continue
                return await self._end(stop or _without_calls(result.done.finish_reason))
            offer = self._offer if self._choice.supports_tools else Offer()
            plan = rules.plan_calls(calls, offer, self._made, repeated_calls=self._settings.repeated_calls)
            self._made.update(map(rules.signature, calls))
            if plan.client:
                return await self._end("tool_calls", plan.client)
            self._strikes += plan.illegal
            self._added.append(result.message)
            self._added += await run_tools(
                plan.tasks,
                self._step,
                registry=self._agent.tools,
                context=self._tool_context,
                settings=self._settings,
                send=self._send,
            )

    def _stop(self) -> FinishReason | None:
        """Why this step is the last, and without tools."""
        reason: FinishReason | None = None
        if self._strikes >= self._settings.unknown_tool_strikes:
            reason = "illegal_tool"
        elif self._step > self._settings.max_steps:
            reason = "max_steps"
        if reason is not None:
            self._added.append(Message("user", rules.ANSWER_NOW))
        return reason

    async def _needs_nudge(self, result: StepResult, stop: FinishReason | None) -> bool:
        """Whether the model is to be asked again for words. After tools, an answer is never left empty."""
        after_tools = bool(self._added) or any(message.role == "tool" for message in self._turn.messages[-1:])
        if result.text.strip() or not after_tools or result.done.finish_reason == "length":
            return False
        if stop is None and not self._nudged:
            self._nudged = True
            self._added.append(Message("user", rules.NUDGE))
            return True
        await self._say(rules.GAVE_UP.get(stop or "", rules.NO_WORDS))
        return False

    async def _say(self, words: str) -> None:
        """A sentence of the engine's own, for where the model has none."""
        text = rules.SEPARATOR + words if self._said else words
        self._said.append(words)
        await self._send((Text(text),))

    # Who answers.

    async def _pick(self) -> Choice:
        agent, profile = self._agent, self._profile
        choice = choose(self._turn, profile, agent.catalogue.known(), agent.settings.models)
        wanted = profile is not None and profile.fast_path and agent.settings.brain.fast_path
        if choice.provider != EMBEDDED and wanted and await self._is_understood():
            return Choice(EMBEDDED, EMBEDDED, "The embedded brain answers: it fully understands this sentence.")
        return choice

    async def _is_understood(self) -> bool:
        """Whether the embedded brain fully understands the turn. Never housekeeping, nor what asks for a format."""
        if self._understood is None:
            brain = self._agent.catalogue.get(EMBEDDED)
            options = self._turn.options
            plain = not self._turn.caller.task and options.format is None and not options.logprobs
            self._understood = False
            if plain and isinstance(brain, Recogniser):
                embedded = Choice(EMBEDDED, EMBEDDED, "")
                self._understood = await brain.recognises(self._request(embedded, self._turn.messages, tools=True))
        return self._understood

    def _choose(self, choice: Choice) -> None:
        """Take a choice, and the prompt that goes with it."""
        self._choice = choice
        self._messages = self._turn.messages
        bare = self._turn.caller.task or self._turn.options.format is not None or not self._turn.messages
        if choice.provider == EMBEDDED or bare or self._offer.client_house:
            return
        caller = self._context.caller
        system = system_prompt(
            self._agent.house, self._context.language, overview_entities=self._settings.overview_entities
        )
        facts = circumstances(self._agent.now(), area=caller.area, user=caller.user)
        self._messages = compose(system, facts, self._turn.messages)

    # Model steps.

    async def _model_step(self, *, tools: bool) -> StepResult:
        """One model step, tried again where that is safe: nothing of it has been said."""
        tries = 0
        while True:
            provider = self._provider()
            request = self._request(self._choice, (*self._messages, *self._added), tools=tools)
            began = trio.current_time()
            await self._announce(provider, request, tries + 1)
            step = ModelStep(provider, request, self._step, self._send, separate=bool(self._said))
            try:
                result = await step.run()
                break
            except ModelError as caught:
                error = caught
            tries += 1
            spent = step.spent()
            self._usage += spent or Usage()
            failed = ModelFailed(
                self._step,
                request.model,
                provider.name,
                error.message,
                trio.current_time() - began,
                usage=spent,
                status=error.status,
                attempt=tries,
            )
            if step.said:
                await self._send((failed,))
                raise error
            if error.status in _RETRIED and tries < self._settings.model_tries:
                wait = retry_pause(tries, self._settings.model_retry_seconds, self._agent.source)
                await self._send((replace(failed, next="retry", next_model=request.model, pause=wait),))
                await trio.sleep(wait)
            elif await self._can_rescue():
                await self._send((replace(failed, next="fallback", next_model=EMBEDDED),))
                reason = f"The embedded brain answers in place of {self._choice.model}: {error.message}"
                self._choose(Choice(EMBEDDED, EMBEDDED, reason))
                tries = 0
            else:
                await self._send((failed,))
                raise error
        self._account(result)
        return result

    async def _can_rescue(self) -> bool:
        """Whether the embedded brain can answer in place of a model that failed before it did anything."""
        if self._choice.provider == EMBEDDED or self._profile is None or self._added:
            return False
        return await self._is_understood()

    def _provider(self) -> Provider:
        provider = self._agent.catalogue.get(self._choice.provider)
        if provider is None:
            name, model = self._choice.provider, self._choice.model
            message = f"The model {model} is said to be at the provider “{name}”, which is not configured."
            raise ModelError(message, dependency=name, temporary=False)
        return provider

    def _request(self, choice: Choice, messages: tuple[Message, ...], *, tools: bool) -> ModelRequest:
        options = self._turn.options
        if options.think and not choice.supports_thinking:  # the model server would refuse the whole request
            options = replace(options, think=None)
        return ModelRequest(
            choice.model,
            messages,
            tools=self._offer.tools if tools and choice.supports_tools else (),
            options=options,
            language=self._context.language,
            area=self._context.caller.area,
            tool_choice=choice_of(self._turn, self._offer) if tools else "auto",
        )

    async def _announce(self, provider: Provider, request: ModelRequest, attempt: int) -> None:
        events: Batch = (
            ModelStarted(
                self._step,
                request.model,
                provider.name,
                len(request.messages),
                len(request.tools),
                prompt_tokens(request.messages, request.tools),
                self._choice.reason,
                attempt,
                Prompt(request.messages, request.tools, request.options),
            ),
        )
        if not self._announced:
            self._announced = True
            context = self._context
            started = RunStarted(context.run_id, context.conversation_id, context.caller.channel, context.profile)
            events = (started, *events)
        await self._send(events)

    def _account(self, result: StepResult) -> None:
        done = result.done
        self._usage += done.usage
        prompt, decode, load = self._durations
        self._durations = (
            prompt + (done.prompt_duration or 0.0),
            decode + (done.decode_duration or 0.0),
            load + (done.load_duration or 0.0),
        )
        if self._first_token is None and result.first_token is not None:
            self._first_token = result.first_token - self._started
        if result.text:
            self._said.append(result.text)

    def _tool_context(self, call: ToolCall) -> ToolContext:
        context, caller = self._context, self._context.caller
        return ToolContext(
            run_id=context.run_id,
            call_id=call.id,
            conversation_id=context.conversation_id,
            channel=caller.channel,
            language=context.language,
            area=caller.area,
            user=caller.user,
            device=caller.device,
        )

    # The end.

    async def _end(self, reason: FinishReason, client_calls: tuple[ToolCall, ...] = ()) -> RunFinished:
        if self._demand:
            self._said = [await self._demand.release()]
        return self._finished(reason, client_calls)

    def _finished(self, reason: FinishReason, client_calls: tuple[ToolCall, ...] = ()) -> RunFinished:
        prompt, decode, load = self._durations
        return RunFinished(
            self._context.run_id,
            self._choice.model,
            rules.SEPARATOR.join(self._said),
            self._usage,
            reason,
            steps=self._step,
            duration=trio.current_time() - self._started,
            first_token=self._first_token,
            client_calls=client_calls,
            prompt_duration=prompt,
            decode_duration=decode,
            load_duration=load,
        )

    def failed(self, kind: FailureKind, message: str) -> RunFailed:
        duration = trio.current_time() - self._started
        return RunFailed(self._context.run_id, kind, message, self._usage, duration)


def _without_calls(reason: FinishReason) -> FinishReason:
    """The reason of an answer that calls nothing, whatever the model server says."""
    return "length" if reason == "length" else "stop"


def _kind(error: ModelError) -> FailureKind:
    if error.status in (429, 503):
        return "overloaded"
    return "unavailable" if error.status is None and error.temporary else "model"
