"""The Conversations page: what it shows of a stored conversation, and what can be done there."""

from __future__ import annotations

import msgspec
import trio
from trio.testing import MockClock
from trio_websocket import open_websocket

from tests.http.dashboard.evening import evening, remember_chat
from tests.http.dashboard.fakes import World, live_run
from tests.http.dashboard.test_routes import FORM, HTML, get, make_app, page_at
from thane.http.dashboard.conversation_page import Looked
from thane.memory.records import ConversationRecord
from thane.testing.serving import serving


async def test_the_list_has_each_conversation_with_its_state_and_the_chosen_one_open() -> None:
    world = World()
    await evening(world)
    remember_chat(world)
    page = await page_at(world, "/conversations/c_l7")
    assert '<a class="ci is-' in page
    assert page.count('aria-current="true"') == 2  # the channel and the conversation
    assert "Only the office lamp, at 40 %." in page
    assert 'href="/runs/r_past1"' in page
    assert "light.turn_on" in page
    assert 'href="/v1/conversations/c_l7/export"' in page


async def test_what_is_looked_for_stays_in_every_link() -> None:
    world = World()
    remember_chat(world)
    page = await page_at(world, "/conversations?q=Movie&channel=api")
    assert 'href="/conversations/c_l7?q=Movie&amp;channel=api"' in page
    assert "Found <span>1</span>" in page
    assert "There is no such conversation." in await page_at(world, "/conversations?channel=ha")


async def test_an_unknown_conversation_is_404_with_the_list_beside_it() -> None:
    world = World()
    remember_chat(world)
    answer = await get(world, "/conversations/c_none", HTML)
    assert 404 == answer.status
    assert b"There is no conversation c_none" in answer.body
    assert b"Movie night" in answer.body


async def test_a_running_turn_can_be_stopped_there() -> None:
    world = World()
    remember_chat(world)
    world.conversations.runs["r_9"] = live_run("r_9", "l7", "Movie night", "api", conversation_id="c_l7", turn_number=3)
    page = await page_at(world, "/conversations/c_l7")
    assert 'hx-delete="/v1/runs/r_9"' in page
    assert "Stop turn 3" in page


async def test_it_is_renamed_put_away_and_deleted_by_forms() -> None:
    world = World()
    remember_chat(world)
    async with serving(make_app(world)) as served:
        for action, body in (("rename", b"title=Film"), ("archive", b"away=1"), ("delete", b"")):
            answer = await served.ask("POST", f"/conversations/c_l7/{action}?q=x", body, FORM)
            assert 303 == answer.status
            at = "/conversations?q=x" if action == "delete" else "/conversations/c_l7?q=x"
            assert at == answer.headers["location"]
    assert [("rename", "c_l7", "Film"), ("put_away", "c_l7", True), ("delete", "c_l7", "dashboard")] == (
        world.conversations.shelf.done
    )


async def test_titles_are_never_markup() -> None:
    world = World()
    world.archive.known["c_1"] = ConversationRecord("c_1", "api", "<b>x</b>", 0.0, 0.0)
    page = await page_at(world, "/conversations/c_1")
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_an_address_leads_back_to_the_same_look() -> None:
    looked = Looked(id="c_1", at="m_1", q="a b", channel="owu", archived=True, pages=2, whole=True)
    assert "/conversations/c_1?q=a+b&channel=owu&archived=1&pages=2&at=m_1&whole=1" == looked.address()
    assert "/conversations/c_2?q=a+b&channel=owu&archived=1&pages=2" == looked.address("c_2")
    assert looked.live().startswith("/live?page=conversations&id=c_1&q=a+b")
    assert Looked() == Looked.read({"pages": "many", "channel": "x"})
    assert "/conversations" == Looked().address()


async def test_an_open_page_is_told_what_changes(autojump_clock: MockClock) -> None:
    world = World()
    remember_chat(world)
    async with serving(make_app(world)) as served:
        url = ("127.0.0.1", served.port)
        async with open_websocket(*url, "/live?page=conversations&id=c_l7", use_ssl=False) as socket:
            first = msgspec.json.decode(await socket.get_message())
            assert 'hx-target="#clist"' in first["content"]
            record = world.archive.known["c_l7"]
            world.archive.known["c_l7"] = msgspec.structs.replace(record, title="Renamed")
            world.bus.publish("agent", "conversation_changed", conversation_id="c_l7", title="Renamed", by="person")
            with trio.fail_after(30):
                while "Renamed" not in (told := msgspec.json.decode(await socket.get_message())).get("content", ""):
                    pass
            assert 'hx-target="#cpane"' in told["content"]
