"""Hovering around the estimated capacity until it is known well enough."""

from __future__ import annotations

import math

from coordinator.answer import Ending, Limits
from coordinator.search.climb import TOP_EXTRA_SECONDS, AfterBreach, Climb, Pace, Retreat, Stairs
from coordinator.search.estimate import CLAMP, Estimate, Posterior
from coordinator.search.phases import Move, Phase, Sight
from coordinator.search.window import believed

# Logarithms of users, around where the climb met its breach.
FIRST_LEVEL, FIRST_LEVEL_SLOW, CEILING_SLOW = -0.03, -0.05, 0.03
# The load alternates between a little below and a little above the estimate: both sides teach the slope, and below
# spares the server.
BELOW, ABOVE = 0.02, 0.01
OF_HALF_WIDTH = 0.25
LARGEST_STEP = 0.04
# Up, where log-ins are dear, the estimate is further away than this and the measure below 0.7 of its limit.
FAR_STEP, FAR_RATIO = 0.08, -0.35
DWELL_SECONDS = 15.0
# Share of users that may come per second.
RISE = 0.02
# Where log-ins are dear, they come so slowly that no more of them are in a window than may be in evidence.
TRICKLE = 0.75
# Further below the target than this, or as long as they and the users make no more than that share of its load, more
# of them may come: what is read meanwhile is lost, but the time is shorter.
FAR, FAR_SHARE = 0.04, 0.1
OF_TARGET = 0.95
# Where a few users stay away for good, a level counts as reached after so long within this share of it.
NEARLY, NEARLY_SECONDS = 0.97, 20.0
# Confirmed breach: so long without one good sample, the last twice the limit.
LEAVE_SECONDS, LEAVE_RATIO = 20.0, math.log(2.0)
LEAVE_FACTOR = 0.914
NEXT_AFTER_LEAVE, NEXT_AFTER_LEAVE_SLOW, CEILING_AFTER_LEAVE = 0.05, 0.06, 0.02
# So far above the first breach, by more users than it may be off by, and below half the limit for so long: that breach
# was false.
FALSE_ABOVE, FALSE_USERS, FALSE_RATIO, FALSE_SECONDS = 0.03, 3, -0.7, 10.0
# Half widths. Never stop before LEAST_SECONDS however narrow the interval: that picks lucky runs.
NARROW = 0.06
LEAST_SECONDS, LONGEST_SECONDS = 170.0, 900.0
LEAST_ABOVE_SECONDS, LEAST_BELOW_SECONDS = 5.0, 15.0


class Measure:
    """Steps between a little below and a little above the estimate, and collects evidence."""

    def __init__(
        self, limits: Limits, onset_users: int, slow: bool, again: AfterBreach, *, paced: bool = False
    ) -> None:
        self._limits = limits
        self._onset = math.log(onset_users)
        self._false_above = max(self._onset + FALSE_ABOVE, math.log(onset_users + FALSE_USERS))
        self._again = again
        self._pace = Pace(limits) if paced else None
        self._posterior = Posterior(self._onset, limits.window_seconds, log_ins=paced)
        self._target = self._onset + (FIRST_LEVEL_SLOW if slow else FIRST_LEVEL)
        self._ceiling = self._onset + CEILING_SLOW if slow else math.inf
        self._begun: float | None = None
        self._lower_next = True
        self._above_seconds = self._below_seconds = self._learnt = 0.0
        self._dwelt = self._near_seconds = self._bad_seconds = self._top_seconds = self._false_seconds = 0.0
        self.estimate: Estimate | None = None

    def next(self, sight: Sight) -> Move:
        """Take the sample as evidence if it is some, and move on when this level has been seen."""
        if self._begun is None:
            self._begun = sight.sample.seconds
        self._learn(sight)
        if self._bad_seconds >= LEAVE_SECONDS and (sight.sample.ratio or 0.0) > LEAVE_RATIO:
            return self._leave(sight)
        if self._false_seconds >= FALSE_SECONDS:
            return self._climb_again(sight)
        if self._top_seconds >= self._limits.window_seconds + TOP_EXTRA_SECONDS:
            return Move(self._users, f"no limit was crossed by {sight.users} users", ending=Ending.AT_LEAST)
        if self._dwelt < DWELL_SECONDS:
            return self._enough(sight) or self._go(sight, f"measure: {sight.sample.said}")
        self._dwelt = self._near_seconds = 0.0
        return self._conclude(sight)

    @property
    def _users(self) -> int:
        return max(self._limits.lowest_users, min(self._limits.highest_users, round(math.exp(self._target))))

    def _learn(self, sight: Sight) -> None:
        ratio, window = sight.sample.ratio, sight.window
        if ratio is None:
            return
        if window.clean:
            self._count(sight, ratio)
        if window.telling:
            self._posterior.add(window.credited(ratio), ratio, sight.elapsed, window.arrivals)
            self._learnt += sight.elapsed
            self._above_seconds += sight.elapsed if ratio > 0.0 else 0.0
            self._below_seconds += sight.elapsed if ratio <= 0.0 else 0.0

    def _count(self, sight: Sight, ratio: float) -> None:
        """How long a clean window has shown what it shows."""
        elapsed = sight.elapsed
        self._bad_seconds = self._bad_seconds + elapsed if ratio > 0.0 else 0.0
        self._near_seconds += elapsed if sight.users >= NEARLY * self._users else 0.0
        if sight.users >= self._users or self._near_seconds >= NEARLY_SECONDS + DWELL_SECONDS:
            self._dwelt += elapsed
        at_top = sight.users >= self._limits.highest_users
        self._top_seconds = self._top_seconds + elapsed if at_top and ratio <= 0.0 else 0.0
        false = ratio < FALSE_RATIO and sight.window.telling and sight.window.mean > self._false_above
        self._false_seconds = self._false_seconds + elapsed if false else 0.0

    def _go(self, sight: Sight, reason: str) -> Move:
        if self._pace is not None:
            trickle = TRICKLE * believed(self._limits.arrival_seconds)
            gap = self._users / max(1, sight.users) - 1.0
            if gap > FAR and sight.sample.breached:
                return Move(self._pace.held(sight), reason)
            share = max(trickle, FAR_SHARE if gap > FAR else 0.0, OF_TARGET * (1.0 + gap) - 1.0)
            return Move(self._pace.towards(self._users, sight, share), reason)
        rise = max(1.0, RISE * sight.users * sight.elapsed)
        return Move(round(min(self._users, sight.users + rise)), reason)

    def _climb_again(self, sight: Sight) -> Move:
        make = Stairs if self._limits.arrival_seconds > 0.0 else Climb
        reason = f"{sight.users} users are fine, the breach before was none of theirs: {sight.sample.said}"
        return Move(sight.users, reason, then=make(self._limits, self._again, sight.users))

    def _leave(self, sight: Sight) -> Move:
        here = sight.window.now
        self._posterior.add(here, CLAMP, self._limits.window_seconds)
        self._above_seconds += self._limits.window_seconds
        self._bad_seconds = self._dwelt = self._near_seconds = 0.0
        retreat = Retreat(self._limits, LEAVE_FACTOR * sight.users, lambda slow: self._back(here, slow))
        return Move(retreat.users, f"too much: {sight.users} users, {sight.sample.said}", then=retreat)

    def _back(self, here: float, slow: bool) -> Phase:
        self._target = here - (NEXT_AFTER_LEAVE_SLOW if slow else NEXT_AFTER_LEAVE)
        if slow:
            self._ceiling = here - CEILING_AFTER_LEAVE
        return self

    def _enough(self, sight: Sight) -> Move | None:
        """Where users come slowly, much is learnt on the way to a level."""
        if self._pace is None or self._learnt < DWELL_SECONDS:
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
        wanted = estimate.middle + (-BELOW if self._lower_next else self._above(estimate))
        self._lower_next = not self._lower_next
        step = max(-LARGEST_STEP, min(self._largest_rise(sight, wanted), wanted - self._target))
        self._target = min(self._target + step, self._ceiling)
        return self._go(sight, f"measure: {self._so_far(estimate, seconds)}")

    def _above(self, estimate: Estimate) -> float:
        """Where log-ins are one more unknown, a load too little above a cliff's edge never shows where that is."""
        return ABOVE if self._pace is None else max(ABOVE, OF_HALF_WIDTH * estimate.half_width)

    def _largest_rise(self, sight: Sight, wanted: float) -> float:
        """Where users come slowly, small steps to a limit that is far away would take all the time there is."""
        far = wanted - self._target > FAR_STEP and (sight.sample.ratio or 0.0) < FAR_RATIO
        return FAR_STEP if self._pace is not None and far else LARGEST_STEP

    def _so_far(self, estimate: Estimate, seconds: float) -> str:
        half, wanted = estimate.half_width, self._limits.precision
        known = f"about {math.exp(estimate.middle):.0f} users, ±{half:.1%}"
        if wanted is None or half <= wanted:
            return known
        # An error shrinks with the square root of the time.
        more = seconds * ((half / wanted) ** 2 - 1.0) / 60.0
        return f"{known}; ±{wanted:.1%} in about {more:.0f} minutes"

    def _ending(self, seconds: float, half: float) -> Ending | None:
        both = self._above_seconds >= LEAST_ABOVE_SECONDS and self._below_seconds >= LEAST_BELOW_SECONDS
        if seconds >= LEAST_SECONDS and half <= (self._limits.precision or NARROW) and both:
            return Ending.FOUND
        if self._limits.precision is None and seconds >= LONGEST_SECONDS:
            return Ending.WIDE
        return None
