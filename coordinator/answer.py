"""What the coordinator is told to find (`Limits`), what it does next (`Step`) and what it found (`Answer`).

The answer as a sentence, as JSON, and as an exit code. Pure, but for the one file it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import msgspec

from coordinator.observe.causes import Cause
from coordinator.observe.causes import text as cause_text
from coordinator.search.sample import Observation
from coordinator.search.tuning import DEFAULT, Tuning
from mmload.errors import ExitCode


class Mode(StrEnum):
    """How the number of users is looked for."""

    SEARCH = "search"
    CLASSIC = "classic"


class Ending(StrEnum):
    FOUND = "found"
    WIDE = "wide"
    AT_LEAST = "at least"
    TIME_OVER = "time over"
    UNKNOWN = "unknown"
    SATURATED = "generator saturated"
    BREACHED_ALREADY = "breached already"
    USERS_MISSING = "users missing"
    SERVER_LOST = "server lost"
    AGENT_LOST = "agent lost"
    INTERRUPTED = "interrupted"
    OTHER_ENDED = "other ended"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a search. Users are counted, times are seconds, rates are per second.

    `window_seconds` is how far back a reading looks (the p99 over the last 30 s). `precision` is the half width
    wanted of the interval (0.02 is ±2 %); None measures for as long as a usual answer needs. `arrival_seconds` is what
    one log-in costs the server, in seconds of one user's usual load: 0 where log-ins are cheap; above it the search
    climbs by stairs and lets every arrival pass out of the window before it believes a reading. Those from
    `users_increase` on are the classic rule's alone, with the values of the tool it comes from; `tuning` is not.
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
    tuning: Tuning = DEFAULT

    @property
    def allowed(self) -> str:
        """The budget in words."""
        return f"{self.budget_seconds / 60:g} minutes" if self.budget_seconds >= 60 else f"{self.budget_seconds:g} s"


@dataclass(frozen=True, slots=True)
class Answer:
    """How many users the server holds, as far as it is known.

    `users` None: no number can be given. `low` and `high` bound the capacity with the given `confidence`; `low` alone
    is what was shown to be fine ("at least"). `ended_by` is an `Ending`, `reason` a sentence. `connections` are those
    of so many users, where they have several devices each.
    """

    users: int | None
    low: int | None
    high: int | None
    confidence: float
    ended_by: str
    broke_first: str
    minutes: float
    reason: str
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How many users to have now, and why, in words for the journal. An `answer` ends the search.

    `ordered` are the users to have instead, while the other server of a pair has its turn.
    """

    users: int
    reason: str
    answer: Answer | None = None
    ordered: int | None = None


class Decider(Protocol):
    """`coordinator.search.decide.Search`."""

    def observe(self, observation: Observation) -> Step: ...

    def so_far(self, ended_by: str, reason: str, seconds: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class PlannedCapacity:
    """The users at one limit of the p99 of requests.

    `users` None: it was not reached; then `low` users were fine, or `high` users too many, as far as either is known.
    """

    p99_seconds: float
    users: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Today:
    """Whom the server has to hold: `people` (0: not said), `peak_factor` times as busy as usual at their busiest."""

    people: int = 0
    peak_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """How a search ended. `slowest` is the slowest action at the first breach; `left` says how the agents were left.

    `cause` is None where no limit was crossed, or nothing of the server was observed. `plan` is for who sizes a server.
    """

    answer: Answer
    slowest: str = ""
    left: str = ""
    cause: Cause | None = None
    plan: tuple[PlannedCapacity, ...] = ()
    today: Today = Today()


NAME = "answer.json"
SCHEMA = 1


def text(outcome: SearchOutcome) -> str:
    """One paragraph: how many, what broke first, why, and why the search ended."""
    answer = outcome.answer
    broke = f"what broke first: {answer.broke_first}" if answer.broke_first else ""
    if broke and outcome.slowest:
        broke += f" (slowest action then: {outcome.slowest})"
    parts = [capacity_text(answer), broke, minutes(answer.minutes)]
    because = [cause_text(outcome.cause)] if outcome.cause is not None else []
    ended = f"ended by: {answer.ended_by}: {answer.reason}"
    return "\n".join(["; ".join(filter(None, parts)), *because, ended, *plan_lines(outcome.plan, outcome.today)])


def plan_lines(plan: Sequence[PlannedCapacity], today: Today) -> Iterator[str]:
    """The table for planning: a line for each limit of the p99; nothing where it would say nothing. Pure."""
    if not plan or (not today.people and all(row.users is None for row in plan)):
        return
    factor = f", with a peak {today.peak_factor:g} times as busy" if today.peak_factor != 1 else ""
    yield f"planning{factor}:"
    for row in plan:
        told = [f"  p99 {row.p99_seconds:g} s: {_planned_text(row)}"]
        if row.users is not None and today.peak_factor != 1:
            told.append(f"{usual_users(row.users, today):,} people of average activity")
        if _has_headroom(row, today):
            told.append(_headroom_text(row, today))
        yield "; ".join(told)


def _planned_text(row: PlannedCapacity) -> str:
    if row.users is not None:
        return f"{row.users:,} users ({row.low:,}–{row.high:,})"
    if row.low is not None:
        return f"not reached: {row.low:,} users were fine"
    if row.high is not None:
        return f"not reached: {row.high:,} users were too many, and fewer were not tried for long enough"
    return "not reached"


def usual_users(users: int, today: Today) -> int:
    """The people who make this load when they are busiest."""
    return int(users / today.peak_factor)


def headroom(users: int, today: Today) -> float:
    """By how much the people of today could grow: 0.3 is 30 % more, below 0 they are too many."""
    return users / (today.people * today.peak_factor) - 1


def _has_headroom(row: PlannedCapacity, today: Today) -> bool:
    """Where only so many were tried, the server may well hold more: too few are no news."""
    if not today.people or row.low is None:
        return False
    return row.users is not None or headroom(row.low, today) >= 0


def _headroom_text(row: PlannedCapacity, today: Today) -> str:
    """By the lower end of the interval: growth is planned by what is sure."""
    surely = headroom(row.low or 0, today)
    if surely >= 0:
        least = "" if row.users is not None else "at least "
        return f"room for {least}{100 * surely:.0f} % more than the {today.people:,} people of today"
    return f"{-100 * surely:.0f} % below what the {today.people:,} people of today need"


def capacity_text(answer: Answer) -> str:
    """How many, with the interval, and their connections where these are more."""
    text = _users_text(answer)
    return text if answer.connections is None else f"{text} with {answer.connections:,} connections"


def _users_text(answer: Answer) -> str:
    if answer.users is not None and answer.low is not None and answer.high is not None:
        return f"about {answer.users:,} users ({answer.low:,}–{answer.high:,}, {100 * answer.confidence:g} %)"
    if answer.low is not None:
        return f"at least {answer.low:,} {'user' if answer.low == 1 else 'users'}"
    if answer.users is not None:
        return f"about {answer.users:,} users (without an interval)"
    return "how many users it holds is not known"


def minutes(value: float) -> str:
    """A duration in whole minutes, in seconds where it is short."""
    if value < 2:
        return f"{60 * value:.0f} seconds"
    return f"{value:.0f} minutes"


def clock_text(seconds: float) -> str:
    """`3:07`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def document(outcome: SearchOutcome, limits: Limits, thresholds: dict[str, float]) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.to_builtins(outcome.answer)
    return {
        "schema": SCHEMA,
        **answer,
        "slowest_action": outcome.slowest,
        "cause": msgspec.to_builtins(outcome.cause),
        "plan": [_planned(row, outcome.today) for row in outcome.plan],
        "thresholds": thresholds,
        "mode": str(limits.mode),
        "lowest_users": limits.lowest_users,
        "highest_users": limits.highest_users,
        "agents": outcome.left,
    }


def _planned(row: PlannedCapacity, today: Today) -> dict[str, Any]:
    more: dict[str, Any] = {"peak_factor": today.peak_factor}
    if row.users is not None:
        more["usual_users"] = usual_users(row.users, today)
    if _has_headroom(row, today):
        more |= {"people": today.people, "headroom": round(headroom(row.low or 0, today), 4)}
    return {**msgspec.to_builtins(row), **more}


def write(folder: Path, told: dict[str, Any]) -> None:
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


_GIVEN = (Ending.FOUND, Ending.WIDE, Ending.AT_LEAST, Ending.TIME_OVER)


def exit_code(answer: Answer) -> ExitCode:
    """0 where a number of users is given that can be relied on."""
    if answer.ended_by == Ending.INTERRUPTED:
        return ExitCode.INTERRUPTED
    if answer.ended_by in (Ending.AGENT_LOST, Ending.SERVER_LOST):
        return ExitCode.SERVER_NOT_READY
    number = answer.users if answer.ended_by != Ending.AT_LEAST else answer.low
    return ExitCode.PASSED if answer.ended_by in _GIVEN and number is not None else ExitCode.INCONCLUSIVE
