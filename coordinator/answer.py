"""What the coordinator is told to find (`Limits`), what it does next (`Step`) and what it found (`Answer`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How the number of users is looked for."""

    SEARCH = "search"
    CLASSIC = "classic"


class Ending(StrEnum):
    """Why a search ended."""

    FOUND = "found"
    WIDE = "wide"
    AT_LEAST = "at least"
    TIME_OVER = "time over"
    UNKNOWN = "unknown"
    SATURATED = "generator saturated"
    BREACHED_ALREADY = "breached already"
    USERS_MISSING = "users missing"
    SERVER_LOST = "server lost"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a search. Users are counted, times are seconds, rates are per second.

    `window_seconds` is how far back a reading looks (the p99 over the last 30 s). `precision` is the half width
    wanted of the interval (0.02 is ±2 %); None measures for as long as a usual answer needs. `arrival_seconds` is what
    one log-in costs the server, in seconds of one user's usual load: 0 where log-ins are cheap; above it the search
    climbs by stairs and lets every arrival pass out of the window before it believes a reading. The last six are
    the classic rule's alone, with the values of the tool it comes from.
    """

    mode: str = Mode.SEARCH
    lowest_users: int = 1
    highest_users: int = 1000
    spawn_rate: float = 8.0
    window_seconds: float = 30.0
    precision: float | None = None
    budget_seconds: float = 7200.0
    arrival_seconds: float = 0.0
    users_increase: int = 8
    users_decrease: int = 8
    rest_seconds: float = 2.0
    calm_seconds: float = 10.0
    stop_slope: float = 0.1
    stop_seconds: float = 1800.0

    @property
    def allowed(self) -> str:
        """The budget in words."""
        return f"{self.budget_seconds / 60:g} minutes" if self.budget_seconds >= 60 else f"{self.budget_seconds:g} s"


@dataclass(frozen=True, slots=True)
class Answer:
    """How many users the server holds, as far as it is known.

    `users` None: no number can be given. `low` and `high` bound the capacity with the given `confidence`; `low` alone
    is what was shown to be fine ("at least"). `ended_by` is an `Ending`, `reason` a sentence for people.
    """

    users: int | None
    low: int | None
    high: int | None
    confidence: float
    ended_by: str
    broke_first: str
    minutes: float
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """How many users to have now, and why, in words for the journal. An `answer` ends the search."""

    users: int
    reason: str
    answer: Answer | None = None
