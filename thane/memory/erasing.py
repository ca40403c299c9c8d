"""Erasing a fact: from where it is kept, and from where it was copied to; and what is left of it, to say so.

It goes from the facts and their index, from every checkpoint that has it, from the prompts that are kept of the runs
that were told it, and from their calls of the tools for facts. It stays in what was said, which is not ours to cut: the
messages and answers of its conversations; in the event log until newer events push it out; in backups and exported
files. Blocks: for use inside a `Database` operation.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from thane.memory.blobs import packed, unpacked
from thane.storage import checkpoint_rows, fact_rows, prompt_rows, tool_call_rows

_TOOLS = ("remember_fact", "recall_fact", "forget_fact")
_PIECES = 10_000  # of prompts, swept at a time


class Erased(msgspec.Struct, frozen=True):
    """How many facts went (with their forerunners), and from how many checkpoints, runs' prompts and tool calls.

    `conversations` are those in which it may still stand, in what was said; `damaged` the checkpoints whose facts
    cannot be read, so that nobody knows whether they have it. `was_told`: in a run, so that the event log has it too.
    """

    facts: int
    checkpoints: int
    prompts: int
    tool_calls: int
    conversations: tuple[str, ...]
    damaged: tuple[str, ...]
    was_told: bool

    @property
    def remains(self) -> tuple[str, ...]:
        """What is left of it, in sentences."""
        told = [
            f"What was said in the conversation {each} and answered there stays: delete the conversation to remove it."
            for each in self.conversations
        ]
        if self.was_told:
            told.append("The event log has what tools were given until newer events push it out.")
        told += [f"The facts in the checkpoint {each} are damaged: delete it to be sure." for each in self.damaged]
        return (*told, "Backups and exported files that were made before have it.")


def erase(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Erased:
    """Erase what is known under the name of this row of `facts`."""
    connection.execute("pragma secure_delete = on")
    try:
        runs = fact_rows.runs_of(connection, row)
        conversations = fact_rows.conversations_of(connection, runs)
        count = fact_rows.erase(connection, row)
        checkpoints, damaged = _from_checkpoints(connection, row)
        prompts = sum(prompt_rows.delete_run_prompts(connection, run_id) for run_id in runs)
        while prompts and prompt_rows.sweep_unused(connection, _PIECES)[1]:
            pass
        calls = sum(tool_call_rows.blank_calls(connection, run_id, _TOOLS) for run_id in runs)
    finally:
        connection.execute("pragma secure_delete = off")
    return Erased(count, checkpoints, prompts, calls, conversations, damaged, bool(runs))


def _from_checkpoints(connection: sqlite3.Connection, row: tuple[Any, ...]) -> tuple[int, tuple[str, ...]]:
    """From how many it went, and which could not be read."""
    scope, subject, category, key = row[1:5]
    name = f"{scope}:{subject}"
    done, damaged = 0, list[str]()
    for checkpoint_id, hash_ in checkpoint_rows.parts_named(connection, "fact", name):
        state = unpacked(hash_, checkpoint_rows.blob(connection, hash_))
        if state is None:
            damaged.append(checkpoint_id)
            continue
        facts = state.get("facts", [])
        left = [each for each in facts if (each["category"], each["key"]) != (category, key)]
        if len(left) == len(facts):
            continue
        new_hash, blob = packed(state | {"facts": left})
        new = (new_hash, blob) if left else None
        checkpoint_rows.replace_part(connection, (checkpoint_id, "fact", name), new, len(left))
        checkpoint_rows.count_facts(connection, checkpoint_id, len(left) - len(facts))
        done += 1
    if done:
        checkpoint_rows.sweep_blobs(connection)
    return done, tuple(damaged)
