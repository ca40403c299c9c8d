"""The API page: what it makes of a document, and the page as it is served."""

from __future__ import annotations

import re
import shlex

import msgspec
import pytest
from trio.testing import MockClock

from tests.http.scripted import site
from thane.config.settings import Auth, OllamaApi, Settings
from thane.http.dashboard.api_page import port, prose

DOCUMENT = {
    "tags": [{"name": "Chat", "description": "Talk."}],
    "paths": {
        "/talk/{room_id}": {
            "post": {
                "operationId": "post_talk",
                "tags": ["Chat"],
                "summary": "Talk",
                "description": "Say `<b>`.",
                "parameters": [{"name": "room_id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Said"},
                            "example": {"text": "it's <late>"},
                        }
                    }
                },
                "responses": {"200": {"description": "Done."}},
            }
        },
        "/live": {
            "get": {
                "operationId": "get_live",
                "tags": ["Chat"],
                "summary": "Follow",
                "description": "Follow.",
                "responses": {"101": {"description": "Open."}},
            }
        },
    },
    "components": {
        "schemas": {
            "Said": {
                "required": ["text"],
                "properties": {
                    "text": {"type": "string", "description": "What `one` says."},
                    "to": {"anyOf": [{"type": "array", "items": {"enum": ["me", "you"]}}, {"type": "null"}]},
                },
            }
        }
    },
}


def test_an_operation_is_told_with_its_fields_and_a_command_that_a_shell_takes() -> None:
    (area,) = port("native", "http://here", DOCUMENT, key=False).areas
    talk, _ = area.operations
    assert ("POST", "/talk/{room_id}", "native-post-talk") == (talk.method, talk.path, talk.anchor)
    assert "<p>Say <code>&lt;b&gt;</code>.</p>" == talk.text
    assert [("room_id", "path", True)] == [(row.name, row.place, row.required) for row in talk.parameters]
    assert [
        ("text", "string", True),
        ("to", "list of <code>&#34;me&#34;</code> or <code>&#34;you&#34;</code>", False),
    ] == [(row.name, row.type, row.required) for row in talk.fields]
    words = shlex.split(talk.example)
    assert ["curl", "http://here/talk/ROOM_ID", "-d"] == words[:-1]
    assert {"text": "it's <late>"} == msgspec.json.decode(words[-1])


def test_a_websocket_has_no_curl() -> None:
    (area,) = port("native", "http://here", DOCUMENT, key=True).areas
    talk, live = area.operations
    assert ("WS", "") == (live.method, live.example)
    assert '-H "Authorization: Bearer $THANE_KEY"' in talk.example


def test_null_is_told_of_fields_that_are_always_there() -> None:
    schema = {"properties": {"next": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "required": ["next"]}
    (shape,) = port(
        "native", "", {"tags": [], "paths": {}, "components": {"schemas": {"Page": schema}}}, key=False
    ).shapes
    assert ["string or null"] == [row.type for row in shape.fields]


def test_code_in_prose_may_break_after_a_comma() -> None:
    assert "<p><code>a,<wbr>b</code>, c</p>" == prose("`a,b`, c")


def test_prose_is_escaped_and_has_paragraphs() -> None:
    assert "<p>a &lt;i&gt; b</p><p>see events.md</p>" == prose("a <i>\nb\n\nsee [events.md](events.md)")


async def page(settings: Settings | None = None) -> str:
    async with site(settings=settings) as place:
        answer = await place.native.ask("GET", "/docs", b"", "Accept: text/html")
    assert 200 == answer.status
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer.body.decode()


async def test_the_page_holds_every_route_of_both_ports_and_nothing_inline(autojump_clock: MockClock) -> None:
    html = await page()
    for path in ("/v1/chat", "/v1/runs/{run_id}", "/openapi.json", "/api/chat", "/api/tags"):
        assert f"<code>{path}</code>" in html
    assert ":11434/api/chat -d" in html
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)|javascript:", html)
    assert [] == [address for address in re.findall(r'(?:src|href)="([^"]+)"', html) if address[0] not in "/#"]


async def test_every_link_within_the_page_leads_to_one_place(autojump_clock: MockClock) -> None:
    html = await page()
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set() == set(re.findall(r'href="#([^"]+)"', html)) - set(ids)


@pytest.mark.parametrize("settings", [OllamaApi(port=0), OllamaApi(enabled=False)], ids=["one port", "off"])
async def test_without_an_ollama_port_there_is_one_part(settings: OllamaApi, autojump_clock: MockClock) -> None:
    html = await page(Settings(ollama_api=settings))
    assert 'id="native-' in html
    assert 'id="ollama-' not in html
    assert (settings.port == 0) == ("<code>/api/tags</code>" in html)


async def test_examples_name_a_key_where_one_is_needed_and_never_tell_it(autojump_clock: MockClock) -> None:
    html = await page(Settings(auth=Auth(keys=("sesame",))))
    assert "$THANE_KEY" in html
    assert "sesame" not in html
