"""The official clients, Python's and JavaScript's, against the running program."""

from __future__ import annotations

import json

import pytest

from tests.clients import anthropic_clients, asking, node_clients, responses_clients
from tests.clients.asking import WEATHER, Client, Doors, Question

MODULES = (responses_clients, anthropic_clients, node_clients)
CHATTING_WHOLE = asking.WHOLE | {name: client for each in MODULES for name, client in each.WHOLE.items()}
CHATTING_STREAMING = asking.STREAMING | {name: client for each in MODULES for name, client in each.STREAMING.items()}
STREAMING = CHATTING_STREAMING | asking.TEXT_STREAMING | anthropic_clients.TEXT_STREAMING
CHATTING = CHATTING_WHOLE | CHATTING_STREAMING
ALL = CHATTING | STREAMING | asking.TEXT_WHOLE
AWKWARD = ("Grüße, ", "a\u2028b\u2029c\u0085d ", "<b>&amp;</b> ", '"quoted" \\ \n\ttab ', "🙂 ", '{"json": 1}')

every = pytest.mark.parametrize("client", ALL.values(), ids=ALL)
streaming = pytest.mark.parametrize("client", STREAMING.values(), ids=STREAMING)
chatting = pytest.mark.parametrize("client", CHATTING.values(), ids=CHATTING)


@pytest.fixture(scope="session", autouse=True)
def javascript_clients() -> None:
    node_clients.installed()


def play(*steps: list[object]) -> str:
    """A question that tells the obliging model what to answer."""
    return f"play: {json.dumps(steps)}"


@every
def test_a_house_command_is_obeyed(client: Client, doors: Doors) -> None:
    said = client(doors, Question("turn off the kitchen lights"))
    assert ("", "stop") == (said.error, said.reason)
    assert "light" in said.text
    assert said.output_tokens > 0


@every
def test_an_unknown_model_is_not_found(client: Client, doors: Doors) -> None:
    said = client(doors, Question(model="nope"))
    assert ("model 'nope' not found", 404) == (said.error, said.status)


@pytest.mark.script
@every
def test_the_answer_is_read_to_the_letter(client: Client, doors: Doors) -> None:
    said = client(doors, Question(play(["say", list(AWKWARD)], ["stop", "stop", 12, 5])))
    assert "".join(AWKWARD) == said.text
    assert (12, 5, "stop", "") == (said.input_tokens, said.output_tokens, said.reason, said.error)


@pytest.mark.script
@streaming
def test_a_stream_comes_in_pieces(client: Client, doors: Doors) -> None:
    said = client(doors, Question(play(["say", ["one ", "two ", "three"], 0.1])))
    assert (3, "one two three") == (said.pieces, said.text)


@pytest.mark.script
@chatting
def test_thinking_is_kept_apart(client: Client, doors: Doors) -> None:
    said = client(doors, Question(play(["think", ["Hm. ", "Yes."]], ["say", ["Sure."]])))
    assert "Sure." == said.text
    assert said.thinking in ("Hm. Yes.", "Yes.", "")  # OpenAI's helpers know no reasoning: they keep a part, or nothing


@pytest.mark.script
@chatting
def test_a_call_of_the_clients_tool_arrives_whole(client: Client, doors: Doors) -> None:
    calls = [["get_weather", {"city": "Åre <&>", "days": [1, 2]}], ["get_weather", {"city": ""}]]
    said = client(doors, Question(play(["say", ["Let me see."]], ["call", *calls]), tools=(WEATHER,)))
    assert (("get_weather", {"city": "Åre <&>", "days": [1, 2]}), ("get_weather", {"city": ""})) == said.calls
    assert "Let me see." == said.text


@pytest.mark.script
@every
def test_a_failure_before_the_first_word_has_its_status(client: Client, doors: Doors) -> None:
    said = client(doors, Question(play(["status", 500, "the runner broke"])))
    assert said.status in (502, 503)
    assert said.error


@pytest.mark.script
@streaming
def test_a_failure_in_mid_stream_is_raised(client: Client, doors: Doors) -> None:
    said = client(doors, Question(play(["say", ["So ", "far "], 0.1], ["wait", 0.1], ["fail", "the runner broke"])))
    assert said.error


# These two raise an error of their own there: they want an answer that is complete.
@pytest.mark.script
@pytest.mark.parametrize("name", sorted(ALL.keys() - {"openai-stream-helper", "openai-response-stream-helper"}))
def test_a_length_that_is_reached_is_told(name: str, doors: Doors) -> None:
    said = ALL[name](doors, Question(play(["say", ["So it "]], ["stop", "length"])))
    assert ("So it ", "length") == (said.text, said.reason)


@pytest.mark.script
@every
def test_a_long_answer_is_whole(client: Client, doors: Doors) -> None:
    pieces = [f"word{number} " for number in range(3000)]
    said = client(doors, Question(play(["say", pieces])))
    assert "".join(pieces) == said.text
