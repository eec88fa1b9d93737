"""A browser user in a Locust process: comes in beside a simulated one, is on record, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from mmload.cli import locust_process
from mmload.cli.locust_process import LocustLoad
from mmload.config import environment_name
from mmload.metrics.delta import Delta
from mmload.results.folder import LOG, read_figures, read_run
from tests.browser.conftest import Place
from tests.browser.support import PASSWORD, needs_a_browser

pytestmark = needs_a_browser


def _variables(place: Place, folder: Path, logins: list[str]) -> dict[str, str]:
    accounts = folder / "accounts.txt"
    accounts.write_text("".join(f"{login} {PASSWORD}\n" for login in logins))
    values = {
        ("UsersConfiguration", "UsersFilePath"): str(accounts),
        ("UserControllerConfiguration", "Type"): "idle",
        ("BrowserConfiguration", "Users"): "1",
        ("BrowserConfiguration", "PauseSec"): "0.1",
        ("BrowserConfiguration", "StepTimeoutSec"): "120",
        # A busy machine would have nothing left for it.
        ("BrowserConfiguration", "Niceness"): "0",
    }
    named = {environment_name(*key): value for key, value in values.items()}
    return {**os.environ, **named, "MMLOAD_RUN_FOLDER": str(folder), "MMLOAD_CHECKED": "1"}


def _start(place: Place, folder: Path, logins: list[str], users: int) -> subprocess.Popen[bytes]:
    command = locust_process.command(LocustLoad(users, 0, 3600, place.url), locust_process.locustfile())
    return locust_process.start([sys.executable, *command[1:]], _variables(place, folder, logins), folder / LOG)


def _names(processes: list[psutil.Process]) -> set[str]:
    found = set()
    for each in processes:
        # Some come and go.
        with suppress(psutil.Error):
            found.add(each.name())
    return found


def _browser_processes(locust: psutil.Process) -> list[psutil.Process]:
    found = []
    for each in locust.children(recursive=True):
        with suppress(psutil.Error):
            if "mmload.browser" in each.cmdline():
                found += [each, *each.children(recursive=True)]
    return found


def test_a_browser_user_acts_beside_a_simulated_one_and_leaves_nothing_behind(
    place: Place, tmp_path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    process = _start(place, tmp_path, [place.person(), place.person()], 2)
    try:
        until(lambda: {"LogIn", "SwitchChannel"} <= set(_steps(tmp_path)))
        [second] = read_run(tmp_path).seconds[-1:]
        browsers = _browser_processes(psutil.Process(process.pid))
        assert {"chromium", "chrome"} & _names(browsers)
    finally:
        locust_process.end(process, signal.SIGINT, 180)

    assert (second.target, second.active, second.gave_up) == (2, 2, 0)
    until(lambda: not any(each.is_running() for each in browsers))
    run = read_run(tmp_path)
    assert run.totals.whole.browser["LogIn"].times.count == 1 and not run.browser_failures
    assert run.totals.whole.browser_hosts


def test_a_browser_user_whose_account_nobody_knows_signs_up_and_joins_a_team(
    place: Place, tmp_path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    process = _start(place, tmp_path, ["new-here@example.com"], 1)
    try:
        until(lambda: {"LogIn", "PostMessage"} <= set(_steps(tmp_path)))
    finally:
        locust_process.end(process, signal.SIGINT, 180)

    run = read_run(tmp_path)
    assert run.totals.whole.browser["LogIn"].times.count == 1 and not run.browser_failures
    assert run.totals.whole.sessions.sign_ups == 1


def _steps(folder: Path) -> list[str]:
    whole = Delta()
    for second in read_figures(folder):
        whole.merge(second.figures)
    return list(whole.browser)
