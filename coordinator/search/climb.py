"""The way up to the first breach, and the way back down until the server has recovered.

A Mattermost log-in with its page load costs as much as minutes of a user's usual work: users who come as fast as they
can overload a server that would hold them all once they are in. So there are three ways up:

- `Climb`, where log-ins are cheap: a share more each second;
- `Ascent`, where they are expensive: users come at a pace, and their log-ins count as the load they are. What is fine
  with log-ins is fine for as many users without any, so far from the limit nobody waits for them to pass;
- `Stairs`, where log-ins alone cross the limit: a flight of users, then a look once their log-ins have left the window.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from coordinator.answer import Ending, Limits
from coordinator.search.phases import Move, Phase, Sight


class Pace:
    """The number of users to ask for, on the way up to a target."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._asked = 0
        self._due = 0.0

    def towards(self, target: int, sight: Sight, share: float) -> int:
        """The next number. The log-ins make no more than `share` of the present users' load, in the long run."""
        users, away = sight.users, sight.window.away
        if target <= users:
            self._asked, self._due = target + away, 0.0
            return self._asked
        rate = min(share * users / self._limits.arrival_seconds, self._limits.spawn_rate)
        self._asked = max(self._asked, sight.reached)
        most = math.ceil(min(rate * self._tuning.on_their_way_seconds, self._tuning.most_on_their_way * users))
        room = away + min(target, users + max(self._tuning.fewest_on_their_way, most)) - self._asked
        self._due = min(self._due + rate * sight.elapsed, max(1.0, float(room)))
        coming = max(0, min(int(self._due), room))
        self._due -= coming
        self._asked = min(target + away, self._asked + coming)
        return self._asked

    def held(self, sight: Sight) -> int:
        """Nobody more. Those who are on their way may come in; while a limit is crossed, only a few of them."""
        self._asked = max(self._asked, sight.reached)
        if sight.sample.breached:
            few = math.ceil(self._tuning.overloaded_on_their_way * sight.users)
            self._asked = min(self._asked, sight.reached + max(self._tuning.fewest_on_their_way, few))
        self._due = 0.0
        return self._asked


AfterBreach = Callable[[int, bool], Phase]


def _first(limits: Limits, users: int) -> int:
    """Where a way up begins; 0: where each search does. Pure."""
    return min(max(users or limits.tuning.first_users, limits.lowest_users), limits.highest_users)


class Ceiling:
    """All the users that are allowed are in: how long they have been fine, and the end when that was long enough."""

    def __init__(self, limits: Limits) -> None:
        self._wanted_seconds = limits.window_seconds + limits.tuning.top_extra_seconds
        self._seconds = 0.0

    def stay(self, sight: Sight, users: int) -> Move:
        """Keep so many, or end."""
        self._seconds += sight.elapsed
        if self._seconds < self._wanted_seconds:
            return Move(users, f"at the ceiling: {sight.sample.said}")
        reason = f"no limit was crossed by {sight.users} users, the maximum allowed, for {self._wanted_seconds:.0f} s"
        return Move(sight.users, reason, ending=Ending.AT_LEAST)


class Climb:
    """Adds users until two known samples in a row are above a limit. Unknown ones neither count nor let it grow.

    `careful` climbs by one user at a time. What follows the retreat is made by `after(users at the onset, slow)`.
    """

    def __init__(self, limits: Limits, after: AfterBreach, first: int = 0, *, careful: bool = False) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._after = after
        self._want = float(_first(limits, first))
        self._careful = careful
        self._breaches = 0
        self._ceiling = Ceiling(limits)
        self._loads: deque[tuple[float, int]] = deque()
        self._onset: float | None = None

    def next(self, sight: Sight) -> Move:
        """Grow, wait for users to come in, or retreat."""
        sample = sight.sample
        self._remember(sight)
        if sample.ratio is None:
            return self._wait(f"climb: {sample.said}")
        self._breaches = self._breaches + 1 if sample.breached else 0
        if self._breaches >= self._tuning.breaches:
            return self._retreat(sight)
        if sample.breached or sight.reached < (1.0 - self._tuning.behind) * self._want - 1.0:
            return self._wait(f"climb: {sight.users} of {round(self._want)} users are active, {sample.said}")
        if sight.reached >= self._limits.highest_users:
            return self._ceiling.stay(sight, round(self._want))
        return self._grow(sight)

    def _wait(self, reason: str) -> Move:
        return Move(round(self._want), reason)

    def _remember(self, sight: Sight) -> None:
        now, ratio = sight.sample.seconds, sight.sample.ratio
        self._loads.append((now, sight.users))
        while self._loads[0][0] < now - self._tuning.onset_longest_seconds - self._tuning.onset_back_seconds:
            self._loads.popleft()
        if ratio is not None and ratio <= self._tuning.near:
            self._onset = None
        elif ratio is not None and self._onset is None:
            self._onset = now

    def _onset_users(self, now: float) -> int:
        began = now if self._onset is None else self._onset
        onset = max(began, now - self._tuning.onset_longest_seconds) - self._tuning.onset_back_seconds
        before = [users for seconds, users in self._loads if seconds <= onset]
        return max(1, before[-1] if before else self._loads[0][1])

    def _grow(self, sight: Sight) -> Move:
        near = sight.sample.ratio is not None and sight.sample.ratio > self._tuning.near
        share = (self._tuning.growth_near if near else self._tuning.growth) * sight.elapsed * sight.users
        more = sight.elapsed / self._tuning.seconds_per_user if self._careful else max(1.0, share)
        ahead = self._want if self._careful else float(sight.reached)
        self._want = min(max(self._want, ahead + more), float(self._limits.highest_users))
        return self._wait(f"climb: {sight.sample.said}")

    def _retreat(self, sight: Sight) -> Move:
        if is_coarse(self._limits, sight) and not self._careful:
            return climbed_again(self._limits, Climb(self._limits, self._after, 1, careful=True), sight)
        onset = self._onset_users(sight.sample.seconds)
        return _back(self._limits, self._after, sight, onset)


class Retreat:
    """Steps back until a sample is fine again; each time that takes too long, further back."""

    def __init__(self, limits: Limits, target: float, after: Callable[[bool], Phase]) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._after = after
        self._target = target
        self._slow = False
        self._seconds = 0.0

    @property
    def users(self) -> int:
        """Where to step back to."""
        return max(round(self._target), self._limits.lowest_users)

    def next(self, sight: Sight) -> Move:
        """Wait for the server, or step back further."""
        if sight.users > self.users:
            return Move(self.users, f"retreat: {sight.users} users are still active")
        self._seconds += sight.elapsed
        sample = sight.sample
        if sample.ratio is not None and not sample.breached and self._seconds >= self._tuning.recover_seconds:
            after = self._after(self._slow)
            return Move(self.users, f"recovered with {sight.users} users: {sample.said}", then=after)
        if self._seconds < self._limits.window_seconds + self._tuning.patience_extra_seconds or sample.ratio is None:
            return Move(self.users, f"retreat: {sample.said}")
        return self._further(sight)

    def _further(self, sight: Sight) -> Move:
        if self.users <= self._limits.lowest_users:
            reason = f"breached already by {sight.users} users: {sight.sample.said}"
            return Move(self.users, reason, ending=Ending.BREACHED_ALREADY)
        mild = sight.sample.ratio is not None and sight.sample.ratio <= self._tuning.mild
        self._target *= self._tuning.retreat_mildly if mild else self._tuning.retreat_again
        self._slow, self._seconds = self._slow or not mild, 0.0
        return Move(self.users, f"still breached by {sight.users} users, further back: {sight.sample.said}")


def is_coarse(limits: Limits, sight: Sight) -> bool:
    """Whether the server was breached by so few that the steps up to it were too great. Pure."""
    return limits.lowest_users < sight.users <= limits.tuning.coarse_users


def climbed_again(limits: Limits, again: Phase, sight: Sight) -> Move:
    """Back to the fewest, then up in smaller steps."""
    return breached(sight, Retreat(limits, limits.lowest_users, lambda slow: again))


def _back(limits: Limits, after: AfterBreach, sight: Sight, onset: int) -> Move:
    """Back, a little below the users at the onset."""
    return breached(sight, Retreat(limits, limits.tuning.retreat * onset, lambda slow: after(onset, slow)))


def breached(sight: Sight, retreat: Retreat) -> Move:
    """Back, for what these users do to the server."""
    return Move(retreat.users, f"breached by {sight.users} users: {sight.sample.said}", then=retreat)


class Stairs:
    """Goes up by flights until a settled stair is breached."""

    def __init__(self, limits: Limits, after: AfterBreach, first: int = 0) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._after = after
        self._want = _first(limits, first)
        self._fine = 0
        self._ceiling = Ceiling(limits)
        self._seconds = 0.0
        self._worst = -1.0
        self._breaches = 0
        self._crawl_seconds = 0.0

    def next(self, sight: Sight) -> Move:
        """Wait for users and for their log-ins to pass, look, then go up or back."""
        sample = sight.sample
        self._crawl_seconds = self._crawl_seconds + sight.elapsed if sample.breached else 0.0
        settled = sample.ratio is not None and sight.window.settled
        self._breaches = self._breaches + 1 if settled and sample.breached else 0
        if self._breaches >= self._tuning.breaches or self._crawl_seconds >= self._tuning.crawl_seconds:
            return self._retreat(sight)
        if sample.ratio is None or not settled or sight.reached < (1.0 - self._tuning.missing) * self._want:
            return Move(self._want, f"stairs: {sight.users} of {self._want} users, waiting for logins, {sample.said}")
        self._worst = sample.ratio if self._seconds == 0.0 else max(self._worst, sample.ratio)
        self._seconds += sight.elapsed
        if self._seconds < self._tuning.look_seconds or sample.breached:
            return Move(self._want, f"stairs: observing {sight.users} users, {sample.said}")
        return self._up(sight)

    def _up(self, sight: Sight) -> Move:
        self._fine = sight.users
        if sight.reached >= self._limits.highest_users:
            return self._ceiling.stay(sight, self._want)
        flights = self._tuning.flights
        height = next((height for below, height in flights if self._worst <= below), flights[-1][1])
        self._want = min(max(sight.reached + 1, round(height * sight.reached)), self._limits.highest_users)
        self._seconds = self._crawl_seconds = 0.0
        return Move(self._want, f"stairs: {self._fine} users are fine, up to {self._want}: {sight.sample.said}")

    def _retreat(self, sight: Sight) -> Move:
        least = max(float(self._fine), self._tuning.most_retreat * sight.users)
        onset = max(1, round(least ** (1.0 - self._tuning.between) * sight.users**self._tuning.between))
        return breached(sight, Retreat(self._limits, min(least, 0.96 * onset), lambda slow: self._after(onset, slow)))


class Ascent:
    """Adds users until two known samples in a row, with few log-ins behind them, are above a limit."""

    def __init__(self, limits: Limits, after: AfterBreach, first: int = 0) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._after = after
        self._pace = Pace(limits)
        self._first = _first(limits, first)
        self._most = self._tuning.shares[0][1]
        self._near = self._tuning.shares[-1][0]
        self._bound = math.inf
        self._grown = self._holding = False
        self._breaches = 0
        self._crawl_seconds = 0.0
        self._ceiling = Ceiling(limits)

    def next(self, sight: Sight) -> Move:
        """Let more users come, hold while the server has too many log-ins, or see whether a breach is the users'."""
        sample, window = sight.sample, sight.window
        self._crawl_seconds = self._crawl_seconds + sight.elapsed if sample.breached else 0.0
        self._breaches = self._breaches + 1 if sample.breached and self._few_log_ins(sight) else 0
        if self._breaches >= self._tuning.breaches or self._crawl_seconds >= self._tuning.crawl_seconds:
            return self._breached(sight)
        if sample.ratio is None:
            return self._hold(sight)
        if sample.ratio > self._near and window.arrivals > self._tuning.quiet and sight.reached >= self._first:
            self._overloaded(sight)
        if sample.breached or (self._holding and sample.ratio > self._near and not window.settled):
            return self._hold(sight)
        self._holding = False
        if sight.reached >= self._limits.highest_users:
            return self._ceiling.stay(sight, sight.reached)
        return self._grow(sight, sample.ratio)

    def _few_log_ins(self, sight: Sight) -> bool:
        """After too many of them, what is read is theirs for as long as the window is."""
        return sight.window.settled if self._holding else sight.window.arrivals <= self._tuning.quiet

    def _overloaded(self, sight: Sight) -> None:
        """Remember the load of its first moment: what is read later is still that one's."""
        if not self._holding:
            self._holding = True
            self._most = max(self._tuning.creep, sight.window.arrivals / 2.0)
            if self._grown:
                # Of the first ones, who come all at once, it is a queue that is seen: nobody waits so at a pace.
                self._bound = min(self._bound, sight.users * (1.0 + sight.window.arrivals))

    def _hold(self, sight: Sight) -> Move:
        users = max(self._first, self._pace.held(sight))
        return Move(users, f"ascent: {sight.users} of {users} users, waiting for logins, {sight.sample.said}")

    def _grow(self, sight: Sight, ratio: float) -> Move:
        if sight.reached < self._first:
            return Move(self._first, f"ascent: {sight.users} of {self._first} users, {sight.sample.said}")
        self._grown = True
        users = self._pace.towards(self._limits.highest_users, sight, self._share(sight, ratio))
        return Move(users, f"ascent: {sight.users} users, +{sight.window.arrivals:.0%} logins, {sight.sample.said}")

    def _share(self, sight: Sight, ratio: float) -> float:
        """How many log-ins the server may have, as a share of its users' load."""
        if ratio <= self._near and sight.users > self._tuning.false_bound * self._bound:
            self._bound = math.inf
        near = next((share for below, share in self._tuning.shares if ratio <= below), self._tuning.creep)
        return max(self._tuning.creep, min(near, self._most, self._tuning.of_bound * self._bound / sight.users - 1.0))

    def _breached(self, sight: Sight) -> Move:
        if is_coarse(self._limits, sight) and not self._grown:
            return climbed_again(self._limits, Ascent(self._limits, self._after, 1), sight)
        if not self._tuning.passing:
            return _back(self._limits, self._after, sight, sight.users)
        hint = sight.users * (1.0 + min(self._tuning.quiet, sight.window.arrivals))
        return Passing(self._limits, self._after, hint).next(sight)


class Passing:
    """After a breach: waits until log-ins have passed. Fine then? The users with their log-ins were the limit."""

    def __init__(self, limits: Limits, after: AfterBreach, hint: float) -> None:
        self._limits, self._tuning = limits, limits.tuning
        self._after = after
        self._hint = hint
        self._seconds = 0.0

    def next(self, sight: Sight) -> Move:
        """Hold, measure around the hint, or retreat from what the users alone do."""
        sample, users = sight.sample, sight.users
        self._seconds += sight.elapsed
        if sample.ratio is not None and not sample.breached and sight.window.settled:
            onset = max(1, round(self._hint))
            after = self._after(onset, False)
            return Move(users, f"about {onset} users are the limit, {users} are fine: {sample.said}", then=after)
        passed = sight.window.settled and self._seconds >= self._limits.window_seconds
        if sample.breached and (passed or self._seconds >= self._tuning.crawl_seconds):
            return _back(self._limits, self._after, sight, max(1, users))
        return Move(users, f"too much with the logins of {users} users, waiting for these: {sample.said}", then=self)
