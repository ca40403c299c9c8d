"""The official clients, Python's and JavaScript's, against the running program and its embedded brain."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.clients import anthropic_clients, asking, node_clients, responses_clients
from tests.clients.asking import Client, Doors, Question
from tests.e2e.program import Program, running

pytestmark = pytest.mark.e2e

MODULES = (responses_clients, anthropic_clients, node_clients)
STREAMING = asking.STREAMING | asking.TEXT_STREAMING | {k: v for each in MODULES for k, v in each.STREAMING.items()}
CLIENTS = asking.WHOLE | asking.TEXT_WHOLE | {k: v for each in MODULES for k, v in each.WHOLE.items()} | STREAMING


@pytest.fixture(scope="module", name="thane")
def running_program(tmp_path_factory: pytest.TempPathFactory) -> Generator[Program]:
    folder: Path = tmp_path_factory.mktemp("clients")
    with running(folder) as thane:
        yield thane


@pytest.mark.parametrize("name", CLIENTS)
def test_a_house_command_is_obeyed_and_recorded(name: str, thane: Program) -> None:
    client: Client = CLIENTS[name]
    before = len(thane.conversations())
    said = client(Doors(thane.native, thane.ollama), Question("turn off the kitchen lights"))
    assert ("", "stop") == (said.error, said.reason)
    assert "light" in said.text
    assert (said.pieces > 1) == (name in STREAMING)
    assert said.output_tokens > 0
    assert before + 1 == len(thane.conversations())
    newest = thane.get("/v1/runs")["recent"][0]
    assert ("done", said.text) == (newest["state"], newest["text"])


@pytest.mark.parametrize("name", CLIENTS)
def test_an_unknown_model_is_not_found(name: str, thane: Program) -> None:
    said = CLIENTS[name](Doors(thane.native, thane.ollama), Question(model="nope"))
    assert ("model 'nope' not found", 404) == (said.error, said.status)
