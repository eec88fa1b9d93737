"""How a process that may not begin ends: the reason in words, the exit code of the error, and nobody left behind."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

import psutil
from locust.runners import MasterRunner

from mmload.errors import MmloadError


def refuse(environment: Any, error: MmloadError) -> NoReturn:
    """End this process before its first test, and with it the workers that were forked from it."""
    for line in str(error).splitlines():
        print(f"mmload: {line}", file=sys.stderr)
    if isinstance(environment.runner, MasterRunner) and getattr(environment.parsed_options, "processes", None):
        _end_forked_workers()
    sys.exit(int(error.exit_code))


def _end_forked_workers() -> None:
    """Locust forgets those that have not ended yet: they would look for their master for five minutes more.

    They have no users yet, so nobody has to say farewell; and one that is still starting may not hear a milder signal.
    """
    for child in psutil.Process().children():
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
