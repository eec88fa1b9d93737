"""Locust and mmload as processes of their own, with made-up users."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from mmload.cli import main
from mmload.cli.locust_process import free_port

LOCUSTFILE = Path(__file__).with_name("made_up.py")
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 180
# Who is behind another window does nothing for minutes.
ALWAYS_IN_FRONT = {"MMLOAD_SIMULCONTROLLER_PERCENTTIMEINFRONT": "1"}
# A whole command: `mmload repeat` makes several runs.
COMMAND_SECONDS = 150


@dataclass(frozen=True)
class Ended:
    """What a process left."""

    code: int
    out: str
    err: str


def environ(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of the caller's configuration; the truth is written into the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MMLOAD_", "LOCUST_"))}
    return (
        kept
        | {"MADE_UP_TRUTH": str(folder / "truth"), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        | ALWAYS_IN_FRONT
        | more
    )


def truth(folder: Path) -> list[int]:
    """How many actions each user really did."""
    return [int(line) for line in (folder / "truth").read_text().split()]


def start(arguments: Iterable[str], folder: Path, **more: str) -> subprocess.Popen[str]:
    """Start Python with these arguments in the folder."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environ(folder, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for its end; whatever happens, nothing of it stays."""
    try:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
    return Ended(process.returncode, out, err)


def mmload(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Type a command of mmload in the folder, and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "mmload", *arguments],
        cwd=folder,
        env=environ(folder, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def mmload_here(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The same in this process: what a command says that starts no other takes less time than starting Python."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(folder),
        mock.patch.dict(os.environ, environ(folder, **more), clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main(arguments)
        except SystemExit as refused:  # argparse's way
            code = int(refused.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def locust(*options: str) -> list[str]:
    """The arguments of a headless Locust on the made-up users."""
    common = ["--headless", "--only-summary", "--host", "http://127.0.0.1:9", "--stop-timeout", "5"]
    return ["-m", "locust", "-f", str(LOCUSTFILE), *common, *options]


def distributed(processes: int) -> list[str]:
    """Options for workers: on a port of our own, so that two tests at once do not meet."""
    port = str(free_port())
    ports = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    return ["--processes", str(processes), *ports]


def the_folder(folder: Path) -> Path:
    """The one run's folder there is."""
    [found] = (folder / "runs").iterdir()
    return found


def last_second(folder: Path) -> dict[str, Any]:
    """The latest second in the record of the run in this folder, if any; a line that is being written is none."""
    lines = [line for file in folder.glob("runs/*/seconds.jsonl") for line in file.read_bytes().splitlines(True)]
    whole = [line for line in lines if line.endswith(b"\n")]
    found: dict[str, Any] = json.loads(whole[-1]) if whole else {}
    return found


def wait_for_seconds(folder: Path, seconds: int) -> Path:
    """Wait until the record has so many lines; gives the run's folder."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        files = list((folder / "runs").glob("*/seconds.jsonl")) if (folder / "runs").exists() else []
        if files and files[0].read_bytes().count(b"\n") >= seconds:
            return files[0].parent
        time.sleep(0.1)
    raise AssertionError(f"no record of {seconds} seconds came")


def wait_for_figure(folder: Path, name: str, least: int) -> None:
    """Wait until the latest second of the record has this figure ("active", say), or more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (known := last_second(folder).get(name, 0)) < least:
        assert time.monotonic() < deadline, f"{name}: {known}, not {least}"
        time.sleep(0.1)
