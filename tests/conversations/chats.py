"""Chats as clients really have them: they keep the history, change it as they do, and send it each time."""

from __future__ import annotations

import trio
from msgspec.structs import replace

from tests.conversations.doubles import Rooms, Send, assistant, finished, say, turn, user
from thane.agent.context import RunContext
from thane.conversations.words import RETRIEVAL, spoken
from thane.turn import Channel, Message, RunFailed, RunFinished, RunStarted, Text, ToolCall, ToolSpec, Turn, Usage

TOOL = ToolSpec("HassTurnOff")


def reply(text: str) -> str:
    """What the house answers, always the same to the same words: nothing else tells two chats apart."""
    return {"hi": "Hello!", "hey": "Hello! How can I help?"}.get(text, f"Done: {text}.")


async def house_brain(asked: Turn, context: RunContext, send: Send) -> RunFinished | RunFailed:
    last = replace(asked.messages[-1], content=spoken(asked.messages[-1].content))
    if last.role == "user" and last.content.startswith("off"):
        await send((RunStarted(context.run_id, context.conversation_id, context.caller.channel, ""),))
        return finished(context, "", (ToolCall(f"call_{context.run_id}", "HassTurnOff", {"name": last.content}),))
    if last.role == "user" and last.content == "fail":
        return RunFailed(context.run_id, "unavailable", "The model is down.", Usage(), 0.0)
    said = next(spoken(message.content) for message in reversed(asked.messages) if message.role == "user")
    text = reply(said)
    if last.content == "slow":
        await send((Text(text[:3]),))
        await trio.sleep(5)
    return await say(text, asked, context, send)


class Chat:
    """One chat of one client. It keeps the history and sends it each time, trimmed to `max_history` if that is set."""

    def __init__(self, house: Rooms, channel: Channel, *, max_history: int = 0, ids: bool = False) -> None:
        self.house = house
        self.channel: Channel = channel
        self.max_history = max_history
        self.ids = ids
        self.tools_take = 0.0  # seconds
        self.history: list[Message] = []
        self.conversations: list[str] = []
        self.last = trio.current_time()

    async def say(self, text: str) -> str:
        self.history.append(user(text))
        return await self.send()

    async def send(self) -> str:
        """Have the history answered, running the client's tools as long as they are called."""
        self.last = trio.current_time()
        answer = await self.house.ask(self._turn())
        self.conversations.append(answer.conversation_id)
        if isinstance(answer.final, RunFailed):
            if self.channel == "ha":  # Home Assistant 2026.11 keeps an error in its history, others drop the turn
                self.history.append(assistant(f"Error: {answer.final.failure}"))
            else:
                self.history.pop()
            return answer.conversation_id
        assert isinstance(answer.final, RunFinished)
        if answer.final.client_calls:
            calls = answer.final.client_calls
            await trio.sleep(self.tools_take)
            if not self.ids:
                calls = tuple(ToolCall("made up", call.name, call.arguments) for call in calls)
            self.history.append(Message("assistant", tool_calls=calls))
            self.history += [Message("tool", "ok", tool_call_id=call.id if self.ids else "") for call in calls]
            return await self.send()
        self.history.append(assistant(answer.final.text.strip()))
        return answer.conversation_id

    def _turn(self) -> Turn:
        sent = self.history[-(2 * self.max_history + 1) :] if self.max_history else self.history
        sent = [*map(self._as_sent, sent[:-1]), *map(self._as_asked, sent[-1:])]
        return turn(Message("system", f"It is {trio.current_time()}"), *sent, channel=self.channel, tools=(TOOL,))

    def _as_sent(self, message: Message) -> Message:
        """What becomes of earlier messages: thinking is echoed, tool messages are rewritten, spaces come and go."""
        if message.role == "tool":
            return replace(message, content=f"rewritten at {trio.current_time()}")
        if message.role == "assistant" and not message.tool_calls:
            return replace(
                message, content=f"{message.content.strip()}\n", thinking="Hm." if self.channel == "ha" else ""
            )
        return message

    def _as_asked(self, message: Message) -> Message:
        """Open WebUI puts what it has found before the newest message, and only there."""
        if self.channel != "owu" or message.role != "user":
            return message
        return replace(message, content=f"{RETRIEVAL}\n<context>\nit said hi\n</context>\n\n{message.content}")

    async def go_on(self) -> None:
        """Have the last answer gone on with, and keep both as one message."""
        if self.history and self.history[-1].role == "assistant" and self.channel == "owu":
            begun = self.history.pop()
            self.history.append(begun)
            answer = await self.house.ask(self._turn())
            self.conversations.append(answer.conversation_id)
            if isinstance(answer.final, RunFinished) and not answer.final.client_calls:
                self.history[-1] = replace(begun, content=f"{begun.content.strip()}\n{answer.final.text}")

    async def regenerate(self) -> None:
        while self.history and self.history[-1].role != "user":
            self.history.pop()
        if self.history:
            await self.send()

    async def edit(self, place: int, text: str) -> None:
        users = [index for index, message in enumerate(self.history) if message.role == "user"]
        if users:
            del self.history[users[place % len(users)] :]
        await self.say(text)

    async def stop(self, text: str, keeps: int) -> None:
        """Say something and press stop; the client keeps the beginning of what it got."""
        self.history.append(user(text))
        self.last = trio.current_time()
        got = ""
        async with self.house.conversations.open(self._turn()) as opened:
            self.conversations.append(opened.conversation_id)
            with trio.move_on_after(1):
                async for batch in opened.batches:
                    got += "".join(event.text for event in batch if isinstance(event, Text))
                    if got:
                        break
        await self.house.conversations.wait_idle()
        if self.channel == "ha":
            self.history.pop()
        else:
            self.history.append(assistant(got[:keeps]))
