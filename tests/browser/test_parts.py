"""What needs no browser: which one is found, which selectors fit, what is left of a killed one."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from mmload.browser import stdio_server
from mmload.browser.checking import laggards, misfits, outcomes
from mmload.browser.messages import StartBrowser, StepDone
from mmload.browser.process import passed_on
from mmload.browser.selectors import Selectors, selectors_for
from mmload.browser.start_order import find_browser
from mmload.browser.steps import CYCLE, STEPS
from mmload.errors import ConfigurationError
from mmload.fidelity.live.messages import OpenPage

pytest.importorskip("playwright", reason="playwright is not installed")


def test_the_selectors_are_those_of_the_version_family() -> None:
    assert selectors_for("6.7.0").family == "6.7"
    assert {selectors_for(version).family for version in ("7.0.0", "11.6.0", "12.0.0", "")} == {"11.x"}


def test_every_selector_is_known_to_every_family() -> None:
    for version in ("6.7.0", "11.6.0"):
        assert all(getattr(selectors_for(version), each.name) for each in fields(Selectors))


def test_the_sandbox_page_has_what_the_steps_touch() -> None:
    """Renamed in the one, it would be missed in the other only when a browser looks for it."""
    page = (Path(stdio_server.__file__).parents[1] / "sandbox" / "page" / "application.js").read_text()

    for name in (
        "post_textbox",
        "rhsPostView",
        "postListScrollContainer",
        "emojiPickerSearch",
        "search-item-container",
    ):
        assert name in page and any(name in str(getattr(selectors_for(""), each.name)) for each in fields(Selectors))


def test_all_steps_of_the_cycle_exist() -> None:
    assert set(CYCLE) < set(STEPS)


def test_the_configured_browser_goes_first_then_those_of_the_packages() -> None:
    installed = {"/opt/mine": "/opt/mine", "google-chrome": "/usr/bin/google-chrome"}.get

    assert find_browser("/opt/mine", installed) == "/opt/mine"
    assert find_browser("", installed) == "/usr/bin/google-chrome"
    with pytest.raises(ConfigurationError, match="ExecutablePath"):
        find_browser("/opt/none", installed)
    with pytest.raises(ConfigurationError, match="install one"):
        find_browser("", lambda _: None)


def test_only_profiles_of_processes_that_are_gone_are_removed(tmp_path: Path) -> None:
    # No process has a number so high.
    left, own, other = (
        tmp_path / name for name in ("mmload-browser-4194305-a", f"mmload-browser-{os.getpid()}-b", "c")
    )
    for folder in (left, own, other):
        (folder / "Default").mkdir(parents=True)

    stdio_server.remove_left_profiles(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((own.name, other.name))


def test_a_profile_is_where_chromium_can_have_its_socket(tmp_path: Path) -> None:
    longest = "/" + "t" * 28

    assert stdio_server.profiles_folder("/tmp", ["/elsewhere"]) == Path("/tmp")
    assert stdio_server.profiles_folder(longest, [str(tmp_path)]) == Path(longest)
    assert stdio_server.profiles_folder(f"{longest}t", ["/not-there", str(tmp_path)]) == tmp_path
    assert stdio_server.profiles_folder(f"{longest}t", ["/not-there"]) == Path(f"{longest}t")


def test_secrets_are_not_in_what_is_logged() -> None:
    told: dict[str, Any] = {"url": "http://a", "executable": "/usr/bin/chromium", "headers": {"X-Key": "secret-0"}}
    order = StartBrowser(**told, version="", login="ann", password="secret-1", token="secret-2")
    done = StepDone("LogIn", token="secret-3")

    assert "secret" not in repr(order) + repr(done) + repr(OpenPage(**told))
    assert passed_on({"PATH": "/bin", "MMLOAD_USERSCONFIGURATION_PASSWORD": "secret"}) == {"PATH": "/bin"}


def test_the_doctor_tries_each_step_until_it_could_be_done_once() -> None:
    tried: list[str] = []

    def do(name: str) -> StepDone:
        tried.append(name)
        if name == "React":
            return StepDone(name, failure="not on the page: emoji search (#emojiPickerSearch)")
        skipped = "no such channel" if name == "SwitchUnreadChannel" and tried.count(name) < 2 else ""
        return StepDone(name, skipped=skipped, usable_ms=None if skipped else 5.0)

    found = outcomes(do)

    assert tried[-1] == "OpenThreads", "what comes after it would have no channel"
    assert set(found) == set(STEPS) and tried.count("SwitchUnreadChannel") == 2 and tried.count("SwitchChannel") == 1
    assert dict(misfits(found)) == {"React": "not on the page: emoji search (#emojiPickerSearch)"}


def test_the_doctor_looks_at_channels_until_it_has_seen_one_with_pictures() -> None:
    tried: list[str] = []

    def do(name: str) -> StepDone:
        tried.append(name)
        unseen = name == "SwitchPictureChannel" and tried.count("SwitchUnreadChannel") < 4
        return StepDone(name, skipped="no such channel" if unseen else "", usable_ms=None if unseen else 5.0)

    assert outcomes(do)["SwitchPictureChannel"].usable_ms
    assert tried.count("SwitchPictureChannel") == 4


def test_the_doctor_tries_nothing_more_where_nobody_can_log_in() -> None:
    assert list(outcomes(lambda name: StepDone(name, failure="refused"))) == ["LogIn"]


def test_the_doctor_tells_a_step_that_does_not_fit_from_one_that_was_slow() -> None:
    late = "not in time: its messages"
    told = [
        StepDone("Open", usable_ms=31_000.0),
        StepDone("Reload", usable_ms=29_000.0),
        StepDone("Search", failure=late, waiting=2),
        StepDone("React", failure=late, host_cpu=0.97),
        StepDone("Reply", failure=late, host_cpu=0.5),
        StepDone("LogIn", failure="the login was refused", final=True, host_cpu=1.0),
    ]
    found = {done.step: done for done in told}

    assert set(dict(misfits(found))) == {"Reply", "LogIn"}
    assert list(laggards(found, 30.0)) == [
        ("Open", True, "it works, but took 31 s"),
        ("Search", False, f"cannot tell whether it works: {late}; unanswered requests: 2"),
        ("React", False, f"cannot tell whether it works: {late}; this machine's CPUs were busy"),
    ]
