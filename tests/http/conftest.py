"""An application for tests of the HTTP room."""

from __future__ import annotations

import pytest

from tests.http.apps import LIMITS
from thane.http.problems import native_problem
from thane.http.quart_app import ThaneApp


@pytest.fixture
def app() -> ThaneApp:
    return ThaneApp("test", limits=LIMITS, problems=native_problem)
