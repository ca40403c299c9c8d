"""The Archive page in words: what was found is marked, and nothing that was said is markup."""

from __future__ import annotations

from datetime import UTC

from markupsafe import Markup

from thane.config.settings import Archive, Settings, Storage
from thane.http.dashboard.archive_page import checkpoint_rows, keeping, marked, preview, results, session_rows
from thane.memory.checkpoints import Change, CheckpointRecord, Difference
from thane.memory.records import MessageRecord
from thane.memory.retention import RetentionStatistics
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


def test_how_long_it_is_kept_and_what_went_last() -> None:
    assert ("What was said is kept for ever.",) == keeping(Settings(), RetentionStatistics(), UTC)
    limited = Settings(archive=Archive(keep_days=90), storage=Storage(max_bytes=2_000_000))
    swept = RetentionStatistics(looks=1, last_at=AT, sessions=1, messages=12, file_bytes=1_500_000)
    assert (
        "What was said is kept for 90 days.",
        "The database takes 1.5 MB of at most 2.0 MB.",
        "Last looked at 15 Jan 2027, 08:00: since the start 1 session with 12 messages went.",
    ) == keeping(limited, swept, UTC)
