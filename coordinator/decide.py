"""The coordinator's decision: pure, a fold over what was seen. The same history gives the same step, always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from coordinator.answer import Answer, Ending, Limits, Mode, Step
from coordinator.classic import Classic
from coordinator.guards import Absence
from coordinator.history import Observation
from coordinator.phases import Move
from coordinator.search import Searching

__all__ = ["Answer", "Ending", "Limits", "Mode", "Search", "Step", "decide", "estimate_so_far"]


class Search:
    """The decision one observation at a time. After an answer it only repeats it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rule: Classic | Searching = Classic(limits) if limits.mode == Mode.CLASSIC else Searching(limits)
        self._absence = Absence(limits)
        self._ended: Step | None = None

    def observe(self, observation: Observation) -> Step:
        """The next step; its `answer` ends the search."""
        if self._ended is not None:
            return self._ended
        away = self._absence.next(observation)
        step = self._rule.next(observation) if away is None else self._instead(away, observation.seconds)
        if step.answer is not None:
            self._ended = step
        return step

    def _instead(self, move: Move, seconds: float) -> Step:
        if move.ending is None:
            return Step(move.users, move.reason)
        answer = self._rule.answer(move.ending, move.reason, seconds)
        # Before anything was measured, the only breach that was seen may be the server's end.
        broke_first = answer.broke_first if answer.high is not None else ""
        return Step(move.users, move.reason, replace(answer, broke_first=broke_first))

    def so_far(self, ended_by: str, reason: str, seconds: float) -> Answer:
        """The best answer so far, for a search that is cut off."""
        if self._ended is not None and self._ended.answer is not None:
            return self._ended.answer
        return self._rule.answer(ended_by, reason, seconds)


def decide(limits: Limits, history: Sequence[Observation]) -> Step:
    """What to do after that history."""
    search = Search(limits)
    step = Step(limits.lowest_users, "nothing was seen yet")
    for observation in history:
        step = search.observe(observation)
    return step


def estimate_so_far(
    limits: Limits, history: Sequence[Observation], ended_by: str = Ending.INTERRUPTED, reason: str = "interrupted"
) -> Answer:
    """What a search that is cut off after that history knows."""
    search = Search(limits)
    for observation in history:
        search.observe(observation)
    return search.so_far(ended_by, reason, history[-1].seconds if history else 0.0)
