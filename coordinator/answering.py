"""The answer as a sentence, as JSON, and as an exit code. Pure, but for the one file it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from coordinator.answer import Answer, Ending, Limits
from coordinator.loop import AGENT_LOST, Outcome
from mmload.errors import ExitCode

NAME = "answer.json"
SCHEMA = 1


def text(outcome: Outcome) -> str:
    """One paragraph for people."""
    answer = outcome.answer
    broke = f"what broke first: {answer.broke_first}" if answer.broke_first else ""
    if broke and outcome.slowest:
        broke += f" (slowest action then: {outcome.slowest})"
    parts = [people(answer), broke, minutes(answer.minutes)]
    return "; ".join(filter(None, parts)) + f"\nended by: {answer.ended_by}: {answer.reason}"


def people(answer: Answer) -> str:
    """How many, with the interval."""
    if answer.users is not None and answer.low is not None and answer.high is not None:
        return f"about {answer.users:,} people ({answer.low:,}–{answer.high:,}, {100 * answer.confidence:g} %)"
    if answer.low is not None:
        return f"at least {answer.low:,} {'person' if answer.low == 1 else 'people'}"
    if answer.users is not None:
        return f"about {answer.users:,} people (without an interval)"
    return "how many people it holds is not known"


def minutes(value: float) -> str:
    """A duration in whole minutes, in seconds where it is short."""
    if value < 2:
        return f"{60 * value:.0f} seconds"
    return f"{value:.0f} minutes"


def document(outcome: Outcome, limits: Limits, thresholds: dict[str, float]) -> dict[str, Any]:
    """answer.json."""
    answer: dict[str, Any] = msgspec.to_builtins(outcome.answer)
    return {
        "schema": SCHEMA,
        **answer,
        "slowest_action": outcome.slowest,
        "thresholds": thresholds,
        "mode": str(limits.mode),
        "lowest_users": limits.lowest_users,
        "highest_users": limits.highest_users,
        "agents": outcome.left,
    }


def write(folder: Path, told: dict[str, Any]) -> None:
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


_GIVEN = (Ending.FOUND, Ending.WIDE, Ending.AT_LEAST, Ending.TIME_OVER)


def exit_code(answer: Answer) -> ExitCode:
    """0 where a number of people is given that can be relied on."""
    if answer.ended_by == Ending.INTERRUPTED:
        return ExitCode.INTERRUPTED
    if answer.ended_by in (AGENT_LOST, Ending.SERVER_LOST):
        return ExitCode.SERVER_NOT_READY
    number = answer.users if answer.ended_by != Ending.AT_LEAST else answer.low
    return ExitCode.PASSED if answer.ended_by in _GIVEN and number is not None else ExitCode.INCONCLUSIVE
