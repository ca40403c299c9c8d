"""The wrapper `scripts/just` and `scripts/sync`, in a copy of their files, with stand-ins for the tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SYSTEM = "/usr/bin:/bin"


class Checkout:
    """A copy of the set-up's files, where `log` tells which stand-in was run with which arguments."""

    def __init__(self, root: Path) -> None:
        self.root = root / "check out"  # with a space, as a person's folder may have
        self.log = root / "log"
        self.tools = root / "tools"
        self.tools.mkdir()
        self.log.touch()
        for name in ("scripts/just", "scripts/sync", "Justfile", "pyproject.toml", ".python-version"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.root / name)
        shutil.copytree(ROOT / "requirements", self.root / "requirements")

    def put(self, name: str, body: str = "", *, folder: Path | None = None) -> Path:
        """A stand-in on PATH: writes its arguments to the log, then does `body`."""
        path = (folder or self.tools) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\n{body}\n')
        path.chmod(0o755)
        return path

    def run(self, script: str, *args: str, path: str = SYSTEM) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PATH": f"{self.tools}:{path}"}
        command = [str(self.root / "scripts" / script), *args]
        return subprocess.run(command, check=False, env=environment, cwd="/", text=True, capture_output=True)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_just_and_uv_of_the_machine_are_used_when_both_are_there(checkout: Checkout) -> None:
    checkout.put("just")
    checkout.put("uv")
    done = checkout.run("just", "test", "-k", "one two")
    assert done.returncode == 0, done.stderr
    assert checkout.calls()[-1] == "just test -k one two"
    assert not (checkout.root / ".tools").exists()


def test_a_tool_that_does_not_answer_is_not_used(checkout: Checkout) -> None:
    checkout.put("just", "exit 127")
    checkout.put("uv")
    checkout.put("python3", "exit 1")
    done = checkout.run("just", "test")
    assert done.returncode == 1
    assert "On Debian: apt install python3-venv" in done.stderr


def test_without_python_it_says_what_to_install(checkout: Checkout) -> None:
    for name in ("sh", "dirname", "cksum", "tr"):
        found = shutil.which(name)
        assert found
        (checkout.tools / name).symlink_to(found)
    done = checkout.run("just", "test", path="/nonexistent")
    assert done.returncode == 1
    assert "On Debian: apt install python3 python3-venv" in done.stderr


FAKE_PYTHON = """
case "$*" in
    *"import ensurepip"*) exit 0 ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip "*)
        [ -z "$PIP_FAILS" ] || exit 1
        for tool in just uv; do
            printf '#!/bin/sh\\necho "brought %s $*" >>"%s"\\n' $tool "LOG" >"$(dirname "$0")/$tool"
            chmod +x "$(dirname "$0")/$tool"
        done ;;
    "-c import os, sys; os.rename"*) shift 2; exec REAL -c 'import os, sys; os.rename(*sys.argv[1:])' "$@" ;;
esac
"""


def fake_python(checkout: Checkout) -> None:
    real = shutil.which("python3", path=SYSTEM) or ""
    checkout.put("python3", FAKE_PYTHON.replace("LOG", str(checkout.log)).replace("REAL", real))


def test_what_is_missing_is_brought_once_with_hashes_into_the_checkout(checkout: Checkout) -> None:
    fake_python(checkout)
    for _ in range(2):
        done = checkout.run("just", "--list")
        assert done.returncode == 0, done.stderr
    installs = [call for call in checkout.calls() if "pip install" in call]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert checkout.calls().count("brought just --list") == 2
    (folder,) = (checkout.root / ".tools").iterdir()
    assert sorted(path.name for path in (folder / "bin").iterdir()) == ["just", "uv"]


def test_new_pins_are_brought_and_the_old_ones_removed(checkout: Checkout) -> None:
    fake_python(checkout)
    checkout.run("just", "--list")
    (old,) = (checkout.root / ".tools").iterdir()
    with (checkout.root / "requirements" / "bootstrap.txt").open("a") as pins:
        pins.write("# changed\n")
    checkout.run("just", "--list")
    (new,) = (checkout.root / ".tools").iterdir()
    assert new.name != old.name


def test_a_failed_bootstrap_leaves_nothing_and_says_so(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_python(checkout)
    monkeypatch.setenv("PIP_FAILS", "1")
    done = checkout.run("just", "--list")
    assert done.returncode == 1
    assert "could not be installed from PyPI" in done.stderr
    assert list((checkout.root / ".tools").iterdir()) == []
    monkeypatch.delenv("PIP_FAILS")
    assert checkout.run("just", "--list").returncode == 0


def test_of_two_first_runs_at_once_both_succeed(checkout: Checkout) -> None:
    fake_python(checkout)
    environment = os.environ | {"PATH": f"{checkout.tools}:{SYSTEM}"}
    command = [str(checkout.root / "scripts" / "just"), "--list"]
    runs = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(4)]
    for each in runs:
        _, errors = each.communicate(timeout=20)
        assert each.returncode == 0, errors
    (folder,) = (checkout.root / ".tools").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "venv"]


def test_run_becomes_the_process_of_thane_itself(checkout: Checkout) -> None:
    checkout.put("just")
    checkout.put("uv")
    checkout.put("thane", 'echo "pid $$"; exit 7', folder=checkout.root / ".venv" / "bin")
    environment = os.environ | {"PATH": f"{checkout.tools}:{SYSTEM}"}
    command = [str(checkout.root / "scripts" / "just"), "run", "--config", "my file.yaml"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=20)
    assert output == f"pid {process.pid}\n"
    assert process.returncode == 7
    assert checkout.calls()[-2:] == ["just _sync runtime", "thane serve --config my file.yaml"]


FAKE_UV = """
case "$1 $2" in
    "venv "*) mkdir -p .venv/bin && printf '#!/bin/sh\\necho 3.13\\n' >.venv/bin/python && chmod +x .venv/bin/python ;;
    "pip install") case "$*" in *--editable*) cp .venv/bin/python .venv/bin/thane ;; esac ;;
esac
[ -z "$UV_FAILS" ] || case "$*" in *"$UV_FAILS"*) exit 1 ;; esac
"""


def test_the_environment_is_made_once_from_locked_files_with_hashes(checkout: Checkout) -> None:
    checkout.put("uv", FAKE_UV)
    for _ in range(2):
        done = checkout.run("sync", "runtime")
        assert done.returncode == 0, done.stderr
    expected = [
        "uv venv --quiet --clear --python 3.13 .venv",
        "uv pip install --quiet --require-hashes -r requirements/runtime.txt -r requirements/build.txt",
        "uv pip install --quiet --no-deps --no-build-isolation --editable .",
    ]
    assert expected == checkout.calls()


def test_the_dev_set_serves_for_running_but_not_the_other_way_round(checkout: Checkout) -> None:
    checkout.put("uv", FAKE_UV)
    checkout.run("sync", "runtime")
    checkout.run("sync", "dev")
    after_dev = len(checkout.calls())
    checkout.run("sync", "runtime")
    assert len(checkout.calls()) == after_dev
    assert any("requirements/dev.txt" in call for call in checkout.calls())


@pytest.mark.parametrize("name", ["requirements/dev.txt", "pyproject.toml", "requirements/build.txt"])
def test_a_changed_file_installs_again(checkout: Checkout, name: str) -> None:
    checkout.put("uv", FAKE_UV)
    checkout.run("sync", "dev")
    before = len(checkout.calls())
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    checkout.run("sync", "dev")
    assert len(checkout.calls()) > before


@pytest.mark.parametrize("fails", ["--require-hashes", "--editable"])
def test_an_install_that_failed_halfway_is_done_again(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    checkout.put("uv", FAKE_UV)
    monkeypatch.setenv("UV_FAILS", fails)
    assert checkout.run("sync", "dev").returncode != 0
    monkeypatch.delenv("UV_FAILS")
    before = len(checkout.calls())
    assert checkout.run("sync", "dev").returncode == 0
    assert len(checkout.calls()) == before + 2
