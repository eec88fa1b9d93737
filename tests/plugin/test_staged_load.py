"""A load in stages as Locust asks for it, once a second."""

from __future__ import annotations

from mmload.config.tables import RunSettings
from mmload.plugin.runner.staged_load import StagedLoad, staged_load


def asked(text: str, elapsed: float, spawn_rate: float = 0.0) -> object:
    shape = staged_load(RunSettings(stages=text, spawn_rate=spawn_rate))
    assert isinstance(shape, StagedLoad)
    shape.get_run_time = lambda: elapsed  # type: ignore[method-assign]
    return shape.tick()


def test_a_ramp_aims_at_the_users_of_the_end_of_the_second() -> None:
    assert [asked("0>10 in 10s; 10 for 5s", second + 0.1) for second in (0, 4, 9, 10, 14)] == [
        (1, 10.0),
        (5, 10.0),
        (10, 10.0),
        (10, 10.0),
        (10, 10.0),
    ]


def test_after_the_last_stage_the_test_ends() -> None:
    assert asked("5 for 10s", 10.0) is None


def test_a_step_between_stages_goes_at_the_spawn_rate() -> None:
    assert asked("5 for 10s; 500 for 10s", 12.0, spawn_rate=2.5) == (500, 2.5)


def test_without_stages_there_is_no_shape() -> None:
    assert staged_load(RunSettings()) is None
