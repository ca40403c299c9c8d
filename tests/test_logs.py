"""Log lines go to standard error in the form that was asked for, and never stop the program."""

from __future__ import annotations

import io
import logging
import sys
from typing import Literal

import msgspec
import pytest
import structlog

from thane import logs
from thane.clock import SystemClock
from thane.config import settings
from thane.journal.line import Lines, LogLine
from thane.journal.secrets import HIDDEN, Secrets

type Errors = pytest.CaptureFixture[str]


pytestmark = pytest.mark.usefixtures("process_as_before")


def test_json_lines_have_event_level_time_and_fields(capsys: Errors) -> None:
    logs.configure(settings.Logging(format="json"))
    structlog.get_logger("t").info("Thane is up", port=8080)
    line = msgspec.json.decode(capsys.readouterr().err)
    assert ("Thane is up", "info", 8080) == (line["event"], line["level"], line["port"])
    assert line["timestamp"].endswith("Z")


def test_text_is_for_people(capsys: Errors) -> None:
    logs.configure(settings.Logging(format="text"))
    structlog.get_logger("t").warning("a port is taken", port=8080)
    line = capsys.readouterr().err
    assert "a port is taken" in line
    assert "port=8080" in line


def test_lines_below_the_level_are_left_out(capsys: Errors) -> None:
    logs.configure(settings.Logging(format="json", level="warning"))
    structlog.get_logger("t").info("quiet")
    assert capsys.readouterr().err == ""


def test_libraries_warnings_come_out_in_the_same_form(capsys: Errors) -> None:
    logs.configure(settings.Logging(format="json"))
    logging.getLogger("library").warning("careful: %s", "hot")
    line = msgspec.json.decode(capsys.readouterr().err)
    assert ("careful: hot", "warning") == (line["event"], line["level"])


def test_an_exception_is_logged_whole(capsys: Errors) -> None:
    logs.configure(settings.Logging(format="json"))
    structlog.get_logger("t").error("it failed", exc_info=RuntimeError("boom"))
    assert "RuntimeError: boom" in msgspec.json.decode(capsys.readouterr().err)["exception"]


def test_a_standard_error_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr(sys, "stderr", gone)
    logs.configure(settings.Logging(format="json"))
    structlog.get_logger("t").error("nobody hears this")


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_tells_no_local_variables(form: Literal["json", "text"], capsys: Errors) -> None:
    def fail() -> None:
        password = "hush" + "-hush"  # only in a variable: the line of code itself is shown
        raise RuntimeError(len(password))

    logs.configure(settings.Logging(format=form))
    try:
        fail()
    except RuntimeError:
        structlog.get_logger("t").exception("it failed")
    told = capsys.readouterr().err
    assert "RuntimeError" in told
    assert "hush-hush" not in told


def kept(secrets: Secrets | None = None) -> Lines:
    lines = Lines(SystemClock(), most=10, chars=4000)
    logs.configure(settings.Logging(format="json"), lines=lines, secrets=secrets)
    return lines


def only(lines: Lines) -> LogLine:
    (line,) = lines.drain()
    return line


def test_a_line_is_kept_with_the_ids_of_its_task_and_the_place_that_it_came_from() -> None:
    lines = kept()
    with structlog.contextvars.bound_contextvars(run_id="r-1", loop_id="l-1"):
        structlog.get_logger("thane.agent").info("hello", size=3)
    line = only(lines)
    assert ("agent", "hello", 20) == (line.subsystem, line.message, line.level)
    assert ("r-1", "l-1", '{"size":3}') == (line.run_id, line.loop_id, line.attributes)
    assert line.source_file.endswith("tests/test_logs.py")
    assert line.source_line > 0


def test_chatter_is_kept_without_being_shown(capsys: Errors) -> None:
    lines = kept()
    structlog.get_logger("thane.agent").debug("chatter")
    assert ("chatter", "") == (only(lines).message, capsys.readouterr().err)


def test_no_secret_is_shown_or_kept(capsys: Errors) -> None:
    lines = kept(Secrets({"homeassistant": {"token": "abcdefgh"}}))
    log = structlog.get_logger("thane.agent")
    log.error("refused abcdefgh", said="abcdefgh!", api_key="other", exc_info=RuntimeError("with abcdefgh"))
    line, shown = only(lines), capsys.readouterr().err
    assert f"refused {HIDDEN}" == line.message
    assert "RuntimeError" in line.attributes
    for text in (line.attributes, shown):
        assert ("abcdefgh" in text, "other" in text) == (False, False)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_a_line_is_kept_alike_whether_it_is_shown_or_not(level: int) -> None:
    lines = kept(Secrets({"homeassistant": {"token": "abcdefgh"}}))
    log = structlog.get_logger("thane.agent").bind(tool="lamp", size=2)
    with structlog.contextvars.bound_contextvars(run_id="r-1", size=1):
        log.log(level, "abcdefgh: %s", "on", size=3, api_key="other", tokens=4, at=[1], exc_info=OSError("abcdefgh"))
    line = only(lines)
    assert (f"{HIDDEN}: on", "r-1", "lamp", level) == (line.message, line.run_id, line.tool, line.level)
    told = msgspec.json.decode(line.attributes)
    assert f"OSError: {HIDDEN}" == told.pop("exception")
    assert {"size": 3, "api_key": HIDDEN, "tokens": 4, "at": "[1]"} == told
    assert line.source_file.endswith("tests/test_logs.py")
