"""A model server whose model does what it is asked, so that programs which know of no script can be tried with it.

It calls the tool that a text seems to be about, with arguments made from its schema; gives JSON where a `format` wants
it; looks at what it is sent and says so. What the last user message asks for in writing goes before all that::

    play: [["say", ["Half"]], ["wait", 0.2], ["fail", "broken"]]

plays these steps (`say`, `think`, `call`, `wait`, `cut`, `raw`, `fail`, `stop`, `status`), and `["echo"]` says the
request as it came to the model, as JSON. `python -m thane.testing.obliging_model` serves it by itself.

It understands nothing: not a model, and no measure of one.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import trio

from thane.testing.fake_ollama import FakeModel, FakeOllama, Request
from thane.testing.fake_server import serving_fake
from thane.testing.ollama_script import JSON, Call, Cut, Fail, Raw, Reply, Say, Step, Stop, Think, Wait
from thane.testing.schema_sample import Sampler

MODELS = (
    FakeModel("obliging:1b", capabilities=("completion", "tools", "thinking", "vision")),
    FakeModel("plain:1b", capabilities=("completion",)),
    FakeModel("vectors:1b", capabilities=("embedding",)),
)
_COMMON = {"tool", "tools", "this", "that", "what", "with", "using", "from", "have", "given", "about", "value", "your"}


class ObligingOllama(FakeOllama):
    """The server, with its models of several abilities."""

    reads = True

    def __init__(self, more: Sequence[FakeModel] = ()) -> None:
        """`more` models beside those of `MODELS`."""
        super().__init__(models=(*MODELS, *more), record=False)

    def reply_to(self, request: Request) -> Reply:
        return oblige(request.body)


def oblige(body: JSON) -> Reply:
    """The reply to a `/api/chat` request."""
    messages: list[JSON] = body.get("messages") or []
    last = messages[-1] if messages else {}
    asked = next((each.get("content") or "" for each in reversed(messages) if each.get("role") == "user"), "")
    if last.get("role") == "user" and (script := _script(asked)) is not None:
        return _played(script, body)
    if body.get("tools") and last.get("role") != "tool" and (call := _called(body["tools"], asked)):
        return Reply((call, Stop()))
    if body.get("format"):
        return _said(msgspec.json.encode(_formatted(body["format"], asked)).decode())
    if last.get("role") == "tool":
        return _said(f"The tool says: {last.get('content') or 'nothing'}")
    pictures = sum(len(each.get("images") or ()) for each in messages)
    seen = f" I see {pictures} image(s)." if pictures else ""
    return _said(f"You said: {asked[:200]}.{seen}")


def _said(text: str) -> Reply:
    """A text in pieces of words, counted as tokens."""
    pieces = tuple(re.findall(r"\s*\S+\s*$|\s*\S+", text)) or ("",)
    return Reply((Say(pieces), Stop(output_tokens=len(pieces))))


def _script(text: str) -> list[list[Any]] | None:
    if not text.startswith("play: "):
        return None
    script, _ = json.JSONDecoder().raw_decode(text.removeprefix("play: "))  # who asks may add words of its own below
    return msgspec.convert(script, list[list[Any]])


def _played(script: Sequence[Sequence[Any]], body: JSON) -> Reply:
    if script and script[0][0] == "status":
        return Reply(status=script[0][1], error=script[0][2])
    echo: list[Any] = ["say", [msgspec.json.encode(body).decode()]]
    steps = [_step(kind, values) for kind, *values in (echo if each == ["echo"] else each for each in script)]
    if not steps or not isinstance(steps[-1], Stop | Cut | Fail):
        steps.append(Stop())
    return Reply(tuple(steps))


def _step(kind: str, values: list[Any]) -> Step:
    if kind not in _STEPS:
        raise ValueError(f"unknown step {kind!r}")
    return _STEPS[kind](values)


_STEPS: dict[str, Callable[[list[Any]], Step]] = {
    "say": lambda values: Say(tuple(values[0]), *values[1:]),
    "think": lambda values: Think(tuple(values[0])),
    "call": lambda values: Call(tuple((name, arguments) for name, arguments in values)),
    "wait": lambda values: Wait(*values),
    "cut": lambda _: Cut(),
    "raw": lambda values: Raw(str(values[0]).encode()),
    "fail": lambda values: Fail(values[0]),
    "stop": lambda values: Stop(*values),
}


def _called(tools: Sequence[JSON], asked: str) -> Call | None:
    """A call of the tool that shares most words with the text, and of the only one in any case."""
    words = set(_words(asked))
    functions = [each["function"] for each in tools]
    scores = [len(words & {asked, *_words(f"{each['name']} {each.get('description', '')}")}) for each in functions]
    best = max(range(len(functions)), key=scores.__getitem__)
    if not scores[best] and len(functions) > 1 and not re.search(r"\bcall (one of )?the tool", asked):
        return None
    numbers = [int(number) for number in re.findall(r"-?\d+", asked)]
    arguments = Sampler(functions[best].get("parameters") or {}, asked, numbers).value()
    return Call(((functions[best]["name"], arguments),))


def _words(text: str) -> list[str]:
    """Those that may tell what a text is about."""
    return [word for word in re.findall(r"[^\W_]+", text.casefold()) if len(word) > 3 and word not in _COMMON]


def _formatted(wanted: str | JSON, asked: str) -> Any:
    if isinstance(wanted, dict):
        return Sampler(wanted, asked or "so be it").value()
    return dict.fromkeys(re.findall(r"['\"`](\w+)['\"`]", asked), "so be it")


async def _main(arguments: argparse.Namespace) -> None:
    chatting = [FakeModel(name, capabilities=MODELS[0].capabilities) for name in arguments.model]
    embedding = [FakeModel(name, capabilities=MODELS[2].capabilities) for name in arguments.embedding_model]
    async with serving_fake(ObligingOllama((*chatting, *embedding)), arguments.port) as fake:
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


def main() -> None:
    """Serve until interrupted; the first line of standard output is the address."""
    parser = argparse.ArgumentParser(prog="python -m thane.testing.obliging_model", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--model", action="append", default=[], help="one more that chats, by name; may be repeated")
    parser.add_argument("--embedding-model", action="append", default=[], help="one more that makes embeddings")
    with suppress(KeyboardInterrupt):  # how it is meant to end
        trio.run(_main, parser.parse_args())


if __name__ == "__main__":
    main()
