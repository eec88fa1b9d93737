"""Load profiles that are picked when a test is started: on the web UI's start form, or with `locust -f`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmload.config.fields import seconds_of
from mmload.config.files import read_text
from mmload.config.stages import Stage, StagesRefused, factor, of_profile, profile_points
from mmload.errors import ConfigurationError, MmloadError

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
