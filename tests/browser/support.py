"""A real browser on the sandbox's page."""

from __future__ import annotations

import os
from typing import Any

import pytest

from mmload.browser.messages import StartBrowser
from mmload.browser.start_order import find_browser
from mmload.errors import ConfigurationError

PASSWORD = "testPass123$"
# Only what never comes waits so long; on a busy machine the first page alone may take more than a minute.
PATIENCE_SECONDS = 300.0


def _problem() -> str:
    try:
        find_browser("")
    except ConfigurationError as error:
        return str(error)
    return ""


needs_a_browser = pytest.mark.skipif(
    bool(_problem()) and not os.environ.get("MMLOAD_REQUIRE_ALL"), reason=f"{_problem()} (make system-packages)"
)


def start_order(url: str, login: str, **more: Any) -> StartBrowser:
    """A browser for somebody on the sandbox."""
    order = {"version": "11.6.0", "password": PASSWORD, "seed": "1", "step_seconds": PATIENCE_SECONDS, **more}
    return StartBrowser(url=url, executable=find_browser(""), login=login, **order)
