"""LangChain's standard tests for chat models, by both APIs."""
# Not in the environment that the types are checked with.
# pyright: reportMissingImports=false, reportUntypedBaseClass=false, reportUnknownParameterType=false

from __future__ import annotations

import os
import struct
import zlib
from typing import Any

import httpx  # noqa: ASYNC127 what langchain-openai fetches pictures with
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

HAS_MODEL = os.environ.get("THANE_BRAIN") == "fake"
"""The embedded brain takes house commands: it calls no tools that it does not know, and makes no JSON to order."""


def _picture() -> bytes:
    """A white PNG of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0\xff\xff\xff")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests fetch their pictures from the internet with this function; no client uses it."""

    def got(url: str, **_: object) -> httpx.Response:
        return httpx.Response(200, content=_picture(), request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", got)


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
        return {
            "model": "thane:latest",
            "base_url": f"{os.environ['THANE_NATIVE']}/v1",
            "api_key": "none",
            "stream_usage": True,
        }

    @property
    def model_override_value(self) -> str:
        return "obliging:1b" if HAS_MODEL else "thane"
