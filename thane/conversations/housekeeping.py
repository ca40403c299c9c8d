"""Open WebUI's requests for itself (titles, tags, follow-ups, …): knowing them, and answering them without a model.

They belong to no conversation, whoever's chat they quote. Pure. Its prompts were read in Open WebUI 0.12.4
(config.py, utils/context_compaction.py); those of 0.6 to 0.8 are in CLIENTS.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from thane.config import settings
from thane.conversations.words import RETRIEVAL, cut
from thane.turn import Message, Role, Turn

_TASK = "### Task:\n"
_AFTER_TASK = {
    "Generate a concise": "title_generation",
    "Generate 1-3 broad tags": "tags_generation",
    "Predict 3-5 useful messages": "follow_up_generation",
    "Suggest 3-5 relevant follow-up": "follow_up_generation",
    "Analyze the chat history to determine the necessity": "query_generation",
    "You are an autocompletion system": "autocomplete_generation",
    "Generate a detailed prompt for am image": "image_prompt_generation",
    "Summarize the conversation history that will be compacted": "context_compaction",
}
_WITHOUT_HEADING = {
    "Your task is to reflect the speaker's likely facial expression": "emoji_generation",
    "You have been provided with a set of responses": "moa_response_generation",
}
_SYSTEM = {
    "Available Tools:": "function_calling",
    "You are Open WebUI's private memory reviewer": "memory_review",
}
_DEFAULT = settings.Housekeeping()
OWN_TASKS = frozenset({"session_summary", "fact_extraction", "compaction"})
"""What Thane asks a model for itself (`thane.conversations.asking`): the model that the turn names may be asked."""

_HISTORY = re.compile(r"<chat_history>\n?(.*)\n?</chat_history>", re.DOTALL)
_SPEAKER = re.compile(r"^(USER|ASSISTANT|SYSTEM|TOOL):(?: |$)", re.MULTILINE)
_ROLES: dict[str, Role] = {"USER": "user", "ASSISTANT": "assistant"}
_TITLE_JSON = re.compile(r'"title"\s*:\s*"((?:[^"\\]|\\.)*)"')
_WORD = re.compile(r"[^\W\d_]{4,}")
_COMMON = frozenset(
    re.split(
        r"\s+",
        """about after again also anything because been before being could does doing done from have here into just know
        like more much need only other please should some than thank thanks that their them then there these they this
        those turn very want were what when where which while will with would your yours""",
    )
)
_TAGS = 3
_TITLE_WORDS = 6
_TITLE_CHARS = 48
_COMPACTED_LINES = 40
_COMPACTED_CHARS = 200  # of a line


def recognise(turn: Turn, how: settings.Housekeeping = _DEFAULT) -> str:
    """The kind of housekeeping that a turn asks for; "" for a real turn.

    What the request says of itself (`Caller.task`) counts first. By content, only a lone user message without tools
    can be housekeeping, and only from its first words on, so that nobody who quotes such a prompt is mistaken for it.
    Retrieval, which opens like housekeeping, is a real turn, whatever the configuration says.
    """
    task = turn.caller.task
    if task in OWN_TASKS or how.recognise == "off":
        return task if task in OWN_TASKS else ""
    if task or how.recognise == "header" or turn.tools:
        return task
    return _by_content(turn.messages, how.openings)


def _by_content(messages: Sequence[Message], openings: Mapping[str, Sequence[str]]) -> str:
    said = [message for message in messages if message.role != "system"]
    if len(said) != 1 or said[0].role != "user":
        return ""
    text, bare = said[0].content.lstrip(), said[0].content.lstrip().removeprefix(_TASK).lstrip()
    if text.startswith(RETRIEVAL):
        return ""
    rules = messages[0].content.lstrip() if messages[0].role == "system" else ""
    own = {first.strip(): kind for kind, given in openings.items() for first in given if first.strip()}
    for words, known in ((rules, _SYSTEM), (bare, own), (bare, _WITHOUT_HEADING if bare == text else _AFTER_TASK)):
        if kind := next((kind for first, kind in known.items() if words.startswith(first)), ""):
            return kind
    return ""


def title_of(text: str) -> str:
    """The title in an answer to `title_generation`: in its JSON, wherever that stands. Open WebUI takes no other."""
    found = _TITLE_JSON.search(text)
    try:
        return msgspec.json.decode(f'"{found[1]}"', type=str) if found else ""
    except msgspec.DecodeError:
        return ""


def quoted(turn: Turn) -> tuple[Message, ...]:
    """The chat that a request for housekeeping quotes, as messages; of a long one, only its end is quoted.

    A request that is made before the first answer quotes an empty one.
    """
    prompt = next((message.content for message in reversed(turn.messages) if message.role == "user"), "")
    said = _SPEAKER.split(_history(prompt))
    pairs = zip(said[1::2], said[2::2], strict=True)
    return tuple(Message(_ROLES[who], text.strip()) for who, text in pairs if who in _ROLES and text.strip())


def answer(kind: str, turn: Turn) -> str:
    """A small valid answer of the form that `kind` asks for, made from the quoted chat alone; "" for unknown kinds."""
    prompt = next((message.content for message in reversed(turn.messages) if message.role == "user"), "")
    make = _ANSWERS.get(kind)
    return make(prompt) if make else ""


def _json(key: str, value: object) -> str:
    return msgspec.json.encode({key: value}).decode()


def _history(prompt: str) -> str:
    found = _HISTORY.search(prompt)
    return found[1].strip() if found else ""


def _first_words(prompt: str) -> str:
    """The first thing that the user says in the quoted chat (`USER: …` lines, Open WebUI's utils/misc.py)."""
    said = _SPEAKER.split(_history(prompt))
    for speaker, text in zip(said[1::2], said[2::2], strict=True):
        if speaker == "USER" and text.strip():
            return text.strip()
    return said[0].strip()


def _tags(prompt: str) -> list[str]:
    """The words that the quoted chat uses most, first used first; `General` where there are none."""
    counts: dict[str, int] = {}
    for word in telling_words(_SPEAKER.sub("", _history(prompt))):
        counts[word] = counts.get(word, 0) + 1
    most = sorted(counts, key=lambda word: -counts[word])[:_TAGS]
    return [word.capitalize() for word in most] or ["General"]


def telling_words(text: str) -> list[str]:
    """The words of a text that say what it is about, in lower case."""
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _COMMON]


def _first_response(prompt: str) -> str:
    """Without a model there is nothing to weigh the responses with: the first one stands."""
    found = re.search(r'Responses from models:\s*"""(.*?)"""', prompt, re.DOTALL)
    return (found[1] if found else prompt.rpartition("Responses from models:")[2]).strip()


def _compacted(prompt: str) -> str:
    """What is to be compacted, as it is but shortened: leaving out words beats inventing some."""
    part = prompt.partition("### Messages Being Compacted:")[2].partition("### Recent Messages Kept In Context:")[0]
    before = prompt.partition("### Previous Summary:")[2].partition("### Messages Being Compacted:")[0].strip()
    lines = [cut(line.strip(), _COMPACTED_CHARS) for line in part.splitlines() if line.strip()]
    return "\n".join(([before] if before else []) + lines[-_COMPACTED_LINES:])


def _title(prompt: str) -> str:
    return cut(" ".join(_first_words(prompt).split()[:_TITLE_WORDS]), _TITLE_CHARS)


_ANSWERS: dict[str, Callable[[str], str]] = {
    "title_generation": lambda prompt: _json("title", _title(prompt)),
    "tags_generation": lambda prompt: _json("tags", _tags(prompt)),
    "follow_up_generation": lambda _prompt: _json("follow_ups", []),
    "query_generation": lambda _prompt: _json("queries", []),
    "autocomplete_generation": lambda _prompt: _json("text", ""),
    "image_prompt_generation": lambda prompt: _json("prompt", _first_words(prompt)),
    "function_calling": lambda _prompt: _json("tool_calls", []),
    "memory_review": lambda _prompt: _json("operations", []),
    "emoji_generation": lambda _prompt: "🙂",
    "moa_response_generation": _first_response,
    "context_compaction": _compacted,
}
