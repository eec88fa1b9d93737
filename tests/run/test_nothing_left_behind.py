"""However a command ends, and whenever: no load, no sandbox and no worker goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import which

import psutil
import pytest

from mmload.cli.locust_process import free_port
from mmload.results.folder import read_run
from mmload.results.model import RunEnding
from tests.run.processes import PATIENCE_SECONDS, environ

SMALL = {f"MMLOAD_INSTANCECONFIGURATION_NUM{name}": "4" for name in ("USERS", "TEAMS", "CHANNELS", "POSTS")}
LONG = ("--users", "4", "--run-time", "1h")
PORT = str(free_port())
RUN = ("run", "--sandbox", *LONG)
WORKERS = ("run", "--sandbox", *LONG, "--processes", "2")
CAPACITY = ("capacity", "--sandbox", "--highest-users", "40")
REPEAT = ("repeat", "2", "--", "run", "--sandbox", *LONG)
AGENT = ("agent", "--server", "http://127.0.0.1:9", "--workers", "2", "--port", PORT)
# Nobody listens there: they wait for their master.
LONELY = ("agent", "--worker-of", "127.0.0.1", "--master-port", PORT, "--workers", "2")


def living(folder: Path) -> list[psutil.Process]:
    """All processes that were started in the folder, whoever their parent is now."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def command_lines(folder: Path) -> list[str]:
    lines = []
    for process in living(folder):
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return lines


def sandbox_starts(folder: Path) -> bool:
    """The first child is there."""
    return any("mmload.sandbox" in line for line in command_lines(folder))


def locust_starts(folder: Path) -> bool:
    return any("-m locust" in line for line in command_lines(folder))


def workers_are_there(folder: Path) -> bool:
    return sum("-m locust" in line for line in command_lines(folder)) == 3


def coordinator_starts(folder: Path) -> bool:
    return any("-m coordinator" in line for line in command_lines(folder))


def users_act(folder: Path) -> bool:
    files = list(folder.glob("runs/*/seconds.jsonl"))
    return bool(files) and files[0].read_bytes().count(b"\n") > 1


Moment = Callable[[Path], bool]
STOPPED = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
IN_ORDER = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CASES: list[tuple[Sequence[str], Moment, Sequence[signal.Signals]]] = [
    (RUN, sandbox_starts, STOPPED),
    (RUN, locust_starts, STOPPED),
    (WORKERS, users_act, (signal.SIGHUP, signal.SIGKILL)),
    (CAPACITY, sandbox_starts, STOPPED),
    (CAPACITY, locust_starts, (signal.SIGHUP, signal.SIGKILL)),
    (CAPACITY, coordinator_starts, IN_ORDER),
    (REPEAT, sandbox_starts, (signal.SIGINT,)),
    (REPEAT, locust_starts, STOPPED),
    (AGENT, locust_starts, IN_ORDER),
    (AGENT, workers_are_there, STOPPED),
    (LONELY, locust_starts, IN_ORDER),
    (LONELY, workers_are_there, (signal.SIGINT, *STOPPED)),
]
TABLE = [
    pytest.param(
        arguments, moment, number, id=f"{' '.join(arguments)}, {moment.__name__.replace('_', ' ')}, {number.name}"
    )
    for arguments, moment, numbers in CASES
    for number in numbers
]


@pytest.mark.parametrize(("arguments", "moment", "number"), TABLE)
def test_nothing_goes_on_after_the_command(
    tmp_path: Path, arguments: Sequence[str], moment: Moment, number: signal.Signals
) -> None:
    process = begin(tmp_path, arguments)
    try:
        wait_until(lambda: moment(tmp_path), lambda: (tmp_path / "log").read_text())
        process.send_signal(number)

        wait_until(lambda: process.poll() is not None, lambda: f"goes on: {(tmp_path / 'log').read_text()}")
        wait_until(lambda: not living(tmp_path), lambda: f"still there: {command_lines(tmp_path)}")

        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        for left in living(tmp_path):
            left.kill()


def test_a_closed_terminal_ends_a_run_in_order(tmp_path: Path) -> None:
    """Its last words go nowhere, as each would be an error in the middle of the end."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mmload", *RUN],
        cwd=tmp_path,
        env=environ(tmp_path, **SMALL),
        stdin=its,
        stdout=its,
        stderr=its,
        preexec_fn=have_a_terminal,
    )
    try:
        with open(ours, "rb", buffering=0):  # gevent puts os.close off
            wait_until(lambda: users_act(tmp_path), lambda: f"{command_lines(tmp_path)}")

        code = process.wait(PATIENCE_SECONDS)
        wait_until(lambda: not living(tmp_path), lambda: f"still there: {command_lines(tmp_path)}")
    finally:
        for left in living(tmp_path):
            left.kill()

    assert code == 130
    [folder] = (tmp_path / "runs").iterdir()
    assert read_run(folder).facts.ending is RunEnding.INTERRUPTED


@pytest.mark.parametrize(
    ("arguments", "marker"),
    [
        (("init", "--server", "{silent}"), "mmload init"),
        (("run", "--server", "{silent}", *LONG), "mmload run"),
        (LONELY[:-2], "locust"),
    ],
    ids=["init", "run during its checks", "a worker that is starting and waits for its master"],
)
def test_sigterm_ends_what_is_pid_1_of_a_container(tmp_path: Path, arguments: Sequence[str], marker: str) -> None:
    """The system drops signals for it that nobody handles. Where we may make no container, it is tried without one."""
    isolated = ["unshare", "--map-root-user", "--fork", "--pid", "--mount-proc", "--kill-child"]
    if not which("unshare") or subprocess.run([*isolated, "true"], check=False, capture_output=True).returncode:
        isolated = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [*isolated, sys.executable, "-m", "mmload", *(each.format(silent=url) for each in arguments)]
        process = subprocess.Popen(command, cwd=tmp_path, env=environ(tmp_path), stderr=subprocess.PIPE, text=True)
        try:
            if marker == "locust":
                wait_until(lambda: locust_starts(tmp_path), lambda: f"{command_lines(tmp_path)}")
            else:
                silent.settimeout(PATIENCE_SECONDS)
                held = silent.accept()[0]  # noqa: F841 — not closed
            outer = psutil.Process(process.pid)
            (outer.children()[0] if isolated else outer).send_signal(signal.SIGTERM)

            _, err = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            for left in living(tmp_path):
                left.kill()

    assert process.returncode == 130, err


def have_a_terminal() -> None:
    """In the child: the terminal that is its stdin is that of its session."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def begin(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mmload", *arguments],
            cwd=folder,
            env=environ(folder, **SMALL),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until(happened: Callable[[], bool], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)
