"""A load in stages as Locust's load shape: in `locust -f` and with workers alike, whoever starts the test.

The stages are those of the settings, or of a load profile that is picked on the start form, or with `locust -f`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from locust import LoadTestShape

from mmload.config.fields import seconds_of
from mmload.config.files import read_text
from mmload.config.stages import (
    Stage,
    StagesRefused,
    factor,
    most_users,
    of_profile,
    parse_stages,
    profile_points,
    stage_at,
    total_seconds,
    written,
)
from mmload.config.tables import RunSettings
from mmload.errors import ConfigurationError, MmloadError


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


# Locust's own `--profile` is a name for its history.
OPTION, SCALE, DAY = "load_profile", "load_profile_scale", "load_profile_day"
NO_PROFILE = "none"
_WHOLE_DAY = "24h"


def profile_names(folder: Path) -> list[str]:
    """The profiles of a folder by their file names, without the ending; none where there is no such folder."""
    return sorted(file.stem for file in folder.glob("*.json")) if folder.is_dir() else []


def add_options(parser: Any, folder: Path) -> None:
    """What Locust asks for on its start form, and on its command line. Called again for each page."""
    parser.add_argument(
        "--load-profile",
        choices=[NO_PROFILE, *profile_names(folder)],
        default=NO_PROFILE,
        include_in_web_ui=True,
        help=f"the number of users over a day, from {folder}/*.json, in place of a constant number (docs/stages.md)",
    )
    parser.add_argument(
        "--load-profile-scale", default="1x", include_in_web_ui=True, help="multiplies the profile's users: 3x, 0.5"
    )
    parser.add_argument(
        "--load-profile-day", default=_WHOLE_DAY, include_in_web_ui=True, help="compresses the day to this: 30m, 2h"
    )


def picked(given: Mapping[str, Any], folder: Path) -> tuple[Stage, ...]:
    """The stages of the profile that was picked; none where none was. ConfigurationError: what is wrong with it."""
    name = given.get(OPTION) or NO_PROFILE
    if name == NO_PROFILE:
        return ()
    if name not in profile_names(folder):
        raise ConfigurationError(f"{name}: no such load profile in {folder}")
    file = folder / f"{name}.json"
    try:
        day = seconds_of("the profile's day", str(given.get(DAY) or _WHOLE_DAY))
        return of_profile(profile_points(read_text(file)), factor(str(given.get(SCALE) or "1")), day)
    except (StagesRefused, MmloadError) as error:
        raise ConfigurationError(f"{file}: {error}") from None
