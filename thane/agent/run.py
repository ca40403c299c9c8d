"""One turn while it is answered: a model step and a tool step in a loop, until there is an answer.

What is decided on the way (who answers, which tools are offered, when to stop) are pure functions in `thane.router`,
`client_tools`, `delegating` and `rules`; a step's I/O is in `attempts`, `model_step` and `tool_step`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from thane.agent import rules
from thane.agent.attempts import Attempts
from thane.agent.client_tools import Offer, offer_tools
from thane.agent.context import Recogniser, RunContext, RunLimits
from thane.agent.delegating import own_tools
from thane.agent.demand import Demand, choice_of, demands
from thane.agent.fitting import Fitting
from thane.agent.home_prompt import keep_of_home_prompt, without_marker
from thane.agent.model_step import StepResult
from thane.agent.prompt import circumstances, compose, system_prompt
from thane.agent.time_limit import TimeLimit
from thane.agent.tool_step import run_tools
from thane.models.provider import ModelError, ModelRequest, Provider
from thane.router.decision import Outcome
from thane.router.models import EMBEDDED, Model
from thane.router.route import BRAIN, Routing, understood
from thane.tools.tool import ToolContext
from thane.turn import (
    Batch,
    FailureKind,
    FinishReason,
    Message,
    Routed,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    ToolCall,
    ToolSpec,
    Turn,
    Usage,
)

if TYPE_CHECKING:
    from thane.agent.engine import Agent


type Send = Callable[[Batch], Awaitable[None]]


class Run:
    """The state of one turn while it is answered."""

    def __init__(self, agent: Agent, turn: Turn, context: RunContext, send: Send) -> None:
        self._agent = agent
        self._settings = agent.settings.agent
        self._turn = turn
        self._context = context
        self._send = send
        self._profile = agent.routes.profiles.find(turn.model)
        self._offer = self._offered(agent.tools.specs(turn.tags))
        self.limits = context.limits or RunLimits(
            self._settings.max_steps, self._settings.run_timeout_seconds, self._settings.tool_timeout_seconds
        )
        self.time = TimeLimit(self.limits.seconds)
        self._routing: Routing | None = None
        self._attempts: Attempts | None = None
        self._order: tuple[Model, ...] = ()
        self._fitting = Fitting(self._settings, turn.options, context.recap)
        self._on = BRAIN  # the model that is on
        self._refusal = ""  # why a budget leaves no model to ask, before the first step
        self._messages: tuple[Message, ...] = turn.messages  # the prompt so far
        self._added: list[Message] = []  # by this run: steps, results, what the model was told
        self._made = rules.count_calls(turn.messages)
        self._demand: Demand | None = None
        self._asked_brain = False
        self._understanding: Provider | None = None
        self._remembered = ""
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
        opening = await self._begin()
        while True:
            if words := self._refusal or self._out_of_budget(self._on):
                return await self._end_with(words, opening)
            self._step += 1
            stop = self._stop()
            result = await self._model_step(opening, tools=stop is None)
            opening = ()
            calls = result.calls if stop is None else ()
            if not calls:
                if await self._needs_nudge(result, stop):
                    continue
                if self._demand and (more := self._demand.repair(result, self._on.provider)):
                    self._added += more
                    continue
                return await self._end(stop or _without_calls(result.done.finish_reason))
            offer = self._offer if self._on.tools else Offer()
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
                seconds=self.limits.tool_seconds,
                time=self.time,
            )

    def _stop(self) -> FinishReason | None:
        """Why this step is the last, and without tools."""
        reason: FinishReason | None = None
        tokens = self.limits.output_tokens
        if self._strikes >= self._settings.unknown_tool_strikes:
            reason = "illegal_tool"
        elif self._step > self.limits.max_steps:
            reason = "max_steps"
        elif tokens is not None and self._step > 1 and self._usage.output_tokens >= tokens:
            reason = "budget"
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

    async def _begin(self) -> Batch:
        """Decide who answers. The batch is what is told of it first. Raises ModelError when nobody may."""
        agent, context = self._agent, self._context
        routing = agent.routes.route(
            self._turn,
            self._profile,
            self._offer,
            context,
            at=agent.now().timestamp(),
        )
        brain_first = self._profile is not None and self._profile.fast_path and agent.settings.brain.fast_path
        if (routing.refusal or (routing.order and brain_first)) and await self._is_understood():
            routing = understood(routing)
        self._routing = routing
        agent.decisions.note(routing.decision)
        told: Batch = (RunStarted(context.run_id, context.conversation_id, context.caller.channel, context.profile),)
        if routing.refusal:
            if not routing.stopped:
                raise ModelError(routing.refusal, dependency="models")
            self._publish_stop(routing)
            self._refusal = routing.refusal
            return told
        if self._turn.caller.task and not routing.order:
            raise ModelError(routing.decision.reasoning, dependency="models", temporary=False)
        order = routing.order or (BRAIN,)
        decision = routing.decision
        self._order = order
        self._attempts = Attempts(
            order,
            decision.reasoning,
            settings=agent.settings,
            circuits=agent.routes.circuits,
            source=agent.source,
            send=self._send,
            provider=self._provider,
            rescue=self._rescue,
            may=lambda model: not self._out_of_budget(model),
        )
        if order[0].provider != EMBEDDED and not self._is_bare() and context.facts is not None:
            self._remembered = await context.facts()
        self._choose(order[0])
        return (
            *told,
            Routed(
                decision.model_selected or EMBEDDED,
                decision.provider_selected or EMBEDDED,
                decision.reasoning,
                decision.complexity,
                decision.detected_intent,
                len(decision.candidates),
            ),
        )

    async def _is_understood(self) -> bool:
        """Whether the embedded brain fully understands the turn. Never housekeeping, nor what demands a form."""
        if not self._asked_brain:
            self._asked_brain = True
            brain = self._agent.catalogue.get(EMBEDDED)
            options = self._turn.options
            free = options.format is None and self._turn.tool_choice in ("auto", "none")
            plain = not self._turn.caller.task and free and not options.logprobs
            if plain and isinstance(brain, Recogniser):
                self._understanding = await brain.recognise(self._request(BRAIN, self._turn.messages, tools=True))
        return self._understanding is not None

    async def _rescue(self) -> Model | None:
        """The embedded brain in place of models that have all failed, where it understands and nothing was done yet."""
        if self._profile is None or self._added:
            return None
        return BRAIN if await self._is_understood() else None

    def _choose(self, model: Model) -> None:
        """Take a model, and the prompt and tools that go with it."""
        self._on = model
        agent = self._agent
        own = own_tools(
            agent.tools.specs(self._turn.tags),
            self._profile,
            model,
            agent.routes.candidates(),
            agent.settings,
            delegated=bool(self._context.parent_run_id),
        )
        self._offer = self._offered(own)
        self._messages = self._turn.messages
        if model.provider == EMBEDDED or self._is_bare():
            return
        if self._offer.client_house:
            self._messages = without_marker(self._turn.messages)
            return
        caller = self._context.caller
        system = system_prompt(agent.house, self._context.language, overview_entities=self._settings.overview_entities)
        facts = circumstances(
            agent.now(),
            area=caller.area,
            user=caller.user,
            handoff=self._context.handoff,
            remembered=self._remembered,
        )
        messages = self._turn.messages
        if caller.channel == "ha":
            messages = keep_of_home_prompt(messages, self._settings.ha_prompt)
        self._messages = compose(system, facts, messages)

    def _is_bare(self) -> bool:
        """Whether the client's messages are all that a model is to see."""
        turn = self._turn
        return bool(turn.caller.task) or turn.options.format is not None or not turn.messages

    def _offered(self, own: Iterable[ToolSpec]) -> Offer:
        house = self._agent.house
        linked = house is not None and house.name == "homeassistant"
        return offer_tools(self._turn, own, self._settings.client_tools, linked=linked)

    # Model steps.

    async def _model_step(self, opening: Batch, *, tools: bool) -> StepResult:
        assert self._attempts is not None  # noqa: S101 _begin has made it
        await self._fitting.prepare(self._order, (*self._messages, *self._added), self._offer.tools)

        def make(model: Model) -> ModelRequest:
            if model is not self._on:
                self._choose(model)
            return self._request(model, (*self._messages, *self._added), tools=tools)

        before = self._attempts.spent
        try:
            result = await self._attempts.step(self._step, make, opening=opening, separate=bool(self._said))
        finally:
            if self._attempts.spent is not before:
                self._usage += self._attempts.spent
                self._attempts.spent = Usage()
        if not self._turn.caller.task:
            self._agent.routes.used(self._on)
        self._account(result)
        return result

    def _provider(self, model: Model) -> Provider:
        if model.provider == EMBEDDED and self._understanding is not None:
            return self._understanding
        provider = self._agent.catalogue.get(model.provider)
        if provider is None:
            message = (
                f"The model {model.name} is said to be at the provider “{model.provider}”, which is not configured."
            )
            raise ModelError(message, dependency=model.provider, temporary=False)
        return provider

    def _request(self, model: Model, messages: tuple[Message, ...], *, tools: bool) -> ModelRequest:
        options = self._turn.options
        if options.think and not model.thinking:  # the model server would refuse the whole request
            options = replace(options, think=None)
        offered = self._offer.tools if tools and model.tools else ()
        fitted = self._fitting.fit(model, messages, offered)
        return ModelRequest(
            model.name,
            fitted.messages,
            tools=offered,
            options=options,
            language=self._context.language,
            area=self._context.caller.area,
            tool_choice=choice_of(self._turn, self._offer) if tools else "auto",
            left_out=fitted.left_out,
            shortened=fitted.cut,
        )

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
            provider=self._on.provider,
            model=self._on.name,
            local_only=self._routing is not None and self._routing.decision.local_only,
            seconds_left=self.time.left,
        )

    # The end.

    async def _end(self, reason: FinishReason, client_calls: tuple[ToolCall, ...] = ()) -> RunFinished:
        if self._demand:
            self._said = [await self._demand.release()]
        return self._finished(reason, client_calls)

    def _out_of_budget(self, model: Model) -> str:
        return self._agent.routes.budget.stop(self._context.run_id, self._context.profile, model.provider, model.name)

    def _publish_stop(self, routing: Routing) -> None:
        """Ask for one of the models that the budget forbids, so that the stop is an event and not only a sentence."""
        for each in routing.decision.candidates:
            if self._out_of_budget(Model(each.model, each.provider)):
                return

    async def _end_with(self, words: str, opening: Batch) -> RunFinished:
        """End between two steps, with a sentence. Raises ModelError where an answer in words is none: a program reads
        it, and would take the sentence for a title or a summary."""
        if self._demand or self._turn.caller.task:
            raise ModelError(words, dependency="budget", temporary=False)
        if opening:
            await self._send(opening)
        await self._say(words)
        return self._finished("budget")

    def _finished(self, reason: FinishReason, client_calls: tuple[ToolCall, ...] = ()) -> RunFinished:
        prompt, decode, load = self._durations
        return RunFinished(
            self._context.run_id,
            "" if self._refusal else self._on.name,
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

    def note_outcome(self, final: RunFinished | RunFailed | None) -> None:
        """Note what came of the decision, at the end; None is a run that was cancelled."""
        attempts, self._attempts = self._attempts, None  # they know their run: so it goes at once, not as a cycle
        if self._routing is None:
            return
        failed = isinstance(final, RunFailed)
        nobody = attempts is None  # no model was asked, so none answered
        outcome = Outcome(
            success=isinstance(final, RunFinished) and not nobody,
            model="" if nobody else self._on.name,
            provider="" if nobody else self._on.provider,
            latency=trio.current_time() - self._started,
            tokens=self._usage.input_tokens + self._usage.output_tokens,
            failure=final.failure if failed else "budget" if final and nobody else "" if final else "cancelled",
            failed=tuple(attempts.failed) if attempts else (),
        )
        self._agent.decisions.note(replace(self._routing.decision, outcome=outcome))


def _without_calls(reason: FinishReason) -> FinishReason:
    """The reason of an answer that calls nothing, whatever the model server says."""
    return "length" if reason == "length" else "stop"
