"""`thane serve`: read the configuration and hand the process over to the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from thane.config.load import Loaded, load
from thane.errors import ConfigurationError


def place(text: str, option: str) -> tuple[str | None, int]:
    """Address (None where only a port is given) and port of `8080`, `0.0.0.0:8080` or `[::1]:8080`."""
    address, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigurationError(f"{option} {text}: write a port, or an address and a port as in 127.0.0.1:8080")
    return address.removeprefix("[").removesuffix("]") or None, int(port)


def override(loaded: Loaded, listen: str | None, ollama: str | None) -> Loaded:
    """The configuration with the listeners of the command line."""
    settings = loaded.settings
    if listen is not None:
        address, port = place(listen, "--listen")
        native = msgspec.structs.replace(settings.listen, address=address or settings.listen.address, port=port)
        settings = msgspec.structs.replace(settings, listen=native)
    if ollama == "off":
        settings = msgspec.structs.replace(
            settings, ollama_api=msgspec.structs.replace(settings.ollama_api, enabled=False)
        )
    elif ollama is not None:
        address, port = place(ollama, "--ollama")
        api = settings.ollama_api
        api = msgspec.structs.replace(api, enabled=True, address=address or api.address, port=port)
        settings = msgspec.structs.replace(settings, ollama_api=api)
    return msgspec.structs.replace(loaded, settings=settings)


async def serve(
    *,
    config: Annotated[
        Path | None, Parameter(help="Configuration file; without it the usual places are searched.")
    ] = None,
    listen: Annotated[str | None, Parameter(help="[ADDRESS:]PORT of the native listener.")] = None,
    ollama: Annotated[str | None, Parameter(help="[ADDRESS:]PORT of the Ollama listener, or `off`.")] = None,
) -> None:
    """Start Thane. SIGTERM or Ctrl-C drains and ends it, a second one ends it at once."""
    loaded = override(load(config), listen, ollama)
    from thane.service import serve as run  # noqa: PLC0415 loads everything: a wrong configuration is told before

    await run(loaded)
