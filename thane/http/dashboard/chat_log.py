"""What the chat box shows of a conversation that is stored: who said what, which tools ran, how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from thane.http.dashboard import words
from thane.memory.records import MessageRecord, RunRecord, ToolCallRecord


class Chip(msgspec.Struct, frozen=True):
    """A tool that ran. `state` is `done` or `error`."""

    name: str
    note: str
    state: str


class Said(msgspec.Struct, frozen=True):
    """One message as it is shown. `by` says who answered and how fast; `problem` why there is no answer."""

    mine: bool
    text: str
    chips: tuple[Chip, ...] = ()
    model: str = ""
    by: tuple[str, ...] = ()
    problem: str = ""


def chat_log(messages: Sequence[MessageRecord], runs: Mapping[str, RunRecord]) -> list[Said]:
    """Questions, answers, and failures in the place of an answer, in the order in which they were said."""
    answered = {record.run_id for record in messages if _is_answer(record)}
    shown: list[Said] = []
    for record in messages:
        run = runs.get(record.run_id)
        if record.message.role == "user":
            shown.append(Said(mine=True, text=record.message.content))
            if run is not None and run.failure is not None and run.id not in answered:
                shown.append(answer(run))
        elif _is_answer(record):
            shown.append(answer(run) if run is not None else Said(mine=False, text=record.message.content))
    return shown


def _is_answer(record: MessageRecord) -> bool:
    return record.message.role == "assistant" and bool(record.message.content)


def answer(run: RunRecord) -> Said:
    """A run's answer, or what it had said until it failed."""
    return Said(
        mine=False,
        text=run.text,
        chips=tuple(_chip(call) for call in run.tool_calls),
        model=run.model,
        by=tuple(figures(run)),
        problem=run.error if run.failure is not None else "",
    )


def _chip(call: ToolCallRecord) -> Chip:
    return Chip(call.name, words.duration(call.duration), "done" if call.ok else "error")


def figures(run: RunRecord) -> list[str]:
    """`61 tokens`, `first word 0.38 s`; a local answer without tokens says its whole time."""
    said: list[str] = []
    if run.usage.output_tokens:
        about = "≈ " if run.usage.estimated else ""
        said.append(f"{about}{words.plural(run.usage.output_tokens, 'token')}")
    if run.first_token is not None:
        said.append(f"first word {words.duration(run.first_token)}")
    said.append(words.duration(run.duration))
    return said
