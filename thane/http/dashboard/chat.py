"""The chat box: a form that starts a turn and streams its answer to the page, or, without JavaScript, waits for it.

The stream is NDJSON, one object a line with a type `t`; the page writes its texts with `textContent`, so what a model
says is never markup. Closing the connection cancels the turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from thane.errors import ClientError
from thane.http.dashboard import words
from thane.turn import (
    AgentEvent,
    Batch,
    Caller,
    Message,
    ModelStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    Text,
    Thinking,
    ToolFinished,
    ToolStarted,
    Turn,
)

CONTENT_TYPE = "application/x-ndjson"
_encode = msgspec.json.Encoder().encode


class Question(msgspec.Struct, frozen=True):
    """What was typed, where, and which profile is to answer ("" for the default)."""

    text: str
    conversation_id: str = ""
    profile: str = ""


def read_question(body: bytes, longest: int) -> Question:
    """From a form's fields `text`, `conversation` and `profile`. `longest` is in characters. Raises `ClientError`."""
    try:
        fields = dict(parse_qsl(body.decode(), max_num_fields=8))
    except ValueError:
        raise ClientError("the form could not be read", code="bad_form") from None
    text = fields.get("text", "").strip()
    if not text:
        raise ClientError("there is nothing to answer: the message is empty", code="empty_message")
    if len(text) > longest:
        raise ClientError(
            f"the message is longer than {longest} characters (dashboard.message_chars)", status=413, code="too_long"
        )
    return Question(text, fields.get("conversation", ""), fields.get("profile", ""))


def make_turn(question: Question, user_agent: str) -> Turn:
    """The turn for a question; what was said before in its conversation is put before it where the turn is run."""
    return Turn(
        messages=(Message("user", question.text),),
        model=question.profile,
        caller=Caller(channel="api", conversation_id=question.conversation_id, user_agent=user_agent),
        continues=bool(question.conversation_id),
    )


def encode(batch: Batch) -> bytes:
    """A batch of events as lines of the stream; empty for what the chat box does not show."""
    lines = [line for event in batch if (line := _line(event)) is not None]
    return b"".join(_encode(line) + b"\n" for line in lines)


def _line(event: AgentEvent) -> Mapping[str, object] | None:  # noqa: PLR0911 one return for each kind of event
    match event:
        case RunStarted(run_id=run, conversation_id=conversation):
            return {"t": "run", "run": run, "conversation": conversation}
        case ModelStarted(model=model):
            return {"t": "model", "model": model}
        case Text(text=text):
            return {"t": "text", "text": text}
        case Thinking():
            return {"t": "thinking"}
        case ToolStarted(call=call):
            return {"t": "tool", "id": call.id, "name": call.name}
        case ToolFinished(call=call, ok=ok, duration=seconds):
            return {"t": "tool_done", "id": call.id, "ok": ok, "note": words.duration(seconds)}
        case RunFinished():
            return {"t": "done", "text": event.text, "model": event.model, "by": finished(event)}
        case RunFailed(failure=failure, message=message):
            return failed(failure, message)
        case _:
            return None


def failed(failure: str, message: str) -> Mapping[str, object]:
    """The last line of a turn without an answer. A turn that someone stopped is no error."""
    return {"t": "failed", "stopped": failure == "cancelled", "message": message}


def finished(event: RunFinished) -> list[str]:
    """The figures under an answer, as in `chat_log.figures`."""
    said: list[str] = []
    if event.usage.output_tokens:
        said.append(("≈ " if event.usage.estimated else "") + words.plural(event.usage.output_tokens, "token"))
    if event.first_token is not None:
        said.append(f"first word {words.duration(event.first_token)}")
    return [*said, words.duration(event.duration)]
