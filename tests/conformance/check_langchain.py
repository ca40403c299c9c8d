"""LangChain's standard tests for chat models, by both APIs."""
# Not in the environment that the types are checked with.
# pyright: reportMissingImports=false, reportUntypedBaseClass=false, reportUnknownParameterType=false

from __future__ import annotations

import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

HAS_MODEL = os.environ.get("THANE_BRAIN") == "fake"
"""The embedded brain takes house commands: it calls no tools that it does not know, and makes no JSON to order."""


class _Standard(ChatModelIntegrationTests):
    @property
    def has_tool_calling(self) -> bool:
        return HAS_MODEL

    @property
    def has_structured_output(self) -> bool:
        return HAS_MODEL

    @property
    def has_tool_choice(self) -> bool:
        return HAS_MODEL

    @property
    def supports_json_mode(self) -> bool:
        return HAS_MODEL

    @property
    def supports_image_inputs(self) -> bool:
        return HAS_MODEL

    @property
    def supports_model_override(self) -> bool:
        return True


class TestOllama(_Standard):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOllama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "thane:latest", "base_url": os.environ["THANE_OLLAMA"]}

    @property
    def has_tool_choice(self) -> bool:
        return False  # Ollama's API has none

    @property
    def model_override_value(self) -> str:
        return "obliging:1b" if HAS_MODEL else "thane"


class TestOpenAI(_Standard):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "thane:latest", "base_url": f"{os.environ['THANE_NATIVE']}/v1", "api_key": "none"}

    @property
    def model_override_value(self) -> str:
        return "obliging:1b" if HAS_MODEL else "thane"
