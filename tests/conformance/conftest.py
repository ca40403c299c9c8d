"""What the suites share: where the Thane runs that they try."""

from __future__ import annotations

import os

import pytest

from tests.clients.asking import Doors


@pytest.fixture(scope="session")
def doors() -> Doors:
    """Addresses of the running Thane, from `just conformance`."""
    return Doors(os.environ["THANE_NATIVE"], os.environ["THANE_OLLAMA"])


@pytest.fixture(scope="session")
def brain() -> str:
    """`fake` or `embedded`."""
    return os.environ["THANE_BRAIN"]
