"""`thane check`: read a configuration as `serve` would, start nothing, and say what it comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from thane.config.load import SEARCH, Loaded, load
from thane.config.providers import shown
from thane.config.servers import local_providers, model_servers
from thane.config.settings import Budget, Checkpoints, Logging, Runs, Settings
from thane.ledger.pricing import PriceList
from thane.ledger.unpriced import unpriced_warning
from thane.router.profiles import Profiles, full_name


def explain(loaded: Loaded) -> list[str]:
    """The lines that `thane check` prints."""
    settings = loaded.settings
    lines: list[str] = []
    if loaded.path is None:
        lines.append("No configuration file was found; the embedded defaults are used. Searched:")
        lines += [f"  {path}" for path in SEARCH]
    else:
        lines.append(f"{loaded.path} is valid.")
    told = unpriced_warning(settings, PriceList(settings.pricing, local=local_providers(settings)))
    lines += [f"warning: {warning}" for warning in (*loaded.warnings, told) if warning]
    lines += [
        f"{name:<10} {text}"
        for name, text in (
            ("native", f"http://{_place(settings.listen.address, settings.listen.port)} (API, dashboard, events)"),
            ("ollama", _ollama(settings)),
            ("keys", _keys(settings)),
            ("models", _models(settings)),
            *(("server", server) for server in _servers(settings)),
            *(("profile", profile) for profile in _profiles(settings)),
            ("prices", _prices(settings)),
            *(("budget", budget) for budget in _budgets(settings)),
            ("home", _home(settings)),
            ("data", str(Path(settings.data_dir).expanduser().absolute())),
            ("archive", _archive(settings)),
            ("prompts", _prompts(settings.runs)),
            ("sessions", _sessions(settings)),
            ("facts", _facts(settings)),
            ("restore", _checkpoints(settings.checkpoints)),
            ("logs", _logs(settings.logging)),
        )
    ]
    return lines


def _place(address: str, port: int) -> str:
    address = address or "127.0.0.1"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _ollama(settings: Settings) -> str:
    if not settings.ollama_api.enabled:
        return "off (ollama_api.enabled is false)"
    if settings.ollama_api.is_on_native_port:
        return "on the native port (ollama_api.port is 0)"
    place = _place(settings.ollama_api.address, settings.ollama_api.port)
    return f"http://{place} (or the next free port, if another program has this one)"


def _keys(settings: Settings) -> str:
    if settings.auth.keys:
        return f"{len(settings.auth.keys)} accepted"
    if settings.auth.allow_unauthenticated:
        return "none; everyone who can reach the ports is let in (auth.allow_unauthenticated)"
    return "none; only loopback is served"


def _models(settings: Settings) -> str:
    models = settings.models
    names = list(dict.fromkeys([*filter(None, [models.default]), *(each.name for each in models.available)]))
    if names:
        others = f"; also {', '.join(names[1:])}" if names[1:] else ""
        return f"{names[0]}{' by default' if models.default and others else ''}{others}"
    if model_servers(settings):
        return "whatever the model servers have (name some in models.available to choose)"
    return "none; the embedded brain answers (set models.default to add one)"


def _servers(settings: Settings) -> list[str]:
    """A line for each model server. No key, header or password is in it."""
    lines: list[str] = []
    for server in model_servers(settings):
        where = "in this house" if server.is_local else "not in this house"
        key = "with a key" if server.api_key else "without a key"
        lines.append(f"{server.name} at {shown(server.url)} ({server.type}, {where}, {key})")
    return lines or ["none"]


def _profiles(settings: Settings) -> list[str]:
    """A line for each profile that the file adds or changes, with what it sets."""
    shipped = {profile.name for profile in Profiles().listed()}
    lines: list[str] = []
    for name, given in settings.profiles.items():
        set_here = {field: value for field, value in msgspec.structs.asdict(given).items() if value is not None}
        is_own = full_name(name) not in shipped
        told = ", ".join(f"{field} {_value(value)}" for field, value in set_here.items())
        lines.append(f"{full_name(name)} ({'your own' if is_own else 'changed'}): {told or 'nothing is set'}")
    return lines


def _value(value: object) -> str:
    return msgspec.json.encode(value).decode() if not isinstance(value, str) else value


def _prices(settings: Settings) -> str:
    if settings.pricing:
        return f"those of pricing ({', '.join(settings.pricing)}); other models in this house cost nothing"
    return "the built-in ones of well-known cloud models; models in this house cost nothing"


def _budgets(settings: Settings) -> list[str]:
    budgets = settings.budgets
    named = {
        "a day": budgets.day,
        "a run": budgets.run,
        **{f"a run of {full_name(name)}": budget for name, budget in budgets.profiles.items()},
        **{f"a day of {full_name(name)}": budget for name, budget in budgets.profile_days.items()},
    }
    return [f"{name}: {told}" for name, budget in named.items() if (told := _budget(budget))] or ["none"]


def _budget(budget: Budget) -> str:
    levels = (
        ("a warning from", budget.warn_usd, budget.warn_tokens),
        ("no paid model from", budget.stop_usd, 0),
        ("no model from", 0, budget.stop_tokens),
    )
    parts: list[str] = []
    for what, dollars, tokens in levels:
        amounts = [*([f"{dollars:.2f} US dollars"] if dollars else []), *([f"{tokens:,} tokens"] if tokens else [])]
        if amounts:
            parts.append(f"{what} {' or '.join(amounts)}")
    return "; ".join(parts)


def _archive(settings: Settings) -> str:
    days, most = settings.archive.keep_days, settings.storage.max_bytes
    age = f"what was said is kept for {days:g} days" if days else "what was said is kept for ever"
    if not most:
        return age
    return f"{age}; the oldest makes room when the database takes more than {most / 1_000_000:,.0f} MB"


def _prompts(runs: Runs) -> str:
    if not runs.keep_prompts:
        return "what models are sent is not kept (runs.keep_prompts is false)"
    days = f"for {runs.prompt_days:g} days" if runs.prompt_days else "as long as their runs"
    size = f", at most {runs.prompt_bytes / 1_000_000:,.0f} MB" if runs.prompt_bytes else ""
    kept = f"runs for {runs.run_days:g} days" if runs.run_days else "runs for ever"
    return f"what models are sent is kept {days}{size}; {kept}"


def _sessions(settings: Settings) -> str:
    idle = settings.archive.session_idle_minutes
    ends = f"they end after {idle:g} minutes of silence" if idle else "silence never ends them"
    if not model_servers(settings):
        return f"{ends}; described without a model"
    return f"{ends}; described by {settings.archive.metadata_model or 'the cheapest model that is able'}"


def _facts(settings: Settings) -> str:
    facts = settings.facts
    if not facts.enabled:
        return "models remember none (facts.enabled is false)"
    told = f"at most {facts.prompt_facts} with a turn" if facts.prompt_facts else "none unless they look"
    how = "words and meaning" if settings.embeddings.enabled else "words alone (embeddings.enabled is false)"
    looks = "; a model looks for more after turns" if settings.extraction.enabled and model_servers(settings) else ""
    return f"models remember and look up what they are told, {told}; they are found by {how}{looks}"


def _checkpoints(checkpoints: Checkpoints) -> str:
    when = [
        *([f"every {checkpoints.every_messages} messages"] if checkpoints.every_messages else []),
        "before a compaction, when another model takes over",
        *(["at the end"] if checkpoints.at_shutdown else []),
    ]
    return f"a checkpoint {', '.join(when)}; the newest {checkpoints.keep} are kept"


def _logs(logging: Logging) -> str:
    files = f" and files in {Path(logging.dir).expanduser().absolute()}" if logging.dir else ""
    index = f"; {logging.index_rows:,} lines in the database" if logging.index_rows else ""
    return f"{logging.level} and above to standard error{files}{index}"


def _home(settings: Settings) -> str:
    return "the demo home" if settings.demo.enabled else "none (demo.enabled is false)"


def check(
    *,
    config: Annotated[
        Path | None, Parameter(help="Configuration file; without it the usual places are searched.")
    ] = None,
) -> None:
    """Check a configuration and explain what it does; the exit code is 1 when it is wrong."""
    from thane.http.listeners import check_exposure  # noqa: PLC0415 a mistake in the file is told before this loads

    loaded = load(config)
    check_exposure(loaded.settings)
    print("\n".join(explain(loaded)))
