"""Loading the configuration: what is accepted, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from thane.config import load as loading
from thane.config.settings import Section, Settings
from thane.errors import ConfigurationError

REFERENCE = """
listen: {address: "", port: 8080}
ollama_api: {enabled: true, address: "", port: 11434}
models:
  default: qwen3:14b
  ollama_url: http://localhost:11434
  local_first: true
  available:
    - {name: "qwen3:14b", provider: ollama, supports_tools: true, context_window: 32768, speed: 7, quality: 6,
       cost_tier: 0, min_complexity: simple}
anthropic: {api_key: sk-1}
homeassistant:
  url: http://homeassistant.local:8123
  token: abc
  subscribe: {entity_globs: ["light.*"], rate_limit_per_minute: 0, cooldown_minutes: 5}
data_dir: ./db
talents_dir: ./talents
timezone: Europe/Amsterdam
context: {inject_files: []}
agent: {orchestrator_tools: [a], delegation_required: false}
archive: {summarize_interval: 300}
mqtt: {broker: "mqtt://x", publish_interval: 60}
pricing: {claude-opus-4: {input_per_million: 15.0, output_per_million: 75.0}}
logging: {dir: logs, level: info, format: json, compress: true, retention_days: 7}
debug: {demo_loops: false}
"""


def parse(text: str, environ: Mapping[str, str] | None = None) -> Settings:
    settings, _ = loading.parse(dedent(text), source="c.yaml", environ=environ or {})
    return settings


def refusal(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, environ)
    return str(caught.value).splitlines()


def test_an_empty_file_is_the_embedded_defaults() -> None:
    assert Settings() == parse("")
    assert parse("").ollama_api.enabled


def test_a_reference_configuration_loads_and_names_what_has_no_effect_yet() -> None:
    settings, warnings = loading.parse(REFERENCE, source="c.yaml", environ={})
    assert settings.models.default == "qwen3:14b"
    named = {warning.split(": ")[1].split(" ")[0] for warning in warnings}
    assert {"mqtt", "homeassistant", "talents_dir"} <= named
    assert "debug" in named
    assert "context" in named
    assert "listen" not in named


def test_an_unknown_key_names_its_line_and_the_nearest_valid_name() -> None:
    assert refusal("listen:\n  prot: 1\n") == ["c.yaml:2: listen.prot: there is no such key; did you mean `port`?"]


def test_an_unknown_key_far_from_any_lists_the_valid_ones() -> None:
    assert refusal("shutdown: {zzz: 1}") == [
        "c.yaml:1: shutdown.zzz: there is no such key here; valid are grace_seconds"
    ]


def test_every_error_of_a_file_is_reported_in_the_order_of_its_lines() -> None:
    lines = refusal("""\
        modles: {}
        listen:
          port: "80"
        models:
          available:
            - name: x
              speed: 99
        timezone: Mars/Base
        """)
    assert ["c.yaml:1: modles", "c.yaml:3: listen.port", "c.yaml:7: models.available[0].speed"] == [
        ": ".join(line.split(": ")[:2]) for line in lines[:3]
    ]
    assert lines[3].startswith("c.yaml:8: timezone")


def test_a_wrong_type_says_what_was_expected() -> None:
    assert refusal('listen:\n  port: "80"\n') == ["c.yaml:2: listen.port: expected `int`, got `str`"]


def test_a_value_out_of_range_is_refused() -> None:
    assert refusal("listen: {port: 70000}") == ["c.yaml:1: listen.port: expected `int` <= 65535"]


def test_a_missing_name_is_found_at_its_entry() -> None:
    assert refusal("models:\n  available:\n    - speed: 3\n") == [
        "c.yaml:3: models.available[0]: object missing required field `name`"
    ]


def test_an_unknown_time_zone_is_refused() -> None:
    assert refusal("timezone: Mars/Base") == [
        "c.yaml:1: timezone: 'Mars/Base' is not a time zone; write one such as `Europe/Amsterdam`"
    ]


@pytest.mark.parametrize(
    "url", ["not a url", "localhost:11434", "http://", "http://a:x", "http://[::1", "''", "ftp://a"]
)
def test_an_address_of_a_model_server_that_is_none_is_refused(url: str) -> None:
    lines = refusal(f"models: {{ollama_url: {url!r}}}" if url != "''" else "models: {ollama_url: ''}")
    assert 1 == len(lines)
    assert lines[0].startswith("c.yaml:1: models.ollama_url: ")
    assert lines[0].endswith(" is not the address of a server; write one such as `http://localhost:11434`")


def test_the_server_of_embeddings_may_be_left_empty_but_not_be_wrong() -> None:
    assert "" == parse("embeddings: {baseurl: ''}").embeddings.baseurl
    assert refusal("embeddings: {baseurl: here}") == [
        "c.yaml:1: embeddings.baseurl: 'here' is not the address of a server; write one such as `http://localhost:11434`"
    ]


def test_a_reference_within_a_longer_value_stays_and_is_told() -> None:
    text = "data_dir: ${HOME}/db\nmodels:\n  default: ${MODEL}\n"
    settings, warnings = loading.parse(text, source="c.yaml", environ={"MODEL": "a${B}c"})
    assert ("${HOME}/db", "a${B}c") == (settings.data_dir, settings.models.default)
    assert ("c.yaml:1: data_dir: ${HOME} stays as it is: a reference must be the whole value",) == warnings


def test_an_environment_reference_fills_a_whole_value_by_the_type_of_its_key() -> None:
    settings = parse(
        "listen: {port: '${PORT}'}\nauth: {keys: ['${KEY}']}\nhomeassistant: {token: '${KEY}'}\n",
        {"PORT": "9000", "KEY": "123456789"},
    )
    assert settings.listen.port == 9000
    assert settings.auth.keys == ("123456789",)
    assert settings.homeassistant.token == "123456789"


def test_a_dollar_inside_a_value_stays_as_it_is() -> None:
    assert parse("homeassistant: {token: 'a${PORT}b$'}", {"PORT": "1"}).homeassistant.token == "a${PORT}b$"


def test_a_missing_variable_is_named() -> None:
    assert refusal("homeassistant:\n  token: ${NOPE}\n") == [
        "c.yaml:2: homeassistant.token: the environment has no variable NOPE; set it, or write the value itself"
    ]


def test_an_empty_group_leaves_the_defaults() -> None:
    assert Settings() == parse("listen:\nmodels:\n  default:\n")


def test_a_key_that_stands_twice_is_refused() -> None:
    assert refusal("listen: {port: 1}\nlisten: {port: 2}\n") == [
        "c.yaml:2: listen: the key stands twice, first on line 1"
    ]


@pytest.mark.parametrize("text", ["a: [", "a: @b", "listen: {port: 1", "a: b: c", "!!python/object:os.system x"])
def test_what_is_not_yaml_is_refused_with_a_line(text: str) -> None:
    assert refusal(text)[0].startswith("c.yaml:1: it is not valid YAML: ")


def test_a_list_at_the_top_is_refused() -> None:
    assert refusal("- a") == ["c.yaml:1: a configuration is a mapping of keys to values, as in `listen: {port: 8080}`"]


def test_equal_ports_are_refused() -> None:
    assert refusal("listen: {port: 9000}\nollama_api:\n  port: 9000\n") == [
        "c.yaml:3: ollama_api.port: it is the port of the native listener too (9000); choose another"
    ]


def test_a_short_key_is_refused() -> None:
    assert refusal("auth:\n  keys:\n    - abc\n")[0].startswith("c.yaml:3: auth.keys[0]: the key is shorter")


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        loading.load(tmp_path / "none.yaml")


def test_the_first_file_found_is_read(tmp_path: Path) -> None:
    second = tmp_path / "b.yaml"
    second.write_text("language: de\n")
    assert second == loading.find((tmp_path / "a.yaml", second))
    assert loading.load(second, environ={}).settings.language == "de"


def test_what_has_no_effect_yet_is_a_key_that_exists() -> None:
    for path in loading.NOT_YET:
        kind: object = Settings
        for part in path.replace("[]", "").split("."):
            assert isinstance(kind, type)
            assert issubclass(kind, Section)
            fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
            assert part in fields
            kind = fields[part]
            if part == "available":
                kind = kind.__args__[0]  # pyright: ignore[reportAttributeAccessIssue] a tuple's item type
