"""`thane ask`: one message to a running Thane, its answer shown as it comes.

The answer alone goes to standard output; tools, thoughts and the conversation's id go to standard error.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, TextIO

import httpx2
import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from thane.cli.lines import worded
from thane.cli.plain import many_lines, one_line
from thane.cli.remote import DEFAULT_URL, Key, Remote, Url, client
from thane.errors import ConfigurationError, DependencyError

PATH = "/v1/chat"
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Answer:
    """Shows the frames of one answer."""

    def __init__(self, out: TextIO, side: Console) -> None:
        self._out = out
        self._side = side
        self._midway = ""  # "text" or "thinking" while a line of it is open
        self.conversation_id = ""
        self.complete = False
        self.error = ""

    def take(self, message: str) -> None:
        """Show a frame, or remember what it says in `error`; after that there is nothing more to show."""
        if self.error:
            return
        try:
            self._show(_decode(message))
        except msgspec.DecodeError as error:
            self.error = f"what came is no answer of Thane's ({error})"

    def _show(self, frame: dict[str, Any]) -> None:
        match frame:
            case {"type": "started", "conversation_id": str(conversation_id)}:
                self.conversation_id = conversation_id
            case {"type": "text", "text": str(text)}:
                self._open("text")
                self._out.write(many_lines(text))
                self._out.flush()
            case {"type": "thinking", "text": str(text)} if self._side.is_terminal:
                self._open("thinking")
                self._side.print(Text(many_lines(text), style="dim italic"), end="", soft_wrap=True)
            case {"type": "tool_started", "name": str(name), "arguments": dict(arguments)}:
                facts = " ".join(f"{key}={worded(value)}" for key, value in arguments.items())
                self._aside(f"→ {name} {facts}".rstrip())
            case {"type": "tool_finished", "name": str(name), "ok": ok, "duration_ms": milliseconds}:
                self._aside(f"{'✓' if ok else '✗'} {name} {milliseconds} ms")
            case {"type": "done"}:
                self.complete = True
            case {"type": "error", "error": {"message": str(message)}}:
                self.error = one_line(message)
            case _:
                return  # a later version may say more

    def end(self) -> None:
        """End the open line, if there is one."""
        self._open("")

    def _open(self, what: str) -> None:
        if self._midway == what:
            return
        if self._midway == "text":
            print(file=self._out, flush=True)
        elif self._midway == "thinking":
            self._side.print()
        self._midway = what

    def _aside(self, line: str) -> None:
        self._open("")
        self._side.print(Text(one_line(line), style="dim"), soft_wrap=True)


async def ask(
    *words: Annotated[str, Parameter(help="What to say; quotes around it are not needed.")],
    url: Url = DEFAULT_URL,
    key: Key = "",
    conversation: Annotated[str, Parameter(help="Id of a conversation to go on with.", show_default=False)] = "",
    profile: Annotated[str, Parameter(help="Profile or model that is to answer.")] = "thane:latest",
) -> None:
    """Say something to a running Thane and show its answer as it comes. Ctrl-C stops the answer."""
    message = " ".join(words)
    if not message.strip():
        raise ConfigurationError('Say something, as in: thane ask "turn off the kitchen lights"')
    remote = Remote.at(url, key)
    body = {"message": message, "model": profile, "stream": True}
    if conversation:
        body["conversation_id"] = conversation
    side = Console(stderr=True, highlight=False, markup=False, emoji=False)
    answer = Answer(sys.stdout, side)
    await _stream(remote, body, answer)
    answer.end()
    if not answer.complete:
        raise DependencyError(answer.error or "the answer broke off", dependency="thane")
    if side.is_terminal and not conversation:
        side.print(Text(f"(go on with --conversation {one_line(answer.conversation_id)})", style="dim"))


async def _stream(remote: Remote, body: dict[str, Any], answer: Answer) -> None:
    async with (
        client(remote, answer_seconds=None) as opened,
        opened.stream("POST", PATH, json=body, headers={"Accept": "text/event-stream"}) as response,
    ):
        if response.status_code >= 400:
            raise remote.refused(response.status_code, await response.aread())
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise remote.not_thane(PATH)
        async for event in httpx2.EventSource(response):
            answer.take(event.data)  # raises nothing: httpx2 does not close its inner generators on the way out
