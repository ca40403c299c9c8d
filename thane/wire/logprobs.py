"""How sure the model was of each token, as each protocol asks for it and tells it. Pure.

Sources: Ollama's api/types.go (Logprob), OpenAI's API reference as openai-python types it. Where a model does not
tell it, it is `null` or left out, as the protocol has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thane.turn import JSON, Logprob, Options
from thane.wire.errors import FieldError
from thane.wire.fields import Fields

MOST = 20
"""Tokens that may be told for each place, besides the one that was said."""


def asked(options: Options, body: Fields) -> Options:
    """`options` with `logprobs` (true or false) and `top_logprobs`, as Ollama and chat completions have them."""
    wanted, top = body.flag("logprobs", default=False), body.integer("top_logprobs")
    if top is not None and not 0 <= top <= MOST:
        raise FieldError(f"top_logprobs must be between 0 and {MOST}", "top_logprobs")
    return msgspec.structs.replace(options, logprobs=True, top_logprobs=top or 0) if wanted else options


def ollama_logprobs(told: Sequence[Logprob]) -> list[JSON]:
    """`[{"token","logprob","bytes","top_logprobs"?}]`."""
    return [_one(each) | ({"top_logprobs": [_one(top) for top in each.top]} if each.top else {}) for each in told]


def openai_logprobs(told: Sequence[Logprob]) -> JSON | None:
    """`{"content":[{"token","logprob","bytes","top_logprobs"}],"refusal":null}`, or null where nothing is told."""
    return {"content": openai_tokens(told), "refusal": None} if told else None


def openai_tokens(told: Sequence[Logprob]) -> list[JSON]:
    """Tokens as chat completions and responses have them."""
    return [_one(each) | {"top_logprobs": [_one(top) for top in each.top]} for each in told]


def completion_logprobs(told: Sequence[Logprob], offset: int) -> JSON | None:
    """As plain completions have them: lists side by side. `offset` is where the first token stands in the answer."""
    if not told:
        return None
    offsets: list[int] = []
    for each in told:
        offsets.append(offset)
        offset += len(each.token)
    return {
        "tokens": [each.token for each in told],
        "token_logprobs": [each.logprob for each in told],
        "top_logprobs": [{top.token: top.logprob for top in each.top} for each in told],
        "text_offset": offsets,
    }


def _one(told: Logprob) -> dict[str, Any]:
    raw = told.bytes if told.bytes is not None else told.token.encode("utf-8", "surrogatepass")
    return {"token": told.token, "logprob": told.logprob, "bytes": list(raw)}
