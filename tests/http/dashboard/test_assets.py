from __future__ import annotations

from pathlib import Path

from thane.http.dashboard.assets import Assets, find_web


def folder(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "icons.svg").write_text("<svg/>")
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "x.js").write_text("1")
    (tmp_path / "vendor" / "LICENSE").write_text("free")
    (tmp_path / "thane.css").write_text("a{}")
    return tmp_path


def test_the_files_of_this_checkout_are_found() -> None:
    assert {"thane.css", "thane.js", "vendor/htmx.min.js"} <= set(Assets(find_web()).paths())


def test_only_known_suffixes_outside_the_templates_are_assets(tmp_path: Path) -> None:
    assert Assets(folder(tmp_path)).paths() == ("thane.css", "vendor/x.js")


def test_nothing_outside_the_folder_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "secret.js").write_text("key")
    (tmp_path / "web").mkdir()
    assets = Assets(folder(tmp_path / "web"))
    assert assets.get("thane.css") is not None
    for path in ("../secret.js", "vendor/../../secret.js", "/etc/passwd", "", "templates/icons.svg"):
        assert assets.get(path) is None


def test_an_address_changes_with_the_content(tmp_path: Path) -> None:
    web = folder(tmp_path)
    before = Assets(web).url("thane.css")
    (web / "thane.css").write_text("b{}")
    after = Assets(web).url("thane.css")
    assert before.partition("?")[0] == after.partition("?")[0] == "/static/thane.css"
    assert before != after
