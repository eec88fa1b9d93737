"""mmload's commands as anybody types them, and a stand-in server for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mmload.cli import sandbox
from mmload.config import environment_name

LONGEST_SECONDS = 240.0


def mmload(
    folder: Path,
    *arguments: object,
    idle_ms: int | None = None,
    seconds: float = LONGEST_SECONDS,
    more: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """`python -m mmload …` in this folder, until it ends; `idle_ms` is the mean pause of a person."""
    environ = {**os.environ, **(more or {})}
    if idle_ms is not None:
        environ[environment_name("SimulController", "AvgIdleTimeMs")] = str(idle_ms)
    return subprocess.run(
        [sys.executable, "-m", "mmload", *map(str, arguments)],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@contextmanager
def populated_sandbox(*options: str) -> Iterator[str]:
    """The address of a sandbox with these options, with teams, channels and people."""
    with sandbox.sandbox(*options) as address:
        sandbox.populate(address, os.environ)
        yield address
