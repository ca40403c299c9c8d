"""A `ModelRequest` as the body of Anthropic's `POST /v1/messages`, with marks for what it shall keep. Pure.

Sources: Anthropic's API reference (messages, tool use, extended thinking, prompt caching). The prefix that is kept is
tools, system, messages, in this order; a mark ends a part of it. At most four marks are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from thane.config.providers import ModelProvider
from thane.models.anthropic_abilities import Abilities
from thane.models.images import media_type
from thane.models.provider import ModelRequest
from thane.turn import JSON, Message, Options

_KEEP = {"cache_control": {"type": "ephemeral"}}
_LEAST_THINKING = 1024  # tokens; the API refuses less
_EFFORT = {"low": 0.5, "medium": 1.0, "high": 2.0, "max": 4.0}
_CHOICES: dict[str, JSON] = {"none": {"type": "none"}, "required": {"type": "any"}}
_BEFORE = "(The beginning of this conversation is left out.)"
_JSON = "Answer with JSON only: no words around it, no code fence."
_USUAL = Abilities()
_encoder = msgspec.json.Encoder()


def encode_request(
    request: ModelRequest, provider: ModelProvider, thoughts: Mapping[str, list[JSON]], abilities: Abilities = _USUAL
) -> bytes:
    """The body. `thoughts` are the thinking blocks that belong to a tool call, by its id, as the server sent them;
    `abilities` are the model's."""
    messages, stable = _messages(request.messages, thoughts)
    system = [message.content for message in request.messages if message.role == "system" and message.content]
    if request.options.format is not None:
        system.append(_format(request.options.format))
    body: JSON = {"model": request.model, "stream": True}
    if request.tools:
        tools: list[JSON] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
        body["tools"] = tools
        if request.tool_choice != "auto":
            body["tool_choice"] = _CHOICES.get(request.tool_choice) or {"type": "tool", "name": request.tool_choice}
    if system:
        body["system"] = [{"type": "text", "text": text} for text in system]
    body["messages"] = messages
    if provider.cache_prompts:
        _mark(body, stable)
    free = request.tool_choice == "auto"  # the API refuses to think and to be told which tool to call
    may_think = free and _may_think(request.messages, thoughts)
    body |= _sampling(request.options, provider, abilities, may_think=may_think)
    return _encoder.encode(body)


def _mark(body: JSON, stable: int) -> None:
    """Mark the tools, the system prompt, the last message that the next turn has too, and this turn's own steps."""
    for name in ("tools", "system"):
        if name in body:
            body[name][-1] |= _KEEP
    messages: list[JSON] = body["messages"]
    marked = {stable} if stable >= 0 else set[int]()
    if "tools" in body and messages:  # the model may call one, and ask again with all of this before the result
        marked.add(len(messages) - 1)
    for index in marked:
        last = messages[index]["content"][-1]
        if last["type"] not in ("thinking", "redacted_thinking"):
            last |= _KEEP


def _messages(messages: tuple[Message, ...], thoughts: Mapping[str, list[JSON]]) -> tuple[list[JSON], int]:
    """The messages, turns of one side joined as the API wants it; and which is the last that will not change.

    What changes with every turn stands in the last message of the user's own, so the one before it is that.
    """
    out: list[JSON] = []
    stable = -1
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message, thoughts)
        if not blocks:
            continue
        if message.role == "user":
            stable = len(out) - (2 if out and out[-1]["role"] == "user" else 1)
        if out and out[-1]["role"] == role:
            out[-1]["content"] += blocks
        else:
            out.append({"role": role, "content": blocks})
    if out and out[0]["role"] == "assistant":  # a client that trims its history; the API wants a user to begin
        out.insert(0, {"role": "user", "content": [{"type": "text", "text": _BEFORE}]})
        stable += 1
    return out, stable


def _blocks(message: Message, thoughts: Mapping[str, list[JSON]]) -> list[JSON]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content or "(nothing)"}]
    blocks: list[JSON] = [
        {"type": "image", "source": {"type": "base64", "media_type": media_type(image), "data": image}}
        for image in message.images
    ]
    if message.tool_calls:
        blocks += thoughts.get(message.tool_calls[0].id, ())
    if message.content.strip():  # the API refuses text of spaces alone
        blocks.append({"type": "text", "text": message.content})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in message.tool_calls
    ]
    return blocks


def _may_think(messages: tuple[Message, ...], thoughts: Mapping[str, list[JSON]]) -> bool:
    """Whether thinking can be on: results of calls must come back with the thoughts that led to them, if it is."""
    if not messages or messages[-1].role != "tool":
        return True
    calls = next((each.tool_calls for each in reversed(messages) if each.role == "assistant"), ())
    return bool(calls) and calls[0].id in thoughts


def _sampling(options: Options, provider: ModelProvider, abilities: Abilities, *, may_think: bool) -> JSON:
    limit = options.max_tokens if options.max_tokens is not None and options.max_tokens > 0 else None
    most = limit or provider.max_output_tokens
    thinks = bool(options.think) and may_think
    out: JSON = {}
    if thinks:
        effort = _EFFORT[options.think] if isinstance(options.think, str) else 1.0
        budget = max(_LEAST_THINKING, int(provider.thinking_tokens * effort))
        most += budget  # the limit is on both together
        out |= _thinking(options.think, budget, abilities)
    elif options.think is False and abilities.disabled:
        out["thinking"] = {"type": "disabled"}  # such a model may think without being asked to
    if not thinks and abilities.samples:
        if options.temperature is not None:
            out["temperature"] = min(options.temperature, 1.0)  # Anthropic's scale ends there
        elif options.top_p is not None:  # some models take one of the two
            out["top_p"] = options.top_p
    if options.stop:
        out["stop_sequences"] = options.stop
    out["max_tokens"] = min(most, abilities.most_tokens or most)
    return out


def _thinking(wanted: bool | str | None, budget: int, abilities: Abilities) -> JSON:
    """How thinking is asked for: by tokens, or by an effort of a model that decides about them itself."""
    if not abilities.adaptive:
        most = (abilities.most_tokens or budget + 1) - 1  # the API wants fewer than there are for both
        return {"thinking": {"type": "enabled", "budget_tokens": max(_LEAST_THINKING, min(budget, most))}}
    out: JSON = {"thinking": {"type": "adaptive", "display": "summarized"}}  # some omit what they thought otherwise
    return out | {"output_config": {"effort": wanted}} if wanted in abilities.efforts else out


def _format(wanted: str | JSON) -> str:
    if isinstance(wanted, str):
        return _JSON
    return f"{_JSON} It must match this JSON Schema:\n{_encoder.encode(wanted).decode()}"
