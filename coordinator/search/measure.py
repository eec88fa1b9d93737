"""Hovering around the estimated capacity until it is known well enough."""

from __future__ import annotations

import math

from coordinator.answer import Ending, Limits
from coordinator.search.climb import AfterBreach, Climb, Pace, Retreat, Stairs
from coordinator.search.estimate import Estimate, Posterior
from coordinator.search.phases import Move, Phase, Sight
from coordinator.search.sample import believed


class Measure:
    """Steps between a little below and a little above the estimate, and collects evidence."""

    def __init__(
        self, limits: Limits, onset_users: int, slow: bool, again: AfterBreach, *, paced: bool = False
    ) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._onset = math.log(onset_users)
        tuning = limits.tuning
        self._false_above = max(self._onset + tuning.false_above, math.log(onset_users + tuning.false_users))
        self._again = again
        self._pace = Pace(limits) if paced else None
        self._posterior = Posterior(self._onset, limits.window_seconds, log_ins=paced, tuning=tuning)
        self._target = self._onset + (tuning.first_level_slow if slow else tuning.first_level)
        self._ceiling = self._onset + tuning.ceiling_slow if slow else math.inf
        self._begun: float | None = None
        self._lower_next = True
        self._above_seconds = self._below_seconds = self._learnt = 0.0
        self._dwelt = self._bad_seconds = self._top_seconds = self._false_seconds = 0.0
        self.estimate: Estimate | None = None

    def next(self, sight: Sight) -> Move:
        """Take the sample as evidence if it is some, and move on when this level has been seen."""
        if self._begun is None:
            self._begun = sight.sample.seconds
        self._learn(sight)
        if self._bad_seconds >= self._tuning.leave_seconds and (sight.sample.ratio or 0.0) > self._tuning.leave_ratio:
            return self._leave(sight)
        if self._false_seconds >= self._tuning.false_seconds:
            return self._climb_again(sight)
        if self._top_seconds >= self._limits.window_seconds + self._tuning.top_extra_seconds:
            return Move(self._users, f"no limit was crossed by {sight.users} users", ending=Ending.AT_LEAST)
        if self._dwelt < self._tuning.dwell_seconds:
            return self._enough(sight) or self._go(sight, f"measure: {sight.sample.said}")
        self._dwelt = 0.0
        return self._conclude(sight)

    @property
    def level(self) -> int:
        """The users around whom it measures."""
        return self._users

    @property
    def _users(self) -> int:
        return max(self._limits.lowest_users, min(self._limits.highest_users, round(math.exp(self._target))))

    def _target_of(self, sight: Sight) -> int:
        """For so many active users, where some stay away."""
        return min(self._limits.highest_users, self._users + sight.window.away)

    def _learn(self, sight: Sight) -> None:
        ratio, window = sight.sample.ratio, sight.window
        if ratio is None:
            return
        if window.clean:
            self._count(sight, ratio)
        if window.telling:
            at = sight.sample.seconds - (self._begun or 0.0)
            self._posterior.add(window.credited(ratio), ratio, sight.elapsed, window.arrivals, at=at)
            self._learnt += sight.elapsed
            if ratio > 0.0:
                self._above_seconds += sight.elapsed
                # A second breach, by users who were level: the first one was none that a pause of the server explains.
                self._false_above = max(self._false_above, window.highest + self._tuning.false_above)
            else:
                self._below_seconds += sight.elapsed

    def _count(self, sight: Sight, ratio: float) -> None:
        """How long a clean window has shown what it shows."""
        elapsed = sight.elapsed
        self._bad_seconds = self._bad_seconds + elapsed if ratio > 0.0 else 0.0
        if sight.reached >= self._target_of(sight):
            self._dwelt += elapsed
        at_top = sight.reached >= self._limits.highest_users
        self._top_seconds = self._top_seconds + elapsed if at_top and ratio <= 0.0 else 0.0
        false = ratio < self._tuning.false_ratio and sight.window.telling and sight.window.mean > self._false_above
        self._false_seconds = self._false_seconds + elapsed if false else 0.0

    def _go(self, sight: Sight, reason: str) -> Move:
        if self._pace is not None:
            trickle = self._tuning.trickle * believed(self._limits.arrival_seconds, self._tuning)
            gap = self._users / max(1, sight.users) - 1.0
            if gap > self._tuning.far and sight.sample.breached:
                return Move(self._pace.held(sight), reason)
            far_share = self._tuning.far_share if gap > self._tuning.far else 0.0
            share = max(trickle, far_share, self._tuning.of_target * (1.0 + gap) - 1.0)
            return Move(self._pace.towards(self._users, sight, share), reason)
        rise = max(1.0, self._tuning.rise * sight.users * sight.elapsed)
        return Move(round(min(self._target_of(sight), sight.reached + rise)), reason)

    def _climb_again(self, sight: Sight) -> Move:
        make = Stairs if self._limits.arrival_seconds > 0.0 else Climb
        reason = f"{sight.users} users are fine, the earlier breach had another cause: {sight.sample.said}"
        return Move(sight.users, reason, then=make(self._limits, self._again, sight.users))

    def _leave(self, sight: Sight) -> Move:
        here = sight.window.now
        at = sight.sample.seconds - (self._begun or 0.0)
        self._posterior.add(here, self._tuning.clamp, self._limits.window_seconds, at=at)
        self._above_seconds += self._limits.window_seconds
        self._bad_seconds = self._dwelt = 0.0
        retreat = Retreat(self._limits, self._tuning.leave_factor * sight.users, lambda slow: self._back(here, slow))
        return Move(retreat.users, f"too many: {sight.users} users, {sight.sample.said}", then=retreat)

    def _back(self, here: float, slow: bool) -> Phase:
        self._target = here - (self._tuning.next_after_leave_slow if slow else self._tuning.next_after_leave)
        if slow:
            self._ceiling = here - self._tuning.ceiling_after_leave
        return self

    def _enough(self, sight: Sight) -> Move | None:
        """Where users come slowly, much is learnt on the way to a level."""
        if self._pace is None or self._learnt < self._tuning.dwell_seconds:
            return None
        return self._ended(sight)

    def _ended(self, sight: Sight) -> Move | None:
        self._learnt = 0.0
        estimate = self.estimate = self._posterior.estimate()
        seconds = sight.sample.seconds - (self._begun or 0.0)
        ending = self._ending(seconds, estimate.half_width)
        if ending is None:
            return None
        return Move(self._users, f"measured for {seconds / 60.0:.0f} minutes around the limit", ending=ending)

    def _conclude(self, sight: Sight) -> Move:
        ended = self._ended(sight)
        if ended is not None or self.estimate is None:
            return ended or self._go(sight, "measure")
        estimate = self.estimate
        seconds = sight.sample.seconds - (self._begun or 0.0)
        wanted = estimate.middle + (-self._tuning.below if self._lower_next else self._above(estimate))
        self._lower_next = not self._lower_next
        step = max(-self._tuning.largest_step, min(self._largest_rise(sight, wanted), wanted - self._target))
        self._target = min(self._target + step, self._ceiling)
        return self._go(sight, f"measure: {self._so_far(estimate, seconds)}")

    def _above(self, estimate: Estimate) -> float:
        """Where log-ins are one more unknown, a load too little above a cliff's edge never shows where that is."""
        above, part = self._tuning.above, self._tuning.of_half_width
        return above if self._pace is None else max(above, part * estimate.half_width)

    def _largest_rise(self, sight: Sight, wanted: float) -> float:
        """Where users come slowly, small steps to a limit that is far away would take all the time there is."""
        far = wanted - self._target > self._tuning.far_step and (sight.sample.ratio or 0.0) < self._tuning.far_ratio
        return self._tuning.far_step if self._pace is not None and far else self._tuning.largest_step

    def _so_far(self, estimate: Estimate, seconds: float) -> str:
        half, wanted = estimate.half_width, self._limits.precision
        known = f"about {math.exp(estimate.middle):.0f} users, ±{half:.1%}"
        if wanted is None or half <= wanted:
            return known
        # An error shrinks with the square root of the time.
        more = seconds * ((half / wanted) ** 2 - 1.0) / 60.0
        return f"{known}; ±{wanted:.1%} in about {more:.0f} minutes"

    def _ending(self, seconds: float, half: float) -> Ending | None:
        tuning = self._tuning
        both = self._above_seconds >= tuning.least_above_seconds and self._below_seconds >= tuning.least_below_seconds
        if seconds >= tuning.least_seconds and half <= (self._limits.precision or tuning.narrow) and both:
            return Ending.FOUND
        if self._limits.precision is None and seconds >= self._tuning.longest_seconds:
            return Ending.WIDE
        return None
