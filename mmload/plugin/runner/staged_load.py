"""A load in stages as Locust's load shape: in `locust -f` and with workers alike, whoever starts the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from locust import LoadTestShape

from mmload.config.stages import Stage, most_users, parse_stages, stage_at, total_seconds, written
from mmload.config.tables import RunSettings


class StagedLoad(LoadTestShape):
    """How many users there should be each second. Locust asks once a second."""

    use_common_options = True

    def __init__(self, stages: Sequence[Stage], spawn_rate: float, text: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stages = tuple(stages)
        # The stages as they were given.
        self.text = text
        # Of a step between two stages; a ramp is a new number of users each second.
        self._spawn_rate = spawn_rate or float(most_users(stages))

    @property
    def seconds(self) -> int:
        """How long it takes in all."""
        return total_seconds(self.stages)

    def now(self) -> Stage | None:
        """The stage that the test is in; None when it is over."""
        found = stage_at(self.stages, self.get_run_time())  # type: ignore[no-untyped-call]
        return found[0] if found else None

    def tick(self) -> tuple[int, float] | None:
        """The users that there should be at the end of this second, and how fast they come; None: the test ends."""
        found = stage_at(self.stages, self.get_run_time())  # type: ignore[no-untyped-call]
        if found is None:
            return None
        stage, elapsed = found
        return stage.users(elapsed + 1), self._spawn_rate


def staged_load(run: RunSettings, picked: Sequence[Stage] = ()) -> StagedLoad | None:
    """The shape of the stages that were picked, else of these settings; None: whoever starts the test says how many."""
    stages = picked or parse_stages(run.stages)
    return StagedLoad(stages, run.spawn_rate, written(picked) or run.stages) if stages else None


def shape_of(environment: Any) -> StagedLoad | None:
    """The shape of this process' test, if it is ours."""
    shape = environment.shape_class
    return shape if isinstance(shape, StagedLoad) else None
