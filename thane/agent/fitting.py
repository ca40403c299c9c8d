"""Fits the prompts of one run into the windows of the models that it asks. What goes and what stays is in `window`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from thane.agent.model_step import prompt_tokens
from thane.agent.window import Fitted, Recap, fit
from thane.config import settings as config
from thane.router.models import EMBEDDED, Model
from thane.turn import Message, Options, ToolSpec


class Fitting:
    """`recap` is asked at most once, and only where a window may be too small."""

    def __init__(self, settings: config.Agent, options: Options, recap: Callable[[], Awaitable[Recap]] | None) -> None:
        wanted = options.max_tokens
        reserve = settings.reserve_tokens
        self._reserve = reserve if wanted is None or wanted < 0 else min(wanted, reserve)
        self._chars = settings.old_result_chars
        self._ask = recap
        self._recap = Recap()

    async def prepare(
        self, models: Iterable[Model], messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]
    ) -> None:
        """To be called before `fit`, with the models that may be asked."""
        smallest = min((model.context_tokens for model in models if model.context_tokens), default=0)
        if self._ask is not None and smallest and prompt_tokens(messages, tools) + self._reserve > smallest:
            ask, self._ask = self._ask, None
            self._recap = await ask()

    def fit(self, model: Model, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Fitted:
        """The messages that have room in the model's window, as far as it is known."""
        if not model.context_tokens or model.provider == EMBEDDED:
            return Fitted(messages)
        budget = model.context_tokens - self._reserve - prompt_tokens((), tools)
        return fit(messages, budget, self._recap, result_chars=self._chars)
