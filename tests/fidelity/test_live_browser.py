"""A real Chromium is driven through steps on the sandbox's stand-in page, and what it sends is recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmload.cli.fidelity import sandbox_stage
from mmload.fidelity.live.playing import LiveRecording, live_scenarios_of, live_stage, play_live
from mmload.fidelity.live.scenarios import POST_TEXT
from mmload.fidelity.scenario_stage import ScenarioStage
from tests.browser.support import needs_a_browser

pytestmark = needs_a_browser
STEPS = ["post_message", "receive_post_current_known", "switch_channel_back"]


@pytest.fixture(scope="module")
def stage() -> Iterator[ScenarioStage]:
    with sandbox_stage() as stage:
        yield stage


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What is told of the steps while they are done."""
    return []


@pytest.fixture(scope="module")
def made(stage: ScenarioStage, told: list[str]) -> LiveRecording:
    with live_stage(stage) as live:
        return play_live(live, live_scenarios_of(STEPS), told.append)


def _routes(made: LiveRecording, step: str) -> list[str]:
    return [f"{each['method']} {each['path']}" for each in made.lines[step]["requests"]]


def test_each_step_that_was_asked_for_is_recorded_and_the_log_in_before_it(made: LiveRecording) -> None:
    assert made.problems == {}
    assert list(made.lines) == [
        *("login_page_cold", "login_submit", "switch_channel_back", "post_message", "receive_post_current_known")
    ]
    assert "POST /users/login" in _routes(made, "login_submit")
    assert made.lines["login_submit"]["sockets"]


def test_each_step_is_told_before_it_is_done(made: LiveRecording, told: list[str]) -> None:
    """On a real server all of them take most of an hour."""
    assert told == [f"{number}/{len(made.lines)} {name}" for number, name in enumerate(made.lines, start=1)]


def test_what_the_page_sends_in_a_step_is_recorded_for_that_step(made: LiveRecording) -> None:
    assert _routes(made, "post_message") == ["POST /posts"]
    [post] = made.lines["post_message"]["requests"]
    assert post["body"]["message"] == "str"
    assert made.lines["post_message"]["static"] == {}


def test_no_word_and_no_name_of_what_was_sent_is_in_the_recording(made: LiveRecording, stage: ScenarioStage) -> None:
    secrets = [stage.ann.account.password, stage.ann.account.username, stage.ann.id, stage.team.id, POST_TEXT]

    assert [each for each in secrets if each in made.text()] == []
