"""`thane check`: read a configuration as `serve` would, start nothing, and say what it comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thane.config.load import SEARCH, Loaded, load
from thane.config.providers import shown
from thane.config.servers import model_servers
from thane.config.settings import Settings


def explain(loaded: Loaded) -> list[str]:
    """The lines that `thane check` prints."""
    settings = loaded.settings
    lines: list[str] = []
    if loaded.path is None:
        lines.append("No configuration file was found; the embedded defaults are used. Searched:")
        lines += [f"  {path}" for path in SEARCH]
    else:
        lines.append(f"{loaded.path} is valid.")
    lines += [f"warning: {warning}" for warning in loaded.warnings]
    lines += [
        f"{name:<9} {text}"
        for name, text in (
            ("native", f"http://{_place(settings.listen.address, settings.listen.port)} (API, dashboard, events)"),
            ("ollama", _ollama(settings)),
            ("keys", _keys(settings)),
            ("model", _model(settings)),
            *(("server", server) for server in _servers(settings)),
            ("home", _home(settings)),
            ("data", str(Path(settings.data_dir).expanduser().absolute())),
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


def _model(settings: Settings) -> str:
    if not settings.models.default:
        return "none; the embedded brain answers (set models.default to add one)"
    return settings.models.default


def _servers(settings: Settings) -> list[str]:
    """A line for each model server. No key, header or password is in it."""
    lines: list[str] = []
    for server in model_servers(settings):
        where = "in this house" if server.is_local else "not in this house"
        key = "with a key" if server.api_key else "without a key"
        lines.append(f"{server.name} at {shown(server.url)} ({server.type}, {where}, {key})")
    return lines or ["none"]


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
