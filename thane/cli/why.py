"""`thane why`: which model answered a run, and why that one. The same decision as `/v1/requests/{id}/routing`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from thane.cli.plain import one_line
from thane.cli.remote import DEFAULT_URL, Key, Remote, Url, client, get

_SIGNS = {"chosen": ("✓", "green"), "fallback": ("→", ""), "passed": ("·", "dim"), "rejected": ("✗", "red")}


def explain(decision: Mapping[str, Any]) -> Iterator[Text]:
    """The lines that `thane why` prints."""
    yield Text(one_line(str(decision.get("reasoning", ""))), "bold")
    asked = [
        f"run {decision.get('request_id', '')}",
        str(decision.get("profile", "")),
        f"{decision.get('complexity_name', '')} {decision.get('detected_intent', '')}".strip(),
        f"about {decision.get('context_size', 0)} tokens",
        "with tools" if decision.get("needs_tools") else "",
        "with an image" if decision.get("needs_images") else "",
        "local only" if decision.get("local_only") else "",
        str(decision.get("priority", "")),
    ]
    yield Text(one_line(", ".join(part for part in asked if part)), "dim")
    candidates = decision.get("candidates", [])
    width = max((len(_name(each)) for each in candidates), default=0)
    for each in candidates:
        yield from _candidate(each, width)
    yield _outcome(decision)


def _name(candidate: Mapping[str, Any]) -> str:
    return one_line(f"{candidate.get('model', '')} ({candidate.get('provider', '')})")


def _candidate(candidate: Mapping[str, Any], width: int) -> Iterator[Text]:
    sign, style = _SIGNS.get(str(candidate.get("state")), ("?", ""))
    line = Text("  ").append(sign, style).append(f" {_name(candidate):<{width}}  ")
    yield line.append(one_line(str(candidate.get("reason", ""))), style if style == "red" else "")
    if parts := candidate.get("parts"):
        said = "  ".join(f"{part.get('rule')} {part.get('points', 0):+d}" for part in parts)
        yield Text(f"    {one_line(said)}", "dim")


def _outcome(decision: Mapping[str, Any]) -> Text:
    if "success" not in decision:
        return Text("It has not ended yet.", "dim")
    seconds = decision.get("latency_ms", 0) / 1000
    model = one_line(str(decision.get("model_answered", "")))
    failed = ", ".join(map(str, decision.get("failed", [])))
    tail = f", after {one_line(failed)} failed" if failed else ""
    if decision.get("success"):
        return Text(f"{model} answered in {seconds:.2f} s with {decision.get('tokens_used', 0)} tokens{tail}.", "green")
    failure = one_line(str(decision.get("failure", "")))
    return Text(f"There was no answer ({failure}) after {seconds:.2f} s{tail}.", "red")


async def why(
    run: Annotated[str, Parameter(help="The run's id, as events, replies and the dashboard show it.")],
    *,
    url: Url = DEFAULT_URL,
    key: Key = "",
) -> None:
    """Show which model answered a run, and why that one."""
    remote = Remote.at(url, key)
    async with client(remote) as opened:
        decision = await get(opened, remote, f"/v1/requests/{quote(run, safe='')}/routing")
    out = Console(highlight=False, markup=False, emoji=False)
    for line in explain(decision):
        out.print(line, soft_wrap=True)
