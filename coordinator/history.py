"""What the coordinator saw: one observation for each cycle, one reading for each limit."""

from __future__ import annotations

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
