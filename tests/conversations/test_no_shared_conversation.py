"""Whatever six clients do: no two chats ever share a conversation."""

from __future__ import annotations

from typing import Any

import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.conversations.chats import Chat, house_brain
from tests.conversations.doubles import FakeArchive, rooms
from thane.turn import Channel

WORDS = ("hi", "hey", "slow", "off a", "off b", "fail")


moves = st.tuples(
    st.integers(0, 5),  # which chat
    st.sampled_from(["say", "say", "say", "regenerate", "edit", "stop", "go on", "wait", "new"]),
    st.sampled_from(WORDS),
    st.integers(0, 3),
)


async def play(script: list[tuple[int, str, str, int]], together: bool, restart_at: int) -> None:
    """Six chats of six clients that say the same few things; then no two of them may share a conversation."""
    whole = restart_at < len(script)  # only of Home Assistant's chats are the last words known after a start
    kinds: list[tuple[Channel, dict[str, Any]]] = [
        ("owu", {}),
        ("owu", {}),
        ("ha", {}),
        ("ha", {"max_history": 1}),
        ("ha", {"max_history": 2}),
        ("api", {"ids": True} if whole else {"max_history": 1}),
    ]
    archive = FakeArchive()
    every = list[Chat]()
    chats = dict[int, Chat]()
    for part, seed in ((script[:restart_at], 0), (script[restart_at:], 1)):
        async with rooms(house_brain, archive=archive, seed=seed, idle_seconds=100, max_live=3) as house:
            for chat in chats.values():
                chat.house = house
            for pair in zip(part[::2], part[1::2], strict=False) if together else ((move,) for move in part):
                async with trio.open_nursery() as nursery:
                    for number, kind, text, detail in {move[0]: move for move in pair}.values():
                        channel, options = kinds[number]
                        chat = chats.get(number)
                        idle = chat is None or (channel == "ha" and trio.current_time() - chat.last > 300)
                        if chat is None or idle or kind == "new":
                            chat = chats[number] = Chat(house, channel, **options)
                            every.append(chat)
                        nursery.start_soon(_move, chat, kind, text, detail)
    owners = dict[str, Chat]()
    for chat in every:
        for conversation_id in chat.conversations:
            assert chat is owners.setdefault(conversation_id, chat), f"two chats share {conversation_id}"


async def _move(chat: Chat, kind: str, text: str, number: int) -> None:
    match kind:
        case "regenerate":
            await chat.regenerate()
        case "edit":
            await chat.edit(number, text)
        case "stop":
            await chat.stop(text, keeps=number + 1)
        case "go on":
            await chat.go_on()
        case "wait":
            await trio.sleep((1, 60, 200, 700)[number])
        case _:
            await chat.say(text)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(moves, min_size=4, max_size=24), st.booleans(), st.integers(0, 24))
@example([(0, "say", "hi", 0), (1, "say", "hi", 0), (0, "say", "hi", 0), (1, "say", "hi", 0)], False, 24)
@example([(2, "say", "off a", 0), (3, "say", "off a", 0)] * 4, True, 3)
@example([(4, "say", "slow", 0), (3, "say", "hi", 0), (3, "say", "slow", 0), (3, "say", "fail", 0)], False, 1)
@example([(3, "say", "off a", 0), (3, "stop", "hi", 0), (2, "say", "off a", 0), (3, "say", "hi", 0)], False, 9)
@example([(3, "say", "off a", 0), (0, "say", "hi", 0), (2, "say", "off a", 0), (3, "say", "off a", 0)], True, 0)
@example([(3, "say", "slow", 0), (3, "stop", "off a", 0), (2, "say", "slow", 0), (3, "say", "hi", 0)], False, 0)
@example([(3, "say", "fail", 0), (2, "say", "fail", 0), (3, "say", "hi", 0), (0, "say", "hi", 0)], False, 1)
@example([(2, "say", "fail", 0), (3, "say", "fail", 0), (3, "say", "fail", 0), (2, "say", "hi", 0)], False, 0)
def test_no_two_chats_ever_share_a_conversation(
    script: list[tuple[int, str, str, int]], together: bool, restart_at: int
) -> None:
    async def main() -> None:
        await play(script, together, restart_at)

    trio.run(main, clock=MockClock(autojump_threshold=0))
