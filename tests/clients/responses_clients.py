"""The official Python client of OpenAI's responses, asked as the others are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import openai

from tests.clients.asking import Client, Doors, Question, Said

_REASONS = {"completed": "stop", "incomplete": "length"}


def whole(doors: Doors, question: Question) -> Said:
    with openai.OpenAI(base_url=f"{doors.native}/v1", api_key="none") as client:
        try:
            return _said(client.responses.create(**_request(question)))
        except openai.APIError as error:
            return _failed(error)


def stream(doors: Doors, question: Question) -> Said:
    """`responses.create(stream=True)`; the answer is what its last event says."""
    pieces: list[str] = []
    last: Any = None
    with openai.OpenAI(base_url=f"{doors.native}/v1", api_key="none") as client:
        try:
            with client.responses.create(**_request(question), stream=True) as answer:
                for event in answer:
                    last = event
                    if event.type == "response.output_text.delta":
                        pieces.append(event.delta)
                    if question.leave_after and len(pieces) == question.leave_after:
                        return Said(text="".join(pieces))
        except openai.APIError as error:
            return _failed(error)
    return _said(last.response, pieces)


def stream_helper(doors: Doors, question: Question) -> Said:
    """`responses.stream`, which puts the events together itself, on the Ollama listener for a change."""
    pieces: list[str] = []
    with openai.OpenAI(base_url=f"{doors.ollama}/v1", api_key="none") as client:
        try:
            with client.responses.stream(**_request(question)) as answer:
                for event in answer:
                    if event.type == "response.output_text.delta":
                        pieces.append(event.delta)
                        assert event.snapshot == "".join(pieces) or question.tools
                    if question.leave_after and len(pieces) == question.leave_after:
                        return Said(text="".join(pieces))
                    if event.type == "response.failed":
                        return _said(event.response, pieces)
                return _said(answer.get_final_response(), pieces)
        except openai.APIError as error:
            return _failed(error)


WHOLE: dict[str, Client] = {"openai-response": whole}
STREAMING: dict[str, Client] = {"openai-response-stream": stream, "openai-response-stream-helper": stream_helper}


def _request(question: Question) -> dict[str, Any]:
    tools = [{"type": "function", "strict": False} | tool["function"] for tool in question.tools]
    return {"model": question.model, "input": question.text} | ({"tools": tools} if tools else {})


def _said(response: Any, pieces: Sequence[str] = ()) -> Said:
    if pieces and response.status == "completed":
        assert "".join(pieces) == response.output_text
    return Said(
        text=response.output_text,
        thinking="".join(part.text for item in response.output if item.type == "reasoning" for part in item.summary),
        pieces=len(pieces) or 1,
        calls=tuple(
            (item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"
        ),
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        reason=_REASONS.get(response.status, ""),
        error=response.error.message if response.error else "",
    )


def _failed(error: openai.APIError) -> Said:
    status = error.status_code if isinstance(error, openai.APIStatusError) else 0
    return Said(error=str(error.body.get("message") if isinstance(error.body, dict) else error), status=status)
