"""With which context (`num_ctx`) an Ollama model is to be loaded, so that the prompt fits. No I/O.

Ollama loads a model anew for another `num_ctx`, which takes seconds and throws away what it had computed. So the
context only moves in doublings, and never down while the model is likely to be still loaded. What does not fit, Ollama
leaves out of the prompt without a word: `Sent` is how it is told all the same.
"""

from __future__ import annotations

import msgspec
import trio

from thane.config.settings import Models

_SURELY = 1.25  # an estimate that is so much over the context is not wrong by that much
_NEARLY_ALL = 0.9  # of the context: what is read of a prompt that may just not have fitted
_FEW = 0.25  # whole messages are left out, so that what is read of a large prompt may be little


class Sent(msgspec.Struct, frozen=True):
    """What went to the server: about how many tokens of prompt, and into how large a context (0: not known)."""

    prompt_tokens: int
    context_tokens: int

    def truncated(self, read: int | None) -> int:
        """About how many tokens of the prompt the model did not see, when `read` is what the server says it did."""
        if not self.context_tokens or self.prompt_tokens <= self.context_tokens:
            return 0
        if read is None:
            return self.prompt_tokens - self.context_tokens
        sure = self.prompt_tokens > _SURELY * self.context_tokens
        if read < (_FEW if sure else _NEARLY_ALL) * self.context_tokens:
            return 0  # the estimate was too high, or the server counts only what was new to it
        return max(0, self.prompt_tokens - read)


class ContextSizes:
    """The context of each model of one server."""

    def __init__(self, settings: Models) -> None:
        self._settings = settings
        self._used: dict[str, tuple[int, float]] = {}

    def size(self, model: str, prompt: int, answer: int | None, *, has: int = 0, least: int = 0) -> int:
        """The context for a call. `has` is the model's own (0: not known), `least` the one its maker or owner set."""
        settings = self._settings
        most = min(settings.context_tokens_max, has) if has else settings.context_tokens_max
        most = max(most, min(least, has or least))
        size = max(settings.context_tokens_min, least)
        used, since = self._used.get(model, (0, 0.0))
        now = trio.current_time()
        if now - since < settings.context_kept_seconds:
            size = max(size, used)
        needed = prompt + (settings.context_answer_tokens if answer is None else answer)
        while size < needed and size < most:
            size *= 2
        size = min(size, most)
        self._used[model] = (size, now)
        return size

    def asked(self, model: str, wanted: int, *, has: int = 0) -> int:
        """The context that a client asks for, as far as it may have it; later calls keep to it."""
        most = max(self._settings.context_tokens_max, self._settings.context_tokens_min)
        size = max(1, min(wanted, most, has or wanted))
        self._used[model] = (max(size, self._used.get(model, (0, 0.0))[0]), trio.current_time())
        return size
