"""Log lines: structlog, as text for people or as JSON for programs, on standard error; and handed on to be kept.

A line carries the ids that are bound to the task it comes from (`structlog.contextvars`). No secret of the
configuration is in it. What becomes of those that are kept is `thane.journal`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from thane.config import settings
from thane.journal.line import LEVELS, Lines
from thane.journal.secrets import HIDDEN, Secrets, is_named

_NO_SOURCE = ("structlog", "thane.logs")  # a line does not come from what passes it on
_PLAIN = frozenset({int, float, bool, type(None)})
_encoder = msgspec.json.Encoder(enc_hook=str)


def configure(
    logging_settings: settings.Logging, *, lines: Lines | None = None, secrets: Secrets | None = None
) -> None:
    """Set up logging for the process. Libraries' own warnings and errors come out in the same form.

    What reaches `logging.index_level` or `logging.level` goes to `lines`, to be kept.
    """
    text = logging_settings.format == "text" or (logging_settings.format == "auto" and sys.stderr.isatty())
    level, secrets = LEVELS[logging_settings.level], secrets or Secrets()
    least = level if lines is None else min(level, LEVELS[logging_settings.index_level])
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Hide(secrets),
    ]
    logger_class = structlog.make_filtering_bound_logger(least)
    if lines is not None:
        keep = _Keep(lines, secrets)
        shared.append(keep)
        logger_class = _keeping(logger_class, keep, level)
    shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
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
        wrapper_class=logger_class,
        logger_factory=_Factory(secrets),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[_Bridge()], force=True)


class _Factory:
    """Makes the end of each logger, which knows its name: that says from which part of Thane a line comes."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, *names: object) -> _Lines:
        return _Lines(str(names[0]) if names else "", self._secrets)


class _Lines:
    """Writes one line for each event. A standard error that is gone or full must not stop the house."""

    def __init__(self, name: str, secrets: Secrets) -> None:
        self.subsystem = name.removeprefix("thane.")
        self._stream = sys.stderr
        self._secrets = secrets

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream was closed
            self._stream.write(f"{self._secrets.text(line)}\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = msg


class _Hide:
    """Hides attributes that are named like a secret."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, _logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return self._secrets.attributes(event)


class _Keep:
    """Hands a line on to be kept, with where in the program it comes from."""

    def __init__(self, lines: Lines, secrets: Secrets) -> None:
        self._lines = lines
        self._secrets = secrets

    def __call__(self, logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        """A line that is shown, too, on its way there."""
        values = {name: value for name, value in event.items() if name not in ("event", "level")}
        self.line(logger, LEVELS[event["level"]], event["event"], values)
        return event

    def line(self, logger: object, level: int, message: object, values: Mapping[str, Any]) -> None:
        told = {name: self._told(name, value) for name, value in values.items()}
        if (error := told.pop("exc_info", None)) is not None:
            told["exception"] = error
        told["source"] = _source()
        self._lines.take(level, getattr(logger, "subsystem", ""), self._secrets.text(str(message)), told)

    def _told(self, name: str, value: object) -> object:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if is_named(name):
            return HIDDEN
        if kind is str:
            return self._secrets.text(value)  # pyright: ignore[reportArgumentType]  one check, not two
        if isinstance(value, BaseException):
            return self._secrets.text("".join(traceback.format_exception(value)).rstrip())
        return self._secrets.text(_encoder.encode(value).decode())


def _keeping(base: type, keep: _Keep, shown: int) -> type:
    """`base`, a class of bound loggers, but with a short way for lines below the level `shown`: they are kept, and of
    all that has to be done to show a line nothing is done. Each turn has some seven of them."""
    show: Callable[..., Any] = base._proxy_to_logger  # type: ignore[attr-defined]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]  where all methods of a logger meet

    def pass_on(self: Any, method_name: str, event: str | None = None, **values: Any) -> Any:
        level = LEVELS.get(method_name, shown)
        if level >= shown:
            return show(self, method_name, event, **values)
        bound = structlog.contextvars.get_contextvars()
        return keep.line(self._logger, level, event, {**bound, **self._context, **values})

    return type("Logger", (base,), {"_proxy_to_logger": pass_on})


def _source() -> tuple[str, int]:
    """File and line of the frame that logs. By hand: structlog's own way costs eight times as much, at every line."""
    frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] nothing public is as cheap
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_NO_SOURCE):
        frame = frame.f_back
    path = frame.f_code.co_filename
    return path[path.rfind("/thane/") + 1 :], frame.f_lineno


def _render(_logger: object, _name: str, event: dict[str, Any]) -> str:
    return _encoder.encode(event).decode()


class _Bridge(logging.Handler):
    """Hands the standard library's log records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        exc_info = record.exc_info if record.exc_info and record.exc_info[0] else None
        logger.log(record.levelno, record.getMessage(), **({"exc_info": exc_info} if exc_info else {}))
