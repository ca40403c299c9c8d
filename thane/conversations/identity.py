"""Which conversation a request belongs to, decided from what it says. Pure: looking things up is the tracker's.

Messages form a tree by content: each is keyed by its parent's key, its role and its normalised text. A request leads
to the node of the last answer before what is new in it, and the one conversation in which Thane gave that answer is
the one that it continues. Where several did, only hard evidence decides between them; where there is none, a new
conversation is the safe answer, for two chats that say the same must never be mixed.

What the clients do to a history on its way back (trim, drop, rewrite) is in CLIENTS.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from thane.conversations.words import spoken
from thane.memory.records import Holder
from thane.turn import Caller, Message, ToolCall

ROOT = "0" * 32
"""The key above the first message."""

FOREIGN = "~"
"""Put before the key of an answer that Thane did not give (an imported or edited history): no one is found by it."""

_OWN_ID = re.compile(r"c_[0-9a-f]{16}")
_NAMED = re.compile(r"(owu|ha|api):.+")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:@-]{1,120}")
_OF_A_PAGE = ("temporary:", "local:")  # utils/chat_id.py of Open WebUI
_encoder = msgspec.json.Encoder(order="sorted")


class History(msgspec.Struct, frozen=True):
    """What was said so far, without system messages, and the key of each message.

    `answer` is the index of the last assistant message, -1 where there is none; what is new comes after it.
    """

    said: tuple[Message, ...]
    keys: tuple[str, ...]
    answer: int

    @property
    def is_tool_round(self) -> bool:
        """Whether the client comes back with results of its tools."""
        return self.answer >= 0 and bool(self.said[self.answer].tool_calls) and len(self.said) > self.answer + 1

    def parent(self, index: int) -> str:
        """The key above message `index`."""
        return self.keys[index - 1] if index > 0 else ROOT

    def answers(self, limit: int) -> tuple[int, ...]:
        """Indices of the assistant messages, last first, `limit` at most."""
        found: list[int] = []
        for index in range(self.answer, -1, -1):
            if self.said[index].role == "assistant":
                found.append(index)
                if len(found) == limit:
                    break
        return tuple(found)


class Evidence(msgspec.Struct, frozen=True):
    """What memory knows that may decide between conversations that said the same."""

    called: frozenset[str] = frozenset()
    """Conversations that made the very calls (by id) whose results the request brings."""
    waiting: frozenset[str] = frozenset()
    """Conversations whose last answer was a call to the client's tools."""
    users: Mapping[str, str] = {}
    """User of each conversation, as far as known."""


class Verdict(msgspec.Struct, frozen=True):
    """`unknown`: no conversation holds the node. `unsure`: some do, and none or several can be meant."""

    outcome: Literal["found", "unknown", "unsure"]
    conversation_id: str = ""


def read(messages: Iterable[Message], parent: str = ROOT) -> History:
    """The history of a request, below `parent`."""
    _, said = apart(messages)
    keys: list[str] = []
    answer = -1
    for index, message in enumerate(said):
        parent = key(parent, message)
        keys.append(parent)
        if message.role == "assistant":
            answer = index
    return History(said, tuple(keys), answer)


def apart(messages: Iterable[Message]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """System messages, which are of a request and not of a conversation, and the others."""
    messages = tuple(messages)
    system = tuple(message for message in messages if message.role == "system")
    return system, tuple(message for message in messages if message.role != "system") if system else messages


def key(parent: str, message: Message) -> str:
    """The key of a message below `parent`: 32 hex digits."""
    return hashlib.blake2b((parent + _normal(message)).encode("utf-8", "replace"), digest_size=16).hexdigest()


def digest(message: Message) -> str:
    """The key of a message wherever it stands."""
    return key(ROOT, message)


def explicit_id(caller: Caller) -> str:
    """The conversation that a request names, "" where it names none.

    Ids of clients live in a namespace of their channel (`owu:…`), so that no client reaches another's by chance; ids
    with strange characters are hashed. A native client may use any id that Thane gave out. Open WebUI names a temporary
    chat after the page that it is in: every such chat of one page has that id, so that it names none of them.
    """
    given, channel = caller.conversation_id, caller.channel
    if not given or (channel == "owu" and given.startswith(_OF_A_PAGE)):
        return ""
    if channel == "api" and (_OWN_ID.fullmatch(given) or (_NAMED.fullmatch(given) and _PLAIN_ID.fullmatch(given))):
        return given
    given = given.removeprefix(f"{channel}:")
    if not _PLAIN_ID.fullmatch(given):
        given = hashlib.blake2b(given.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{channel}:{given}"


def is_named(conversation_id: str) -> bool:
    """Whether a client gave the conversation its id. Such a one is never looked for by history."""
    return _NAMED.fullmatch(conversation_id) is not None


def choose(
    holders: Sequence[Holder],
    caller: Caller,
    *,
    tool_round: bool,
    evidence: Evidence,
    named: bool = False,
    now: float,
    home_assistant_idle_seconds: float,
) -> Verdict:
    """Which of the conversations that hold the node of the last answer is meant.

    Those that cannot be meant fall away first: of a client that names its conversations where this one does not (or the
    other way round: `named`), of another channel or user, or of a Home Assistant that has ended them itself by now.
    `now` is epoch seconds.
    """
    if not holders:
        return Verdict("unknown")
    possible = {
        holder.conversation_id: holder
        for holder in holders
        if holder.channel == caller.channel
        and is_named(holder.conversation_id) == named
        and not are_different(caller.user, evidence.users.get(holder.conversation_id, ""))
        and not (caller.channel == "ha" and now - holder.updated_at > home_assistant_idle_seconds)
    }
    if len(possible) > 1 and caller.user:
        possible = _narrowed(possible, {each for each in possible if evidence.users.get(each) == caller.user})
    if len(possible) > 1 and tool_round:
        possible = _narrowed(possible, evidence.called & possible.keys())
    if len(possible) > 1 and tool_round:
        heads = {each for each, holder in possible.items() if holder.is_head}
        possible = _narrowed(possible, heads & evidence.waiting)
    if len(possible) == 1:
        return Verdict("found", next(iter(possible)))
    return Verdict("unsure")


def window(said: Sequence[Message], most: int) -> tuple[str, ...]:
    """Digests of the last `most` messages: the shape of a history whose beginning may be gone."""
    return tuple(digest(message) for message in said[-most:])


def count_of_turn(said: Sequence[Message]) -> int:
    """How many messages at the end belong to the last thing that the user asked, tool rounds and all."""
    last = next((index for index in range(len(said) - 1, -1, -1) if said[index].role == "user"), -1)
    before = next((index for index in range(last, -1, -1) if said[index].role == "assistant"), -1)
    return len(said) - before - 1


def continues(visible: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether `visible`, the window of a history that may have lost its beginning, is how `whole` ends.

    Only what both have is compared; of `whole` too, only a window may be known.
    """
    length = min(len(visible), len(whole))
    return length == 0 or tuple(visible[-length:]) == tuple(whole[-length:])


def _narrowed(possible: dict[str, Holder], to: Iterable[str]) -> dict[str, Holder]:
    """Evidence that speaks for none leaves all: it was not there to speak."""
    return {each: possible[each] for each in to} or possible


def are_different(one: str, other: str) -> bool:
    """Whether two users are known not to be the same."""
    return bool(one and other) and one != other


def _normal(message: Message) -> str:
    """What a message says, whichever client sends it back. No two that differ have the same form.

    Tool results are not compared: Home Assistant 2026.2 rewrites them. An assistant message that calls tools counts by
    its calls alone, for its text does not come back; its ids do not either. Thinking is dropped by some clients.
    """
    if message.role == "tool":
        return "t"
    if message.role == "assistant" and message.tool_calls:
        return "c" + calls_text(message.tool_calls)
    text = spoken(message.content) if message.role == "user" else message.content.strip()
    images = "".join(hashlib.blake2b(image.encode(), digest_size=16).hexdigest() for image in message.images)
    return f"{message.role[0]}{len(message.images)}:{images}{text}"


def calls_text(calls: Sequence[ToolCall]) -> str:
    """Calls by name and arguments, in one form for all clients: keys sorted, whole numbers without a fraction."""
    return _encoder.encode([(call.name, _plain(call.arguments)) for call in calls]).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
