"""What an event is, and the vocabulary of sources and kinds.

Names and payloads of `agent` and `loop` events are those of the reference, so that its dashboards and scripts work;
every payload carries the ids (`run_id`, `conversation_id`, `loop_id`) that it belongs to.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

type Source = Literal["agent", "loop", "home", "health", "system"]


class Event(msgspec.Struct, frozen=True):
    """`seq` grows by one with each event and is never used again, across restarts too. `ts` is epoch seconds."""

    seq: int
    ts: float
    source: Source
    kind: str
    data: dict[str, Any]


KINDS: dict[Source, dict[str, str]] = {
    "agent": {
        "request_start": (
            "A turn was accepted: run_id, request_id, turn_id, conversation_id, loop_id, channel, profile, title"
        ),
        "routed": (
            "It is decided which model answers: run_id, model, provider, reasoning, complexity, intent, candidates"
        ),
        "llm_call": (
            "A model step began: run_id, iter, model, provider, est_tokens, messages, tools, left_out (messages of the "
            "conversation for which there was no room)"
        ),
        "llm_response": (
            "A model step ended: run_id, iter, model, tokens_in, tokens_out, tool_calls, cost_usd, duration_ms; "
            "truncated_tokens of a prompt that did not fit, queued_ms if it waited for a place at the model server"
        ),
        "llm_queued": "A model step waits for a place at its model server: run_id, iter, model, provider",
        "llm_retry": (
            "A model step failed and is tried again: run_id, iter, model, provider, error, attempt, retry_in_ms"
        ),
        "llm_fallback": (
            "A model step failed and another model takes it: run_id, iter, model, provider, error, attempt, next_model"
        ),
        "llm_failed": "A model step failed, and the turn with it: run_id, iter, model, provider, error, attempt",
        "tool_call": "A tool of Thane's began: run_id, call_id, tool, args",
        "tool_done": (
            "A tool of Thane's ended: run_id, call_id, tool, ok, result or error (200 characters), duration_ms"
        ),
        "client_tool_call": "The answer asks the client to run its own tools: run_id, calls",
        "request_complete": (
            "A turn was answered: run_id, model, iterations, total_tokens_in, total_tokens_out, total_cost_usd (null "
            "where a price is not known), elapsed_ms"
        ),
        "request_failed": "A turn ended without an answer: run_id, failure, error, total_cost_usd, elapsed_ms",
        "conversation_changed": (
            "A conversation was renamed, put away or taken out again: conversation_id, title and by, or archived"
        ),
        "conversation_deleted": "A conversation was deleted: conversation_id, by",
        "request_cancelled": (
            "A turn was cancelled by its client, the stop button, the API or shutdown: run_id, by, total_cost_usd, "
            "elapsed_ms"
        ),
        "budget_warning": (
            "A warning level of a budget was reached: scope (day, profile, run), unit (usd, tokens), spent, limit, "
            "profile"
        ),
        "budget_reached": "A day's budget is used up: scope (day, profile), unit (usd, tokens), spent, limit, profile",
        "budget_stop": (
            "A turn was stopped by a budget: run_id, profile, model, scope, unit, spent, limit, unpriced (stopped "
            "because the model has no price)"
        ),
        "model_unpriced": (
            "A model without a price is asked while a budget of money stands, which does not count it: run_id, "
            "profile, provider, model"
        ),
    },
    "loop": {
        "loop_started": "A loop came to life: loop_id, loop_name, parent_id",
        "loop_stopped": "A loop ended: loop_id, loop_name, iterations, attempts, reason",
        "loop_state_change": "A loop changed state: from, to, event_seq",
        "loop_iteration_start": "An iteration began: conversation_id, supervisor, attempt",
        "loop_iteration_complete": (
            "An iteration ended: model, input_tokens, output_tokens, cost_usd, context_window, elapsed_ms, tools_used, "
            "supervisor, conversation_id, summary"
        ),
        "loop_renamed": "A loop has another name: loop_name, before, title",
        "loop_error": "An iteration or a wait failed: error, phase, consecutive_errors, retry_in_ms",
        "loop_sleep_start": "A loop sleeps: sleep_duration, sleep_ms, wakes_at",
        "loop_wait_start": "A loop waits for something to happen",
        "loop_queued": "A turn waits, or has moved up in its queue: run_id, conversation_id, position",
        "loop_llm_start": (
            "A model step began inside a loop: model, est_tokens, messages, tools, iteration, complexity, intent, "
            "reasoning"
        ),
        "loop_llm_response": "A model step ended inside a loop: model, input_tokens, output_tokens",
        "loop_tool_start": "A tool began inside a loop: tool, call_id, args",
        "loop_tool_done": "A tool ended inside a loop: tool, call_id, error, result",
    },
    "home": {
        "state_changed": (
            "A device changed: entity_id, name, old_state, new_state, old_attributes, new_attributes, run_id"
        ),
        "service_called": "A service was called: domain, service, entity_ids, data, run_id",
    },
    "health": {
        "dependency_ready": "A dependency answers: name, latency_ms",
        "dependency_down": "A dependency stopped answering: name, error, retry_in_ms",
        "storage_full": "The disk is full or the database damaged, so no new turn is taken: reason, free_bytes",
        "storage_ready": "The database takes more again, and turns are taken: free_bytes",
        "circuit_opened": (
            "A model keeps failing and is left alone for a while: provider, model, failures, error, retry_in_ms"
        ),
        "circuit_closed": "A model that kept failing answers again: provider, model",
    },
    "system": {
        "started": "Thane is up: version, native_url, ollama_url, home, provider",
        "draining": "Shutdown began: running, grace_seconds",
        "stopped": "Shutdown is complete",
        "branch_crashed": (
            "A branch of the task tree failed and will be restarted: branch, error, retry_in_ms, restarts"
        ),
        "fact_remembered": "Something is remembered: fact_id, scope, category, key, source, run_id",
        "fact_proposed": (
            "A model would replace what a person wrote down, which stays: fact_id, scope, category, key, source, run_id"
        ),
        "fact_recalled": "Facts were told to a model: fact_ids, run_id, conversation_id, how (prompt, recall)",
        "fact_forgotten": "A fact is held no more: fact_id, scope, category, key, run_id, erased",
        "checkpoint_created": "A checkpoint was made: checkpoint_id, trigger, note, conversations, messages, byte_size",
        "checkpoint_restored": (
            "The memory was taken back to a checkpoint: checkpoint_id, before_id, conversations, changed, damaged"
        ),
        "branch_restarted": "A branch runs again: branch, restarts",
        "runs_swept": ("Old runs or prompts were deleted, by the limits of `runs`: runs, prompts, pieces, kept_bytes"),
        "archive_swept": (
            "What is old was deleted, by `archive.keep_days` or `storage.max_bytes`: sessions, conversations, "
            "messages, runs, prompts, checkpoints, events, log_lines, freed_bytes, given_back, used_bytes, file_bytes"
        ),
        "request_refused": "A request was refused at the door: listener, reason, status, path",
    },
}
"""Every source, every kind and what its `data` holds. A test holds the documentation and the code to this table."""


class Publisher(Protocol):
    """The side of the bus that may be handed to anyone: it never blocks, never fails and never waits."""

    def publish(self, source: Source, kind: str, /, **data: object) -> None: ...


class NoEvents:
    """A publisher for tests and tools that have no bus."""

    def publish(self, _source: Source, _kind: str, /, **_data: object) -> None:
        return
