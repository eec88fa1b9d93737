"""A browser user's steps in a real browser, on the sandbox's page, in a process of its own."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mmload.browser.messages import StepDone
from mmload.browser.process import BrowserProcess
from mmload.browser.stdio_server import PROFILE_PREFIX, profiles_folder
from mmload.browser.steps import CYCLE, LOG_IN, OPEN, STEPS
from tests.browser.conftest import Place, attach
from tests.browser.support import PASSWORD, needs_a_browser, start_order

pytestmark = needs_a_browser
Steps = dict[str, StepDone]
NICENESS = 3


@pytest.fixture(scope="module")
def login(place: Place) -> str:
    return place.person()


@pytest.fixture(scope="module")
def browser(place: Place, login: str) -> Iterator[BrowserProcess]:
    one = BrowserProcess(start_order(place.url, login), niceness=NICENESS)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture(scope="module")
def logged_in(browser: BrowserProcess) -> tuple[StepDone, float]:
    """The first step, and how many seconds it took."""
    began = time.monotonic()
    done = browser.step(LOG_IN)
    assert not done.failure, done.failure
    return done, time.monotonic() - began


@pytest.fixture(scope="module")
def steps(browser: BrowserProcess, logged_in: tuple[StepDone, float]) -> Steps:
    """Each step; first all channels, so that the one with pictures is known, and the long one was on the screen."""
    done: Steps = {LOG_IN: logged_in[0]}
    for name in (*["SwitchUnreadChannel", "ScrollBack"] * 4, *CYCLE, OPEN):
        result = browser.step(name)
        if name not in done or done[name].skipped:
            done[name] = result
    return done


@pytest.fixture(scope="module")
def short_patience(logged_in: tuple[StepDone, float]) -> float:
    """Seconds for what does not come: enough for all that does, however busy the machine is."""
    return max(30.0, 3 * logged_in[1])


def test_every_step_can_be_done(steps: Steps) -> None:
    failed = {name: done.failure for name, done in steps.items() if done.failure}
    skipped = {name: done.skipped for name, done in steps.items() if done.skipped}

    assert (failed, skipped, set(steps)) == ({}, {}, set(STEPS))
    assert all(done.usable_ms for done in steps.values())


def test_a_step_is_measured_by_the_browser(steps: Steps) -> None:
    opened, switched = steps[OPEN].measures, steps["SwitchUnreadChannel"].measures

    assert opened.ttfb and opened.lcp and opened.ttfb < opened.lcp
    assert opened.requests and opened.bytes and opened.heap_bytes
    # What belongs to the loading of a page is not said of a click.
    assert switched.ttfb is switched.lcp is None and switched.requests


def test_a_picture_that_does_not_come_is_waited_for(place: Place, short_patience: float) -> None:
    """Drawn as a background, of which the page itself knows nothing."""
    login = place.person()
    browser = BrowserProcess(start_order(place.url, login, step_seconds=short_patience))
    channel = place.admin.channel(place.team["id"])
    person = place.admin.ask("GET", f"/users/email/{login}")
    place.admin.ask("POST", f"/channels/{channel['id']}/members", {"user_id": person["id"]})
    attach(place.admin, channel, ("one.png", b"no picture at all"), ("notes.txt", b"none either"))
    try:
        assert not browser.step(LOG_IN).failure
        visited = [browser.step("SwitchUnreadChannel") for _ in range(len(place.channels) + 2)]
        assert not any(each.failure for each in visited) and visited[-1].skipped
        switched = (browser.step("SwitchPictureChannel") for _ in range(4))
        assert ("not in time: its pictures", 0) in ((done.failure, done.waiting) for done in switched)
    finally:
        browser.close()


def test_a_step_that_failed_while_the_server_was_slow_says_so(place: Place, short_patience: float) -> None:
    browser = BrowserProcess(start_order(place.url, place.person(), step_seconds=short_patience))
    faults = f"{place.url}/sandbox/faults"
    try:
        assert not browser.step(LOG_IN).failure
        slow = {"route": "POST /api/v4/teams/{team_id}/posts/search", "delay_ms": 6000 * short_patience}
        place.admin.session.post(faults, json=slow, timeout=30).raise_for_status()
        searched = browser.step("Search")
    finally:
        place.admin.session.delete(faults, timeout=30)
        browser.close()

    assert searched.failure.startswith("not in time") and searched.waiting == 1


def test_a_browser_starts_however_long_the_path_of_the_temporary_folder_is(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("t" * 60)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))

    browser = BrowserProcess(start_order(place.url, place.person()))
    try:
        assert not browser.step(LOG_IN).failure
    finally:
        browser.close()


def test_a_browser_that_is_to_give_way_does_so_with_all_its_processes(steps: Steps, browser: BrowserProcess) -> None:
    """Chromium that runs as root takes back what it may."""
    all_of_it = [psutil.Process(browser.pid), *psutil.Process(browser.pid).children(recursive=True)]

    niceness = []
    for each in all_of_it:
        # Some come and go.
        with suppress(psutil.Error, ProcessLookupError):
            niceness += [os.getpriority(os.PRIO_PROCESS, thread.id) for thread in each.threads()]
    assert len(niceness) > 20
    assert min(niceness) >= NICENESS


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this Linux does not share the CPU by sessions")
def test_its_sessions_give_way_too(steps: Steps, browser: BrowserProcess) -> None:
    """Linux shares the CPU among sessions first, of which a browser has one of its own."""
    driver = psutil.Process(browser.pid)

    told = set()
    for each in (driver, *driver.children(recursive=True)):
        with suppress(OSError):
            told.add(Path(f"/proc/{each.pid}/autogroup").read_text().split()[-1])
    assert told == {str(driver.nice())}


def test_a_log_in_brings_a_session_that_another_browser_can_start_with(
    steps: Steps, place: Place, login: str, until: Callable[[Callable[[], bool]], None]
) -> None:
    done = steps[LOG_IN]
    assert done.user_id and done.token

    with_session = start_order(place.url, login, user_id=done.user_id, token=done.token)
    second = BrowserProcess(with_session)
    processes = [psutil.Process(second.pid), *psutil.Process(second.pid).children(recursive=True)]
    profiles = list(profiles_folder(tempfile.gettempdir()).glob(f"{PROFILE_PREFIX}{second.pid}-*"))
    try:
        assert any("chrom" in each.name() for each in processes) and profiles
        assert not second.step(OPEN).failure
        assert place.admin.ask("GET", "/users/me")  # the others' sessions go on
    finally:
        second.end()

    until(lambda: not any(each.is_running() for each in processes))
    assert not any(each.exists() for each in profiles)


def test_what_is_written_is_on_the_server(steps: Steps, place: Place, login: str) -> None:
    person = place.admin.ask("GET", f"/users/email/{login}")["id"]
    written = [post for post in place.messages() if post["user_id"] == person]

    assert any(not post["root_id"] for post in written) and any(post["root_id"] for post in written)


def test_secrets_are_on_no_command_line_and_in_no_variable(browser: BrowserProcess, steps: Steps) -> None:
    token = steps[LOG_IN].token
    for process in [psutil.Process(browser.pid), *psutil.Process(browser.pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            told = " ".join(process.cmdline()) + str(process.environ())
            assert PASSWORD not in told and token not in told


def test_a_refused_log_in_is_told_with_a_picture_and_what_the_console_said(place: Place) -> None:
    other = BrowserProcess(start_order(place.url, place.person(), password="wrong-password"))
    try:
        done = other.step(LOG_IN)
    finally:
        other.close()

    assert done.final and "refused" in done.failure
    assert done.screenshot.startswith(b"\xff\xd8") and any("401" in line for line in done.console)
    assert "wrong-password" not in str(done.console)


def test_who_has_lost_the_session_or_has_one_still_can_log_in(place: Place) -> None:
    browser = BrowserProcess(start_order(place.url, place.person(), user_id="u" * 26, token="t" * 26))
    try:
        opened, first, second = (browser.step(each) for each in (OPEN, LOG_IN, LOG_IN))
    finally:
        browser.close()

    # Only this ends a kept session: a page that is slow does not.
    assert opened.final and "session has ended" in opened.failure
    assert (first.failure, second.failure) == ("", "") and first.token != second.token
