"""Sentences in many languages, from a Home Assistant whose devices are named in them."""

from __future__ import annotations

from functools import cache

import pytest
from home_assistant_intents import get_languages

from tests.brain.homes import NOW, after, ask_home_assistant, calls_of, done, live, prompt
from thane.brain.brain import Say
from thane.brain.known import KnownEntity
from thane.brain.languages import Language, find_language
from thane.brain.phrases import languages
from thane.brain.templates import as_state, render
from thane.turn import JSON

type Sentence = tuple[str, str, str, JSON, str]
"""Language, sentence, intent, arguments, what is said once it is done."""

HOUSES = {
    "de": [
        ("Küchenlicht", "light", "Küche"),
        ("Stehlampe", "light", "Wohnzimmer"),
        ("Haustür", "lock", "Flur"),
        ("Heizung", "climate", "Bad"),
        ("Garagentor", "cover", "Garage"),
    ],
    "fr": [("Lampe du salon", "light", "Salon"), ("Porte du garage", "cover", "Garage")],
    "nl": [("Keukenlamp", "light", "Keuken"), ("Voordeur", "lock", "Hal"), ("Garagedeur", "cover", "Garage")],
    "es": [("Luz de la cocina", "light", "Cocina"), ("Lámpara", "light", "Salón")],
    "it": [("Luce della cucina", "light", "Cucina"), ("Lampada", "light", "Soggiorno")],
    "pl": [("Lampa", "light", "Kuchnia")],
    "ru": [("Лампа", "light", "Кухня"), ("Ворота", "cover", "Гараж")],
    "sv": [("Kökslampan", "light", "Kök")],
    "da": [("Køkkenlampe", "light", "Køkken")],
    "pt-BR": [("Abajur", "light", "Sala")],
    "zh-CN": [("台灯", "light", "书房")],
    "ja": [("キッチンライト", "light", "キッチン")],
    "el": [("Λάμπα", "light", "Κουζίνα")],
    "he": [("מנורה", "light", "מטבח")],
}

SENTENCES: list[Sentence] = [
    ("de", "Schalte das Küchenlicht aus", "HassTurnOff", {"name": "Küchenlicht"}, "Licht ausgeschaltet."),
    ("de", "Öffne das Garagentor", "HassTurnOn", {"name": "Garagentor"}, "Geöffnet."),
    ("de", "Schließe die Haustür ab", "HassTurnOn", {"name": "Haustür"}, "Abgeschlossen."),
    (
        "de",
        "Stelle die Heizung auf 21 Grad",
        "HassClimateSetTemperature",
        {"name": "Heizung", "temperature": 21},
        "Temperatur auf 21 Grad gestellt.",
    ),
    ("fr", "Allume la lampe du salon", "HassTurnOn", {"name": "Lampe du salon"}, "Allumé."),
    ("fr", "ouvre la porte du garage", "HassTurnOn", {"name": "Porte du garage"}, "Ouverture en cours."),
    ("nl", "Doe de keukenlamp uit", "HassTurnOff", {"name": "Keukenlamp"}, "Uitgezet."),
    (
        "nl",
        "zet de lampen in de keuken aan",
        "HassTurnOn",
        {"area": "Keuken", "domain": ["light"]},
        "Verlichting aangezet.",
    ),
    ("es", "apaga todas las luces", "HassTurnOff", {"domain": ["light"]}, "Todas las luces apagadas."),
    ("es", "Apaga la luz de la cocina", "HassTurnOff", {"name": "Luz de la cocina"}, "Se ha apagado la luz."),
    ("it", "Spegni la luce della cucina", "HassTurnOff", {"name": "Luce della cucina"}, "Ho spento Luce della cucina."),
    ("pl", "wyłącz lampa", "HassTurnOff", {"name": "Lampa"}, "Wyłączono Lampa."),
    ("ru", "открой ворота", "HassTurnOn", {"name": "Ворота"}, "Ворота открываются."),
    ("sv", "Släck kökslampan", "HassTurnOff", {"name": "Kökslampan"}, "Slog av lampan."),
    ("da", "sluk lyset i køkkenet", "HassTurnOff", {"area": "Køkken", "domain": ["light"]}, "Slukkede lyset."),
    ("pt-BR", "ligue o abajur", "HassTurnOn", {"name": "Abajur"}, "Luz ligado."),
    ("zh-CN", "打开台灯", "HassTurnOn", {"name": "台灯"}, "台灯已打开"),
    ("ja", "キッチンライトを消して", "HassTurnOff", {"name": "キッチンライト"}, "ライトがオフになりました"),
    ("el", "σβήσε λάμπα", "HassTurnOff", {"name": "Λάμπα"}, "Έκλεισε."),
    ("he", "כבה מנורה", "HassTurnOff", {"name": "מנורה"}, "מנורה כובה"),
]


@pytest.mark.parametrize(("language", "text", "intent", "arguments", "said"), SENTENCES)
def test_a_command_is_done_and_confirmed_in_its_language(
    language: str, text: str, intent: str, arguments: JSON, said: str
) -> None:
    system = prompt(HOUSES[language])
    domains = {name: domain for name, domain, _ in HOUSES[language]}

    thought = ask_home_assistant(text, system, language=language)

    assert [(intent, arguments)] == calls_of(thought)
    name = arguments.get("name", HOUSES[language][0][0])
    result = done(name, f"{domains[name]}.x")
    assert said == after(text, thought, result, language=language, system=system)


def test_verbs_at_the_end_and_names_that_are_joined() -> None:
    system = prompt(HOUSES["de"])

    thought = ask_home_assistant("schalte das Küchenlicht und die Stehlampe aus", system, language="de")

    assert [("HassTurnOff", {"name": "Küchenlicht"}), ("HassTurnOff", {"name": "Stehlampe"})] == calls_of(thought)


def test_questions_are_answered_with_words_for_states() -> None:
    system, text = prompt(HOUSES["de"]), "Ist das Garagentor offen?"
    states = live("- names: Garagentor", "  domain: cover", "  state: closed")

    thought = ask_home_assistant(text, system, language="de")

    assert "Nein, geschlossen." == after(text, thought, states, language="de", system=system)


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "what time is it", "2:05 PM."),
        ("de", "Wie spät ist es?", "Es ist 14:05."),
        ("de", "Welcher Tag ist heute?", "Es ist Montag der 23. November 2026."),
        ("fr", "quelle heure est-il", "Il est 14:05."),
        ("nl", "hoe laat is het", "Het is 14:05."),
        ("es", "qué hora es", "Son las 2 y 5 de la tarde."),
        ("it", "che ore sono", "Sono le 14:05."),
        ("pl", "która godzina", "Jest godzina czternasta pięć."),
        ("zh-CN", "现在几点了", "下午2点05分"),
        ("ja", "今何時", "午後2時5分です"),
    ],
)
def test_the_time_and_the_date_are_told_in_every_language_that_has_them(language: str, text: str, said: str) -> None:
    assert Say(said) == ask_home_assistant(text, language=language)


@cache
def compiled(code: str) -> Language:
    return Language(code)


@pytest.mark.parametrize("intent", ["HassGetCurrentTime", "HassGetCurrentDate"])
@pytest.mark.parametrize("code", sorted(set(get_languages()) & {"en", "de", "th", "hu", "pl", "ru", "ml", "gl", "nl"}))
def test_the_templates_of_time_and_date_say_something(code: str, intent: str) -> None:
    template = compiled(code).answers[intent]["default"]

    assert render(template, {"time": NOW.time(), "date": NOW.date()})


@pytest.mark.parametrize("code", ["en", "de", "fr", "nl", "es", "it", "pl", "zh-CN", "hu", "th"])
def test_every_answer_to_a_question_about_states_can_be_said(code: str) -> None:
    language = compiled(code)
    lamp = as_state(KnownEntity(("Lamp",), "light", ("Room",), "on"), code)

    for key, template in language.answers["HassGetState"].items():
        slots = {"name": "Lamp", "state": "on", "area": "Room", "device_class": "window"}
        assert render(template, slots, [lamp], [lamp]), key
        assert render(template, slots, [], [lamp]), key


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"),
        ("en-US", "en"),
        ("EN_gb", "en"),
        ("de-AT", "de"),
        ("de-CH", "de-CH"),
        ("pt", "pt"),
        ("pt-br", "pt-BR"),
        ("pt-PT", "pt"),
        ("zh", "zh-CN"),
        ("zh-Hant-TW", "zh-TW"),
        ("zh-HK", "zh-HK"),
        ("no", "nb"),
        ("nb-NO", "nb"),
        ("sr-Latn-RS", "sr-Latn"),
        ("iw", "he"),
        ("tlh", "en"),
        ("", "en"),
        ("../../etc/passwd", "en"),
    ],
)
def test_a_tag_finds_its_language(tag: str, code: str) -> None:
    assert code == find_language(tag)


def test_our_own_sentences_are_whole_in_every_language_that_has_them() -> None:
    english = languages()["en"]

    assert {"en", "de", "fr", "nl", "es", "it"} == set(languages())
    for code, words in languages().items():
        assert english.says.keys() == words.says.keys(), code
        assert english.hears.keys() == words.hears.keys(), code
        assert code == "en" or languages()["de"].states.keys() == words.states.keys()


def test_another_language_hears_that_it_was_not_understood_before_the_english_sentence() -> None:
    thought = ask_home_assistant("bana bir fıkra anlat", language="tr")

    assert isinstance(thought, Say)
    assert thought.text.startswith("Üzgünüm, bunu anlayamadım. I cannot answer that")
