"""A run in the shape that the reference's newer API has for a request (REFERENCE 9.4). Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from thane.clock import iso
from thane.conversations.live import LiveRun
from thane.memory.prompts import KeptPrompt
from thane.memory.records import RunRecord

_EXHAUSTED = frozenset({"max_steps", "illegal_tool", "deadline", "length"})


def request_of(run: RunRecord | LiveRun, asked: str, prompt: KeptPrompt | None) -> dict[str, Any]:
    """The request's detail; `asked` is what the user said, `prompt` what the last model step was sent."""
    messages = [] if prompt is None else [message for message in prompt.messages if message["role"] != "system"]
    system = (
        [] if prompt is None else [str(message["content"]) for message in prompt.messages if message not in messages]
    )
    detail: dict[str, Any] = {
        "request_id": run.run_id if isinstance(run, LiveRun) else run.id,
        "conversation_id": run.conversation_id,
        "state": run.state,
        "prompt_hash": prompt.hash if prompt else "",
        "system_prompt": "\n\n".join(system),
        "messages": [_message(index, message) for index, message in enumerate(messages)],
        "user_content": asked or run.title,
        "model": run.model,
        "created_at": iso(run.started_at),
    }
    if isinstance(run, LiveRun):
        return detail | _outcome(
            steps=max((span.step for span in run.spans), default=0),
            output_tokens=run.output_tokens,
            tools=[span.name for span in run.spans if span.kind == "tool"],
        )
    return detail | _outcome(
        text=run.text,
        steps=max((step.step for step in run.steps), default=0),
        input_tokens=run.usage.input_tokens,
        output_tokens=run.usage.output_tokens,
        tools=[call.name for call in run.tool_calls],
        reason=run.finish_reason or run.failure or "",
        calls=tool_calls_of(run),
    )


def _outcome(
    *,
    steps: int,
    output_tokens: int,
    tools: list[str],
    text: str = "",
    input_tokens: int = 0,
    reason: str = "",
    calls: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    exhausted = reason in _EXHAUSTED
    return {
        "assistant_content": text,
        "iteration_count": steps,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "tools_used": dict(Counter(tools)),
        "exhausted": exhausted,
        "exhaust_reason": reason if exhausted else "",
        "tool_calls": calls or [],
    }


def tool_calls_of(run: RunRecord) -> list[dict[str, Any]]:
    """The run's tool calls, with `iteration_index` from 0."""
    return [
        {
            "tool_call_id": call.id,
            "tool_name": call.name,
            "arguments": msgspec.json.decode(call.arguments),
            "result": call.result,
            "ok": call.ok,
            "duration_ms": round(call.duration * 1000),
            "iteration_index": max(0, call.step - 1),
        }
        for call in run.tool_calls
    ]


def _message(index: int, message: dict[str, Any]) -> dict[str, Any]:
    """As it is kept: whole, so nothing is ever truncated."""
    return {
        "index": index,
        "role": message["role"],
        "content": message.get("content", ""),
        "content_truncated": False,
        "tool_calls": message.get("tool_calls", []),
        "tool_call_id": message.get("tool_call_id", ""),
        "images": [
            {name: image[name] for name in ("media_type", "sha256", "bytes")} for image in message.get("images", [])
        ],
    }
