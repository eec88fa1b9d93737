"""What a run says: passed, or inconclusive and why. Pure.

Failures by themselves do not fail a run: they are what a load test looks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from mmload.errors import ExitCode
from mmload.metrics.recorder import LISTENER_ERRORS
from mmload.results.model import Ending, NoteKind, Run

_DOUBTFUL = (NoteKind.WORKER_LOST, NoteKind.WORKER_LEFT_OUT, NoteKind.FAULT)


class Outcome(StrEnum):
    """The outcomes of a run."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"


class Verdict(msgspec.Struct, frozen=True):
    """The outcome, and a sentence for each reason why the figures can't be trusted."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()


def verdict(run: Run) -> Verdict:
    """Whether this run says anything about the server."""
    reasons = tuple(_doubts(run))
    return Verdict(Outcome.INCONCLUSIVE if reasons else Outcome.PASSED, reasons)


def exit_code(run: Run) -> ExitCode:
    """What the command that made this run answers to the shell."""
    if run.facts.ending is Ending.INTERRUPTED:
        return ExitCode.INTERRUPTED
    return ExitCode.PASSED if verdict(run).outcome is Outcome.PASSED else ExitCode.INCONCLUSIVE


def _doubts(run: Run) -> Iterator[str]:
    totals = run.totals
    yield from run.missing
    requests = sum(route.count for route in totals.whole.routes.values())
    if requests == 0:
        yield "no request was made"
    yield from _doubts_about_users(run)
    if requests and not totals.steady_seconds:
        yield "there was no steady phase: the run ended before all users had been in for a whole second"
    if errors := totals.whole.counters.get(LISTENER_ERRORS, 0):
        yield f"{errors} WebSocket events could not be handled: a fault of mmload, or of your own user class"
    for note in run.notes:
        if note.kind in _DOUBTFUL:
            yield note.text


def _doubts_about_users(run: Run) -> Iterator[str]:
    asked = max((second.asked for second in run.seconds), default=0)
    highest = run.totals.highest_present
    gave_up = max((second.gave_up for second in run.seconds), default=0)
    if asked and not highest:
        yield "nobody got in"
    elif gave_up:
        yield f"{gave_up} users never got in"
    elif highest < asked:
        yield f"only {highest} of {asked} users got in"
