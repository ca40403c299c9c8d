"""The Archive page in words: what was found is marked, and nothing that was said is markup."""

from __future__ import annotations

from markupsafe import Markup

from thane.http.dashboard.archive_page import checkpoint_rows, marked, preview, results, session_rows
from thane.memory.checkpoints import Change, CheckpointRecord, Difference
from thane.memory.records import MessageRecord
from thane.memory.search import Found, Hit
from thane.memory.sessions import SessionRecord
from thane.turn import Message

AT = 1_800_000_000.0


def test_what_was_found_is_marked_and_escaped() -> None:
    assert Markup("the <mark>kitchen</mark> light") == marked("the **kitchen** light")
    assert Markup("&lt;b&gt; <mark>&lt;i&gt;</mark> 2 ** 3") == marked("<b> **<i>** 2 ** 3")


def message(text: str) -> MessageRecord:
    return MessageRecord("m", "c_1", "r", 0, Message("user", text), AT)


def test_a_result_has_its_exchange_and_its_conversation() -> None:
    hit = Hit(message("the lamp"), "s_1", (message("<before>"),), (message("x" * 500),), "the **lamp**")
    found = results(Found((hit,), {"lmap": "lamp"}), {"c_1": "Lamps"}, None)
    (result,) = found.results
    assert ("Lamps", "c_1", (("lmap", "lamp"),)) == (result.title, result.conversation_id, found.instead)
    before, match, after = result.lines
    assert (Markup("&lt;before&gt;"), True, "…") == (before.text, match.found, after.text[-1])


def test_a_session_says_how_it_ended() -> None:
    ended = SessionRecord("s_1", "c_1", AT, AT, AT, "idle_timeout", title="Lamps", message_count=1)
    rows = session_rows((ended, SessionRecord("s_2", "c_1", AT, AT)), {"c_1": "Lights in the hall"}, None)
    assert [("Lamps", "idle timeout", "1 message"), ("Lights in the hall", "open", "0 messages")] == [
        (each.title, each.state, each.messages) for each in rows
    ]


def test_a_checkpoint_says_what_it_holds() -> None:
    (row,) = checkpoint_rows((CheckpointRecord("p", AT, "manual", "mine", 1, 2, 3, 2_500_000),), None)
    assert ("1 conversation, 2 messages, 3 facts", "2.5 MB") == (row.holds, row.size)


def test_only_conversations_that_can_be_restored_alone_can_be_ticked() -> None:
    changes = (
        Change("conversation", "c_1", "One", "changed", 1, 3, 2, 0),
        Change("conversation", "c_2", "Two", "removed", 2, 0, 0, 2),
        Change("conversation", "c_3", "", "damaged", 1, 0, 0, 0),
        Change("conversation", "c_4", "Four", "changed", 1, 1, 0, 0),
    )
    shown = preview(Difference("p", changes, 5))
    assert [
        ("One", "changes", "+2", True),
        ("Two", "goes", "−2", False),
        ("c_3", "cannot be read; stays as it is", "", False),
        ("Four", "changes in its title or sessions only", "", True),
    ] == [(row.title, row.change, row.counts, row.chosen) for row in shown.rows]
    assert 5 == shown.same
