"""Climb, retreat, measure: the search as a fold over observations (docs/capacity-method.md).

The coordinator's decision: pure, a fold over what was seen. The same history gives the same step, always.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

from coordinator.answer import Answer, Ending, Limits, Mode, Step
from coordinator.search.classic import Classic
from coordinator.search.climb import Ascent, Climb, Stairs
from coordinator.search.measure import Measure
from coordinator.search.phases import (
    Absence,
    Attendance,
    Darkness,
    Findings,
    LoginBreaches,
    Move,
    Phase,
    Saturation,
    Shortage,
    Sight,
)
from coordinator.search.sample import Observation, Window, weigh

CONFIDENCE = 0.95
# These endings say nothing about how many users are fine.
_NUMBERLESS = (Ending.UNKNOWN, Ending.BREACHED_ALREADY)
# These would be about users, of whom there must have been one.
_OF_USERS = (Ending.FOUND, Ending.WIDE, Ending.AT_LEAST, Ending.TIME_OVER, Ending.USERS_MISSING)
# Connections per person, from which on people have several devices.
_SEVERAL = 1.05
_NOBODY = "no user became active: see the run's report and the agents' logs for why"


class Searching:
    """The search as a fold: each observation gives the next step, and an answer at the end."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._window = Window(limits.window_seconds, limits.arrival_seconds, limits.tuning)
        self._measure: Measure | None = None
        self._phase: Phase = (Ascent if limits.arrival_seconds > 0.0 else Climb)(limits, self._measuring)
        self._darkness = Darkness(limits)
        self._saturation = Saturation(limits)
        self._attendance = Attendance(limits.tuning)
        self._shortage = Shortage(limits.tuning)
        self._findings = Findings(limits.tuning)
        self._login_breaches = LoginBreaches(limits.tuning)
        self._last: float | None = None

    def next(self, observation: Observation) -> Step:
        """Decide on one cycle."""
        sight = self._sight(observation)
        self._window.add(sight.sample.seconds, sight.users, observation.target)
        self._findings.see(sight)
        self._login_breaches.see(sight)
        move = self._guarded(observation, sight) or self._without_log_ins(sight) or self._phase.next(sight)
        self._findings.move(sight, move)
        if move.then is not None:
            self._enter(move.then)
        users = max(self._limits.lowest_users, min(self._limits.highest_users, move.users))
        if move.ending is None:
            return Step(users, move.reason)
        return Step(users, move.reason, self.answer(move.ending, move.reason, sight.sample.seconds))

    @property
    def level(self) -> int | None:
        """The users around whom it measures; None as long as it is on its way there."""
        return self._measure.level if self._measure is not None and self._phase is self._measure else None

    def _without_log_ins(self, sight: Sight) -> Move | None:
        """From the moment on when log-ins turn out to cross the limit by themselves, they are waited for."""
        if self._window.strict or not self._login_breaches.proven:
            return None
        self._window.strict = True
        reason = f"logins alone cross the limit, {sight.users} users without them do not: {sight.sample.said}"
        return Move(sight.users, reason, then=Stairs(self._limits, self._measuring, sight.users))

    def _enter(self, phase: Phase) -> None:
        """The next phase; one that goes up again takes back what the breach before it was thought to mean."""
        self._phase = phase
        if self._measure is not None and isinstance(phase, Climb | Stairs):
            self._measure = None
            self._findings.broke_first = ""

    def _measuring(self, onset_users: int, slow: bool) -> Phase:
        paced = self._limits.arrival_seconds > 0.0 and not self._window.strict
        self._measure = Measure(self._limits, onset_users, slow, self._measuring, paced=paced)
        return self._measure

    def _sight(self, observation: Observation) -> Sight:
        elapsed = self._tuning.first_cycle_seconds if self._last is None else observation.seconds - self._last
        self._last = observation.seconds
        return Sight(weigh(observation), self._window, min(max(0.0, elapsed), self._tuning.longest_cycle_seconds))

    def _guarded(self, observation: Observation, sight: Sight) -> Move | None:
        """What comes before the phase's own wish. Every guard sees every cycle."""
        if observation.seconds >= self._limits.budget_seconds:
            return Move(sight.users, self._time_over, ending=Ending.TIME_OVER)
        saturated = self._saturation.next(sight, observation.saturated, observation.target)
        dark = self._darkness.next(sight, observation.target)
        missing = self._attendance.next(sight, observation.target)
        short = self._shortage.next(sight, observation.target, observation.without_account)
        if self._findings.broke_first:
            # Then it is known what the server holds, or soon will be.
            short = None
        return saturated or dark or short or missing

    @property
    def _time_over(self) -> str:
        over, wanted = f"the time allowed ({self._limits.allowed}) is over", self._limits.precision
        estimate = self._measure.estimate if self._measure else None
        if wanted is None or estimate is None:
            return over
        return f"{over}: ±{estimate.half_width:.1%} was reached, ±{wanted:.1%} was requested"

    def answer(self, ending: str, reason: str, seconds: float) -> Answer:
        """What is known now, ended for that reason."""
        if ending in _OF_USERS and not self._findings.anybody:
            return Answer(None, None, None, 0.0, str(Ending.USERS_MISSING), "", seconds / 60.0, f"{_NOBODY} ({reason})")
        estimate = self._measure.estimate if self._measure else None
        shown = None if ending in _NUMBERLESS else self._findings.fine_users
        users, low, high = None, shown, None
        if ending == Ending.AT_LEAST:
            users = shown
        elif estimate is not None and ending not in (*_NUMBERLESS, Ending.SATURATED, Ending.USERS_MISSING):
            users = round(math.exp(estimate.middle))
            low, high = math.floor(math.exp(estimate.low)), math.ceil(math.exp(estimate.high))
        confidence = CONFIDENCE if high is not None else 0.0
        said = "; ".join([reason, *self._findings.notes])
        return Answer(users, low, high, confidence, str(ending), self._findings.broke_first, seconds / 60.0, said)


class Search:
    """The decision one observation at a time. After an answer it only repeats it."""

    def __init__(self, limits: Limits) -> None:
        self._rule: Classic | Searching = Classic(limits) if limits.mode == Mode.CLASSIC else Searching(limits)
        self._absence = Absence(limits)
        self._ended: Step | None = None
        self._connections_each: list[float] = []

    def observe(self, observation: Observation) -> Step:
        """The next step; its `answer` ends the search."""
        if self._ended is not None:
            return self._ended
        if observation.users > 0:
            self._connections_each.append(observation.connections / observation.users)
        away = self._absence.next(observation)
        step = self._rule.next(observation) if away is None else self._instead(away, observation.seconds)
        if step.answer is not None:
            step = self._ended = replace(step, answer=self._with_connections(step.answer))
        return step

    @property
    def level(self) -> int | None:
        """The users around whom it measures; None as long as it is on its way there (the classic rule: always)."""
        return self._rule.level if isinstance(self._rule, Searching) else None

    def _with_connections(self, answer: Answer) -> Answer:
        """The answer is about people; they have more connections where they have several devices."""
        number = answer.low if answer.users is None else answer.users
        each = statistics.median(self._connections_each or (1.0,))
        # Who comes in is connected a moment before counting as active.
        return answer if number is None or each < _SEVERAL else replace(answer, connections=round(number * each))

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
        return self._with_connections(self._rule.answer(ended_by, reason, seconds))
