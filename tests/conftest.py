"""What all tests share: Locust imported first, a sandbox as a process of its own, the real server where it is."""

from __future__ import annotations

# Locust patches the standard library; `requests` imported before it breaks ssl (a RecursionError on Python 3.11).
import locust  # noqa: F401  # isort: skip

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import settings

from tests.sandboxes import Sandboxes

# How long an example takes is up to a busy machine.
settings.register_profile("mmload", deadline=None)
settings.load_profile("mmload")

# People in tests have their window in front, unless a test is about that: who is away does nothing for minutes.
os.environ.setdefault("MMLOAD_SIMULCONTROLLER_PERCENTTIMEINFRONT", "1")

# What a shell starts with `&` ignores Ctrl-C, and with nohup a closed terminal; so would all that is started here, to
# which tests send both.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sessions that tests keep are not those of whoever runs them; processes that tests start inherit it."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


_sandboxes = Sandboxes()


def pytest_sessionfinish() -> None:
    _sandboxes.close()


@contextmanager
def running_sandbox(*options: str) -> Iterator[str]:
    """A fresh sandbox process, on a free port; gives its address."""
    pid, address = _sandboxes.start("--port", "0", *options)
    try:
        assert address.startswith("http://127.0.0.1:"), f"the sandbox did not start: {address!r}"
        yield address
    finally:
        _sandboxes.end(pid)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """The address of a sandbox shared by the tests of one module."""
    with running_sandbox() as address:
        yield address


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server: the same test runs on the sandbox and, where there is one, on the real Mattermost."""
    if request.param == "real":
        yield os.environ["MMLOAD_TEST_SERVER"]
        return
    with running_sandbox() as address:
        yield address


@pytest.fixture
def fresh_sandbox() -> Iterator[str]:
    """The address of a sandbox of this test's own."""
    with running_sandbox() as address:
        yield address


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of the real server run only where its address is given."""
    if os.environ.get("MMLOAD_TEST_SERVER"):
        return
    for item in items:
        if "real" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="MMLOAD_TEST_SERVER names no real server"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where everything is required (CI), a skipped test is a failed one, but for what CI may not have."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    excused = {"real", "terraform"} & set(item.keywords)
    if report.skipped and os.environ.get("MMLOAD_REQUIRE_ALL") == "1" and not excused:
        report.outcome = "failed"
        report.longrepr = f"skipped where MMLOAD_REQUIRE_ALL forbids it: {report.longrepr}"
