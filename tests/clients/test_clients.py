"""The official clients, Python's and JavaScript's, against both listeners over scripted runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from tests.clients import anthropic_clients, asking, node_clients, responses_clients
from tests.clients.asking import WEATHER, Client, Doors, Question, Said
from tests.http.scripted import Script, Site, failed, finished, plays, says, site
from thane.turn import Text, Thinking, ToolCall

pytestmark = pytest.mark.timeout(400)  # the first one may have to bring the JavaScript clients

CHATTING_WHOLE = asking.WHOLE | responses_clients.WHOLE | anthropic_clients.WHOLE | node_clients.WHOLE
CHATTING_STREAMING = (
    asking.STREAMING | responses_clients.STREAMING | anthropic_clients.STREAMING | node_clients.STREAMING
)
CHATTING = CHATTING_WHOLE | CHATTING_STREAMING
STREAMING = CHATTING_STREAMING | asking.TEXT_STREAMING | anthropic_clients.TEXT_STREAMING
ALL = CHATTING | STREAMING | asking.TEXT_WHOLE
AWKWARD = ("Grüße, ", "a\u2028b\u2029c\u0085d ", "<b>&amp;</b> ", '"quoted" \\ \n\ttab ', "🙂 ", '{"json": 1}')


async def ask(client: Client, place: Site, question: Question) -> Said:
    doors = Doors(f"http://127.0.0.1:{place.native.port}", f"http://127.0.0.1:{place.ollama.port}")
    return await trio.to_thread.run_sync(client, doors, question)


@pytest.fixture(params=ALL, name="client")
def any_client(request: pytest.FixtureRequest) -> Client:
    return ALL[request.param]


@pytest.fixture(params=CHATTING, name="chatting")
def chatting_client(request: pytest.FixtureRequest) -> Client:
    """One that knows tools and thinking."""
    return CHATTING[request.param]


@pytest.fixture(params=STREAMING, name="streaming")
def streaming_client(request: pytest.FixtureRequest) -> Client:
    return STREAMING[request.param]


async def test_the_answer_is_read_to_the_letter(client: Client) -> None:
    async with site(says(*AWKWARD)) as place:
        said = await ask(client, place, Question("What's <new> & old?"))
        assert "What's <new> & old?" == place.turn.messages[-1].content
    assert "".join(AWKWARD) == said.text
    assert (12, 5, "stop", "") == (said.input_tokens, said.output_tokens, said.reason, said.error)


async def test_a_stream_comes_in_pieces(streaming: Client) -> None:
    async with site(plays(Text("one "), 0.02, Text("two "), 0.02, Text("three"), finished("one two three"))) as place:
        said = await ask(streaming, place, Question())
    assert (3, "one two three") == (said.pieces, said.text)


async def test_thinking_is_kept_apart(chatting: Client) -> None:
    async with site(plays(Thinking("Hm. "), Thinking("Yes."), Text("Sure."), finished("Sure."))) as place:
        said = await ask(chatting, place, Question())
    assert "Sure." == said.text
    assert said.thinking in ("Hm. Yes.", "Yes.", "")  # OpenAI's helpers know no reasoning: they keep a part, or nothing


async def test_a_call_of_the_clients_tool_arrives_whole(chatting: Client) -> None:
    call = ToolCall("call_0a1b2c3d", "get_weather", {"city": "Åre <&>", "days": [1, 2]})
    second = ToolCall("call_0a1b2c3e", "get_weather", {})
    async with site(plays(Text("Let me see."), finished("Let me see.", (call, second)))) as place:
        said = await ask(chatting, place, Question(tools=(WEATHER,)))
        assert "get_weather" == place.turn.tools[0].name
        assert ["city"] == place.turn.tools[0].parameters["required"]
    assert (("get_weather", {"city": "Åre <&>", "days": [1, 2]}), ("get_weather", {})) == said.calls
    assert "Let me see." == said.text


async def test_a_failure_before_the_first_word_is_raised_once(client: Client) -> None:
    """Both OpenAI SDKs would ask three times: the turn would be run three times."""
    async with site(plays(failed(failure="unavailable"))) as place:
        said = await ask(client, place, Question())
        assert 1 == len(place.conversations.turns)
    assert ("The model server stopped answering.", 503) == (said.error, said.status)


async def test_a_failure_in_mid_stream_is_raised(streaming: Client) -> None:
    async with site(plays(Text("So "), 0.02, Text("far"), 0.02, failed())) as place:
        said = await ask(streaming, place, Question())
    assert "The model server stopped answering." == said.error


async def test_an_unknown_model_is_not_found(client: Client) -> None:
    async with site() as place:
        said = await ask(client, place, Question(model="nope"))
    assert ("model 'nope' not found", 404) == (said.error, said.status)


async def test_leaving_an_answer_cancels_its_run(streaming: Client) -> None:
    async with site(plays(*[step for _ in range(500) for step in (Text("x "), 0.02)], finished(""))) as place:
        said = await ask(streaming, place, Question(leave_after=2))
        with trio.fail_after(5):
            await place.conversations.left.wait()
        assert [True] == [in_the_middle for _, in_the_middle in place.conversations.ended]
    assert "" == said.error


async def test_a_long_answer_is_whole(client: Client) -> None:
    pieces: Sequence[str] = [f"word{number} " for number in range(3000)]
    script: Script = says(*pieces)
    async with site(script) as place:
        said = await ask(client, place, Question())
    assert "".join(pieces) == said.text
