"""What tests of more than one room share."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture
def process_as_before() -> Iterator[None]:
    """Undo what configuring logs and serving change for the whole process."""
    root = logging.getLogger()
    before = root.handlers, root.level, sys.getswitchinterval(), gc.get_threshold()
    yield
    structlog.reset_defaults()
    root.handlers, root.level = before[:2]
    sys.setswitchinterval(before[2])
    gc.set_threshold(*before[3])
    gc.unfreeze()
