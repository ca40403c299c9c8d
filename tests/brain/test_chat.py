"""What is said besides commands: greetings, notes within the conversation, and what the brain cannot do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brain.homes import NEW, ask_home_assistant, calls_of, prompt, question, recorded, think
from tests.home.doubles import demo_home
from thane.brain.brain import Act, Brain, Say
from thane.brain.known import know_house
from thane.config import settings as config
from thane.tools.house import house_tools
from thane.turn import Message, ToolCall, ToolSpec

HOUSE = know_house(demo_home().entities(), demo_home().areas())
TOOLS = tuple(tool.spec for tool in house_tools(demo_home()))


def chat(*said: str, language: str = "en", explain: bool = True) -> Say:
    """The answer to the last of several sentences; what was answered before does not matter."""
    messages = [Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(said)]
    answer = think(*messages, tools=TOOLS, own_tools=TOOLS, house=HOUSE, language=language, explain=explain)
    assert isinstance(answer, Say)
    return answer


@pytest.mark.parametrize(
    ("language", "text", "answer"),
    [
        ("en", "Hello!", "Hello, I am Thane."),
        ("en", "good evening", "Hello, I am Thane."),
        ("en", "howdy", "Hello, I am Thane."),
        ("en", "What's up?", "Hello, I am Thane."),
        ("en", "how are you?", "Hello, I am Thane."),
        ("en", "thank you very much", "You are welcome."),
        ("en", "Who are you?", "I am Thane, the steward of this house."),
        ("en", "who created you", "I am Thane, the steward of this house."),
        ("de", "Guten Tag", "Hallo, ich bin Thane."),
        ("de-AT", "danke schön", "Gern geschehen."),
        ("fr", "Bonsoir", "Bonjour, je suis Thane."),
        ("nl", "dank je wel", "Graag gedaan."),
        ("es", "¿Quién eres?", "Soy Thane, el mayordomo de esta casa."),
        ("it", "ciao", "Ciao, sono Thane."),
        ("it", "hello", "Ciao, sono Thane."),
        ("fi", "hello", "Hello, I am Thane."),
    ],
)
def test_greetings_are_answered(language: str, text: str, answer: str) -> None:
    assert Say(answer, chat=True) == chat(text, language=language)


@pytest.mark.parametrize("text", ["never mind", "nevermind", "forget it"])
def test_never_mind_is_taken(text: str) -> None:
    assert "All right." == chat(text).text


@pytest.mark.parametrize("text", ["what can you do", "Help", "what can I say"])
def test_help_says_what_it_can_do_and_how_to_add_a_model(text: str) -> None:
    answer = chat(text)

    assert answer.chat
    assert "turn off the kitchen lights" in answer.text
    assert "`models.default`" in answer.text


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "tell me a joke"), ("en", "why is the sky blue?"), ("de", "Erzähl mir einen Witz"), ("en", "x" * 5000)],
)
def test_anything_else_is_answered_honestly(language: str, text: str) -> None:
    answer = chat(text, language=language)

    assert not answer.sure
    assert "`models.default`" in answer.text


@pytest.mark.parametrize(
    ("language", "note", "question", "answer"),
    [
        ("en", "remember that my cat is Tom", "what is my cat?", "Your cat is Tom."),
        ("en", "Remember my car is dark blue.", "What's my car", "Your car is dark blue."),
        ("en", "remember that the safe's code is 12", "what is my safe's code", "Your safe's code is 12."),
        ("de", "Merk dir, dass die Katze Tom heißt", "wie heißt meine Katze?", "Katze: Tom."),
        ("fr", "souviens-toi que le chat est Tom", "qui est mon chat ?", "Chat : Tom."),
        ("nl", "onthoud dat de kat Tom is", "wat is mijn kat", "Je kat is Tom."),
        ("es", "recuerda que el gato es Tom", "¿cuál es mi gato?", "Tu gato es Tom."),
        ("it", "ricorda che il gatto è Tom", "qual è il mio gatto?", "Gatto: Tom."),
        ("en", "my name is Ada", "what is my name", "Your name is Ada."),
        ("de", "Merk dir, dass meine Katze Tom heißt", "wie heißt meine Katze?", "Katze: Tom."),
        ("fr", "souviens-toi que mon chat est Tom", "qui est mon chat ?", "Chat : Tom."),
        ("nl", "onthoud dat mijn kat Tom is", "wat is mijn kat", "Je kat is Tom."),
        ("es", "recuerda que mi gato es Tom", "¿cuál es mi gato?", "Tu gato es Tom."),
        ("it", "ricorda che il mio gatto è Tom", "qual è il mio gatto?", "Gatto: Tom."),
    ],
)  # fmt: skip
def test_what_is_to_be_remembered_is_found_again(language: str, note: str, question: str, answer: str) -> None:
    noted = chat(note, language=language)
    assert not noted.sure

    assert Say(answer, sure=False) == chat(note, noted.text, question, language=language)


def test_the_last_thing_said_counts_and_only_this_conversation() -> None:
    said = ("my cat is Tom", "Noted.", "my cat is Kim", "Noted.", "what is my cat")

    assert "Your cat is Kim." == chat(*said).text
    assert "You have not told me your cat in this conversation." == chat("what is my cat").text


def test_what_is_said_of_a_thing_is_no_note_unless_it_is_to_be_remembered() -> None:
    assert "models.default" in chat("the cat is Tom").text
    assert "You have not told me" in chat("the cat is Tom", "No.", "what is my cat").text


def test_everything_that_was_to_be_remembered_is_told() -> None:
    said = ("remember that the key is under the mat", "Noted.", "remember: milk", "Noted.", "what do you remember?")

    assert "You told me: the key is under the mat; milk." == chat(*said).text
    assert "You have not asked me to remember anything in this conversation." == chat("what do you remember").text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("turn on the disco ball", "Sorry, I am not aware of any device called disco ball."),
        ("turn off the lights in the attic", "Sorry, I am not aware of any area called attic."),
    ],
)
def test_what_is_not_in_the_house_is_named(text: str, answer: str) -> None:
    assert Say(answer, sure=False) == chat(text)
    assert "models.default" in chat(text, explain=False).text


def test_a_sentence_that_is_too_long_is_not_looked_at() -> None:
    text = "turn off the kitchen lights"
    ask = question(Message("user", text), tools=TOOLS, own_tools=TOOLS, house=HOUSE)

    assert isinstance(Brain(config.Brain(sentence_chars=len(text))).think(ask), Act)
    assert isinstance(Brain(config.Brain(sentence_chars=len(text) - 1)).think(ask), Say)


def test_a_question_for_the_time_is_not_joined_with_commands() -> None:
    assert "models.default" in chat("turn off the kitchen lights and what time is it").text


def test_a_device_that_is_there_is_never_said_to_be_missing() -> None:
    assert "models.default" in chat("turn on the front door").text


@pytest.mark.parametrize(
    ("text", "tools", "answer"),
    [
        (
            "set a timer for 5 minutes",
            recorded(NEW).tools,
            "I understood that, but I have been given no tool to do it.",
        ),
        ("what lights are on", (), "I understood that, but I have been given no tool that tells how things are."),
    ],
)
def test_what_no_tool_can_do_is_said(text: str, tools: tuple[ToolSpec, ...], answer: str) -> None:
    thought = think(Message("system", recorded(NEW).system), Message("user", text), tools=tools)

    assert Say(answer, sure=False) == thought


def test_a_command_without_any_tools_is_not_pretended() -> None:
    thought = think(Message("user", "turn off all the lights"))

    assert Say("I understood that, but I have been given no tool to do it.", sure=False) == thought


def test_a_target_that_the_tool_cannot_take_is_not_left_out() -> None:
    tool = ToolSpec("HassTurnOff", "", {"type": "object", "properties": {"name": {}, "domain": {}}})
    system = prompt([("Lamp", "light", "Kitchen")])

    def ask(text: str) -> Say | Act:
        return think(Message("system", system), Message("user", text), tools=(tool,))

    assert [] == calls_of(ask("turn off the lights in the kitchen"))
    assert [("HassTurnOff", {"name": "Lamp"})] == calls_of(ask("turn off the lamp"))


def test_a_clients_house_comes_before_our_own() -> None:
    theirs = recorded(NEW)
    system = Message("system", theirs.system)
    both = (*TOOLS, *theirs.tools)

    thought = think(system, Message("user", "turn off bed light"), tools=both, own_tools=TOOLS, house=HOUSE)

    assert isinstance(thought, Act)
    assert "intent__HassTurnOff" == thought.steps[0].tool


def test_our_own_house_answers_where_the_client_told_of_none() -> None:
    other = ToolSpec("get_current_timestamp")
    thought = think(
        Message("system", "You are helpful."),
        Message("user", "turn off the desk lamp"),
        tools=(other, *TOOLS),
        own_tools=TOOLS,
        house=HOUSE,
    )

    assert [("HassTurnOff", {"name": "Desk Lamp"})] == calls_of(thought)


CALL = Message("assistant", tool_calls=(ToolCall("call_1", "intent__HassTurnOff", {"name": "Bed Light"}),))


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ('{"data":{"error":"X","error_text":"It is stuck."},"error":true}', "That did not work: It is stuck."),
        ('{"data":{"response_type":"action_done","data":{"success":[],"failed":[]}},"error":false}', "Done."),
    ],
)
def test_results_of_calls_that_a_model_made_are_reported(result: str, answer: str) -> None:
    home = recorded(NEW)
    said = (Message("system", home.system), Message("user", "do your magic"), CALL)

    thought = think(*said, Message("tool", result, tool_call_id="call_1"), tools=home.tools)

    assert Say(answer, sure=False) == thought


def test_results_in_another_order_are_matched_by_id() -> None:
    home, text = recorded(NEW), "turn off bed light and open the garage door"
    thought = ask_home_assistant(text)
    assert isinstance(thought, Act)
    calls = tuple(ToolCall(f"call_{i}", step.tool, step.arguments) for i, step in enumerate(thought.steps))
    failed = '{"data":{"error":"X","error_text":"It is stuck."},"error":true}'
    good = home.result("HassTurnOff", name="Kitchen Lights")

    said = think(
        Message("system", home.system),
        Message("user", text),
        Message("assistant", tool_calls=calls),
        Message("tool", failed, tool_call_id="call_1"),
        Message("tool", good, tool_call_id="call_0"),
        tools=home.tools,
    )

    assert Say("Turned off the light. That did not work: It is stuck.") == said


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (Message("system", "x"),),
        (Message("assistant", "hello"),),
        (Message("tool", "{}"), Message("assistant", "x")),
        (Message("user", ""),),
        (Message("user", " "), Message("tool", "{}")),
        (Message("user", "x" * 1000), Message("tool", "nope")),
    ],
)
def test_odd_conversations_get_a_sentence(messages: tuple[Message, ...]) -> None:
    answer = think(*messages, tools=TOOLS)

    assert isinstance(answer, Say)
    assert answer.text
    assert not answer.sure


_WORDS = (
    "turn on off the kitchen lights and or , what is are my in set to 30 % remember that Vacuum \\ { } [ ( | <x> \0 é"
)
WORDS = st.sampled_from(_WORDS.split(" "))


@settings(max_examples=150, deadline=None)
@given(
    text=st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join)),
    language=st.sampled_from(["en", "de", "zh-CN", "fr", "xx"]),
)
def test_no_sentence_raises(text: str, language: str) -> None:
    thought = think(Message("user", text), tools=TOOLS, own_tools=TOOLS, house=HOUSE, language=language)

    assert isinstance(thought, Act) or thought.text


@settings(max_examples=50, deadline=None)
@given(name=st.text(min_size=1, max_size=20), text=st.text(max_size=30), result=st.text(max_size=40))
def test_no_house_and_no_result_raises(name: str, text: str, result: str) -> None:
    system = Message("system", prompt([(name, "light", name)]))
    call = Message("assistant", tool_calls=(ToolCall("1", "intent__HassTurnOff", {"name": name}),))
    home = recorded(NEW)

    for messages in ((Message("user", text),), (Message("user", f"turn off {name}"), call, Message("tool", result))):
        think(system, *messages, tools=home.tools)
