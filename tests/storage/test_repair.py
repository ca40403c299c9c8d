"""Of a damaged database all comes over that is not on the damaged pages, and it is said what does not."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.memory.samples import AT, conversation, run, said
from tests.storage.faulty import Failing, House, contents, fail_connections, opened
from tests.storage.test_killing import integrity
from tests.storage.test_released import RELEASED, build
from thane.clock import SystemClock
from thane.config.settings import Storage
from thane.errors import ConfigurationError, DependencyError
from thane.ledger.entry import LedgerEntry
from thane.memory.archive import Archive
from thane.memory.facts import NewFact
from thane.memory.records import SentPrompt, Span, StepRecord, ToolCallRecord
from thane.memory.search import Wanted
from thane.storage import swap
from thane.storage.database import open_database
from thane.storage.lock import take_lock
from thane.storage.repair import Repaired, repair
from thane.storage.schema import APPLICATION_ID
from thane.turn import Message, Prompt, Usage

PAGE = 4096
TURNS = 100
DAMAGES = int(os.environ.get("THANE_DAMAGES", "2"))
"""Of each kind; `just crash` does more."""
KINDS = ("ones", "zeros", "noise", "torn")


async def fill(house: House) -> None:
    """Turns of many sizes, some longer than a page, and everything else that there is."""
    source = random.Random(5)
    for number in range(TURNS):
        id_, name, at = f"r_{number:04}", f"c_{number % 12}", AT + number
        call = ToolCallRecord("call", id_, name, 1, "tool", "{}", "x" * source.randint(1, 3000), True, at, 0.1)
        step = StepRecord(1, "m", "llama", Usage(7, 5), "stop", at, 1.0)
        ended = run(
            id_, name, at=at, tool_calls=(call,), steps=(step,), spans=(Span("queue", "queue", at, 0.0, "done"),)
        )
        sent = (SentPrompt(0, 1, Prompt((Message("system", "shared"), Message("user", f"lamp {number}")))),)
        paid = house.ledger.charge(LedgerEntry(id_, 0, at, "owu", "llama", "m", Usage(7, 5), name))
        text = f"turn on lamp{number} " + source.randbytes(source.choice((20, 200, 5000))).hex()
        new = said(ended, text, f"It is on: {id_}")
        await house.archive.run_ended(conversation(name, at=at), ended, new, sent, (house.ledger.keep(id_, (paid,)),))
        if number % 50 == 0:
            await house.archive.checkpoints.create("manual", f"note {number}")
        if number % 3 == 0:
            await house.facts.remember(NewFact("house", "", "home", f"thing {number}", "is there", "person", id_))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("origin")


@pytest.fixture
async def origin(folder: Path) -> Path:
    """A sound database without a log; made once."""
    path = folder / "thane.db"
    if not path.exists():
        async with opened(path) as house:
            await fill(house)
    return path


@pytest.fixture
def path(origin: Path, tmp_path: Path) -> Path:
    shutil.copy(origin, tmp_path / "thane.db")
    return tmp_path / "thane.db"


def damage(path: Path, number: int, kind: str) -> None:
    """Page `number`, from 1, is not what it was."""
    whole = bytearray(path.read_bytes())
    start = (number - 1) * PAGE
    if kind == "torn":  # half of it was never written
        start, length, new = start + PAGE // 2, PAGE // 2, bytes(PAGE // 2)
    else:
        noise = random.Random(number).randbytes(PAGE)
        length, new = PAGE, {"ones": b"\xff" * PAGE, "zeros": bytes(PAGE), "noise": noise}[kind]
    whole[start : start + length] = new
    path.write_bytes(whole)


def cut_off(path: Path) -> None:
    """In the middle of a page in the middle of the file."""
    path.write_bytes(path.read_bytes()[: pages_of(path) // 2 * PAGE + 100])


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def mended(path: Path) -> Repaired:
    return repair(path, Storage(), stamp="now")


def pages_of(path: Path) -> int:
    return path.stat().st_size // PAGE


def texts(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("select id, content from messages").fetchall())


def roots(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("select name, rootpage from sqlite_master where rootpage > 0").fetchall())


async def works(path: Path) -> None:
    """A turn can be stored, found and looked at."""
    async with open_database(path, Storage(readers=1)) as database:
        archive = Archive(database, SystemClock())
        await archive.recover()
        ended = run("r_new", "c_new")
        await archive.run_ended(conversation("c_new"), ended, said(ended, "is the chandelier on?", "Yes."))
        assert 1 == len((await archive.search.find("chandelier", Wanted(), limit=5)).hits)
        await archive.search.find("lamp7", Wanted(), limit=5)
        for made in await archive.checkpoints.list():
            await archive.checkpoints.compare(made.id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(DAMAGES))
async def test_what_is_not_on_the_damaged_pages_comes_over(path: Path, origin: Path, seed: int, kind: str) -> None:
    source = random.Random(f"{seed} {kind}")
    for number in source.sample(range(2, pages_of(path) + 1), 1 if seed % 2 else 4):
        damage(path, number, kind)
    before = bytes_of(path)
    done = mended(path)
    assert "ok" == integrity(path)
    assert before == bytes_of(done.aside)
    then, now = texts(origin), texts(path)
    assert now.items() <= then.items() or kind in ("noise", "torn")  # what was torn within a text cannot be known
    assert set(now) <= set(then)
    assert len(now) >= len(then) - 4 * 40
    for each in done.tables:
        assert each.rows <= len(contents(origin)[each.table])
        if each.is_whole and not each.table.startswith("prompt"):  # their references are counted anew
            new = {"conversations", "sessions"}  # some may have been made for what belonged to lost ones
            assert each.table in new or each.rows == len(contents(path)[each.table]) == len(
                contents(origin)[each.table]
            )
    await works(path)


@pytest.mark.parametrize("table", ["messages", "conversations", "runs", "tool_calls", "facts", "checkpoint_blobs"])
async def test_a_damaged_root_costs_at_most_the_rows_on_it(path: Path, origin: Path, table: str) -> None:
    damage(path, roots(path)[table], "ones")
    done = mended(path)
    (found,) = (each for each in done.tables if each.table == table)
    assert 1 == found.lost_pages
    if table == "messages":  # its root is an inner page, which has no rows
        assert 2 * TURNS == found.rows
        assert texts(origin) == texts(path)
    assert "ok" == integrity(path)
    await works(path)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_first_page_that_is_gone_costs_nothing(path: Path, origin: Path, kind: str) -> None:
    """It holds the header, and the root of the tree that tells where everything is."""
    damage(path, 1, kind)
    done = mended(path)
    assert texts(origin) == texts(path)
    assert all(each.is_whole for each in done.tables)
    assert "ok" == integrity(path)


async def test_pages_of_the_schema_that_are_gone_cost_nothing(path: Path, origin: Path) -> None:
    """Where the tables are is known from the order in which they were made."""
    schema = [number for number in range(2, pages_of(path) + 1) if b"CREATE TABLE" in page(path, number).upper()]
    for number in schema:
        damage(path, number, "zeros")
    done = mended(path)
    assert texts(origin) == texts(path)
    assert all(each.is_whole for each in done.tables)


def page(path: Path, number: int) -> bytes:
    with path.open("rb") as file:
        file.seek((number - 1) * PAGE)
        return file.read(PAGE)


async def test_damaged_indexes_cost_nothing(path: Path, origin: Path) -> None:
    for name in ("messages_by_key", "messages_words_data", "words_trigrams_data", "runs_by_start"):
        damage(path, roots(path)[name], "ones")
    done = mended(path)
    assert done.is_whole
    assert done.tables
    assert {t: r for t, r in contents(origin).items() if "words" not in t} == {
        t: r for t, r in contents(path).items() if "words" not in t
    }
    await works(path)


async def test_a_file_that_was_cut_off_keeps_what_is_there(path: Path, origin: Path) -> None:
    cut_off(path)
    mended(path)
    assert "ok" == integrity(path)
    assert 0 < len(texts(path)) < len(texts(origin))
    await works(path)


@pytest.mark.parametrize("what", ["an index", "the header"])
async def test_what_is_only_in_the_log_comes_over(path: Path, tmp_path: Path, what: str) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("pragma wal_autocheckpoint = 0")
        for number in range(3):
            writer.execute(f"update messages set content = 'changed late {number}' where id = 'r_000{number}-0'")
            writer.commit()
        for side in ("", "-wal"):
            shutil.copy(path.with_name(f"thane.db{side}"), tmp_path / f"copy.db{side}")
    damage(copy, 1 if what == "the header" else roots(path)["runs_by_start"], "ones")
    with copy.with_name("copy.db-wal").open("ab") as log:
        log.write(b"half a frame" * 400)
    done = mended(copy)
    assert done.has_log
    assert {f"changed late {number}" for number in range(3)} <= set(texts(copy).values())
    assert "ok" == integrity(copy)


async def test_what_the_disk_cannot_read_is_left_out(path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = (roots(path)["messages"] - 1) * PAGE
    pread = os.pread

    def failing_pread(source: int, size: int, offset: int) -> bytes:
        if offset <= bad < offset + size:
            raise OSError(errno.EIO, "Input/output error")
        return pread(source, size, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", failing_pread)
        done = mended(path)
    assert [("messages", 1)] == [(each.table, each.lost_pages) for each in done.tables if not each.is_whole]
    assert texts(origin) == texts(path)


async def test_a_log_that_makes_no_sense_is_told(path: Path) -> None:
    damage(path, 1, "ones")
    path.with_name("thane.db-wal").write_bytes(b"nonsense" * 1000)
    done = mended(path)
    assert (False, False) == (done.has_log, done.is_whole)
    assert "ok" == integrity(path)


async def test_a_disk_that_fails_at_any_statement_of_a_repair_leaves_the_old_file_or_the_new(
    path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_connections(monkeypatch)
    damage(path, roots(path)["messages_by_key"], "ones")
    damaged, wanted = bytes_of(path), texts(origin)
    kept = shutil.copy(path, path.with_name("damaged"))
    outcomes = list[bool]()
    for number in (*range(0, 40, 4), *range(40, 4000, 397)):
        shutil.copy(kept, path)
        Failing.left = number
        with suppress(DependencyError, sqlite3.OperationalError):
            repair(path, Storage(), stamp=f"{number}")
        Failing.left = -1
        outcomes.append(bytes_of(path) == damaged)
        if not outcomes[-1]:
            assert wanted == texts(path)
            assert "ok" == integrity(path)
    assert {True, False} == set(outcomes)
    assert not [each.name for each in path.parent.iterdir() if each.suffix in (".part", ".reading", ".new")]


async def test_a_sound_database_is_written_anew_and_gives_its_room_back(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("delete from checkpoint_blobs")
        connection.execute("delete from checkpoint_parts")
        connection.commit()
    before = contents(path)
    done = mended(path)
    assert ((), True) == (done.tables, done.is_whole)
    assert done.size < done.size_before
    assert before == contents(path)


@pytest.mark.parametrize("dump", RELEASED, ids=lambda dump: dump.stem)
async def test_a_damaged_database_of_an_older_release_comes_over_and_up_to_date(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "thane.db"
    build(dump, path)
    damage(path, roots(path)["runs_by_start"], "ones")
    done = mended(path)
    assert all(each.is_whole for each in done.tables)
    async with open_database(path, Storage()) as database:
        said_ = [each.message.content for each in await Archive(database, SystemClock()).messages("api:evening")]
        assert ("turn off the kitchen lights", "hello") == (said_[0], said_[-2])
    assert "ok" == integrity(path)


async def test_the_sentence_at_the_start_names_the_way_out(path: Path) -> None:
    damage(path, roots(path)["messages"], "ones")
    path.with_name("thane.db.lock").write_text("4711\n")  # as a killed process leaves it
    with pytest.raises(DependencyError, match="`thane repair` saves what can still be read"):
        async with open_database(path, Storage()):
            pass
    mended(path)
    await works(path)


def test_what_is_not_to_be_repaired_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "thane.db"
    with pytest.raises(ConfigurationError, match="there is no database"):
        mended(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table recipes (name)")
    with pytest.raises(ConfigurationError, match="not one of Thane's"):
        mended(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute("pragma user_version = 999")
    with pytest.raises(ConfigurationError, match="newer Thane"):
        mended(path)
    lock = take_lock(path)
    try:
        with pytest.raises(ConfigurationError, match="in use by another Thane"):
            mended(path)
    finally:
        lock.release(clean=True)
    assert {"thane.db", "thane.db.lock"} == {each.name for each in tmp_path.iterdir()}


@pytest.mark.parametrize("step", range(4))
class KilledError(Exception):
    pass


@pytest.mark.parametrize("step", range(4))
async def test_a_kill_in_the_middle_of_the_swap_leaves_one_of_the_two(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The steps: another name for the file, and for its log; the name that says what is wanted; it takes its place."""
    other, log = path.with_name("other.db"), path.with_name("thane.db-wal")
    shutil.copy(path, other)
    change_texts(other, "of the new one")
    before = texts(path)
    log.touch()
    left = [step]
    keep, rename = swap._keep, Path.rename  # pyright: ignore[reportPrivateUsage]

    def count() -> None:
        if not left[0]:
            raise KilledError
        left[0] -= 1

    def counted_keep(file: Path, there: Path) -> None:
        count()
        keep(file, there)

    def counted_rename(file: Path, there: Path) -> Path:
        count()
        return rename(file, there)

    with monkeypatch.context() as patch:
        patch.setattr(swap, "_keep", counted_keep)
        patch.setattr(Path, "rename", counted_rename)
        with pytest.raises(KilledError):
            swap.swap(path, other, kept_as="before")
    assert log.exists() == (step < 3)
    left_over = [path.with_name(f"thane.db.{name}") for name in ("part", "part-wal", "reading")]
    for each in left_over:
        each.touch()
    async with open_database(path, Storage()):
        pass
    assert not [each for each in left_over if each.exists()]
    now = texts(path)
    assert ({"of the new one"} if step == 3 else set(before.values())) == set(now.values())


def change_texts(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("update messages set content = ?", (text,))
        connection.commit()
        connection.execute("pragma journal_mode = delete")
