"""`thane status`: how a running Thane is, and what it does at this moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from thane.cli.plain import one_line
from thane.cli.remote import DEFAULT_URL, Key, Remote, Url, client, get
from thane.clock import SystemClock

_STATUS = {"healthy": "green", "degraded": "yellow", "draining": "magenta"}


def report(
    version: Mapping[str, Any],
    health: Mapping[str, Any],
    running: list[dict[str, Any]],
    now: float,
    used: Mapping[str, Any] | None = None,
) -> Iterator[Text]:
    """The lines that `thane status` prints. `now` is in epoch seconds; `used` are the sums of the last day."""
    status = str(health.get("status", ""))
    head = Text(f"Thane {one_line(str(version.get('version', '')))} is ")
    head.append(one_line(status), _STATUS.get(status, ""))
    yield head.append(f", up {one_line(str(version.get('uptime', '')))}")
    for name, dependency in sorted(health.get("dependencies", {}).items()):
        yield _dependency(name, dependency)
    if used:
        yield _used(used)
    turns = {0: "no turn", 1: "1 turn"}.get(len(running), f"{len(running)} turns")
    yield Text(f"{turns} running or waiting")
    for run in running:
        yield _run(run, now)


def _used(used: Mapping[str, Any]) -> Text:
    tokens = used.get("input_tokens", 0) + used.get("output_tokens", 0)
    text = Text(f"last 24 hours: {used.get('turns', 0):,} turns, {tokens:,} tokens, ${used.get('cost_usd', 0.0):,.2f}")
    unpriced = used.get("unpriced_requests", 0)
    return text.append(f", {unpriced:,} calls without a known price", "yellow") if unpriced else text


def _dependency(name: str, dependency: Mapping[str, Any]) -> Text:
    text = Text(f"  {one_line(name):<16} ")
    if dependency.get("ready"):
        text.append("ready", "green")
        latency = dependency.get("latency_ms")
        return text.append(f" {latency} ms", "dim") if latency is not None else text
    return text.append("down ", "red").append(one_line(str(dependency.get("last_error", ""))))


def _run(run: Mapping[str, Any], now: float) -> Text:
    text = Text(f"  {one_line(str(run.get('run_id', '')))} ", style="dim")
    text.append(f"{one_line(str(run.get('channel', ''))):<4} {one_line(str(run.get('state', ''))):<10} ", "not dim")
    seconds = max(0.0, now - datetime.fromisoformat(run["started_at"]).timestamp())
    text.append(f"{seconds:>6.1f} s  ", "not dim")
    text.append(one_line(str(run.get("what", ""))), "not dim")
    return text.append(f"  {one_line(str(run.get('title', '')))}")


async def status(*, url: Url = DEFAULT_URL, key: Key = "") -> None:
    """Show the health and the running turns of a running Thane."""
    remote = Remote.at(url, key)
    async with client(remote) as opened:
        version = await get(opened, remote, "/v1/version")
        health = await get(opened, remote, "/health")
        runs = await get(opened, remote, "/v1/runs", limit="1")
        usage = await get(opened, remote, "/v1/telemetry/usage", hours="24")
    out = Console(highlight=False, markup=False, emoji=False)
    for line in report(version, health, runs.get("running", []), SystemClock().time(), usage.get("totals")):
        out.print(line, soft_wrap=True)
