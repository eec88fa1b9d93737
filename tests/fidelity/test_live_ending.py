"""`mmload fidelity --live` that is ended by a signal: one sentence, the documented exit code, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mmload.errors import ExitCode
from mmload.signals import end_with
from tests.browser.support import needs_a_browser

PATIENCE_SECONDS = 180


def _below(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children(recursive=True)
    return []


def _is_browser(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "--type=renderer" in process.cmdline()
    return False


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a short name: Chromium's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="mmload-test-") as name:
        yield Path(name)


@needs_a_browser
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(number: signal.Signals, folder: Path) -> None:
    us = os.getpid()
    command = [sys.executable, "-m", "mmload", "fidelity", "--live", "--step", "idle_180s"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: end_with(us),
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen: list[psutil.Process] = []
    while not any(map(_is_browser, seen)):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.1)
        seen = _below(psutil.Process(process.pid))

    process.send_signal(number)
    said, complaints = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, said) == (ExitCode.INTERRUPTED, "")
    *steps, last = complaints.splitlines()
    assert last == "mmload fidelity: interrupted" and all(": browser: " in each for each in steps)
    _, alive = psutil.wait_procs(seen, timeout=PATIENCE_SECONDS)
    assert alive == [] and list(folder.iterdir()) == []
