"""What a turn demands of its answer: a format, or a call of a tool. The answer is judged before any of it is said.

So text is held back until it is known to be good, and a client never reads two answers. One that is not good is given
back to the model once, with what is wrong; after that the turn fails. Each try is a model step like any other: counted,
announced and kept. Not here: what a format is (`thane.answer_format`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from thane.agent.client_tools import Offer
from thane.agent.model_step import StepResult
from thane.answer_format import AnswerFormat
from thane.errors import ClientError
from thane.models.provider import ModelError
from thane.turn import Batch, Logprob, Message, ModelStarted, Text, Turn

type Send = Callable[[Batch], Awaitable[None]]

_SAY_AGAIN = (
    "This is not in the format that was asked for: {problem}. "
    "Give the whole answer again, as JSON alone, without a word before or after it."
)
_CALL_AGAIN = "Text alone is no answer here: call {tool} now."
_NOT_CALLED = "The model answered in words where a call of {tool} was required."
_BAD_FORMAT = "The model's answer is not in the format that was asked for: {problem}."


class Demand:
    """One turn's. `send` is what the model steps send to; `repairs` is how often the model is asked again."""

    def __init__(self, turn: Turn, offer: Offer, send: Send, *, repairs: int) -> None:
        """Raises ClientError for a schema that cannot be used."""
        wanted = turn.options.format
        try:
            self._format = AnswerFormat(wanted) if wanted is not None else None
        except ValueError as error:
            raise ClientError(f"the format asked for cannot be used: {error}") from error
        self._tool = required_tool(turn, offer)
        self._send = send
        self._left = repairs
        self._held: list[Text] = []

    async def send(self, batch: Batch) -> None:
        """Everything but text goes on at once. Text of an earlier step is no part of the answer."""
        if any(isinstance(event, ModelStarted) for event in batch):
            self._held = []
        self._held += [event for event in batch if isinstance(event, Text)]
        if rest := tuple(event for event in batch if not isinstance(event, Text)):
            await self._send(rest)

    def repair(self, result: StepResult, dependency: str) -> tuple[Message, ...]:
        """What the model is told of an answer in words that is not good; () for a good one.

        What was cut at the most tokens that the client wants is not judged: its finish reason tells. Raises ModelError
        when the model has had its chances.
        """
        text, problem = result.text, ""
        cut = result.done.finish_reason == "length"
        if self._format is not None and not cut:
            text, problem = self._format.read(text)
        tool = self._tool if not cut else ""
        if not tool and not problem:
            told = (each for event in self._held for each in event.logprobs)
            self._held = [Text(text, tuple(told) if text == result.text else ())]
            return ()
        words = _NOT_CALLED.format(tool=tool) if tool else _BAD_FORMAT.format(problem=problem)
        if not self._left:
            raise ModelError(words, dependency=dependency, temporary=False)
        self._left -= 1
        again = _CALL_AGAIN.format(tool=tool) if tool else _SAY_AGAIN.format(problem=problem)
        return result.message, Message("user", again)

    async def release(self) -> str:
        """Say what was held back: the whole answer of the turn."""
        text = "".join(event.text for event in self._held)
        logprobs: tuple[Logprob, ...] = tuple(each for event in self._held for each in event.logprobs)
        self._held = []
        if text:
            await self._send((Text(text, logprobs),))
        return text


def demands(turn: Turn, offer: Offer) -> bool:
    """Whether a turn demands anything of its answer."""
    return turn.options.format is not None or bool(required_tool(turn, offer))


def choice_of(turn: Turn, offer: Offer) -> str:
    """The `tool_choice` that a model is given: only what is required of it, for what it is offered says the rest."""
    return turn.tool_choice if required_tool(turn, offer) else "auto"


def required_tool(turn: Turn, offer: Offer) -> str:
    """The tool that must be called, in words; "" where the model may answer as it likes.

    Nothing is required where the client's tools are not offered: Thane may have its own in their place.
    """
    if turn.tool_choice in ("auto", "none") or not offer.client:
        return ""
    return "one of the tools" if turn.tool_choice == "required" else f"the tool {turn.tool_choice!r}"
