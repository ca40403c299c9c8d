"""What the ledger is told of a run's model calls, however they end."""

from __future__ import annotations

import msgspec
import trio
from trio.testing import MockClock

from tests.conversations.test_recorder import AGAIN, ANSWERED, CALL, CALLED, FACTS, FINISHED, STARTED
from tests.ledger.doubles import FakeLedger
from tests.loops.doubles import Events
from thane.conversations.recorder import Recorder
from thane.ledger.entry import LedgerEntry
from thane.testing.clock import TrioClock
from thane.turn import ModelFailed, ModelWaits, RunFailed, Text, ToolStarted, Usage


class Priced(FakeLedger):
    """Half a dollar for each call."""

    def charge(self, entry: LedgerEntry, *, within: str = "") -> LedgerEntry:
        return super().charge(msgspec.structs.replace(entry, picodollars=5 * 10**11), within=within)


async def test_each_call_that_ends_is_an_entry(autojump_clock: MockClock) -> None:
    ledger = FakeLedger()
    record = Recorder(FACTS, Events(), TrioClock(), accounts=ledger)
    record.begin(None)
    record.observe((STARTED, CALLED, AGAIN, Text("It is off."), ANSWERED))
    record.end(FINISHED)
    assert ledger.told == record.book.entries
    assert [(0, Usage(900, 12), "done"), (1, Usage(950, 8), "done")] == [
        (entry.place, entry.usage, entry.outcome) for entry in ledger.told
    ]
    first = ledger.told[0]
    assert ("r_1", "c_1", "ha", "thane:latest", "interactive", "ollama", "qwen3:8b") == (
        *(first.run_id, first.conversation_id, first.channel, first.profile, first.role, first.provider, first.model),
    )


async def test_while_a_run_goes_on_the_ledger_knows_its_calls_so_far_and_the_one_under_way(
    autojump_clock: MockClock,
) -> None:
    ledger = FakeLedger()
    record = Recorder(FACTS, Events(), TrioClock(), accounts=ledger)
    record.begin(None)
    record.observe((STARTED,))
    record.observe((ModelWaits(1, "qwen3:8b", "ollama", waiting=True),))  # nothing was sent yet
    record.observe((ModelWaits(1, "qwen3:8b", "ollama", waiting=False),))
    record.observe((CALLED, ToolStarted(1, CALL), ToolStarted(1, msgspec.structs.replace(CALL, id="call_2"))))
    record.observe((AGAIN, ANSWERED))
    record.end(FINISHED)
    assert [([], 0), ([], None), ([], 0), ([0], None), ([], 1)] == ledger.noted, "the last comes with the run's end"


async def test_of_a_long_answer_the_ledger_knows_how_far_it_has_come(autojump_clock: MockClock) -> None:
    ledger = FakeLedger()
    record = Recorder(FACTS, Events(), TrioClock(), accounts=ledger)
    record.begin(None)
    record.observe((STARTED,))
    for _ in range(12):
        await trio.sleep(1)
        record.observe((Text("a"), Text("b")))
    assert [0, 10, 20] == ledger.noted_pieces, "every five seconds"
    record.observe((ANSWERED,))
    await trio.sleep(9)
    record.observe((ToolStarted(1, CALL),))
    assert [([], 0), ([], 0), ([], 0), ([0], None)] == ledger.noted


async def test_the_embedded_brains_calls_come_with_the_runs_end(autojump_clock: MockClock) -> None:
    ledger = FakeLedger()
    record = Recorder(FACTS, Events(), TrioClock(), accounts=ledger)
    record.begin(None)
    by_brain = (msgspec.structs.replace(event, provider="embedded") for event in (STARTED, CALLED, AGAIN, ANSWERED))
    started, called, *more = by_brain
    record.observe((started, called, ToolStarted(1, CALL), *more))
    assert ([], 2) == (ledger.noted, len(record.book.entries))


async def test_the_step_in_which_a_run_is_cancelled_is_counted_by_an_estimate(autojump_clock: MockClock) -> None:
    ledger = FakeLedger()
    record = Recorder(FACTS, Events(), TrioClock(), accounts=ledger)
    record.begin(None)
    record.observe((STARTED, Text("It "), Text("is")))
    await trio.sleep(2)
    run = record.end(RunFailed("r_1", "cancelled", "stopped", Usage(), 2.0), "client")
    (entry,) = ledger.told
    assert ("cancelled", Usage(900, 2, estimated=True), 2.0) == (entry.outcome, entry.usage, entry.duration)
    assert run.usage == entry.usage


async def test_a_run_out_of_time_counts_its_last_step_too(autojump_clock: MockClock) -> None:
    ledger = FakeLedger()
    record = Recorder(FACTS, Events(), TrioClock(), accounts=ledger)
    record.begin(None)
    record.observe((STARTED, Text("It ")))
    run = record.end(RunFailed("r_1", "deadline", "too long", Usage(), 2.0))
    assert [("failed", Usage(900, 1, estimated=True))] == [(entry.outcome, entry.usage) for entry in ledger.told]
    assert Usage(900, 1, estimated=True) == run.usage


async def test_a_failed_try_counts_what_the_server_worked_and_nothing_if_it_did_not(autojump_clock: MockClock) -> None:
    ledger = FakeLedger()
    record = Recorder(FACTS, Events(), TrioClock(), accounts=ledger)
    record.begin(None)
    refused = ModelFailed(1, "qwen3:8b", "ollama", "refused", 0.1, "retry")
    cut = ModelFailed(1, "qwen3:8b", "ollama", "cut", 0.1, usage=Usage(900, 3, estimated=True))
    record.observe((STARTED, refused, STARTED, cut))
    record.end(RunFailed("r_1", "model", "It broke.", Usage(), 2.0))
    assert [("failed", Usage()), ("failed", Usage(900, 3, estimated=True))] == [
        (entry.outcome, entry.usage) for entry in ledger.told
    ]


async def test_costs_are_on_the_record_and_in_the_events(autojump_clock: MockClock) -> None:
    events = Events()
    record = Recorder(FACTS, events, TrioClock(), accounts=Priced())
    record.begin(None)
    record.observe((STARTED, CALLED, AGAIN, ANSWERED))
    run = record.end(FINISHED)
    record.publish_end(run, FINISHED)
    assert (1.0, (0.5, 0.5)) == (run.cost_usd, tuple(step.cost_usd for step in run.steps))
    assert [0.5, 0.5] == [data["cost_usd"] for data in events.of("llm_response")]
    assert [1.0] == [data["total_cost_usd"] for data in events.of("request_complete")]
