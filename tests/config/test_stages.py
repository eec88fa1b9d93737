"""Stages of a load: what a text means, what a day's curve comes to, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.config import load_settings
from mmload.config.checking import stage_problems
from mmload.config.stages import (
    Stage,
    StagesRefused,
    most_users,
    of_profile,
    parse_stages,
    profile_points,
    stage_at,
    stage_named,
    stage_names,
    total_seconds,
    written,
)
from mmload.errors import ConfigurationError

DAY = [(0.0, 10.0), (480.0, 10.0), (540.0, 100.0), (1020.0, 100.0), (1080.0, 20.0)]


def test_a_text_means_stages_in_their_order() -> None:
    stages = parse_stages("0>200 in 5m; peak: 200 for 1h30m; 200>50 in 90s")

    assert stages == (
        Stage("stage1", 0, 200, 300),
        Stage("peak", 200, 200, 5400),
        Stage("stage3", 200, 50, 90),
    )
    assert (most_users(stages), total_seconds(stages)) == (200, 5790)
    assert [stage.is_ramp for stage in stages] == [True, False, True]


@pytest.mark.parametrize("text", ["", "  ", ";", " ; "])
def test_an_empty_text_means_none(text: str) -> None:
    assert parse_stages(text) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("200", "expected a stage such as"),
        ("200 for", "expected a stage such as"),
        ("many for 5m", "expected a stage such as"),
        ("-5 for 5m", "expected a stage such as"),
        ("200 in 5m", "did you mean '200 for 5m'"),
        ("0>200 for 5m", "did you mean '0>200 in 5m'"),
        ("200 for 5 minutes", "expected a stage such as"),
        ("200 for 5y", "expected a time such as 90s, 5m or 1h30m, found '5y'"),
        ("200 for 0s", "expected a time"),
        ("0 for 5m", "expected users in at least one stage"),
        ("200 for 900h", "at most 30 days"),
        (";".join(["1 for 1s"] * 2001), "at most 2000 stages"),
    ],
)
def test_what_is_no_stage_is_refused_with_what_would_do(text: str, said: str) -> None:
    with pytest.raises(StagesRefused, match=said.replace("(", r"\(")):
        parse_stages(text)


def test_users_change_evenly_in_a_ramp_and_not_in_a_hold() -> None:
    ramp, hold = parse_stages("10>30 in 10s; 30 for 10s")

    assert [ramp.users(elapsed) for elapsed in (0, 2.5, 5, 10, 11)] == [10, 15, 20, 30, 30]
    assert [hold.users(elapsed) for elapsed in (0, 5, 10)] == [30, 30, 30]


def test_each_moment_belongs_to_one_stage_until_the_last_is_over() -> None:
    first, second = stages = parse_stages("5 for 10s; 9 for 5s")

    assert stage_at(stages, 0) == (first, 0)
    assert stage_at(stages, 9.5) == (first, 9.5)
    assert stage_at(stages, 10) == (second, 0)
    assert stage_at(stages, 15) is None


def test_peak_is_the_stage_with_the_most_users_unless_one_is_called_so() -> None:
    unnamed = parse_stages("0>200 in 5m; 200 for 10m; 200>50 in 2m")
    named = parse_stages("0>200 in 5m; 200 for 10m; peak: 50 for 2m")

    assert stage_names(unnamed) == ("stage1", "stage2", "stage3", "peak")
    assert stage_named(unnamed, "peak") == "stage2"
    assert stage_named(named, "peak") == "peak"
    assert stage_names(()) == ()


@given(
    st.lists(
        st.builds(
            Stage,
            st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True),
            st.integers(0, 9999),
            st.integers(1, 9999),
            st.integers(1, 9999),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_is_written_is_read_as_the_same(stages: list[Stage]) -> None:
    assert parse_stages(written(stages)) == tuple(stages)


def test_a_days_curve_is_scaled_in_height_and_in_time() -> None:
    stages = of_profile(DAY, scale=3.0, day_seconds=1440)

    assert stages == (
        Stage("h00", 30, 30, 480),
        Stage("h08", 30, 300, 60),
        Stage("h09", 300, 300, 480),
        Stage("h17", 300, 60, 60),
        Stage("h18", 60, 60, 360),
    )


@given(st.lists(st.integers(0, 1439), min_size=1, max_size=300, unique=True), st.integers(60, 86400))
def test_a_day_takes_as_long_as_asked_for_however_many_points_it_has(minutes: list[int], seconds: int) -> None:
    points = [(float(minute), float(minute % 7)) for minute in sorted(minutes)]

    assert abs(total_seconds(of_profile(points, 1.0, seconds)) - seconds) <= 1


def test_a_profile_is_a_list_of_minutes_and_users() -> None:
    assert profile_points('{"Points": [[0, 12], [60, 8.5]]}') == [(0, 12), (60, 8.5)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"Points": []}',
        '{"Points": [[0, "many"]]}',
        '{"Points": [[60, 8], [0, 12]]}',
        '{"Points": [[0, 8], [0, 12]]}',
        '{"Points": [[0, 8], [1441, 12]]}',
        '{"Points": [[-1, 8]]}',
        '{"Points": [[0, -8]]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(StagesRefused, match="expected"):
        profile_points(text)


def test_a_threshold_names_a_stage_that_there_is() -> None:
    environ = {
        "MMLOAD_RUNCONFIGURATION_STAGES": "0>20 in 5m; night: 3 for 5m",
        "MMLOAD_RUNCONFIGURATION_THRESHOLDS": "p99(requests)[night] < 2s;errors[peak] < 1%",
    }
    assert len(load_settings(environ=environ)[0].config.run.thresholds) == 2

    with pytest.raises(ConfigurationError, match="no stage day; known: stage1, night, peak"):
        load_settings(environ=environ | {"MMLOAD_RUNCONFIGURATION_THRESHOLDS": "p99(requests)[day] < 2s"})
    with pytest.raises(
        ConfigurationError,
        match=r"no stage noon; known: before, storm, after \(of a storm\); other stages need RunConfiguration",
    ):
        load_settings(
            environ=environ
            | {"MMLOAD_RUNCONFIGURATION_STAGES": ""}
            | {"MMLOAD_RUNCONFIGURATION_THRESHOLDS": "p99(requests)[noon] < 2s"}
        )
    with pytest.raises(ConfigurationError, match="expected a stage such as"):
        load_settings(environ={"MMLOAD_RUNCONFIGURATION_STAGES": "lots"})


def test_a_threshold_may_name_a_stage_of_a_profile_that_is_picked_later() -> None:
    thresholds = "p99(requests)[h09] < 2s;errors[peak] < 1%"

    config = load_settings(environ={"MMLOAD_RUNCONFIGURATION_THRESHOLDS": thresholds})[0].config

    assert list(stage_problems(config.run.thresholds, of_profile([(540, 10), (1020, 2)], 1.0, 3600))) == []
    assert [each.partition(" (")[0] for each in stage_problems(config.run.thresholds, ())] == [
        "'p99(requests)[h09] < 2s': there is no stage h09; known: before, storm, after",
        "'errors[peak] < 1%': there is no stage peak; known: before, storm, after",
    ]
    [unknown] = stage_problems(config.run.thresholds, of_profile([(0, 10), (600, 2)], 1.0, 3600))
    assert unknown == "'p99(requests)[h09] < 2s': there is no stage h09; known: h00, h10, peak"
