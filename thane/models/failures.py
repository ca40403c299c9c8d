"""What went wrong with a model server, in sentences for a person. Pure; the same for every protocol.

Nothing that a server says of itself is passed on as it is: one line, no paths, no addresses, no keys.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import msgspec

from thane.models.provider import ModelError
from thane.redaction import Redactor

_PATHS = re.compile(r"(?:[a-z]+:/)?(?:[/\\][\w.~@%+-]+){2,}[/\\]?|[A-Za-z]:\\\S+")
_LOOKS = Redactor()
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BUSY = frozenset({429, 503, 529})  # 529 is Anthropic's "overloaded"
_TEMPORARY = frozenset({408, 425, 429})
_SHORTEST_SECRET = 4
_NO_MONEY = "insufficient_quota"  # OpenAI's code, with status 429, for what waiting does not mend


class Failures:
    """Makes the errors of one model server. `place` is its address as people may see it; `secrets` are never told."""

    def __init__(self, dependency: str, place: str, kind: str, secrets: Iterable[str] = ()) -> None:
        """`kind` is what it should be: `an Ollama server`."""
        self.dependency = dependency
        self.place = place
        self._kind = kind
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)

    def error(
        self,
        message: str,
        *,
        temporary: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
        whole_server: bool = False,
    ) -> ModelError:
        for secret in self._secrets:
            message = message.replace(secret, "…")
        return ModelError(
            message,
            dependency=self.dependency,
            temporary=temporary,
            status=status,
            retry_after=retry_after,
            whole_server=whole_server,
        )

    # Before the answer.

    def refusal(self, status: int, body: object, headers: Mapping[str, str], model: str) -> ModelError:
        """What a status other than 200 means. `body` is what was decoded of the answer's body."""
        told = body.get("error", body.get("message", body.get("detail"))) if isinstance(body, dict) else None
        words = said(told)
        temporary = (status in _TEMPORARY or status >= 500) and not _is_for_money(told)
        if status == 404 and model and told is None:
            text = f"At {self.place} there is no model server of this kind (HTTP 404). Is the path of its url right?"
        elif status == 404 and model:
            text = f"The model server does not have the model “{model}”{words}."
        elif status in (401, 403):
            text = f"The model server at {self.place} refuses access (HTTP {status}){words}."
        elif status in _BUSY and temporary:
            text = f"The model server is busy (HTTP {status}){words}."
        elif status >= 500:
            text = f"The model server failed (HTTP {status}){words}."
        else:
            text = f"The model server does not accept the request (HTTP {status}){words}."
        shut = status in (401, 403) or _is_for_money(told)
        return self.error(text, temporary=temporary, status=status, retry_after=retry_after(headers), whole_server=shut)

    def unreachable(self, error: httpx2.ConnectError) -> ModelError:
        cause = error.__cause__
        if refused(error):
            return self.error(
                f"No model server answers at {self.place}: the connection was refused. Is it running?",
                whole_server=True,
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = f"The certificate of the model server at {self.place} is not trusted: {cause.verify_message}."
            return self.error(text, temporary=False, whole_server=True)
        if isinstance(cause, socket.gaierror):
            return self.error(f"The host of the model server at {self.place} cannot be found.", whole_server=True)
        return self.error(f"The model server at {self.place} cannot be reached.", whole_server=True)

    def broken(self, error: httpx2.HTTPError, connect_seconds: float) -> ModelError:
        if isinstance(error, httpx2.ConnectTimeout):
            text = f"The model server at {self.place} did not accept a connection within {connect_seconds:g} s."
            return self.error(text, whole_server=True)
        if isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError):
            return self.error("The model server closed the connection before its answer was complete.")
        return self.error(f"The model server at {self.place} cannot be used.", temporary=False)

    def silent(self) -> ModelError:
        return self.error(f"The model server at {self.place} does not answer.")

    def another_kind(self) -> ModelError:
        return self.error(f"What answers at {self.place} is not {self._kind}.", temporary=False)

    def too_large(self, most: int) -> ModelError:
        text = f"The model server at {self.place} sent more than {most} bytes (models.answer_bytes)."
        return self.error(text, temporary=False)

    # Within the answer.

    def too_slow(self, seconds: float) -> ModelError:
        return self.error(f"The model gave no answer within {seconds:g} s.")

    def stalled(self, seconds: float) -> ModelError:
        return self.error(f"The model stopped in the middle of its answer: nothing came for {seconds:g} s.")

    def incomplete(self) -> ModelError:
        return self.error("The model server ended its answer before it was complete.")

    def unreadable(self) -> ModelError:
        kind = self._kind.replace(" server", " answer")
        return self.error(f"The model server sent something that is not {kind}.", temporary=False)

    def line_too_long(self, most: int) -> ModelError:
        return self.error(f"The model server sent a line of more than {most} bytes.")

    def failed_within(self, told: object, status: int | None = None) -> ModelError:
        text = f"The model failed in the middle of its answer{said(told)}."
        return self.error(text, status=status, temporary=not _is_for_money(told))

    def unreadable_call(self, *, cut: bool = False) -> ModelError:
        if cut:
            return self.error("The model's answer became too long in the middle of a tool call.", temporary=False)
        return self.error("The model server sent a tool call that cannot be read.")


def said(error: object, *, longest: int = 200) -> str:
    """What a server said of its error, fit for a person: `: …`, one line, no paths, addresses or keys; "" for nothing.

    A server that passes requests on may quote the key of the next one, known here by its looks alone.
    """
    if isinstance(error, dict):
        error = error.get("message") or error.get("error") or ""
    if not isinstance(error, str):
        return ""
    text = _CONTROLS.sub(" ", _PATHS.sub("…", _LOOKS.text(error))).strip().rstrip(".")
    return f": {text[: longest - 1]}…" if len(text) > longest else f": {text}" if text else ""


def decoded(body: bytes) -> object:
    """The JSON of an error's body, or None."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds after which a server wants to be asked again (RFC 9110, 10.2.3), or None where it does not say.

    A date is counted from the answer's own date, so that the clocks need not agree.
    """
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return _positive(float(milliseconds) / 1000)
        value = headers.get("retry-after", "").strip()
        if not value:
            return None
        if value[0].isdigit() and ":" not in value:
            return _positive(float(value))
        then, now = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _positive(seconds: float) -> float | None:
    return seconds if 0 <= seconds < 1e9 else None


def _is_for_money(told: object) -> bool:
    return isinstance(told, dict) and _NO_MONEY in (told.get("code"), told.get("type"))


def refused(error: httpx2.ConnectError) -> bool:
    """Whether every address refused: nothing listens there."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno is not None:
        return cause.errno == errno.ECONNREFUSED
    group = cause.__cause__ if cause is not None else None  # how trio tells of several addresses
    if not isinstance(group, BaseExceptionGroup):
        return False
    return all(isinstance(each, ConnectionRefusedError) for each in group.exceptions)
