"""Anthropic's official Python client, asked as the others are."""

from __future__ import annotations

from typing import Any

import anthropic

from tests.clients.asking import Client, Doors, Question, Said

_REASONS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def whole(doors: Doors, question: Question) -> Said:
    with anthropic.Anthropic(base_url=doors.native, api_key="none") as client:
        try:
            return _said(client.messages.create(**_request(question)))
        except anthropic.APIStatusError as error:
            return _failed(error)


def stream(doors: Doors, question: Question) -> Said:
    """`messages.create(stream=True)`, and what its events say."""
    pieces: list[str] = []
    thoughts: list[str] = []
    reason, tokens = "", (0, 0)
    with anthropic.Anthropic(base_url=doors.native, api_key="none") as client:
        try:
            with client.messages.create(**_request(question), stream=True) as answer:
                for event in answer:
                    if event.type == "content_block_delta" and event.delta.type == "text_delta":
                        pieces.append(event.delta.text)
                    if event.type == "content_block_delta" and event.delta.type == "thinking_delta":
                        thoughts.append(event.delta.thinking)
                    if event.type == "message_delta":
                        reason = _REASONS[event.delta.stop_reason or ""]
                        tokens = (event.usage.input_tokens or 0, event.usage.output_tokens)
                    if question.leave_after and len(pieces) == question.leave_after:
                        break
        except anthropic.APIStatusError as error:
            return _failed(error, "".join(pieces))
    return Said("".join(pieces), "".join(thoughts), len(pieces), (), *tokens, reason)


def stream_helper(doors: Doors, question: Question) -> Said:
    """`messages.stream`, which puts the events together itself, on the Ollama listener for a change."""
    pieces: list[str] = []
    with anthropic.Anthropic(base_url=doors.ollama, api_key="none") as client:
        try:
            with client.messages.stream(**_request(question)) as answer:
                for text in answer.text_stream:
                    pieces.append(text)
                    if len(pieces) == question.leave_after:
                        return Said("".join(pieces))
                return _said(answer.get_final_message(), len(pieces))
        except anthropic.APIStatusError as error:
            return _failed(error, "".join(pieces))


WHOLE: dict[str, Client] = {"anthropic": whole}
STREAMING: dict[str, Client] = {"anthropic-stream-helper": stream_helper}
TEXT_STREAMING: dict[str, Client] = {"anthropic-stream": stream}
"""The bare events: putting the pieces of a tool's arguments together is left to who reads them."""


def _request(question: Question) -> dict[str, Any]:
    tools = [
        {
            "name": tool["function"]["name"],
            "description": tool["function"]["description"],
            "input_schema": tool["function"]["parameters"],
        }
        for tool in question.tools
    ]
    return {
        "model": question.model,
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": question.text}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    } | ({"tools": tools} if tools else {})


def _said(message: Any, pieces: int = 1) -> Said:
    return Said(
        text="".join(block.text for block in message.content if block.type == "text"),
        thinking="".join(block.thinking for block in message.content if block.type == "thinking"),
        pieces=pieces,
        calls=tuple((block.name, block.input) for block in message.content if block.type == "tool_use"),
        input_tokens=message.usage.input_tokens,
        output_tokens=message.usage.output_tokens,
        reason=_REASONS[message.stop_reason],
    )


def _failed(error: anthropic.APIStatusError, text: str = "") -> Said:
    body: Any = error.body
    return Said(text=text, error=body["error"]["message"], status=error.status_code)
