"""What is vendored is what was recorded."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="vendor", scope="module")
def load_vendor() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendor", ROOT / "scripts" / "vendor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_vendored_files_have_the_recorded_hashes(vendor: ModuleType) -> None:
    assert vendor.problems() == []


def test_changed_missing_and_unknown_files_are_named(vendor: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "vendor"
    shutil.copytree(ROOT / "web" / "vendor", folder)
    (folder / "htmx.min.js").write_text("alert(1)")
    (folder / "hx-ws.min.js").unlink()
    (folder / "stray.js").write_text("")
    assert vendor.problems(folder) == [
        "htmx.min.js is not the file of htmx.org 4.0.1 that was recorded",
        "hx-ws.min.js of htmx.org 4.0.1 is missing",
        "stray.js is not recorded",
    ]


def test_the_record_names_version_licence_and_integrity_but_no_registry() -> None:
    text = (ROOT / "web" / "vendor" / "VENDOR.json").read_text()
    for package in json.loads(text)["packages"]:
        assert package["version"]
        assert package["licence"]
        assert package["integrity"].startswith("sha512-")
    assert "http" not in text
