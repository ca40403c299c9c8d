"""The last words of recent conversations, in memory: what tells histories apart that were trimmed or cut off.

The archive finds a conversation by the whole path to a message. This is for requests whose path it cannot know: the
beginning is gone (Home Assistant's `max_history`), or the last answer was stopped and only a part of it came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from thane.conversations import identity
from thane.memory.records import Holder
from thane.turn import Caller, Channel

WINDOW = 64
"""Messages of a history that are compared where its beginning may be gone."""


class LastWords(msgspec.Struct, frozen=True):
    """How a conversation's last turn ended. `at` is epoch seconds."""

    conversation_id: str
    run_id: str
    channel: Channel
    user: str
    at: float
    asked: tuple[str, ...]
    """Digests of the last messages of the request."""
    new: int
    """How many of these belong to the last thing that the user asked."""
    said: str
    """Digest of the answer; "" where there was none."""
    parent: str
    """Key above the answer."""
    answer: str
    """All that the client may show as the answer; of a turn that failed, what was said of that too."""
    stored: str
    """Key of the last message that is stored: what comes next comes below it."""
    is_cut_off: bool = False
    """Whether the client may not have got the answer, or not all of it."""
    calls: tuple[str, ...] = ()
    """Ids of the calls that the client was asked to run."""

    turn_id: str = ""
    """The turn's first run, where that is another one."""

    @property
    def before(self) -> tuple[str, ...]:
        """Digests of the last messages up to the answer before the last thing that the user asked."""
        return self.asked[: -self.new or None]

    @property
    def may_be_dropped(self) -> bool:
        """Whether the client may go on as if the turn had not been.

        Home Assistant does so with every turn whose pipeline ends early, and that may be after the answer.
        """
        return self.is_cut_off or self.channel == "ha" or bool(self.calls)

    def may_end_in(self, visible: Sequence[str]) -> bool:
        """Whether the client's history may be one that ends in `visible`, its last answer last.

        One that was cut off may keep a part of the answer or an error in its place, or drop the turn (CLIENTS.md).
        """
        return (
            (bool(self.said) and identity.continues(visible, (*self.asked, self.said)))
            or (self.is_cut_off and identity.continues(visible[:-1], self.asked))
            or (self.may_be_dropped and bool(self.before) and identity.continues(visible, self.before))
        )


class Remembered:
    """Last words by conversation, the most recent ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: dict[str, LastWords] = {}
        self._called: dict[str, set[str]] = {}
        self._cut_off: dict[str, set[str]] = {}
        self._ends: dict[str, set[str]] = {}
        self._unanswered: dict[str, set[str]] = {}
        self._forgotten_at = 0.0  # `at` of the latest Home Assistant conversation that had to make room

    def get(self, conversation_id: str) -> LastWords | None:
        return self._last.get(conversation_id)

    def note(self, words: LastWords) -> None:
        """Remember a conversation's last words in place of those before."""
        self._drop(words.conversation_id)
        self._last[words.conversation_id] = words
        for index, entries in self._entries(words):
            for entry in entries:
                index.setdefault(entry, set()).add(words.conversation_id)
        while len(self._last) > self._most:
            oldest = self._last[next(iter(self._last))]
            self._drop(oldest.conversation_id)
            if oldest.channel == "ha":
                self.forget_home_assistants(oldest.at)

    def forget(self, conversation_id: str) -> None:
        """Forget a conversation that is deleted: what ends like it is unsure for a while."""
        words = self._last.get(conversation_id)
        self._drop(conversation_id)
        if words is not None and words.channel == "ha":
            self.forget_home_assistants(words.at)

    def evidence(self, call_ids: Iterable[str], users: dict[str, str]) -> identity.Evidence:
        """What is known about who asked for these calls and who waits for any."""
        called = [self._called.get(call_id, set[str]()) for call_id in call_ids]
        waiting = (each for each, words in self._last.items() if words.calls)
        return identity.Evidence(frozenset(set[str]().union(*called)), frozenset(waiting), users)

    def cut_off(self, parent: str, text: str) -> tuple[Holder, ...]:
        """Conversations whose answer below `parent` may have reached the client as no more than `text`."""
        text = text.strip()
        if not text:
            return ()
        found = (self._last[each] for each in sorted(self._cut_off.get(parent, ())))
        return tuple(
            Holder(words.conversation_id, words.at, True, words.channel)
            for words in found
            if words.answer.strip().startswith(text)
        )

    def ending_in(self, visible: Sequence[str], caller: Caller, now: float, idle_seconds: float) -> frozenset[str]:
        """Conversations of the caller that may end in `visible`, a history that may have lost its beginning.

        A Home Assistant's conversation counts for `idle_seconds`; then it has ended it itself.
        """
        if len(visible) > 1:
            ids = self._ends.get(visible[-1], set[str]()) | self._unanswered.get(visible[-2], set[str]())
        else:
            ids = self._last.keys()
        found = (self._last[each] for each in ids)
        return frozenset(
            words.conversation_id
            for words in found
            if words.channel == caller.channel
            and not identity.are_different(words.user, caller.user)
            and (words.channel != "ha" or now - words.at <= idle_seconds)
            and words.may_end_in(visible)
        )

    def forget_home_assistants(self, at: float) -> None:
        """Take note that a Home Assistant conversation that was last used at `at` is not remembered."""
        self._forgotten_at = max(self._forgotten_at, at)

    def knows_home_assistants(self, now: float, idle_seconds: float) -> bool:
        """Whether every Home Assistant conversation of the last `idle_seconds` is remembered."""
        return now - self._forgotten_at > idle_seconds

    def _drop(self, conversation_id: str) -> None:
        words = self._last.pop(conversation_id, None)
        if words is None:
            return
        for index, entries in self._entries(words):
            for entry in entries:
                index[entry].discard(conversation_id)
                if not index[entry]:
                    del index[entry]

    def _entries(self, words: LastWords) -> tuple[tuple[dict[str, set[str]], Iterable[str]], ...]:
        """Each index, with the entries that it has for these words."""
        return (
            (self._called, set(words.calls)),
            (self._cut_off, {words.parent} if words.is_cut_off else ()),
            (self._ends, {words.said, *(words.before[-1:] if words.may_be_dropped else ())}),
            (self._unanswered, set(words.asked[-1:]) if words.is_cut_off else ()),
        )
