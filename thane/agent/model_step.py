"""The model step: one model call, its text passed on as it comes, its calls and counts kept for the turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import trio

from thane.agent.rules import estimate_tokens, separated
from thane.models.counts import tools_size
from thane.models.provider import ModelCalls, ModelDone, ModelError, ModelRequest, Provider
from thane.turn import Batch, Message, ModelFinished, ModelWaits, Text, Thinking, ToolCall, ToolSpec, Usage

type Send = Callable[[Batch], Awaitable[None]]


class StepResult(msgspec.Struct, frozen=True):
    """What a model step brought. `first_token` is on trio's clock; `text` is the step's own, without separator."""

    text: str
    thinking: str
    calls: tuple[ToolCall, ...]
    done: ModelDone
    first_token: float | None

    @property
    def message(self) -> Message:
        """The step as the next one's prompt has it."""
        return Message("assistant", self.text, thinking=self.thinking, tool_calls=self.calls)


class ModelStep:
    """One try of a model step. `said` tells, after an error too, whether anything has reached the client."""

    def __init__(self, provider: Provider, request: ModelRequest, step: int, send: Send, *, separate: bool) -> None:
        """`separate`: text of an earlier step stands before, so this one's begins with a blank line."""
        self._provider = provider
        self._request = request
        self._step = step
        self._send = send
        self._separate = separate
        self.said = False
        self._pieces: int | None = None  # that came so far; None until the model server has accepted the call

    def spent(self) -> Usage | None:
        """About what a failed try has cost the model server; None when it never began to work."""
        if self._pieces is None:
            return None
        return Usage(prompt_tokens(self._request.messages, self._request.tools), self._pieces, estimated=True)

    async def run(self) -> StepResult:
        """Raises `ModelError`. Cancelled, the connection to the model is closed."""
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[ToolCall] = []
        done: ModelDone | None = None
        first: float | None = None
        started = trio.current_time()
        request = msgspec.structs.replace(self._request, waits=self._waits)
        async with self._provider.stream(request) as stream:
            self._pieces = 0
            async for batch in stream:
                self._pieces += len(batch)
                only_words = True
                for item in batch:
                    kind = type(item)
                    if kind is Text:
                        texts.append(item.text)  # pyright: ignore[reportAttributeAccessIssue]  one check, not two
                    elif kind is Thinking:
                        thoughts.append(item.text)  # pyright: ignore[reportAttributeAccessIssue] its type is looked at above
                    else:
                        only_words = False
                        if isinstance(item, ModelCalls):
                            calls += item.calls
                        elif isinstance(item, ModelDone):
                            done = self._counted(item, sum(map(len, texts)) + sum(map(len, thoughts)))
                if first is None:
                    first = trio.current_time()
                out: Batch = batch if only_words else tuple(x for x in batch if isinstance(x, Text | Thinking))  # type: ignore[assignment]  # only words are left
                if self._separate and texts:
                    self._separate = False
                    out = separated(out)
                self.said = self.said or bool(out)
                if done is not None:
                    out = (*out, self._finished(done, started, first, len(calls)))
                if out:
                    await self._send(out)
        if done is None:
            raise ModelError("The model ended its answer before it was complete.", dependency=self._provider.name)
        return StepResult("".join(texts), "".join(thoughts), tuple(calls), done, first)

    async def _waits(self, waiting: bool) -> None:
        await self._send((ModelWaits(self._step, self._request.model, self._provider.name, waiting),))

    def _counted(self, done: ModelDone, characters: int) -> ModelDone:
        """With counts from the lengths of the texts where the model gave none; marked `estimated` already."""
        usage = done.usage
        if not usage.estimated:
            return done
        counted = Usage(
            usage.input_tokens or prompt_tokens(self._request.messages, self._request.tools),
            usage.output_tokens or estimate_tokens(characters),
            usage.cached_tokens,
            usage.reasoning_tokens,
            estimated=True,
            cache_write_tokens=usage.cache_write_tokens,
        )
        return msgspec.structs.replace(done, usage=counted)

    def _finished(self, done: ModelDone, started: float, first: float, calls: int) -> ModelFinished:
        return ModelFinished(
            self._step,
            self._request.model,
            self._provider.name,
            done.usage,
            done.finish_reason,
            duration=trio.current_time() - started,
            first_token=first - started,
            prompt_duration=done.prompt_duration,
            decode_duration=done.decode_duration,
            load_duration=done.load_duration,
            tool_calls=calls,
            queue_duration=done.queue_duration,
            truncated_tokens=done.truncated_tokens,
        )


def prompt_tokens(messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> int:
    """About how many tokens a prompt has."""
    characters = sum(len(message.content) + len(message.thinking) for message in messages)
    return estimate_tokens(characters + tools_size(tools))
