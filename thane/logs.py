"""Log lines: structlog, as text for people or as JSON for programs, on standard error."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any

import msgspec
import structlog

from thane.config import settings

_LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}
_encoder = msgspec.json.Encoder(enc_hook=str)


def configure(logging_settings: settings.Logging) -> None:
    """Set up logging for the process. Libraries' own warnings and errors come out in the same form."""
    text = logging_settings.format == "text" or (logging_settings.format == "auto" and sys.stderr.isatty())
    level = _LEVELS[logging_settings.level]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if text:
        # The plain form: the rich one shows local variables, keys and tokens among them.
        plain = structlog.dev.plain_traceback
        shared.append(
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28, exception_formatter=plain)
        )
    else:
        shared += [structlog.processors.format_exc_info, _render]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[_Bridge()], force=True)


class _Lines:
    """Writes one line for each event. A standard error that is gone or full must not stop the house."""

    def __init__(self, *_: object) -> None:
        self._stream = sys.stderr

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream was closed
            self._stream.write(f"{line}\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = msg


def _render(_logger: object, _name: str, event: dict[str, Any]) -> str:
    return _encoder.encode(event).decode()


class _Bridge(logging.Handler):
    """Hands the standard library's log records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        exc_info = record.exc_info if record.exc_info and record.exc_info[0] else None
        logger.log(record.levelno, record.getMessage(), **({"exc_info": exc_info} if exc_info else {}))
