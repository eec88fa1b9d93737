"""What the coordinator saw: one observation for each cycle, one reading for each limit.

From an observation's readings to one sample: how near the worst limit is, or why that is not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """One limit's value at one moment. Above `limit` it is breached; `value` None is unknown: `unknown` says why."""

    name: str
    value: float | None
    limit: float
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One cycle: `seconds` since the search began, users asked for, users really in, and every limit's reading.

    `saturated` says why the load generator itself is not to be trusted now; empty when it is. `unanswered` tells of the
    requests that got no answer since the last one that got one; empty as long as the server answers.
    """

    seconds: float
    target: int
    users: int
    readings: tuple[Reading, ...]
    saturated: str = ""
    unanswered: str = ""


# A ratio beyond e^5 to either side says no more than "far": it keeps a limit of 0 and a value of 0 finite.
FAR = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One cycle, weighed. `ratio` is ln(value / limit) of the worst reading: above 0 is a breach, None is unknown."""

    seconds: float
    users: int
    ratio: float | None
    worst: str
    value: float
    limit: float
    unknown: str

    @property
    def breached(self) -> bool:
        """Whether a limit is known to be crossed."""
        return self.ratio is not None and self.ratio > 0.0

    @property
    def said(self) -> str:
        """The worst reading in words."""
        if self.ratio is None:
            return f"unknown: {self.unknown}"
        return f"{self.worst} {self.value:.4g} of {self.limit:.4g}"


def ratio(reading: Reading) -> float | None:
    """ln(value / limit), bounded; None if the value is unknown."""
    value = reading.value
    if value is None or not math.isfinite(value):
        return None
    if value <= reading.limit and (value <= 0.0 or reading.limit <= 0.0):
        return -FAR
    if reading.limit <= 0.0:
        return FAR
    return max(-FAR, min(FAR, math.log(value / reading.limit)))


def weigh(observation: Observation) -> Sample:
    """The worst known reading counts. One unknown reading makes the moment unknown, unless another is breached."""
    known = [(r, reading) for reading in observation.readings if (r := ratio(reading)) is not None]
    unknown = _why_unknown(observation.readings)
    if not known or (unknown and max(r for r, _ in known) <= 0.0):
        return Sample(observation.seconds, observation.users, None, "", math.nan, math.nan, unknown)
    worst, reading = max(known, key=lambda pair: pair[0])
    value = reading.value if reading.value is not None else math.nan
    return Sample(observation.seconds, observation.users, worst, reading.name, value, reading.limit, "")


def _why_unknown(readings: Sequence[Reading]) -> str:
    if not readings:
        return "no limit was looked at"
    reasons = [f"{each.name}: {each.unknown or 'no value'}" for each in readings if ratio(each) is None]
    return "; ".join(reasons)
