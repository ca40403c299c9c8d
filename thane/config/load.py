"""Reading the configuration file: YAML into `Settings`, with errors that name line, key and the nearest valid key.

Not here: the settings and their defaults (`thane.config.settings`). Every error of a file is found before any is
reported, so that an owner mends them in one go.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
import yaml

from thane.config.servers import is_address, server_problems
from thane.config.settings import Section, Settings
from thane.errors import ConfigurationError

SEARCH = (
    Path("config.yaml"),
    Path("~/Thane/config.yaml"),
    Path("~/.config/thane/config.yaml"),
    Path("/config/config.yaml"),
    Path("/usr/local/etc/thane/config.yaml"),
    Path("/etc/thane/config.yaml"),
)
"""Where a configuration is looked for when none is named; the first that exists is read."""

NOT_YET: dict[str, str] = {
    "homeassistant": "Thane has no link to Home Assistant of its own yet; Home Assistant's Ollama integration works",
} | dict.fromkeys(
    (
        *("talents_dir", "persona_file", "paths", "context", "capability_tags", "channel_tags"),
        *("episodic", "prewarm", "state_window", "search", "shell_exec", "workspace"),
        *("mcp", "mqtt", "person", "unifi", "signal", "email", "forge", "media", "metacognitive", "carddav"),
        *("identity", "openclaw", "debug"),
    ),
    "it is known from the reference and does nothing here yet",
)
"""Keys that are accepted and have no effect yet, each with what that means for the owner."""

_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)


class Loaded(msgspec.Struct, frozen=True):
    """A valid configuration. `path` is None for the embedded defaults; `warnings` are sentences for the owner."""

    settings: Settings
    path: Path | None = None
    warnings: tuple[str, ...] = ()


class _Node(msgspec.Struct):
    """A parsed file: plain values, and the line (from 1) of each path such as `listen.port`."""

    value: Any
    lines: dict[str, int]


def find(search: Sequence[Path] = SEARCH) -> Path | None:
    """The first configuration file that exists, or None."""
    return next((path for path in (each.expanduser() for each in search) if path.is_file()), None)


def load(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read `path`, or the first file of `SEARCH`, or fall back to the embedded defaults.

    Raises ConfigurationError with one line for each thing that is wrong.
    """
    path = path or find()
    if path is None:
        return Loaded(Settings())
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file; name another with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: it cannot be read: {error}") from error
    settings, warnings = parse(text, source=str(path), environ=environ)
    return Loaded(settings, path, warnings)


def parse(text: str, *, source: str, environ: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """Settings and warnings from a YAML text. `source` names it in messages."""
    node = _read_yaml(text, source)
    if node.value is None:
        return Settings(), ()
    if not isinstance(node.value, dict):
        raise ConfigurationError(
            f"{source}:1: a configuration is a mapping of keys to values, as in `listen: {{port: 8080}}`"
        )
    problems: list[tuple[str, str]] = []
    value = _check(node.value, Settings, "", environ, problems)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        if field.encode_name in value:
            try:
                values[field.name] = msgspec.convert(value[field.encode_name], field.type)
            except msgspec.ValidationError as error:
                problems.append(_explain(error, field.encode_name))
    settings = Settings(**values)
    problems.extend(_cross_checks(settings))
    if problems:
        problems.sort(key=lambda problem: _line(node.lines, problem[0]))
        raise ConfigurationError(
            "\n".join(f"{source}:{_line(node.lines, where)}: {where}: {what}" for where, what in problems)
        )
    return settings, (*_left_alone(node, source), *_warn(value, node.lines, source))


def _read_yaml(text: str, source: str) -> _Node:
    lines: dict[str, int] = {}
    loader = yaml.SafeLoader(text)

    def walk(node: yaml.Node, path: str) -> Any:
        lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            loader.flatten_mapping(node)
            mapping: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key = loader.construct_object(key_node, deep=True)  # pyright: ignore[reportUnknownMemberType] untyped library
                here = f"{path}.{key}" if path else str(key)
                if key in mapping:
                    line = key_node.start_mark.line + 1
                    raise ConfigurationError(
                        f"{source}:{line}: {here}: the key stands twice, first on line {lines[here]}"
                    )
                value = walk(value_node, here)
                lines[here] = key_node.start_mark.line + 1
                mapping[key] = value
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [walk(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return loader.construct_object(node, deep=True)  # pyright: ignore[reportUnknownMemberType] untyped library

    try:
        root = loader.get_single_node()
        return _Node(None if root is None else walk(root, ""), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{source}:{line}: it is not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{source}:1: it is not valid YAML: {error}") from error
    finally:
        loader.dispose()


def _check(value: Any, kind: Any, path: str, environ: Mapping[str, str], problems: list[tuple[str, str]]) -> Any:
    """`value` with environment references filled in and empty keys left out; unknown keys go to `problems`."""
    if isinstance(value, str):
        return _fill(value, kind, path, environ, problems)
    if isinstance(value, list):
        inner = next(iter(get_args(kind)), Any) if get_origin(kind) is tuple else Any
        return [_check(item, inner, f"{path}[{index}]", environ, problems) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    fields = _fields(kind)
    checked: dict[Any, Any] = {}
    for key, item in value.items():
        here = f"{path}.{key}" if path else str(key)
        if fields is not None and key not in fields:
            problems.append((here, _unknown(str(key), fields)))
        elif item is not None:  # an empty key leaves the default
            inner = fields[key] if fields is not None else _values_of(kind)
            checked[key] = _check(item, inner, here, environ, problems)
    return checked


def _fields(kind: Any) -> dict[str, Any] | None:
    if isinstance(kind, type) and issubclass(kind, Section):
        return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    return None


def _values_of(kind: Any) -> Any:
    return get_args(kind)[1] if get_origin(kind) is dict else Any


def _fill(value: str, kind: Any, path: str, environ: Mapping[str, str], problems: list[tuple[str, str]]) -> Any:
    match = _ENV.fullmatch(value)
    if match is None:
        return value
    name = match[1]
    if name not in environ:
        problems.append((path, f"the environment has no variable {name}; set it, or write the value itself"))
        return None if kind is Any else value
    text = environ[name]
    # A string setting takes the text as it is: a key of digits must not become a number.
    return text if kind in (str, Any) else yaml.safe_load(text)


def _unknown(key: str, fields: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
    if near:
        return f"there is no such key; did you mean `{near[0]}`?"
    return f"there is no such key here; valid are {', '.join(sorted(fields))}"


def _explain(error: msgspec.ValidationError, top: str) -> tuple[str, str]:
    match = _AT.match(str(error))
    path = (match["path"] or "$" if match else "$")[1:]
    what = match["what"] if match else str(error)
    where = f"{top}{path}"
    if what.startswith("Invalid enum value") and (choices := _choices(where)):
        what = f"{what.removeprefix('Invalid enum value ')} is none of {', '.join(f'`{each}`' for each in choices)}"
    return where, what[0].lower() + what[1:]


def _choices(path: str) -> tuple[Any, ...]:
    """What the setting at a path may be, where that is one of a few words."""
    kind: Any = Settings
    for part in re.findall(r"[^.\[\]]+", path):
        if part.isdecimal() and get_origin(kind) is tuple:
            kind = get_args(kind)[0]
        else:
            kind = (_fields(kind) or {}).get(part, _values_of(kind))
    return get_args(kind) if get_origin(kind) is Literal else ()


def _cross_checks(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.timezone:
        try:
            ZoneInfo(settings.timezone)
        except (KeyError, ValueError, OSError):
            yield "timezone", f"{settings.timezone!r} is not a time zone; write one such as `Europe/Amsterdam`"
    for index, key in enumerate(settings.auth.keys):
        if len(key) < 8:
            yield f"auth.keys[{index}]", "the key is shorter than 8 characters; make one with `openssl rand -hex 24`"
    for where, url in (
        ("models.ollama_url", settings.models.ollama_url),
        ("embeddings.baseurl", settings.embeddings.baseurl),
    ):
        if not is_address(url) and (url or where != "embeddings.baseurl"):
            yield where, f"{url!r} is not the address of a server; write one such as `http://localhost:11434`"
    yield from server_problems(settings)
    if settings.listen.port and settings.ollama_api.enabled and settings.listen.port == settings.ollama_api.port:
        yield "ollama_api.port", f"it is the port of the native listener too ({settings.listen.port}); choose another"


def _line(lines: Mapping[str, int], path: str) -> int:
    """The line of `path`, or of the nearest key above it."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 1)


def _left_alone(node: _Node, source: str) -> Iterator[str]:
    """References that are not the whole value, which programs of other makes fill in."""
    for path, line in node.lines.items():
        written = _at(node.value, path)
        reference = _ENV.search(written) if isinstance(written, str) else None
        if reference and reference[0] != written:
            yield f"{source}:{line}: {path}: {reference[0]} stays as it is: a reference must be the whole value"


def _warn(value: Mapping[str, Any], lines: Mapping[str, int], source: str) -> Iterator[str]:
    seen: set[str] = set()
    for path, line in sorted(lines.items(), key=lambda item: item[1]):
        plain = re.sub(r"\[\d+\]", "[]", path)
        if plain in NOT_YET and plain not in seen and _present(value, path):
            seen.add(plain)
            yield f"{source}:{line}: {path} has no effect yet: {NOT_YET[plain]}"


def _present(value: Any, path: str) -> bool:
    return _at(value, path) not in (None, "", {}, [])


def _at(value: Any, path: str) -> Any:
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, list):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return None
    return value
