"""The dashboard as it is served."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import trio
from trio.testing import MockClock
from trio_websocket import open_websocket

from tests.http.dashboard.evening import evening, remember_chat
from tests.http.dashboard.fakes import World, failing_answer, spoken_answer
from thane.config.settings import Dashboard, Settings
from thane.errors import ClientError, DependencyError
from thane.http.dashboard.pages import SECURITY_HEADERS
from thane.http.dashboard.routes import routes
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp
from thane.memory.records import PromptRecord, RunRecord, SentPrompt, Span
from thane.testing.serving import Answer, serving
from thane.testing.serving import request as raw_request
from thane.turn import Message, Prompt

NDJSON = "Accept: application/x-ndjson"
HTML = "Accept: text/html"
FORM = "Content-Type: application/x-www-form-urlencoded"


def make_app(world: World) -> ThaneApp:
    app = ThaneApp("test", limits=world.settings.limits, problems=native_problem)
    app.register_blueprint(routes(world.rooms()))
    return app


async def get(world: World, path: str, *headers: str) -> Answer:
    async with serving(make_app(world)) as served:
        return await served.ask("GET", path, b"", *headers)


async def page_at(world: World, path: str, *headers: str) -> str:
    return (await get(world, path, *headers)).body.decode()


async def ask(world: World, *headers: str, **fields: str) -> Answer:
    """Send the chat form; the script plays in a nursery beside the server, as a turn does."""
    async with trio.open_nursery() as nursery:
        world.conversations.nursery = nursery
        async with serving(make_app(world)) as served:
            answer = await served.ask("POST", "/dash/chat", urlencode(fields).encode(), FORM, *headers)
        nursery.cancel_scope.cancel()
    return answer


PAGES = (
    *("/", "/?conversation=c_l7", "/conversations", "/conversations/c_l7"),
    *("/runs", "/runs?state=done&channel=api", "/runs/r_1"),
    *("/events", "/events?source=agent&q=lamp", "/events?run=r_1", "/events/1", "/system", "/loops/owu"),
)
ANSWERS = (
    *(*PAGES, "/runs/nope", "/runs/r_1/prompts/0", "/runs?state=odd", "/events/999", "/events?kind=x", "/nothing"),
    *("/static/thane.css", "/static/none.css"),
)


def remember_run(world: World, **more: Any) -> RunRecord:
    """A run that was answered, with the prompt of its one step."""
    kept = world.archive.as_kept(SentPrompt(0, 1, Prompt((Message("user", "lights <b>off</b>"),))))
    run = RunRecord("r_1", "c_1", "l_1", "api", "thane:latest", "done", world.clock.time(), "lights off", "qwen3")
    spans = (Span("model", "qwen3", world.clock.time(), 1.0, "done", 1, prompt=0),)
    run = msgspec.structs.replace(run, spans=spans, prompts=(PromptRecord(0, 1, kept.hash, 1, 0, 30),), **more)
    world.archive.past[run.id] = run
    world.archive.prompts[kept.hash] = kept
    return run


@pytest.mark.parametrize("path", ANSWERS)
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    world = World()
    await evening(world, waiting=2)
    answer = await get(world, path, HTML)
    assert {name: answer.headers.get(name.lower()) for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize("path", PAGES)
async def test_pages_hold_no_inline_style_script_or_double_id(path: str) -> None:
    world = World()
    await evening(world)
    remember_run(world)
    answer = await get(world, path)
    page = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<[^>]*\sstyle=", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert {name for name in ids if ids.count(name) > 1} == set()
    assert "\x01" not in page
    assert "\x02" not in page


async def test_links_lead_to_pages_that_exist() -> None:
    world = World()
    await evening(world)
    async with serving(make_app(world)) as served:
        page = (await served.ask("GET", "/")).body.decode()
        hrefs = set(re.findall(r'<a [^>]*href="([^"#]+)"', page))
        assert len(hrefs) > 10
        for href in hrefs:
            assert (await served.ask("GET", href.replace("&amp;", "&"))).status == 200, href


async def test_the_chat_box_shows_a_stored_conversation() -> None:
    world = World()
    remember_chat(world)
    page = await page_at(world, "/?conversation=c_l7")
    assert "Only the office lamp, at 40 %." in page
    assert '<input type="hidden" name="conversation" value="c_l7">' in page


async def test_an_unknown_conversation_is_a_new_chat() -> None:
    assert '<input type="hidden" name="conversation" value="">' in await page_at(World(), "/?conversation=nope")


@pytest.mark.parametrize(("cookie", "theme"), [("", "auto"), ("dark", "dark"), ("evil", "auto")])
async def test_the_theme_is_drawn_by_the_server(cookie: str, theme: str) -> None:
    page = await page_at(World(), "/", f"Cookie: thane_theme={cookie}")
    assert f'<html lang="en" data-theme="{theme}">' in page


async def test_static_files_are_kept_for_ever_under_their_hash() -> None:
    async with serving(make_app(World())) as served:
        page = (await served.ask("GET", "/")).body.decode()
        address = re.search(r"/static/thane\.css\?v=\w+", page)
        assert address is not None
        kept = await served.ask("GET", address[0])
        other = await served.ask("GET", "/static/thane.css?v=other")
        same = await served.ask("GET", "/static/thane.css", b"", f"If-None-Match: {other.headers['etag']}")
    assert (kept.status, kept.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in kept.headers["cache-control"]
    assert b"--live" in kept.body
    assert other.headers["cache-control"] == "no-cache"
    assert (same.status, same.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml", "/static/..%2fpyproject.toml"),
        *("/static/templates/now.html", "/static/vendor/VENDOR.json", "/static/", "/static/etc/passwd"),
    ],
)
async def test_nothing_but_assets_is_served(path: str) -> None:
    assert (await get(World(), path)).status == 404


async def test_the_icon_is_there_for_browsers_that_ask_for_it() -> None:
    answer = await get(World(), "/favicon.ico")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")


async def test_an_unknown_page_is_a_page_for_people_and_json_for_programs() -> None:
    person = await get(World(), "/nowhere", HTML)
    program = await get(World(), "/nowhere", "Accept: */*")
    api = await get(World(), "/v1/nowhere", HTML)
    assert (person.status, program.status, api.status) == (404, 404, 404)
    assert b"There is no page /nowhere." in person.body
    for answer in (program, api):
        assert json.loads(answer.body)["error"]["type"] == "not_found"


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (DependencyError("the disk is full", dependency="database"), 503, "the disk is full"),
        (ClientError("there are limits", status=413, code="too_large"), 413, "there are limits"),
        (ZeroDivisionError("secret"), 500, "Something went wrong in Thane itself"),
    ],
)
async def test_what_fails_is_a_page_for_people_and_json_for_programs(error: Exception, status: int, told: str) -> None:
    app = make_app(World())

    @app.get("/broken")
    async def broken() -> str:
        raise error

    async with serving(app) as served:
        person = await served.ask("GET", "/broken", b"", HTML)
        program = await served.ask("GET", "/broken", b"", "Accept: */*")
    assert (status, status) == (person.status, program.status)
    assert told in person.body.decode()
    assert all(person.headers[name.lower()] == value for name, value in SECURITY_HEADERS.items())
    assert json.loads(program.body)["error"]["message"]
    assert b"secret" not in person.body + program.body


async def test_an_answer_is_streamed_as_lines(autojump_clock: MockClock) -> None:
    world = World()
    world.conversations.script = spoken_answer("The <b>lamp</b> is on.")
    answer = await ask(world, NDJSON, text="turn on the lamp", profile="thane:local")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["t"] for line in lines][:4] == ["run", "model", "tool", "tool_done"]
    assert "".join(line["text"] for line in lines if line["t"] == "text") == "The <b>lamp</b> is on."
    assert lines[-1]["t"] == "done"
    assert world.conversations.turns[0].model == "thane:local"


async def test_a_refused_turn_is_said_with_its_status(autojump_clock: MockClock) -> None:
    world = World()
    world.conversations.refuse = ClientError("too many turns wait", status=429, code="queue_full")
    answer = await ask(world, NDJSON, text="hello")
    assert (answer.status, json.loads(answer.body)["error"]["message"]) == (429, "too many turns wait")


async def test_an_empty_message_is_refused(autojump_clock: MockClock) -> None:
    answer = await ask(World(), NDJSON, text=" ")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, "empty_message")


async def test_an_unknown_model_is_refused(autojump_clock: MockClock) -> None:
    assert (await ask(World(), NDJSON, text="hello", profile="gpt-99")).status == 404


async def test_a_reader_that_hangs_up_cancels_the_turn(autojump_clock: MockClock) -> None:
    world = World()
    world.conversations.script = spoken_answer(pause=1000.0)
    async with trio.open_nursery() as nursery:
        world.conversations.nursery = nursery
        async with serving(make_app(world)) as served, await served.connect() as client:
            body = urlencode({"text": "hello"}).encode()
            await client.send(raw_request("POST", "/dash/chat", body, FORM, NDJSON))
            await client.read_until(b'"t":"run"')
            assert world.conversations.cancelled == []
            client.close()
            await trio.sleep(0.05)
            assert world.conversations.cancelled == ["r_0000000000000001"]
        nursery.cancel_scope.cancel()


async def test_without_a_script_the_form_leads_to_the_conversation(autojump_clock: MockClock) -> None:
    world = World()
    world.conversations.script = spoken_answer()
    answer = await ask(world, HTML, text="turn on the lamp")
    assert (answer.status, answer.headers["location"]) == (303, "/?conversation=c_0000000000000001#ask")


async def test_without_a_script_a_failure_is_shown_under_the_question(autojump_clock: MockClock) -> None:
    world = World()
    world.conversations.script = failing_answer()
    answer = await ask(world, HTML, text="<turn on> the lamp")
    page = answer.body.decode()
    assert answer.status == 503
    assert "&lt;turn on&gt; the lamp" in page
    assert 'role="alert"' in page
    assert "the model server does not answer" in page


async def test_without_a_script_a_refusal_is_shown_too(autojump_clock: MockClock) -> None:
    world = World()
    world.conversations.refuse = ClientError("too many turns wait", status=429, code="queue_full")
    answer = await ask(world, HTML, text="hello")
    assert answer.status == 429
    assert b"too many turns wait" in answer.body


async def test_the_events_page_shows_what_its_address_selects() -> None:
    world = World()
    await evening(world, waiting=2)
    page = await page_at(world, "/events?source=home&conversation=&q=floor")
    assert re.findall(r'<span class="e-k mono">(\w+)</span>', page) == ["service_called", "state_changed"]
    assert '<input type="checkbox" name="source" value="home" checked>' in page
    assert 'hx-ws:connect="/live?page=events&amp;source=home&amp;q=floor&amp;since=' in page
    assert 'href="/v1/events/log?limit=1000&amp;source=home"' in page


async def test_a_change_of_a_device_names_the_conversation_that_made_it() -> None:
    world = World()
    await evening(world, waiting=2)
    page = await page_at(world, "/events?kind=state_changed")
    assert page.count('<span class="e-c">Movie night</span>') == 2


async def test_wrong_filters_are_said_on_a_page() -> None:
    answer = await get(World(), "/events?source=router", HTML)
    assert answer.status == 400
    assert "there is no event source “router”" in answer.body.decode()


async def test_rows_between_two_events_can_be_asked_for() -> None:
    world = World()
    for _ in range(6):
        world.bus.publish("system", "started", version="1")
    rows = await page_at(world, "/events/rows?after=2&before=5")
    assert re.findall(r'id="e-(\d+)"', rows) == ["3", "4"]
    assert "<html" not in rows


async def test_more_rows_than_a_page_keeps_become_a_gap() -> None:
    world = World(settings=Settings(timezone="UTC", dashboard=Dashboard(event_rows=2)))
    for _ in range(6):
        world.bus.publish("system", "started", version="1")
    rows = await page_at(world, "/events/rows?after=0")
    assert re.findall(r'id="e-(\d+)"', rows) == ["5", "6"]
    assert "4 events skipped" in rows


async def test_an_event_is_a_page_or_for_its_row_only_the_data() -> None:
    world = World()
    world.bus.publish("system", "started", version="<b>1</b>")
    page = await page_at(world, "/events/1")
    fragment = await page_at(world, "/events/1", "HX-Request: true")
    assert "<html" in page
    assert "<html" not in fragment
    for text in (page, fragment):
        assert "&lt;b&gt;1&lt;/b&gt;" in text


async def test_an_event_that_is_gone_is_not_found() -> None:
    answer = await get(World(), "/events/7", HTML)
    assert answer.status == 404
    assert b"event 7 is not in the log" in answer.body


@pytest.mark.parametrize("page", ["now", "events", "run&id=r_1"])
async def test_the_live_channel_tells_everything_first_and_ends_with_its_viewer(
    page: str, autojump_clock: MockClock
) -> None:
    world = World()
    world.bus.publish("system", "started", version="1")
    remember_run(world)
    async with serving(make_app(world)) as served:
        async with open_websocket("127.0.0.1", served.port, f"/live?page={page}", use_ssl=False) as socket:
            message = json.loads(await socket.get_message())
            assert "<hx-partial" in message["content"]
            assert world.bus.statistics().subscribers == 1
        await trio.sleep(1)
        assert world.bus.statistics().subscribers == 0


async def test_a_live_channel_with_wrong_filters_is_refused() -> None:
    upgrade = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {'A' * 22}==",
    )
    answer = await get(World(), "/live?page=events&source=x", *upgrade)
    assert answer.status == 400


async def test_the_runs_are_listed_in_pages_and_lead_to_their_pages() -> None:
    world = World()
    for number in range(60):
        remember_run(world, id=f"r_{number:02}", started_at=1_800_000_000.0 + number)
    page = await page_at(world, "/runs?state=done")
    assert 'href="/runs/r_59"' in page
    assert 'href="/runs/r_09"' not in page
    (following,) = re.findall(r'href="(/runs\?state=done[^"]+)"', page)
    assert 'href="/runs/r_09"' in await page_at(world, following.replace("&amp;", "&"))


async def test_a_run_that_is_not_kept_is_not_found() -> None:
    answer = await get(World(), "/runs/r_nope", HTML)
    assert answer.status == 404
    assert b"There is no run r_nope" in answer.body


async def test_a_prompt_is_a_page_or_for_its_row_only_the_part() -> None:
    world = World()
    run = remember_run(world)
    page = await page_at(world, "/runs/r_1/prompts/0")
    part = await page_at(world, "/runs/r_1/prompts/0", "HX-Request: true")
    assert "<html" in page
    assert "<html" not in part
    for text in (page, part):
        assert "lights &lt;b&gt;off&lt;/b&gt;" in text
        assert f"/v1/prompts/{run.prompts[0].hash}" in text


async def test_a_prompt_that_is_no_longer_kept_says_so() -> None:
    world = World()
    remember_run(world)
    world.archive.prompts.clear()
    answer = await get(world, "/runs/r_1/prompts/0", HTML)
    assert answer.status == 404
    assert b"no longer" in answer.body
    assert 404 == (await get(world, "/runs/r_1/prompts/7", HTML)).status


async def test_the_prompt_of_a_run_that_goes_on_is_shown_without_secrets() -> None:
    world = World()
    world.conversations.prompts["r_2"] = (SentPrompt(0, 1, Prompt((Message("user", "it is opensesame"),))),)
    page = await page_at(world, "/runs/r_2/prompts/0")
    assert "it is [redacted]" in page
    assert "/v1/requests/r_2" in page
