"""A real Open WebUI, set up once in `.cache/` and started for a test, and a person at its page in a headless Chromium.

It is taken from `THANE_E2E_OPEN_WEBUI` (a virtual environment that has Open WebUI), else installed with pip by a Python
3.11 that uv finds (about three minutes and 3 GB, most of it torch).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.installed import environment, run
from tests.e2e.program import end, fetch, free_port, wait_until


def _install(venv: Path, pins: Path) -> None:
    folder = venv.parent
    (folder / ".python-version").write_text("3.11\n")
    run("uv", "venv", "--quiet", "--clear", "--seed", "--python", "3.11", venv, folder=folder)
    pip = (venv / "bin/python", "-m", "pip", "install", "--quiet")
    run(*pip, "torch==2.13.0", folder=folder)
    run(*pip, "-c", pins, "open-webui", "torch==2.13.0", folder=folder)


@dataclass(frozen=True)
class OpenWebUI:
    """A running Open WebUI with one person, who is signed in with `token`."""

    url: str
    token: str
    log: Path

    def page(self, browser: Browser) -> Page:
        """The person's page, ready to chat."""
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(
            f"localStorage.setItem('token', '{self.token}'); localStorage.setItem('locale', 'en-US')"
        )
        page = context.new_page()
        page.goto(self.url)
        page.locator("#chat-input").wait_for(timeout=60_000)
        page.keyboard.press("Escape")  # the notes of a new version may cover the page
        return page


def say(page: Page, text: str) -> None:
    """Type a message and send it."""
    page.locator("#chat-input").click()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


@contextmanager
def running(folder: Path, ollama_url: str, **environ: str) -> Generator[OpenWebUI]:
    """Start Open WebUI in `folder` with Thane as its Ollama server, sign its first person up, stop it at the end."""
    venv, port = environment("open-webui", _install), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "open-webui.log"
    settings = {
        "DATA_DIR": str(folder / "data"),
        "OLLAMA_BASE_URL": ollama_url,
        "ENABLE_OPENAI_API": "false",
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
        "WEBUI_SECRET_KEY": "a-secret-for-tests",
        "ANONYMIZED_TELEMETRY": "false",
        "SCARF_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "true",
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(venv / "bin/open-webui"), "serve", "--host", "127.0.0.1", "--port", str(port)],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | settings | environ,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until("Open WebUI answers", lambda: fetch(f"{url}/health"), seconds=180, pause=0.5)
        person = {"name": "Ada", "email": "ada@example.org", "password": "a-password"}
        yield OpenWebUI(url, fetch(f"{url}/api/v1/auths/signup", person)["token"], log)
    finally:
        end(process, 20)


@contextmanager
def browser() -> Generator[Browser]:
    """A headless Chromium of the system's."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        )
        try:
            yield chromium
        finally:
            chromium.close()
