"""Two searches that take turns, and how many more users one server holds than the other.

Each server is looked for by a search of its own. While one has its turn, the users of the other rest a little below
its limit. The turns are A B B A A B B A …, so what changes slowly (the machine that makes the load, a neighbour of the
servers) hits both alike, and goes out of the ratio: its interval comes from pairs of half turns that follow each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from coordinator.answer import Answer, Ending, Limits, Step
from coordinator.search.decide import CONFIDENCE, Search
from coordinator.search.estimate import Posterior
from coordinator.search.evidence import EvidenceWindow, LoadEvidence
from coordinator.search.sample import Observation
from coordinator.search.tuning import Tuning
from mmload.results.statistics import bound

BASE, NEW = 0, 1
# What ends one of them ends the other for the same reason.
_ENDS_BOTH = (Ending.TIME_OVER, Ending.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Turns:
    """The numbers by which two searches take turns."""

    half_seconds: float = 45.0  # s of evidence: half a turn; after the first one, each server has two in a row
    longest_half_seconds: float = 300.0  # s: no longer, however little evidence there is
    rest: float = 0.8  # share of the users: no fewer stay while the other has its turn
    return_seconds: float = 40.0  # s: so long may those who left take to come back, where log-ins are expensive
    return_share: float = 0.1  # log-ins' share of the users' load then
    fewest_pairs: int = 4  # pairs of half turns: with fewer there is no interval
    tolerance: float = 0.05  # of the ratio: a smaller difference does not matter, an interval beyond it ends both
    of_tolerance: float = 0.98  # of it: half of the interval at which both end, so that "no difference" can be told
    longest_seconds: float = 1800.0  # s of both together around their limits: and then as it is
    of_spread: float = 1.2  # standard deviations of the posteriors in half an interval, beside the jackknife's
    of_user: float = 1.5  # users of either server
    widening: float = 0.004  # ln users: what the line can't follow


DEFAULT_TURNS = Turns()


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as many users the new server holds as the base, as a logarithm, with its 95 % interval.

    An end that is infinite is not known. `pairs` of half turns tell it.
    """

    change: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Told:
    """The capacity of one server (its logarithm), the posterior's standard deviation, the means without each half."""

    middle: float
    spread: float
    without_each: tuple[float, ...]


class Evidences:
    """What was learnt of one server, in half turns: each of them is a block of the posterior."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._window = EvidenceWindow(limits)
        self._posterior: Posterior | None = None
        self._half: list[LoadEvidence] = []
        self.finished = 0  # half turns that are over

    def see(self, seen: Observation, *, counts: bool) -> float:
        """Every cycle; only one of its own turn `counts`. For how many seconds that is evidence."""
        found = self._window.see(seen)
        if found is None or not counts:
            return 0.0
        self._half.append(found)
        return found.seconds

    def end_half(self) -> None:
        """What was seen in it becomes a block; one without evidence is none."""
        if not self._half:
            return
        if self._posterior is None:
            centre = math.fsum(each.load for each in self._half) / len(self._half)
            tuning = _of_pairs(self._limits.tuning)
            paced = self._limits.arrival_seconds > 0.0
            self._posterior = Posterior(centre, self._limits.window_seconds, log_ins=paced, tuning=tuning)
        self._posterior.begin_block()
        for each in self._half:
            self._posterior.add(each.load, each.ratio, each.seconds, each.log_ins)
        self._half.clear()
        self.finished += 1

    @property
    def told(self) -> Told:
        assert self._posterior is not None, "no half turn is over"
        middle, spread = self._posterior.moments()
        return Told(middle, spread, tuple(self._posterior.without_each()))


def _of_pairs(tuning: Tuning) -> Tuning:
    """Of a half turn: a drift hits both alike, and the numbers of `Turns` were found with these."""
    return replace(
        tuning,
        block_seconds=math.inf,
        together_seconds=0.0,
        clamp=0.7,
        noises=(0.05, 0.1, 0.2, 0.4),
        drifts=(0.0,),
        drift_odds=(0.0,),
    )


def ratio_of(base: Evidences, new: Evidences, turns: Turns = DEFAULT_TURNS) -> Ratio | None:
    """From half turns that are over, as many of either; None from too few."""
    if min(base.finished, new.finished) < turns.fewest_pairs or base.finished != new.finished:
        return None
    one, other = base.told, new.told
    differences = [late - early for early, late in zip(one.without_each, other.without_each, strict=True)]
    pairs = len(differences)
    # The jackknife of the pairs leaves out what hits both. Of so few pairs it is too small by chance now and then, so
    # the posteriors' own spread counts as well.
    spread = turns.of_spread * math.hypot(one.spread, other.spread)
    # Half of a user can't come: of few users, that is much.
    one_user = math.hypot(math.exp(-one.middle), math.exp(-other.middle))
    error = bound(CONFIDENCE, pairs - 1) * jackknife_error(differences)
    reach = math.hypot(error, spread, turns.of_user * one_user) + turns.widening
    change = other.middle - one.middle
    return Ratio(change, change - reach, change + reach, pairs)


def jackknife_error(without: Sequence[float]) -> float:
    """The standard error of a mean, from the means without each of its parts."""
    count = len(without)
    centre = math.fsum(without) / count
    return math.sqrt((count - 1) / count * math.fsum((each - centre) ** 2 for each in without))


def bounded(base: Answer, new: Answer) -> Ratio | None:
    """Where one of them was never crossed, the ratio is known to one side."""
    if new.ended_by == Ending.AT_LEAST and new.low and base.high:
        least = math.log(new.low / base.high)
        return Ratio(least, least, math.inf, 0)
    if base.ended_by == Ending.AT_LEAST and base.low and new.high:
        most = math.log(new.high / base.low)
        return Ratio(most, -math.inf, most, 0)
    return None


class Side:
    """The search of one of the two servers, as its loop sees it."""

    def __init__(self, pair: PairedSearch, which: int) -> None:
        self._pair, self._which = pair, which

    def observe(self, observation: Observation) -> Step:
        return self._pair.observe(self._which, observation)

    def so_far(self, ended_by: str, reason: str, seconds: float) -> Answer:
        return self._pair.cut_off(self._which, ended_by, reason, seconds)


def _endless(limits: Limits) -> Limits:
    """A search that goes on when its own number is known; it has half of the time for both."""
    tuning = replace(limits.tuning, narrow=0.0, longest_seconds=1e9)
    return replace(limits, precision=None, budget_seconds=2.0 * limits.budget_seconds, tuning=tuning)


class PairedSearch:
    """Decides for both: each cycle of either gives its next step. Pure but for the lock: two loops ask it."""

    def __init__(self, base: Limits, new: Limits, turns: Turns = DEFAULT_TURNS) -> None:
        self._turns = turns
        self._precision = base.precision
        # By itself a search would end when its own number is known.
        self.limits = (_endless(base), _endless(new))
        self._searches = tuple(Search(limits) for limits in self.limits)
        self._evidences = tuple(Evidences(limits) for limits in self.limits)
        self._answers: list[Answer | None] = [None, None]
        # Until its first turn, the new server has the fewest users.
        self._rests = [limits.lowest_users for limits in self.limits]
        self._last = [0.0, 0.0]
        self._active = BASE
        self._halves = 0
        self._half_seconds = self._half_evidence = self._measured_seconds = 0.0
        self._over: tuple[Ending, str] | None = None
        self._lock = Lock()
        self.ratio: Ratio | None = None

    @property
    def sides(self) -> tuple[Side, Side]:
        """The base's and the new one's."""
        return Side(self, BASE), Side(self, NEW)

    def observe(self, which: int, seen: Observation) -> Step:
        """The next step of one of them."""
        with self._lock:
            step = self._searches[which].observe(seen)
            if step.answer is not None:
                self._ended(which, step.answer)
                return step
            self._learn(which, seen)
            if self._over is not None:
                return replace(step, answer=self._cut_off(which, *self._over, seen.seconds))
            if which == self._active:
                return step
            return replace(step, ordered=min(step.users, self._rests[which]))

    def cut_off(self, which: int, ended_by: str, reason: str, seconds: float) -> Answer:
        """What is known of one of them, which ends now."""
        with self._lock:
            return self._cut_off(which, ended_by, reason, seconds)

    def _cut_off(self, which: int, ended_by: str, reason: str, seconds: float) -> Answer:
        answer = self._searches[which].so_far(ended_by, reason, seconds)
        self._ended(which, answer)
        return answer

    def _ended(self, which: int, answer: Answer) -> None:
        """One of them is over: the other one goes on alone if no limit of this one was crossed, else it ends, too."""
        self._answers[which] = answer
        other = self._answers[1 - which]
        if other is not None or self._over is not None:
            self._over = self._over or (Ending.OTHER_ENDED, answer.reason)
            base, new = self._answers
            if base is not None and new is not None and self.ratio is None:
                self.ratio = bounded(base, new)
        elif answer.ended_by == Ending.AT_LEAST:
            self._give_turn(1 - which)
        else:
            ending = Ending(answer.ended_by)
            self._over = (ending if ending in _ENDS_BOTH else Ending.OTHER_ENDED, answer.reason)

    def _learn(self, which: int, seen: Observation) -> None:
        elapsed = min(self.limits[which].tuning.longest_cycle_seconds, max(0.0, seen.seconds - self._last[which]))
        self._last[which] = seen.seconds
        level = self._searches[which].level
        measuring = which == self._active and level is not None
        evidence = self._evidences[which].see(seen, counts=measuring)
        if which != self._active or level is None:
            return
        self._measured_seconds += elapsed
        self._half_seconds += elapsed
        self._half_evidence += evidence
        if self._half_evidence >= self._turns.half_seconds or self._half_seconds >= self._turns.longest_half_seconds:
            self._end_half(which, level)

    def _end_half(self, which: int, level: int) -> None:
        self._half_seconds = self._half_evidence = 0.0
        self._halves += 1
        self._evidences[which].end_half()
        self._rests[which] = self._rest(which, level)
        self._conclude(which)
        if self._halves % 2 and self._answers[1 - which] is None:
            self._give_turn(1 - which)

    def _give_turn(self, which: int) -> None:
        self._active = which
        self._half_seconds = self._half_evidence = 0.0

    def _rest(self, which: int, level: int) -> int:
        """With how many users it rests: so many that those who left are back in time."""
        limits, turns = self.limits[which], self._turns
        back = turns.return_share * turns.return_seconds / limits.arrival_seconds if limits.arrival_seconds else 1.0
        share = max(turns.rest, 1.0 / (1.0 + back))
        return max(limits.lowest_users, math.floor(share * level))

    def _conclude(self, which: int) -> None:
        """After each half turn: is it known well enough?"""
        turns = self._turns
        if self._answers[1 - which] is not None:
            if self._evidences[which].finished >= turns.fewest_pairs:
                self._over = (Ending.OTHER_ENDED, "the other server holds more users than are allowed")
            return
        found = ratio_of(self._evidences[BASE], self._evidences[NEW], turns)
        if found is not None:
            self.ratio = found
        if found is not None or self._measured_seconds >= turns.longest_seconds:
            self._over = self._ending()

    def _ending(self) -> tuple[Ending, str] | None:
        turns, ratio = self._turns, self.ratio
        tolerance = math.log1p(turns.tolerance)
        minutes = f"{self._measured_seconds / 60.0:.0f} minutes"
        if ratio is not None:
            half = (ratio.high - ratio.low) / 2.0
            clear = ratio.low > tolerance or ratio.high < -tolerance
            if half <= (self._precision or turns.of_tolerance * tolerance) or (clear and self._precision is None):
                return Ending.FOUND, f"measured in turns for {minutes} around the limits"
        if self._precision is None and self._measured_seconds >= turns.longest_seconds:
            return Ending.WIDE, f"measured in turns for {minutes} around the limits"
        return None
