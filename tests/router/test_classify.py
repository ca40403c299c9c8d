from __future__ import annotations

import pytest

from thane.router.classify import Complexity, Intent, classify


@pytest.mark.parametrize(
    ("query", "complexity"),
    [
        ("search for my keys", "simple"),
        ("find the red lamp", "simple"),
        ("explain how this works", "complex"),
        ("why is the sky blue", "complex"),
        ("compare last week with this week", "complex"),
        ("analyse the trend", "complex"),
        ("turn on the light", "simple"),
        ("Turn the kitchen lights off", "simple"),
        ("set the heating to 20", "simple"),
        ("lock the door", "simple"),
        ("tell me a joke", "moderate"),
        ("", "moderate"),
        # Words, not parts of words, as the reference would have it:
        ("what o'clock is it", "moderate"),
        ("the road is blocked", "moderate"),
        ("an asset of mine", "moderate"),
        ("fetching water is a prehistory thing", "moderate"),
    ],
)
def test_complexity_goes_by_whole_words(query: str, complexity: Complexity) -> None:
    assert complexity == classify(query).complexity


@pytest.mark.parametrize(
    ("query", "intent"),
    [
        ("turn off the lamp", "device_control"),
        ("is the door locked", "security"),
        ("what is the temperature in the hall", "climate"),
        ("who is there", "presence"),
        ("when did it rain", "temporal"),
        ("tell me a joke", "general"),
        ("the clock is nice", "general"),
        ("a blockchain", "general"),
    ],
)
def test_intent_goes_by_whole_words(query: str, intent: Intent) -> None:
    assert intent == classify(query).intent


@pytest.mark.parametrize(
    ("query", "language", "complexity", "intent"),
    [
        ("Schalte das Licht im Flur aus", "de-DE", "simple", "device_control"),
        ("Warum ist der Himmel blau?", "de", "complex", "general"),
        ("Doe de lamp in de keuken uit", "nl", "simple", "device_control"),
        ("Quelle est la température du salon", "fr", "moderate", "climate"),
        ("Apaga la luz", "es", "simple", "device_control"),
        ("turn on the lamp", "de", "simple", "device_control"),  # English counts everywhere
        ("Apaga la luz", "en", "moderate", "general"),
        ("turn on the lamp", "xx", "simple", "device_control"),
    ],
)
def test_the_languages_own_words_count(query: str, language: str, complexity: Complexity, intent: Intent) -> None:
    kind = classify(query, language)
    assert (complexity, intent) == (kind.complexity, kind.intent)
