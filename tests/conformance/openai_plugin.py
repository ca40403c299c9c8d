"""A plugin of pytest for openai-python's own tests, which are made for a mock that takes anything and has everything.

It skips what Thane does not serve, each with its reason, and gives the tests of responses what they take for granted:
a question where they ask nothing, and a response that is really there where they want one by its id. It stands alone:
it runs beside another package that is called `tests`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.resources.responses import AsyncResponses, Responses

_ASKED = {"model": "gpt-6-astra", "input": "Hello!"}

LEFT_OUT: tuple[tuple[str, str], ...] = (
    (r"chat/test_completions.*_(retrieve|update|list|delete)", "stored chat completions are an archive of OpenAI's"),
    (r"test_models.*_delete", "Thane deletes no models"),
    (r"test_responses.*_(delete|cancel|compact)", "Thane's responses cannot be deleted, cancelled or compacted"),
    (r"test_responses.*_create_with_all_params", "asks for `background` and `prompt`, which Thane refuses"),
    (r"test_responses.*_retrieve.*_overload_2", "Thane does not stream a response again that has ended"),
    (r"resources/test_completions.*_with_all_params", "asks for `suffix` and `echo`, which Thane refuses"),
    (
        r"Embeddings::test_(method|raw_response|streaming_response)_create\[(strict|aiohttp)\]",
        "the client asks for base64, as OpenAI gives it, and its strict mode knows nothing but numbers",
    ),
)
"""Tests as regular expressions, and the reason."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for test, reason in LEFT_OUT:
            if re.search(test, item.nodeid) and "path_params" not in item.name:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_configure() -> None:
    """For the whole run: the clients keep the methods that they once took from these classes."""
    for resource in (Responses, AsyncResponses):
        resource.create = _with_question(resource.create)
        resource.retrieve = _of_response(resource.retrieve)


@functools.cache
def _response_id() -> str:
    """Of a response that Thane has given."""
    with openai.OpenAI(base_url=os.environ["TEST_API_BASE_URL"], api_key="none") as client:
        return client.responses.create(model=_ASKED["model"], input=_ASKED["input"]).id


def _with_question(create: Callable[..., Any]) -> Callable[..., Any]:
    """The method, with a model and an input where none is given."""

    def created(self: Any, **given: Any) -> Any:
        return create(self, **(_ASKED | given))

    return created


def _of_response(retrieve: Callable[..., Any]) -> Callable[..., Any]:
    """The method, asking for a response that is there. An empty id stays: the client refuses it itself."""

    def retrieved(self: Any, response_id: str, **given: Any) -> Any:
        return retrieve(self, response_id and _response_id(), **given)

    return retrieved
