"""What a browser user costs, whether niced ones change the simulated users' figures, and whether anything is left.

The browsers do steps in every second span of time and stand still (stopped by a signal) in the others, beside simulated
users who never stop: both halves of each pair are of one run, a moment apart.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.crowd import Crowd, Server, crowd, served
from benchmarks.measuring import Report, Table, cpu_seconds, tell, whole
from mmload.browser.messages import StartBrowser
from mmload.browser.process import BrowserGone, BrowserProcess
from mmload.browser.start_order import find_browser
from mmload.browser.stdio_server import PROFILE_PREFIX, profiles_folder
from mmload.browser.steps import CYCLE, LOG_IN
from mmload.results.model import Second

_PAUSE_SECONDS = 5.0


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--server", default=os.environ.get("SERVER", ""), help="a populated server (default: $SERVER, else a sandbox)")
    add("--users", type=whole, default=100, help="simulated users (default: %(default)s)")
    add("--browsers", type=whole, default=3, help="(default: %(default)s)")
    add("--spans", type=whole, default=6, help="pairs of spans (default: %(default)s)")
    add("--seconds", type=whole, default=20, help="of a span (default: %(default)s)")
    add("--niceness", type=int, default=10, help="of the browsers (default: %(default)s)")


class Working:
    """Some browsers whose people do steps, each in a thread, until they are told to stand still."""

    def __init__(self, server: Server, number: int, niceness: int) -> None:
        logins = server.accounts.read_text().splitlines() if server.accounts else []
        accounts = [line.split() for line in logins[-number:]] or [
            [f"testuser-{each}@example.com", "testPass123$"] for each in range(1, number + 1)
        ]
        orders = [
            StartBrowser(
                url=server.url,
                version="",
                executable=find_browser(""),
                login=login,
                password=password,
                step_seconds=120,
                seed=login,
            )
            for login, password in accounts
        ]
        self._browsers = [BrowserProcess(order, niceness) for order in orders]
        self.steps = self.failures = 0
        self._may = threading.Event()
        self._ended = False
        for browser in self._browsers:
            if failure := browser.step(LOG_IN).failure:
                raise BrowserGone(failure)
        self._threads = [threading.Thread(target=self._work, args=(browser,)) for browser in self._browsers]
        for thread in self._threads:
            thread.start()

    def _work(self, browser: BrowserProcess) -> None:
        for name in itertools.cycle(CYCLE):
            self._may.wait()
            if self._ended:
                return
            done = browser.step(name)
            self.steps += 1
            self.failures += bool(done.failure)
            time.sleep(_PAUSE_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """All processes of all browsers, those that drive them too."""
        drivers = [psutil.Process(browser.pid) for browser in self._browsers]
        return [each for driver in drivers for each in (driver, *driver.children(recursive=True))]

    def go_on(self) -> None:
        for each in self.processes():
            each.resume()
        self._may.set()

    def stand_still(self) -> None:
        self._may.clear()
        for each in self.processes():
            with suppress(psutil.Error):
                each.suspend()

    def end(self) -> None:
        self._ended = True
        self.go_on()
        for thread in self._threads:
            thread.join()
        for browser in self._browsers:
            browser.close()


def measure(args: argparse.Namespace) -> Report:
    """One run."""
    with ExitStack() as stack:
        server = stack.enter_context(served(args.server, args.users))
        here = stack.enter_context(crowd(server, args.users, 20.0))
        here.wait_for_start()
        here.wait_for_steady()
        tell("the simulated users are in; the browsers start")
        working = Working(server, args.browsers, args.niceness)
        try:
            processes = working.processes()
            pairs, cost = _pairs(here, working, args)
        finally:
            working.end()
    left = sum(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)
    folder = profiles_folder(tempfile.gettempdir())
    profiles = sum(1 for each in folder.glob(f"{PROFILE_PREFIX}*") if _is_of(each, processes))
    return report(pairs, cost, args.browsers, {"processes_left": left, "profiles_left": profiles})


def _is_of(profile: Path, processes: list[psutil.Process]) -> bool:
    return any(profile.name.startswith(f"{PROFILE_PREFIX}{each.pid}-") for each in processes)


def _pairs(here: Crowd, working: Working, args: argparse.Namespace) -> tuple[list[Any], dict[str, float]]:
    """(CPU ms per request, median p50 ms) without browsers and with them, for each pair; what the browsers cost."""
    pairs, cpu, memory, spent = [], 0.0, 0, 0.0
    for number in range(args.spans):
        working.stand_still()
        without = _span(here, args.seconds)
        working.go_on()
        before, began = sum(map(_cpu, working.processes())), time.monotonic()
        with_browsers = _span(here, args.seconds)
        cpu += sum(map(_cpu, working.processes())) - before
        spent += time.monotonic() - began
        memory = max(memory, sum(map(_memory, working.processes())))
        pairs.append((without, with_browsers))
        tell(f"pair {number + 1}: {without} without, {with_browsers} with browsers")
    cost = {"cpu_share": cpu / spent, "memory_bytes": float(memory), "steps": float(working.steps)}
    return pairs, {**cost, "failures": float(working.failures)}


def _span(here: Crowd, seconds: int) -> tuple[float, float]:
    first, cpu = len(here.seconds()), cpu_seconds(here.pid)
    here.pause(seconds)
    spent, passed = cpu_seconds(here.pid) - cpu, here.seconds()[first:]
    return spent * 1000 / max(1, sum(each.requests for each in passed)), _p50(passed)


def _p50(seconds: tuple[Second, ...]) -> float:
    return statistics.median([each.p50_ms for each in seconds if each.p50_ms is not None] or [0.0])


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _memory(process: psutil.Process) -> int:
    """Its own memory, and its part of what it shares."""
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


def report(pairs: list[Any], cost: dict[str, float], browsers: int, left: dict[str, int]) -> Report:
    """Table and figures. Pure."""
    ratios = [
        statistics.median(busy[place] / alone[place] for alone, busy in pairs if alone[place]) - 1 for place in (0, 1)
    ]
    figures: dict[str, Any] = {
        "browsers": browsers,
        "cpu_per_browser": cost["cpu_share"] / browsers,
        "memory_mb_per_browser": cost["memory_bytes"] / browsers / 1e6,
        "steps": int(cost["steps"]),
        "failures": int(cost["failures"]),
        "cpu_per_request_change": ratios[0],
        "p50_change": ratios[1],
        **left,
    }
    rows = tuple((name, value) for name, value in figures.items())
    return Report(figures, (Table("Browser users beside simulated ones", ("figure", "value"), rows),))
