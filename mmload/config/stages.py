"""Stages of a load test as values: `0>200 in 5m; peak: 200 for 10m; 200>50 in 2m`, and a day's curve as such. Pure.

stages: stage [; stage]…
stage:  [name:] users[>users] in|for time
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import msgspec

from mmload.config.fields import seconds_of
from mmload.errors import UsageError

PEAK = "peak"
# Of a run with a storm and no other stages.
STORM_STAGES = BEFORE, DURING, AFTER = "before", "storm", "after"
# Of a load profile (`of_profile`): it may be picked when the test is started, long after the thresholds are read.
PROFILE_STAGES = (*(f"h{hour:02d}" for hour in range(24)), PEAK)
MOST_STAGES = 2000
MOST_USERS = 10_000_000
LONGEST_SECONDS = 30 * 24 * 3600
_STAGE = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][\w-]{0,49})\s*:)?\s*(?P<first>\d{1,7})\s*(?:>\s*(?P<last>\d{1,7})\s*)?"
    r"(?P<word>in|for)\s+(?P<time>\S+)\s*",
    re.ASCII,
)
DAY_MINUTES = 24 * 60


class _Profile(msgspec.Struct):
    points: list[tuple[float, float]] = msgspec.field(name="Points")


class StagesRefused(Exception):
    """These are no stages: which one, and what would do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A span of a load test in which the number of users goes straight from `first` to `last`."""

    name: str
    first: int
    last: int
    seconds: int

    def __str__(self) -> str:
        users = f"{self.first} to {self.last} users in" if self.is_ramp else f"{self.first} users for"
        return f"{users} {self.seconds} s"

    @property
    def is_ramp(self) -> bool:
        return self.first != self.last

    def users(self, elapsed: float) -> int:
        """How many there should be so many seconds after its beginning."""
        return round(self.first + (self.last - self.first) * min(1.0, elapsed / self.seconds))


def parse_stages(text: str) -> tuple[Stage, ...]:
    """What a text means; none for an empty one. `StagesRefused` if it is no list of stages."""
    parts = [part for part in text.split(";") if part.strip()]
    if len(parts) > MOST_STAGES:
        raise StagesRefused(f"expected at most {MOST_STAGES} stages, found {len(parts)}")
    stages = tuple(_stage(part, number) for number, part in enumerate(parts, start=1))
    if sum(stage.seconds for stage in stages) > LONGEST_SECONDS:
        raise StagesRefused("expected stages of at most 30 days in total")
    if stages and not most_users(stages):
        raise StagesRefused("expected users in at least one stage")
    return stages


def _stage(text: str, number: int) -> Stage:
    found = _STAGE.fullmatch(text)
    if found is None:
        raise StagesRefused(f"{text.strip()!r}: expected a stage such as '0>200 in 5m' or 'peak: 200 for 10m'")
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if (found["last"] is not None) != (found["word"] == "in"):
        meant = f"{first} for {found['time']}" if found["last"] is None else f"{first}>{last} in {found['time']}"
        raise StagesRefused(f"{text.strip()!r}: did you mean '{meant}'?")
    return Stage(found["name"] or f"stage{number}", first, last, _seconds(text, found["time"]))


def _seconds(text: str, time: str) -> int:
    try:
        return seconds_of("time", time)
    except UsageError:
        raise StagesRefused(f"{text.strip()!r}: expected a time such as 90s, 5m or 1h30m, found {time!r}") from None


def most_users(stages: Sequence[Stage]) -> int:
    """How many users there are at the same time, at most."""
    return max((max(stage.first, stage.last) for stage in stages), default=0)


def total_seconds(stages: Sequence[Stage]) -> int:
    return sum(stage.seconds for stage in stages)


def stage_at(stages: Sequence[Stage], elapsed: float) -> tuple[Stage, float] | None:
    """The stage so many seconds after the beginning, and how far into it that is; None after the last."""
    for stage, end in zip(stages, accumulate(stage.seconds for stage in stages), strict=True):
        if elapsed < end:
            return stage, elapsed - (end - stage.seconds)
    return None


def stage_names(stages: Sequence[Stage]) -> tuple[str, ...]:
    """The names that a threshold may have: those of the stages, and `peak` for the one with the most users."""
    names = dict.fromkeys(stage.name for stage in stages)
    return tuple(names) if PEAK in names or not names else (*names, PEAK)


def stage_named(stages: Sequence[Stage], name: str) -> str:
    """The name under which the figures of the stage so called are kept."""
    if name != PEAK or any(stage.name == PEAK for stage in stages):
        return name
    return max(stages, key=lambda stage: stage.first + stage.last).name


def written(stages: Sequence[Stage]) -> str:
    """The text that `parse_stages` reads."""
    return "; ".join(
        f"{stage.name}: {stage.first}>{stage.last} in {stage.seconds}s"
        if stage.is_ramp
        else f"{stage.name}: {stage.first} for {stage.seconds}s"
        for stage in stages
    )


def profile_points(text: str) -> list[tuple[float, float]]:
    """The points of a load profile: `{"Points": [[0, 12], [60, 8], …]}`, each a minute of the day and its users."""
    try:
        points = msgspec.json.decode(text, type=_Profile).points
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StagesRefused(f'expected {{"Points": [[minute, users], …]}}: {error}') from None
    minutes = [minute for minute, _ in points]
    if not points or minutes != sorted(set(minutes)) or not 0 <= minutes[0] < minutes[-1] + 1 <= DAY_MINUTES + 1:
        raise StagesRefused("expected Points with minutes of the day from 0 to 1440, in rising order")
    if not all(0 <= users <= MOST_USERS for _, users in points):
        raise StagesRefused(f"expected users from 0 to {MOST_USERS}")
    return points


def factor(text: str) -> float:
    """What `3x` or `0.5` multiplies with."""
    try:
        number = float(text.removesuffix("x"))
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise StagesRefused(f"{text!r} is not a factor such as 3x or 0.5")
    return number


def of_profile(points: Sequence[tuple[float, float]], scale: float, day_seconds: float) -> tuple[Stage, ...]:
    """A curve over a day as stages, named by their hour (`h09`). `points`: (minute of the day, users), in order.

    Between two points the users change evenly; the last one holds to the end of the day. The day takes `day_seconds`.
    """
    ends = [*points, (max(DAY_MINUTES, points[-1][0]), points[-1][1])]
    per_minute = day_seconds / (ends[-1][0] - ends[0][0])
    # By where they begin and end, so that rounding makes the day no longer.
    marks = [round((minute - ends[0][0]) * per_minute) for minute, _ in ends]
    stages = []
    for (one, other), (begins, over) in zip(pairwise(ends), pairwise(marks), strict=True):
        if over > begins:
            name = f"h{int(one[0] // 60) % 24:02d}"
            stages.append(Stage(name, round(one[1] * scale), round(other[1] * scale), over - begins))
    return tuple(stages)
