"""What a fake model server says and how it breaks: scripts as data, the same for every protocol.

    answer("It is ", "on.")                                    an ordinary answer
    Reply((Say(("Half",)), Cut()))                             a connection that is cut in mid-answer
    Reply((Say(("Half",)),))                                   an answer that ends without its end mark
    Reply((Say(("Half",)), Wait()))                            a stall in mid-stream; `Wait` first: before it
    Reply((Say(tuple("slow"), interval=20), Stop()))           a slow trickle
    Reply((Say(("Half",)), Fail("out of memory")))             an error in the stream
    Reply((Say(("Half",)), Raw(b"<html>")))                    garbage
    Reply((Say(("Yes",)), Stop(prompt_tokens=-1)))             wrong counts; None leaves them out
    Reply(status=429, error="slow down", retry_after=7)        a refusal
    Reply(cut_before_head=True), Reply(head_after=math.inf)    nothing at all

A protocol turns steps into bytes (`ollama_script`, `openai_script`, `anthropic_script`); `fake_server` plays them.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import msgspec

type JSON = dict[str, Any]
type Count = int | float | str | None


class Say(msgspec.Struct, frozen=True):
    """Pieces of the answer, one line or event each, `interval` seconds apart (the first at once)."""

    pieces: tuple[str, ...]
    interval: float = 0.0


class Think(msgspec.Struct, frozen=True):
    """Pieces of reasoning, one line or event each."""

    pieces: tuple[str, ...]
    interval: float = 0.0


class Call(msgspec.Struct, frozen=True):
    """Tool calls: (name, arguments) each. With `ids`, each gets one; protocols that need one make one."""

    calls: tuple[tuple[str, JSON], ...]
    ids: tuple[str, ...] = ()


class Wait(msgspec.Struct, frozen=True):
    """Silence for so many seconds; `math.inf` is a stall that only ends when the client hangs up."""

    seconds: float = math.inf


class Cut(msgspec.Struct, frozen=True):
    """Close the connection here, in the middle of the chunked body."""


class Raw(msgspec.Struct, frozen=True):
    """Bytes that leave as one chunk, as they are: garbage, half a line, several lines."""

    data: bytes


class Fail(msgspec.Struct, frozen=True):
    """An error in the stream, as the protocol has it."""

    message: str


class Stop(msgspec.Struct, frozen=True):
    """The end of the answer. A count of None is left out. Durations in seconds.

    `cached_tokens` and `cache_write_tokens` are parts of `prompt_tokens`, `reasoning_tokens` of `output_tokens`.
    """

    reason: str = "stop"
    prompt_tokens: Count = 11
    output_tokens: Count = 7
    prompt_seconds: float = 0.02
    decode_seconds: float = 0.1
    load_seconds: float = 0.005
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0


type Step = Say | Think | Call | Wait | Cut | Raw | Fail | Stop
type Line = Say | Think | Call | Raw | Fail | Stop


class Reply(msgspec.Struct, frozen=True):
    """What one request for an answer gets. With a `status` other than 200 the body is `error`, `steps` do not play.

    `head_after` is how long the response head takes, in seconds; `math.inf` never sends it. `burst` is how many lines
    leave in one write while nothing waits. `retry_after` is sent as a header of a refusal, as it is.
    """

    steps: tuple[Step, ...] = (Stop(),)
    status: int = 200
    error: str = ""
    head_after: float = 0.0
    burst: int = 1
    cut_before_head: bool = False
    retry_after: float | str | None = None


def answer(*pieces: str) -> Reply:
    """An ordinary answer in these pieces."""
    return Reply((Say(pieces), Stop(output_tokens=len(pieces))))


def tool_call(name: str, /, **arguments: object) -> Reply:
    """A reply that only calls one tool."""
    return Reply((Call(((name, dict(arguments)),)), Stop()))


class Format(Protocol):
    """One answer in a protocol. `stop` is the script's own end, for protocols that tell counts first."""

    content_type: str

    def begin(self, model: str, stop: Stop | None) -> list[bytes]: ...

    def lines(self, step: Line, model: str) -> list[bytes]: ...


class Tally(msgspec.Struct, frozen=True):
    """What the bytes before it in a plan held: pieces of text and thinking, and the end of the answer."""

    pieces: int = 0
    stop: Stop | None = None


type Plan = list[bytes | float | Tally | None]
"""What to write (bytes), how many seconds to wait (float), where to cut the connection (None), what was written."""


def compile_reply(reply: Reply, model: str, form: Format, *, tallies: bool = True) -> Plan:
    """The bytes of a reply of the model of that name, each line encoded once."""
    return _Compiler(reply, model, form, tallies=tallies).plan


class _Compiler:
    def __init__(self, reply: Reply, model: str, form: Format, *, tallies: bool) -> None:
        self.plan: Plan = [float(reply.head_after)] if reply.head_after else []
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {form.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._tallies = tallies
        self._pending = [head.encode()]
        self._pieces = 0
        self._stop: Stop | None = None
        self._compile(reply, model, form)

    def _compile(self, reply: Reply, model: str, form: Format) -> None:
        stop = next((step for step in reply.steps if isinstance(step, Stop)), None)
        for line in form.begin(model, stop):
            self._pending.append(_chunk(line))
        for step in reply.steps:
            if isinstance(step, Wait | Cut):
                self._flush()
                self.plan.append(None if isinstance(step, Cut) else float(step.seconds))
                if isinstance(step, Cut):
                    return
                continue
            said = isinstance(step, Say | Think)
            interval = step.interval if isinstance(step, Say | Think) else 0.0
            for index, line in enumerate(form.lines(step, model)):
                if index and interval:
                    self._flush()
                    self.plan.append(float(interval))
                self._pending.append(_chunk(line))
                self._pieces += said
                if len(self._pending) > reply.burst:
                    self._flush()
            self._stop = step if isinstance(step, Stop) else self._stop
        self._pending.append(b"0\r\n\r\n")
        self._flush()

    def _flush(self) -> None:
        if data := b"".join(self._pending):
            self.plan.append(data)
        if self._tallies and (self._pieces or self._stop is not None):
            self.plan.append(Tally(self._pieces, self._stop))
        self._pending, self._pieces, self._stop = [], 0, None


def _chunk(line: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(line), line)
