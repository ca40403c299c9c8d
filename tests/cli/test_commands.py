"""The command line as a person meets it: what it lists, prints and ends with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from thane import __version__
from thane.cli.check import explain
from thane.cli.main import main
from thane.cli.remote import Remote
from thane.cli.serve import override, place
from thane.config.load import Loaded, parse
from thane.config.settings import Auth, Demo, Listen, Models, OllamaApi, Settings
from thane.errors import ConfigurationError

THANE = [sys.executable, "-c", "from thane.cli.main import main; main()"]


def thane(*args: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*THANE, *args], check=False, cwd=folder, capture_output=True, text=True)


def test_help_lists_the_commands() -> None:
    done = thane("--help")
    assert done.returncode == 0
    for command in ("serve", "check", "ask", "tail", "status", "version"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", ["serve", "check", "ask", "tail", "status", "version"])
def test_every_command_explains_itself(command: str) -> None:
    done = thane(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"thane {command}" in done.stdout


def test_the_version_is_told_without_loading_the_program() -> None:
    code = "import sys; sys.argv = ['thane', 'version']; from thane.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: print('trio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert first.startswith(__version__)
    assert second == "False"


def test_a_wrong_configuration_is_told_in_a_sentence_and_with_code_1(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("listen:\n  prot: 1\n")
    for command in ("check", "serve"):
        done = thane(command, "--config", str(path))
        assert done.returncode == 1
        assert done.stdout == ""
        assert f"{path}:2: listen.prot" in done.stderr
        assert "did you mean `port`" in done.stderr
        assert "Traceback" not in done.stderr


def test_check_tells_file_warnings_and_what_it_comes_to(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mqtt: {broker: x}\nmodels: {default: qwen3}\n")
    done = thane("check", "--config", str(path))
    assert done.returncode == 0
    assert f"{path} is valid." in done.stdout
    assert "warning: " in done.stdout
    assert "mqtt" in done.stdout
    assert "models     qwen3\n" in done.stdout
    assert "ollama at http://localhost:11434 (ollama, in this house, without a key)" in done.stdout


def test_check_names_the_model_servers_and_none_of_their_secrets(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "anthropic: {api_key: sk-secret-1}\n"
        "models:\n"
        "  providers:\n"
        "    - {name: box, type: openai, url: 'https://me:pass-2@api.example.com/v1', api_key: sk-3,\n"
        "       headers: {x: hush-4}}\n"
    )
    done = thane("check", "--config", str(path))
    assert done.returncode == 0
    assert "box at https://api.example.com/v1 (openai, not in this house, with a key)" in done.stdout
    assert "anthropic at https://api.anthropic.com (anthropic, not in this house, with a key)" in done.stdout
    for secret in ("sk-secret-1", "pass-2", "sk-3", "hush-4"):
        assert secret not in done.stdout + done.stderr


def test_check_refuses_what_serve_would_refuse(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("listen: {address: 0.0.0.0}\n")
    done = thane("check", "--config", str(path))
    assert done.returncode == 1
    assert "no key is set" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_without_a_file_tells_where_it_looked(tmp_path: Path) -> None:
    done = thane("check", folder=tmp_path)
    assert done.returncode == 0
    assert "No configuration file was found" in done.stdout or "is valid" in done.stdout  # the owner may have one


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigurationError("port 1 is taken"), 1, "port 1 is taken\n"),
        (ExceptionGroup("", [ExceptionGroup("", [ConfigurationError("port 1 is taken")])]), 1, "port 1 is taken\n"),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_nursery_wraps_ends_as_what_it_is(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("thane.cli.check.load", fail)
    with pytest.raises(SystemExit) as ended:
        main(["check"])
    assert code == ended.value.code
    assert said == capsys.readouterr().err


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ExceptionGroup("", [ConfigurationError("x"), ZeroDivisionError()])

    monkeypatch.setattr("thane.cli.check.load", fail)
    with pytest.RaisesGroup(ConfigurationError, ZeroDivisionError):
        main(["check"])


def test_nothing_answering_is_told_in_a_sentence() -> None:
    done = thane("status", "--url", "127.0.0.1:1")
    assert done.returncode == 1
    assert "is Thane running?" in done.stderr
    assert "Traceback" not in done.stderr


def test_explanation_of_a_house_that_is_open_to_the_network() -> None:
    settings = Settings(
        listen=Listen(address="::", port=80),
        ollama_api=OllamaApi(enabled=False),
        auth=Auth(keys=("k" * 8, "l" * 8)),
        models=Models(default="m"),
        demo=Demo(enabled=False),
        data_dir="/var/lib/thane",
    )
    text = "\n".join(explain(Loaded(settings, Path("/etc/thane/config.yaml"))))
    assert "http://[::]:80" in text
    assert "off (ollama_api.enabled is false)" in text
    assert "2 accepted" in text
    assert "kkkk" not in text
    assert "none (demo.enabled is false)" in text
    assert "/var/lib/thane" in text


def explained(text: str) -> list[str]:
    """What `thane check` says of a file, without the runs of spaces."""
    settings, _ = parse(text, source="config.yaml", environ={})
    return [" ".join(line.split()) for line in explain(Loaded(settings, Path("config.yaml")))]


def test_explanation_of_who_answers_and_what_it_may_cost() -> None:
    lines = explained("""
        models:
          default: qwen3:8b
          available: [{name: qwen3:8b}, {name: opus, provider: anthropic}]
        anthropic: {api_key: sk-secret}
        extraction: {enabled: true}
        profiles: {premium: {fallbacks: [opus]}, night: {local_only: true}}
        pricing: {opus: {input_per_million: 5}}
        budgets: {day: {warn_usd: 1, stop_usd: 2.5}, profiles: {night: {stop_tokens: 50000}}}
        """)
    assert "models qwen3:8b by default; also opus" in lines
    assert "server ollama at http://localhost:11434 (ollama, in this house, without a key)" in lines
    assert "server anthropic at https://api.anthropic.com (anthropic, not in this house, with a key)" in lines
    assert 'profile thane:premium (changed): fallbacks ["opus"]' in lines
    assert "profile thane:night (your own): local_only true" in lines
    assert "prices those of pricing (opus); other models in this house cost nothing" in lines
    assert "budget a day: a warning from 1.00 US dollars; no paid model from 2.50 US dollars" in lines
    assert "budget a run of thane:night: no model from 50,000 tokens" in lines
    assert "sessions they end after 60 minutes of silence; described by the cheapest model that is able" in lines
    assert any(line.endswith("; a model looks for more after turns") for line in lines)
    assert not any("secret" in line for line in lines)


def test_explanation_of_models_that_no_budget_of_money_can_count() -> None:
    text = """
        models:
          default: qwen3:8b
          available: [{name: new/one, provider: far}, {name: known, provider: far}, {name: qwen3:8b}]
          providers: [{name: far, type: openai, url: 'https://api.example.com/v1'}]
        profiles: {night: {model: new/two, fallbacks: [known]}}
        pricing: {known: {input_per_million: 5}}
        budgets: """
    said = "warning: a budget of money stands, and new/one have no price under pricing: "
    assert f"{said}they are not asked (budgets.unpriced)" in explained(f"{text}{{day: {{stop_usd: 1}}}}")
    for budgets in ("{run: {stop_usd: 1}, unpriced: warn}", "{day: {warn_usd: 1}}"):
        assert f"{said}they are asked, and no budget of money counts them" in explained(text + budgets)
    assert not any("no price" in line for line in explained(f"{text}{{day: {{stop_tokens: 9}}}}"))


def test_explanation_of_a_model_server_without_a_choice_of_models() -> None:
    lines = explained("models: {providers: [{name: llama, type: openai, url: 'http://127.0.0.1:9'}]}")
    assert "models whatever the model servers have (name some in models.available to choose)" in lines


def test_explanation_of_what_is_kept() -> None:
    lines = explained("""
        runs: {keep_prompts: false}
        archive: {session_idle_minutes: 0, keep_days: 90}
        storage: {max_bytes: 2000000000}
        facts: {enabled: false}
        checkpoints: {every_messages: 0, at_shutdown: false, keep: 3}
        logging: {dir: /var/log/thane, level: warn, index_rows: 0}
        """)
    assert "prompts what models are sent is not kept (runs.keep_prompts is false)" in lines
    age, size = "what was said is kept for 90 days", "the oldest makes room when the database takes more than 2,000 MB"
    assert f"archive {age}; {size}" in lines
    assert "sessions silence never ends them; described without a model" in lines
    assert "restore a checkpoint before a compaction, when another model takes over; the newest 3 are kept" in lines
    assert "facts models remember none (facts.enabled is false)" in lines
    assert "logs warn and above to standard error and files in /var/log/thane" in lines


def test_an_ollama_api_without_a_port_is_on_the_native_one() -> None:
    text = "\n".join(explain(Loaded(Settings(ollama_api=OllamaApi(port=0)))))
    assert "on the native port (ollama_api.port is 0)" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8080", (None, 8080)), ("0.0.0.0:0", ("0.0.0.0", 0)), ("[::1]:65535", ("::1", 65535))],
)
def test_a_place_is_a_port_with_or_without_an_address(text: str, expected: tuple[str | None, int]) -> None:
    assert expected == place(text, "--listen")


@pytest.mark.parametrize("text", ["", "localhost", "host:", "65536", "1.2.3.4:-1", "[::1]"])
def test_a_wrong_place_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--listen"):
        place(text, "--listen")


def test_the_command_line_overrides_the_listeners_and_nothing_else() -> None:
    loaded = Loaded(Settings(listen=Listen(address="10.0.0.1"), language="nl"))
    settings = override(loaded, "9000", "0.0.0.0:9001").settings
    assert settings.listen == Listen(address="10.0.0.1", port=9000)
    assert settings.ollama_api == OllamaApi(address="0.0.0.0", port=9001)
    assert settings.language == "nl"
    assert override(loaded, None, "off").settings.ollama_api.enabled is False
    assert loaded == override(loaded, None, None)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("https://thane.example.org/", "https://thane.example.org"),
        ("http://h:1/prefix/", "http://h:1/prefix"),
    ],
)
def test_a_url_is_taken_as_people_write_it(written: str, url: str) -> None:
    remote = Remote.at(written)
    assert url == remote.url
    assert remote.websocket("/v1/events", []) == "ws" + url.removeprefix("http") + "/v1/events"


@pytest.mark.parametrize("written", ["ftp://x", "http://", "://"])
def test_a_wrong_url_is_told(written: str) -> None:
    with pytest.raises(ConfigurationError, match="--url"):
        Remote.at(written)
