"""A real, headless Home Assistant with its demo house: set up once in `.cache/`, started and onboarded for a test.

Home Assistant 2026.11 needs Python 3.14.2 or newer. It is taken from `THANE_E2E_HOME_ASSISTANT` (a virtual environment
that has Home Assistant), else made with a Python found by uv or unpacked from an archive beside the checkout.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import msgspec
import trio
from trio_websocket import open_websocket

from tests.e2e.installed import ROOT, environment, run
from tests.e2e.program import end, fetch, free_port, wait_until

CONFIGURATION = """
homeassistant:
  name: Test Home
  latitude: 52.09
  longitude: 5.12
  elevation: 3
  unit_system: metric
  time_zone: UTC
  currency: EUR
  country: NL
http:
  server_host: 127.0.0.1
  server_port: {port}
logger:
  default: warning
api:
auth:
config:
websocket_api:
conversation:
assist_pipeline:
demo:
"""


def _install(venv: Path, pins: Path) -> None:
    folder = venv.parent
    run("uv", "venv", "--quiet", "--clear", "--python", _python(folder), venv, folder=folder)
    run(
        *("uv", "pip", "install", "--quiet", "--no-deps", "--python", venv / "bin/python", "-r", pins),
        folder=folder,
    )


def _python(folder: Path) -> str:
    """A Python of at least 3.14.2; from an archive it is unpacked into `folder`."""
    archives = sorted((ROOT.parent / "shared" / "home-assistant").glob("python-3.14*.tar.xz"))
    if archives and shutil.which("python3.14") is None:
        if not (folder / "python").is_dir():
            run("tar", "-xJf", archives[-1], folder=folder)
        return str(folder / "python/bin/python3.14")
    return ">=3.14.2"


@dataclass(frozen=True)
class HomeAssistant:
    """A running Home Assistant and an owner's token."""

    url: str
    token: str
    log: Path

    def call(self, method: str, path: str, body: object = None) -> Any:
        try:
            return fetch(self.url + path, body, method=method, token=self.token, timeout=60)
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def state(self, entity_id: str) -> str:
        return self.call("GET", f"/api/states/{entity_id}")["state"]

    def add_ollama(self, url: str) -> str:
        """Add an Ollama server as its form does; the entry's id."""
        flow = self.call("POST", "/api/config/config_entries/flow", {"handler": "ollama"})
        entry = self.call("POST", f"/api/config/config_entries/flow/{flow['flow_id']}", {"url": url})
        assert entry["type"] == "create_entry", entry
        entry_id = entry["result"]["entry_id"]
        self._wait_loaded(entry_id)
        return entry_id

    def add_agent(self, entry_id: str, **data: object) -> None:
        """Add a conversation agent to the entry, as its form does."""
        self._add(entry_id, "conversation", data)

    def _add(self, entry_id: str, kind: str, data: dict[str, object]) -> None:
        flow = self.call(
            "POST",
            "/api/config/config_entries/subentries/flow",
            {"handler": [entry_id, kind], "show_advanced_options": False},
        )
        assert flow["type"] == "form", flow
        answer = self.call("POST", f"/api/config/config_entries/subentries/flow/{flow['flow_id']}", data)
        while answer["type"] == "progress":
            answer = self.call("GET", f"/api/config/config_entries/subentries/flow/{flow['flow_id']}")
        assert answer["type"] == "create_entry", answer
        self._wait_loaded(entry_id)

    def add_task(self, entry_id: str, **data: object) -> None:
        """Add an AI task to the entry, as its form does."""
        self._add(entry_id, "ai_task_data", data)

    def commands(self, *commands: dict[str, Any], until: str = "") -> list[dict[str, Any]]:
        """Send commands over the WebSocket, one after the other; their results.

        With `until`, the events of the last command too, up to the one of that type.
        """

        async def talk() -> list[dict[str, Any]]:
            host, _, port = self.url.removeprefix("http://").rpartition(":")
            found: list[dict[str, Any]] = []
            async with open_websocket(host, int(port), "/api/websocket", use_ssl=False) as link:
                await link.get_message()
                await link.send_message(json.dumps({"type": "auth", "access_token": self.token}))
                await link.get_message()
                for number, command in enumerate(commands, 1):
                    await link.send_message(json.dumps({"id": number, **command}))
                    while True:
                        told = json.loads(await link.get_message())
                        if told["type"] == "result":
                            assert told["success"], told
                            found.append(told["result"])
                            break
                while until:
                    told = json.loads(await link.get_message())
                    found.append(told["event"])
                    if told["event"]["type"] == until:
                        break
            return found

        async def in_time() -> list[dict[str, Any]]:
            with trio.fail_after(60):
                return await talk()

        return trio.run(in_time)

    def agent(self, name: str) -> str:
        """The entity id of the agent that was added under this name."""
        entity_id = f"conversation.{name.lower().replace(' ', '_')}"

        def is_there() -> bool:
            return any(state["entity_id"] == entity_id for state in self.call("GET", "/api/states"))

        wait_until(f"{entity_id} is there", is_there, seconds=20)
        return entity_id

    def say(self, agent: str, text: str, conversation_id: str | None = None, language: str = "en") -> dict[str, Any]:
        """Say a sentence to the agent; Home Assistant's answer."""
        body = {"text": text, "agent_id": agent, "language": language}
        if conversation_id:
            body["conversation_id"] = conversation_id
        return self.call("POST", "/api/conversation/process", body)

    def _wait_loaded(self, entry_id: str) -> None:
        def loaded() -> bool:
            entries = self.call("GET", "/api/config/config_entries/entry?domain=ollama")
            return any(entry["entry_id"] == entry_id and entry["state"] == "loaded" for entry in entries)

        wait_until("the Ollama entry is loaded", loaded, seconds=20, pause=0.2)


def speech(answer: dict[str, Any]) -> str:
    """What Home Assistant would say aloud."""
    return answer["response"]["speech"]["plain"]["speech"]


@contextmanager
def running(folder: Path) -> Generator[HomeAssistant]:
    """Start Home Assistant in `folder`, make an owner, and stop it at the end."""
    venv, port = environment("home-assistant", _install), free_port()
    (folder / ".storage").mkdir(parents=True)
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=port))
    # Only the owner is left to be made: the other steps would ask services on the internet.
    onboarding = {"done": ["core_config", "analytics", "integration"]}
    (folder / ".storage/onboarding").write_bytes(
        msgspec.json.encode({"version": 4, "minor_version": 1, "key": "onboarding", "data": onboarding})
    )
    log = folder / "home-assistant.log.txt"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(venv / "bin/python"), "-m", "homeassistant", "-c", str(folder), "--skip-pip"],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            cwd=folder,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until("Home Assistant answers", lambda: fetch(f"{url}/api/onboarding") is not None, seconds=120)
        home = HomeAssistant(url, _onboard(url), log)
        wait_until("it runs", lambda: home.call("GET", "/api/config")["state"] == "RUNNING", seconds=120)
        yield home
    finally:
        end(process, 30)


def _onboard(url: str) -> str:
    client_id = f"{url}/"
    owner = {
        "name": "Owner",
        "username": "owner",
        "password": "owner-password",
        "client_id": client_id,
        "language": "en",
    }
    code = fetch(f"{url}/api/onboarding/users", owner)["auth_code"]
    form = urlencode({"grant_type": "authorization_code", "code": code, "client_id": client_id}).encode()
    with urlopen(Request(f"{url}/auth/token", form), timeout=30) as answer:
        return msgspec.json.decode(answer.read())["access_token"]
