"""An event said in one line: what happened, with its figures. Pure; a payload that lacks a field is said without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from thane.events.event import Event
from thane.http.dashboard import words

LONGEST = 240  # characters of a summary

ERRORS: dict[str, tuple[str, ...]] = {
    "agent": ("request_failed", "llm_retry", "llm_fallback", "llm_failed"),
    "loop": ("loop_error",),
    "health": ("dependency_down", "circuit_opened"),
    "system": ("branch_crashed", "request_refused"),
}
"""Kinds that tell of something that went wrong, by source: the filter `errors`."""

type Data = Mapping[str, Any]


class Line(msgspec.Struct, frozen=True):
    """A summary and the sign before it: `done`, `error`, `cancelled`, `warn` or ""."""

    text: str
    sign: str = ""


def line(event: Event) -> Line:
    """The event in one line of plain text."""
    say = _SAYINGS.get(event.kind)
    said = say(event.data) if say else Line(json.dumps(event.data, ensure_ascii=False, default=str))
    text = words.clean(said.text)
    return Line(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…", said.sign)


def _join(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part not in ("", None))


def _tokens(data: Data, name: str, unit: str) -> str:
    return f"{words.count(data[name])} {unit}" if data.get(name) is not None else ""


def _after(data: Data, name: str, lead: str = "in") -> str:
    return f"{lead} {words.duration(data[name] / 1000)}" if isinstance(data.get(name), int | float) else ""


def _cost(data: Data, name: str) -> str:
    """What was paid; nothing where that is nothing or not known."""
    return words.money(data[name]) if data.get(name) else ""


def _budget(data: Data) -> str:
    """`this turn: $0.52 of $0.50`"""
    unit, spent, limit = data.get("unit"), data.get("spent"), data.get("limit")
    if data.get("unpriced"):
        return "no price, and a money budget stands"
    whose = f"{data.get('profile')} today"
    of = {"run": "this turn", "day": "today", "profile": whose}.get(str(data.get("scope")), "budget")
    if not isinstance(spent, int | float) or not isinstance(limit, int | float):
        return of
    if unit == "usd":
        return f"{of}: {words.money(spent)} of {words.money(limit)}"
    return f"{of}: {words.count(round(spent))} of {words.count(round(limit))} tokens"


def _pause(data: Data, lead: str) -> str:
    wait = data.get("retry_in_ms")
    return f"{lead} {words.brief(wait / 1000)}" if isinstance(wait, int | float) else ""


def _arguments(data: Data, name: str = "args") -> str:
    args = data.get(name)
    if not isinstance(args, dict):
        return str(args or "")
    return " ".join(f"{name}={_short(value)}" for name, value in args.items())


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _tool_done(data: Data) -> Line:
    failed = data.get("ok") is False or bool(data.get("error"))
    outcome = data.get("error") or data.get("result") or ""
    text = f"{data.get('tool', 'tool')} {_after(data, 'duration_ms')}".strip()
    return Line(_join(text, _short(outcome)), "error" if failed else "done")


def _state_changed(data: Data) -> Line:
    name = data.get("name") or data.get("entity_id", "")
    old, new = data.get("old_state"), data.get("new_state")
    if old != new:
        return Line(f"{name}: {old} to {new}")
    before, after = data.get("old_attributes") or {}, data.get("new_attributes") or {}
    differing = [key for key in after if before.get(key) != after[key]]
    return Line(f"{name}: " + _join(*(f"{key} {_short(before.get(key))} to {_short(after[key])}" for key in differing)))


def _loop(data: Data, *parts: object) -> str:
    name = data.get("loop_name") or data.get("loop_id") or "loop"
    rest = _join(*parts)
    return f"{name}: {rest}" if rest else str(name)


_SAYINGS: dict[str, Callable[[Data], Line]] = {
    "request_start": lambda d: Line(_join(f"“{d.get('title') or 'untitled'}”", d.get("channel"), d.get("profile"))),
    "llm_call": lambda d: Line(
        _join(
            d.get("model"),
            f"step {d['iter']}" if d.get("iter") else "",
            _tokens(d, "est_tokens", "tokens"),
            _tokens(d, "messages", "messages"),
            _tokens(d, "tools", "tools"),
        )
    ),
    "routed": lambda d: Line(str(d.get("reasoning") or d.get("model") or "")),
    "llm_queued": lambda d: Line(_join(d.get("model"), f"waits for a place at {d.get('provider') or 'its server'}")),
    "llm_retry": lambda d: Line(_join(d.get("model"), d.get("error"), _pause(d, "next try in")), "warn"),
    "llm_fallback": lambda d: Line(
        _join(d.get("model"), d.get("error"), f"now {d['next_model']}" if d.get("next_model") else ""), "warn"
    ),
    "llm_failed": lambda d: Line(_join(d.get("model"), d.get("error")), "error"),
    "llm_response": lambda d: Line(
        _join(
            d.get("model"),
            _tokens(d, "tokens_in", "in"),
            _tokens(d, "tokens_out", "out"),
            words.plural(d["tool_calls"], "tool call")
            if isinstance(d.get("tool_calls"), int) and d["tool_calls"]
            else "",
            _cost(d, "cost_usd"),
            f"about {words.plural(d['truncated_tokens'], 'token')} of the prompt left out"
            if isinstance(d.get("truncated_tokens"), int)
            else "",
            _after(d, "duration_ms"),
        )
    ),
    "tool_call": lambda d: Line(f"{d.get('tool', 'tool')} {_arguments(d)}"),
    "tool_done": _tool_done,
    "conversation_changed": lambda d: Line(
        _join(f"now called “{d.get('title')}”" if d.get("title") else "put away" if d.get("archived") else "taken out")
    ),
    "conversation_deleted": lambda d: Line(_join("deleted", d.get("by"))),
    "client_tool_call": lambda d: Line(_join("the client runs", _short(d.get("calls")))),
    "request_complete": lambda d: Line(
        _join(
            d.get("model"),
            words.plural(d["iterations"], "step") if isinstance(d.get("iterations"), int) else "",
            _tokens(d, "total_tokens_in", "in"),
            _tokens(d, "total_tokens_out", "out"),
            _cost(d, "total_cost_usd"),
            _after(d, "elapsed_ms"),
        ),
        "done",
    ),
    "request_failed": lambda d: Line(f"{d.get('failure', 'failed')}: {d.get('error', '')}", "error"),
    "request_cancelled": lambda d: Line(
        _join(f"by {d.get('by') or 'someone'}", _after(d, "elapsed_ms", "after")), "cancelled"
    ),
    "budget_warning": lambda d: Line(_join("nearly used up", _budget(d)), "warn"),
    "budget_reached": lambda d: Line(_join("used up", _budget(d)), "warn"),
    "model_unpriced": lambda d: Line(_join("no price, so no budget counts it", d.get("model")), "warn"),
    "budget_stop": lambda d: Line(_join("stopped by its budget", d.get("model"), _budget(d)), "warn"),
    "loop_started": lambda d: Line(_loop(d, "began")),
    "loop_stopped": lambda d: Line(_loop(d, "ended", d.get("reason"))),
    "loop_state_change": lambda d: Line(_loop(d, f"{d.get('from')} to {d.get('to')}")),
    "loop_iteration_start": lambda d: Line(_loop(d, f"attempt {d['attempt']}" if d.get("attempt") else "")),
    "loop_iteration_complete": lambda d: Line(
        _loop(
            d,
            d.get("model"),
            _tokens(d, "input_tokens", "in"),
            _tokens(d, "output_tokens", "out"),
            _after(d, "elapsed_ms"),
        ),
        "done",
    ),
    "loop_renamed": lambda d: Line(_loop(d, f"was {d.get('before', 'another')}")),
    "loop_error": lambda d: Line(
        _loop(
            d,
            d.get("error"),
            f"{words.ordinal(d['consecutive_errors'])} time" if d.get("consecutive_errors") else "",
            _pause(d, "retry in"),
        ),
        "error",
    ),
    "loop_sleep_start": lambda d: Line(_loop(d, f"sleeps {d.get('sleep_duration', '')}".strip())),
    "loop_wait_start": lambda d: Line(_loop(d, "waits")),
    "loop_queued": lambda d: Line(
        _loop(d, f"{words.ordinal(d['position'])} in line" if d.get("position") else "queued")
    ),
    "loop_llm_start": lambda d: Line(_loop(d, d.get("model"), _tokens(d, "est_tokens", "tokens"))),
    "loop_llm_response": lambda d: Line(
        _loop(d, d.get("model"), _tokens(d, "input_tokens", "in"), _tokens(d, "output_tokens", "out"))
    ),
    "loop_tool_start": lambda d: Line(_loop(d, f"{d.get('tool', 'tool')} {_arguments(d)}")),
    "loop_tool_done": lambda d: Line(
        _loop(d, d.get("tool"), _short(d.get("error") or d.get("result") or "")), "error" if d.get("error") else "done"
    ),
    "state_changed": _state_changed,
    "service_called": lambda d: Line(
        f"{d.get('domain')}.{d.get('service')} {_join(*(d.get('entity_ids') or ()))} " + _arguments(d, "data")
    ),
    "dependency_ready": lambda d: Line(_join(f"{d.get('name')} answers", _after(d, "latency_ms")), "done"),
    "dependency_down": lambda d: Line(_join(f"{d.get('name')}: {d.get('error')}", _pause(d, "retry in")), "error"),
    "circuit_opened": lambda d: Line(
        _join(
            f"{d.get('model', 'model')} is left alone",
            words.plural(d["failures"], "failure") if isinstance(d.get("failures"), int) else "",
            d.get("error"),
            _pause(d, "next try in"),
        ),
        "warn",
    ),
    "circuit_closed": lambda d: Line(f"{d.get('model', 'model')} answers again", "done"),
    "storage_full": lambda d: Line(_join("No more turns are taken", d.get("reason")), "error"),
    "storage_ready": lambda _: Line("There is room again: turns are taken", "done"),
    "started": lambda d: Line(_join(f"Thane {d.get('version', '')}", d.get("native_url"), d.get("ollama_url"))),
    "draining": lambda d: Line(
        _join(words.plural(int(d.get("running") or 0), "running turn"), f"{d.get('grace_seconds')} s grace")
    ),
    "stopped": lambda _: Line("everything was taken down"),
    "branch_crashed": lambda d: Line(_join(f"{d.get('branch')}: {d.get('error')}", _pause(d, "restart in")), "error"),
    "branch_restarted": lambda d: Line(_join(f"{d.get('branch')} runs again", f"restart {d.get('restarts')}"), "done"),
    "fact_proposed": lambda d: Line(_join(f"Proposed: {d.get('key')}", d.get("scope"), d.get("source")), "warn"),
    "fact_remembered": lambda d: Line(_join(f"Remembered: {d.get('key')}", d.get("scope"), d.get("source")), "done"),
    "fact_recalled": lambda d: Line(
        _join(words.plural(len(d.get("fact_ids") or ()), "fact"), "looked up" if d.get("how") == "recall" else "told")
    ),
    "fact_forgotten": lambda d: Line(
        _join(f"{'Erased' if d.get('erased') else 'Forgotten'}: {d.get('key')}", d.get("scope")), "done"
    ),
    "checkpoint_created": lambda d: Line(
        _join(f"Checkpoint, {d.get('trigger')}", words.plural(int(d.get("messages") or 0), "message"), d.get("note")),
        "done",
    ),
    "checkpoint_restored": lambda d: Line(
        _join(
            f"Back to checkpoint {d.get('checkpoint_id')}",
            words.plural(int(d.get("changed") or 0), "change"),
            f"{d.get('damaged')} damaged" if d.get("damaged") else "",
        ),
        "warn" if d.get("damaged") else "done",
    ),
    "runs_swept": lambda d: Line(
        _join(
            words.plural(int(d.get("runs") or 0), "old run"),
            words.plural(int(d.get("prompts") or 0), "old prompt"),
            "deleted",
        )
    ),
    "archive_swept": lambda d: Line(
        _join(
            *(
                words.plural(int(d[name]), word)
                for name, word in (
                    *(("sessions", "old session"), ("messages", "message"), ("runs", "run"), ("prompts", "prompt")),
                    *(("checkpoints", "checkpoint"), ("events", "kept event"), ("log_lines", "log line")),
                )
                if d.get(name)
            ),
            f"deleted, {words.size(int(d.get('freed_bytes') or 0))} free",
        )
    ),
    "request_refused": lambda d: Line(
        _join(f"{d.get('status')} on {d.get('listener')}", d.get("path"), d.get("reason")), "warn"
    ),
}
