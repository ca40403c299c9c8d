"""The official Python clients, each asked in the same way, so that one test can hold for all of them.

A client is a plain function of two addresses and a question. It blocks, so call it in a thread: `ollama` and `openai`
do not run under trio. Tests with a server of their own and tests with the running program both use these.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import ollama
import openai

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Doors(msgspec.Struct, frozen=True):
    """Addresses of both listeners, without a slash at the end."""

    native: str
    ollama: str


class Question(msgspec.Struct, frozen=True):
    """What is asked. With `leave_after`, a streaming client closes the answer after so many pieces."""

    text: str = "hi"
    model: str = "thane"
    tools: tuple[dict[str, Any], ...] = ()
    leave_after: int = 0


class Said(msgspec.Struct, frozen=True):
    """What a client made of the answer. `calls` are name and arguments; `error` is what it raised, with its status."""

    text: str = ""
    thinking: str = ""
    pieces: int = 0
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    reason: str = ""
    error: str = ""
    status: int = 0


type Client = Callable[[Doors, Question], Said]


def _messages(question: Question) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question.text}]


def ollama_whole(doors: Doors, question: Question) -> Said:
    with ollama.Client(doors.ollama) as client:
        try:
            return _ollama_said([client.chat(question.model, _messages(question), tools=question.tools)])
        except ollama.ResponseError as error:
            return Said(error=error.error, status=error.status_code)


def ollama_stream(doors: Doors, question: Question) -> Said:
    parts: list[ollama.ChatResponse] = []
    with ollama.Client(doors.ollama) as client:
        try:
            answer = client.chat(question.model, _messages(question), tools=question.tools, stream=True)
            for part in answer:
                parts.append(part)
                if len(parts) == question.leave_after:
                    break
        except ollama.ResponseError as error:
            return Said(text=_ollama_said(parts).text, error=error.error, status=error.status_code)
    return _ollama_said(parts)


def ollama_async_whole(doors: Doors, question: Question) -> Said:
    async def ask() -> Said:
        async with ollama.AsyncClient(doors.ollama) as client:
            return _ollama_said([await client.chat(question.model, _messages(question), tools=question.tools)])

    try:
        return asyncio.run(ask())
    except ollama.ResponseError as error:
        return Said(error=error.error, status=error.status_code)


def ollama_async_stream(doors: Doors, question: Question) -> Said:
    parts: list[ollama.ChatResponse] = []

    async def ask() -> None:
        async with ollama.AsyncClient(doors.ollama) as client:
            answer: Any = await client.chat(question.model, _messages(question), tools=question.tools, stream=True)
            async for part in answer:
                parts.append(part)
                if len(parts) == question.leave_after:
                    await answer.aclose()
                    return

    try:
        asyncio.run(ask())
    except ollama.ResponseError as error:
        return Said(text=_ollama_said(parts).text, error=error.error, status=error.status_code)
    return _ollama_said(parts)


def openai_whole(doors: Doors, question: Question) -> Said:
    with openai.OpenAI(base_url=f"{doors.native}/v1", api_key="none") as client:
        try:
            return _openai_whole_said(client.chat.completions.create(**_completion(question)))
        except openai.APIError as error:
            return _openai_failed(error)


def openai_stream(doors: Doors, question: Question) -> Said:
    parts: list[Any] = []
    with openai.OpenAI(base_url=f"{doors.native}/v1", api_key="none") as client:
        try:
            with client.chat.completions.create(**_completion(question), **_STREAM) as answer:
                for part in answer:
                    parts.append(part)
                    if len(parts) == question.leave_after:
                        break
        except openai.APIError as error:
            return _openai_failed(error, parts)
    return _openai_said(parts)


def openai_async_whole(doors: Doors, question: Question) -> Said:
    async def ask() -> Said:
        async with openai.AsyncOpenAI(base_url=f"{doors.native}/v1", api_key="none") as client:
            return _openai_whole_said(await client.chat.completions.create(**_completion(question)))

    try:
        return asyncio.run(ask())
    except openai.APIError as error:
        return _openai_failed(error)


def openai_async_stream(doors: Doors, question: Question) -> Said:
    parts: list[Any] = []

    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=f"{doors.native}/v1", api_key="none") as client:
            answer: Any = await client.chat.completions.create(**_completion(question), **_STREAM)
            async with answer:
                async for part in answer:
                    parts.append(part)
                    if len(parts) == question.leave_after:
                        return

    try:
        asyncio.run(ask())
    except openai.APIError as error:
        return _openai_failed(error, parts)
    return _openai_said(parts)


def openai_stream_helper(doors: Doors, question: Question) -> Said:
    """`client.chat.completions.stream`, which puts the chunks together itself, on the Ollama listener for a change."""
    completion = _completion(question)
    pieces = 0
    with openai.OpenAI(base_url=f"{doors.ollama}/v1", api_key="none") as client:
        try:
            with client.chat.completions.stream(**completion, stream_options=_STREAM["stream_options"]) as answer:
                for event in answer:
                    pieces += event.type == "content.delta" and bool(event.delta)
                    if question.leave_after and pieces == question.leave_after:
                        return Said(pieces=pieces)
                whole = answer.get_final_completion()
        except openai.APIError as error:
            return _openai_failed(error)
    return msgspec.structs.replace(_openai_whole_said(whole), pieces=pieces)


def openai_completion(doors: Doors, question: Question) -> Said:
    """The older completions."""
    with openai.OpenAI(base_url=f"{doors.ollama}/v1", api_key="none") as client:
        try:
            whole = client.completions.create(model=question.model, prompt=question.text)
        except openai.APIError as error:
            return _openai_failed(error)
    return _completion_said([whole])


def openai_completion_stream(doors: Doors, question: Question) -> Said:
    parts: list[Any] = []
    with openai.OpenAI(base_url=f"{doors.native}/v1", api_key="none") as client:
        try:
            with client.completions.create(model=question.model, prompt=question.text, **_STREAM) as answer:
                for part in answer:
                    parts.append(part)
                    if len(parts) == question.leave_after:
                        break
        except openai.APIError as error:
            return _openai_failed(error)
    return _completion_said(parts)


WHOLE: dict[str, Client] = {
    "ollama": ollama_whole,
    "ollama-async": ollama_async_whole,
    "openai": openai_whole,
    "openai-async": openai_async_whole,
}
STREAMING: dict[str, Client] = {
    "ollama-stream": ollama_stream,
    "ollama-async-stream": ollama_async_stream,
    "openai-stream": openai_stream,
    "openai-async-stream": openai_async_stream,
    "openai-stream-helper": openai_stream_helper,
}
TEXT_WHOLE: dict[str, Client] = {"openai-completion": openai_completion}
"""Clients of protocols that know no tools and no thinking."""
TEXT_STREAMING: dict[str, Client] = {"openai-completion-stream": openai_completion_stream}

_STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def _completion(question: Question) -> dict[str, Any]:
    tools: dict[str, Any] = {"tools": list(question.tools)} if question.tools else {}
    return {"model": question.model, "messages": _messages(question)} | tools


def _ollama_said(parts: Sequence[ollama.ChatResponse]) -> Said:
    if not parts:
        return Said()
    last = parts[-1]
    return Said(
        text="".join(part.message.content or "" for part in parts),
        thinking="".join(part.message.thinking or "" for part in parts),
        pieces=sum(bool(part.message.content) for part in parts),
        calls=tuple(
            (call.function.name, dict(call.function.arguments))
            for part in parts
            for call in part.message.tool_calls or ()
        ),
        input_tokens=last.prompt_eval_count or 0,
        output_tokens=last.eval_count or 0,
        reason=last.done_reason or "",
    )


def _openai_whole_said(whole: Any) -> Said:
    (choice,) = whole.choices
    return Said(
        text=choice.message.content or "",
        thinking=getattr(choice.message, "reasoning_content", None) or "",
        pieces=1,
        calls=_calls(choice.message.tool_calls or ()),
        input_tokens=whole.usage.prompt_tokens,
        output_tokens=whole.usage.completion_tokens,
        reason=choice.finish_reason,
    )


def _openai_said(parts: Sequence[Any]) -> Said:
    choices = [part.choices[0] for part in parts if part.choices]
    usages = [part.usage for part in parts if part.usage]
    return Said(
        text="".join(choice.delta.content or "" for choice in choices),
        thinking="".join(getattr(choice.delta, "reasoning_content", None) or "" for choice in choices),
        pieces=sum(bool(choice.delta.content) for choice in choices),
        calls=tuple(call for choice in choices for call in _calls(choice.delta.tool_calls or ())),
        input_tokens=usages[-1].prompt_tokens if usages else 0,
        output_tokens=usages[-1].completion_tokens if usages else 0,
        reason="".join(choice.finish_reason or "" for choice in choices),
    )


def _completion_said(parts: Sequence[Any]) -> Said:
    choices = [part.choices[0] for part in parts if part.choices]
    usages = [part.usage for part in parts if part.usage]
    return Said(
        text="".join(choice.text for choice in choices),
        pieces=sum(bool(choice.text) for choice in choices),
        input_tokens=usages[-1].prompt_tokens if usages else 0,
        output_tokens=usages[-1].completion_tokens if usages else 0,
        reason="".join(choice.finish_reason or "" for choice in choices),
    )


def _calls(calls: Iterable[Any]) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple((call.function.name, json.loads(call.function.arguments)) for call in calls)


def _openai_failed(error: openai.APIError, parts: Sequence[Any] = ()) -> Said:
    status = error.status_code if isinstance(error, openai.APIStatusError) else 0
    return Said(
        text=_openai_said(parts).text,
        error=str(error.body.get("message") if isinstance(error.body, dict) else error),
        status=status,
    )
