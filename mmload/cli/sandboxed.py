"""A populated sandbox for the time of one run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from mmload.errors import MmloadError

_END_SECONDS = 20


@contextmanager
def sandbox(*options: str) -> Iterator[str]:
    """Start a sandbox on a free port, with these options, and give its address; stop it in the end."""
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmload.sandbox", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            # Not in our session: a Ctrl-C must not take the server away while the run is ended in order.
            start_new_session=True,
        )
        try:
            yield _address(process, complaints)
        finally:
            _stop(process)


def _address(process: subprocess.Popen[str], complaints: IO[str]) -> str:
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    if address.startswith("http://"):
        return address
    complaints.seek(0)
    raise MmloadError(f"the sandbox did not start: {_last_line(complaints.read())}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def populate(server_url: str, environ: Mapping[str, str]) -> None:
    """Give the sandbox its teams, channels and people, as `mmload init` does for a real server."""
    done = subprocess.run(
        [sys.executable, "-m", "mmload", "init", "--server", server_url],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MmloadError(f"the sandbox could not be populated: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
