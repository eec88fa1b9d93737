"""Load profiles that are picked on the start form of the web page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmload.config.stages import Stage
from mmload.errors import ConfigurationError
from mmload.plugin.runner.staged_load import picked, profile_names
from mmload.results.folder import read_run
from mmload.results.thresholds import window
from tests.plugin.driven import agent, await_that
from tests.support import Admin

MONDAY = '{"Points": [[0, 2], [720, 4]]}'
# Of a stage that only the profile has.
NOON = {"MMLOAD_RUNCONFIGURATION_THRESHOLDS": "errors(requests)[h12] < 1%"}
IDLE = {"MMLOAD_USERCONTROLLERCONFIGURATION_TYPE": "idle"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "monday.json").write_text(MONDAY)
    (profiles / "broken.json").write_text("{}")
    (tmp_path / "secret.json").write_text(MONDAY)
    return profiles


def test_the_profiles_of_a_folder_are_offered_by_name(folder: Path) -> None:
    assert profile_names(folder) == ["broken", "monday"]
    assert profile_names(folder / "none") == []


def test_a_profile_is_scaled_in_height_and_in_time(folder: Path) -> None:
    given = {"load_profile": "monday", "load_profile_scale": "3x", "load_profile_day": "20m"}

    assert picked(given, folder) == (Stage("h00", 6, 12, 600), Stage("h12", 12, 12, 600))
    assert picked({"load_profile": "none"}, folder) == picked({}, folder) == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"load_profile": "tuesday"}, "tuesday: no such load profile in"),
        ({"load_profile": "../secret"}, "../secret: no such load profile in"),
        ({"load_profile": "broken"}, "broken.json: expected"),
        ({"load_profile": "monday", "load_profile_scale": "much"}, "monday.json: 'much' is not a factor"),
        ({"load_profile": "monday", "load_profile_day": "soon"}, "monday.json: the profile's day 'soon'"),
    ],
)
def test_what_is_no_profile_is_refused(folder: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        picked(given, folder)


def test_the_start_form_begins_the_profile_that_is_picked(fresh_sandbox: str, folder: Path) -> None:
    """One that is broken begins nothing, nor does a test without the stage that a threshold names."""
    Admin(fresh_sandbox).team()
    form: dict[str, Any] = {"user_count": 1, "spawn_rate": 1, "load_profile_day": "8s"}
    with agent(folder.parent, fresh_sandbox, **IDLE, **NOON) as driven:
        page = driven.ask("GET", "/").text
        assert '"choices": ["none", "broken", "monday"]' in page

        refused = driven.ask("POST", "/swarm", data={**form, "load_profile": "broken"}).json()
        assert not refused["success"] and "broken.json" in refused["message"]
        assert driven.ask("POST", "/swarm", data={**form, "load_profile": "monday"}).json()["success"]

        def has_ended() -> bool:
            return any(json.loads(each.read_text())["ended_ms"] for each in folder.parent.glob("runs/*/run.json"))

        await_that(has_ended, "the day is over", seconds=90)
        refused = driven.ask("POST", "/swarm", data=form).json()
        assert not refused["success"] and "no stage h12; known: before, storm, after" in refused["message"]
    [run] = (read_run(each) for each in folder.parent.glob("runs/*"))
    assert run.facts.stages == "h00: 2>4 in 4s; h12: 4 for 4s"
    assert max(each.target for each in run.seconds) == 4
    assert "h12" in window(run).stages
