"""One branch of a conversation as turns: what was asked, which tools ran, what was answered and how. Pure.

Several runs make one turn where the client runs its own tools between them: they are shown as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from thane.conversations import marks
from thane.conversations.branches import newest_below, path_to, siblings
from thane.http.dashboard import words
from thane.http.dashboard.chat_log import Chip
from thane.memory.records import MessageRecord, RunRecord

GAP_SECONDS = 1800.0  # a pause as long as this is shown with the time after it


class Ways(msgspec.Struct, frozen=True):
    """Where else a conversation went from here: the place of the one shown among all, and messages to see others by."""

    place: int
    of: int
    before: str = ""
    after: str = ""


class Shown(msgspec.Struct, frozen=True):
    """One message of a person, or one answer with the tools before it. `at` is only given after a long pause.

    `run_id` and `figures` tell how an answer came about; `problem` why there is none, or not all of one. With a `mark`
    it is neither of both, but says what a model is shown of all before it: `text`, or nothing.
    """

    mine: bool
    text: str
    at: float | None = None
    thinking: str = ""
    images: int = 0
    chips: tuple[Chip, ...] = ()
    run_id: str = ""
    figures: tuple[str, ...] = ()
    model: str = ""
    problem: str = ""
    ways: Ways | None = None
    mark: str = ""


_RESET = "Begun anew: the model sees nothing of what is above"
_SUMMARY = "Compacted: in place of what is above the model sees a summary"


def branch(records: Sequence[MessageRecord], at: str = "") -> tuple[MessageRecord, ...]:
    """The branch last spoken in, or that which goes through the message with the id `at`."""
    said = marks.without_marks(records)
    chosen = next((record for record in said if record.id == at), None)
    if chosen is not None:
        return path_to(said, newest_below(said, chosen))
    return path_to(said, said[-1]) if said else ()


def thread(
    records: Sequence[MessageRecord], path: Sequence[MessageRecord], runs: Mapping[str, RunRecord]
) -> list[Shown]:
    """What is shown of a branch; `records` are all messages of the conversation."""
    shown = list[Shown]()
    over = {marks.covered(record): record for record in records if marks.is_mark(record)}  # the latest of each place
    last_at = path[0].at if path else 0.0
    for question, rest in _turns(path):
        if question is not None:
            pause = question.at if not shown or question.at - last_at > GAP_SECONDS else None
            shown.append(_question(records, question, pause))
        of_it = [*([question] if question else []), *rest]
        of_turn = [runs[id_] for id_ in dict.fromkeys(each.run_id for each in of_it) if id_ in runs]
        if rest or any(run.state not in ("queued", "running", "done") for run in of_turn):
            shown.append(_answer(records, rest, of_turn))
        shown += [_mark(over[record.key]) for record in of_it if record.key in over]
        last_at = rest[-1].at if rest else question.at if question else last_at
    return shown


def _turns(path: Sequence[MessageRecord]) -> list[tuple[MessageRecord | None, list[MessageRecord]]]:
    turns = list[tuple[MessageRecord | None, list[MessageRecord]]]()
    for record in path:
        if record.message.role == "user":
            turns.append((record, []))
        elif turns:
            turns[-1][1].append(record)
        else:
            turns.append((None, [record]))
    return turns


def _mark(record: MessageRecord) -> Shown:
    if marks.is_reset(record):
        return Shown(mine=False, text="", mark=_RESET)
    text = record.message.content.removeprefix(marks.SUMMARY_HEADING).strip()
    return Shown(mine=False, text=text, mark=_SUMMARY, run_id=record.id)


def _question(records: Sequence[MessageRecord], record: MessageRecord, at: float | None) -> Shown:
    message = record.message
    return Shown(mine=True, text=message.content, at=at, images=len(message.images), ways=_ways(records, record))


def _answer(records: Sequence[MessageRecord], rest: Sequence[MessageRecord], runs: Sequence[RunRecord]) -> Shown:
    last = runs[-1] if runs else None
    failed = next((run for run in reversed(runs) if run.failure is not None), None)
    texts = [each.message.content for each in rest if each.message.role == "assistant" and each.message.content]
    return Shown(
        mine=False,
        text="\n\n".join(texts) or (last.text if last and last.failure else ""),
        thinking="\n\n".join(each.message.thinking for each in rest if each.message.thinking),
        chips=tuple(_chips(rest, runs)),
        run_id=last.id if last else "",
        figures=tuple(_figures(runs)),
        model=last.model if last else "",
        problem=failed.error if failed is not None and failed is last else "",
        ways=_ways(records, rest[0]) if rest else None,
    )


def _chips(rest: Sequence[MessageRecord], runs: Sequence[RunRecord]) -> list[Chip]:
    """Thane's tools with the time that they took; the client's, which it ran itself."""
    own = [
        Chip(call.name, words.duration(call.duration), "done" if call.ok else "error")
        for run in runs
        for call in run.tool_calls
        if call.owner == "thane"
    ]
    theirs = [Chip(call.name, "run by the client", "done") for each in rest for call in each.message.tool_calls]
    return [*own, *theirs]


def _figures(runs: Sequence[RunRecord]) -> list[str]:
    if not runs:
        return []
    said = [words.duration(sum(run.duration for run in runs))]
    if tokens := sum(run.usage.output_tokens for run in runs):
        about = "≈ " if any(run.usage.estimated for run in runs) else ""
        said.append(f"{about}{words.plural(tokens, 'token')}")
    costs = [run.cost_usd for run in runs if run.cost_usd]
    if costs:
        said.append(words.money(sum(costs)))
    return said


def _ways(records: Sequence[MessageRecord], record: MessageRecord) -> Ways | None:
    """The ways that part at this message; None where there is one only."""
    all_ = siblings(records, record)
    if len(all_) < 2:
        return None
    place = next(number for number, each in enumerate(all_) if each.id == record.id)
    before = all_[place - 1].id if place else ""
    after = all_[place + 1].id if place + 1 < len(all_) else ""
    return Ways(place + 1, len(all_), before, after)
