"""Brings the JavaScript clients before the first test that asks one, outside its event loop."""

from __future__ import annotations

import pytest

from tests.clients import node_clients


@pytest.fixture(scope="session", autouse=True)
def javascript_clients() -> None:
    node_clients.installed()
