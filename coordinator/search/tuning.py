"""Every tuned number of the search, in one place: what it is, and in which unit.

Levels and steps of users are logarithms (`ln users`: 0.03 is 3 %); a `ratio` is ln(measure / limit): -0.7 is half the
limit, 0 the limit, 0.7 twice it. How they were found: docs/capacity-method.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """The tuned numbers. A journal holds those that its search went by."""

    # One cycle.
    first_cycle_seconds: float = 1.0  # s: how long the first cycle is taken to be
    longest_cycle_seconds: float = 5.0  # s: a longer one stands for no more: nobody knows what happened in between

    # The window: which readings are evidence.
    clean: float = 0.012  # ln users: no load in the window above the present one by more: not an earlier load's reading
    homogeneous: float = 0.06  # ln users: loads of a window differ by less: one load can be named for it
    arrivals_share: float = 0.04  # share of the load: log-ins of a window add no more, else a reading is theirs
    largest_arrivals_share: float = 0.065  # share of the load: the same for the most expensive log-ins
    expensive_seconds: float = 60.0  # s of a user's load: from this cost of a log-in on more of them are allowed
    log_in_seconds: float = 20.0  # s: nobody is logging in any more once nobody has come for so long
    fully_breached: float = 0.7  # ratio: from here on a breach belongs to the highest load of the window alone

    # The pace at which users come where log-ins are expensive.
    fewest_on_their_way: int = 2  # users: so many at least may be logging in
    on_their_way_seconds: float = 10.0  # s: those who come in so long may be logging in
    most_on_their_way: float = 0.3  # share of the users: no more may be logging in
    overloaded_on_their_way: float = 0.03  # share of the users: the same while a limit is crossed

    # Up, where log-ins are cheap.
    first_users: int = 30  # users: the first target
    growth: float = 0.08  # share of the users added per second
    growth_near: float = 0.02  # the same near the limit: many a limit is approached slowly, as of a CPU
    near: float = -0.7  # ratio: from here on the limit is near
    breaches: int = 2  # samples: so many breached ones in a row end the way up
    behind: float = 0.03  # share of the target: growth waits while more of it is missing
    top_extra_seconds: float = 60.0  # s besides the window: so long all allowed users must be fine
    onset_back_seconds: float = 2.0  # s: the load that broke it is the one so long before the measure became near
    onset_longest_seconds: float = 12.0  # s: no further back than this
    coarse_users: int = 36  # users: breached by so few, the steps up were too large: up again, one by one
    seconds_per_user: float = 2.0  # s: how long one step of that takes

    # Up by stairs, where log-ins alone cross the limit.
    # Up to that ratio, the next stair is so many times as high.
    flights: tuple[tuple[float, float], ...] = ((-1.5, 1.5), (-1.0, 1.3), (-0.5, 1.15), (0.0, 1.07))  # ratio: step
    look_seconds: float = 5.0  # s: how long each stair is looked at
    missing: float = 0.03  # share of the target: with more missing a stair is not reached
    crawl_seconds: float = 120.0  # s: log-ins that crawl into a breached server for so long are a breach, too
    between: float = 0.5  # where the capacity is taken to be: 0 the last good stair, 1 the bad one
    most_retreat: float = 0.75  # share of the users: back no further than this
    drop: float = 1.4  # ratio: a breach falls by so much when the last log-in has left the window
    drops: int = 2  # times: so often, and log-ins alone cross the limit

    # Up at a pace, where log-ins are expensive.
    # Up to that ratio, the log-ins may make such a share of the users' load.
    shares: tuple[tuple[float, float], ...] = ((-1.5, 32.0), (-0.8, 2.0), (-0.25, 1.0))  # ratio: share
    creep: float = 0.1  # log-ins' share of the users' load near the limit
    quiet: float = 0.15  # log-ins' share of the users' load: with less a breach is the users'
    of_bound: float = 0.95  # share of a load, log-ins included, that came near the limit: not above this again
    false_bound: float = 1.05  # share of it: so far above and still far from the limit, it was false
    passing: bool = True  # after a breach, wait for the log-ins to pass and look at the users alone

    # Back.
    retreat: float = 0.92  # share of the users at the breach
    retreat_again: float = 0.58  # share of the users: each further step
    mild: float = math.log(1.5)  # ratio: breached by less, the server has not tipped over
    retreat_mildly: float = 0.9  # share of the users: a further step then
    recover_seconds: float = 3.0  # s: the shortest stay
    patience_extra_seconds: float = 15.0  # s besides the window, until the next step

    # Around the limit.
    first_level: float = -0.03  # ln users, from the breach
    first_level_slow: float = -0.05  # the same after a slow recovery
    ceiling_slow: float = 0.03  # ln users above the breach: never more, after a slow recovery
    below: float = 0.02  # ln users below the estimate
    above: float = 0.01  # ln users above it, in turns
    of_half_width: float = 0.25  # share of the interval's half: at least so far above, where log-ins are expensive
    largest_step: float = 0.04  # ln users
    far_step: float = 0.08  # ln users: the largest step up where log-ins are expensive and the estimate is further away
    far_ratio: float = -0.35  # ratio: and the measure below this
    dwell_seconds: float = 15.0  # s: how long a level is looked at
    rise: float = 0.02  # share of the users that may come per second
    trickle: float = 0.75  # share of what log-ins may be in evidence: those that come
    far: float = 0.04  # share of the users: further below the target, more of them may come, their readings are lost
    far_share: float = 0.1  # log-ins' share of the users' load then
    of_target: float = 0.95  # share of the target's load that users and log-ins may make
    leave_seconds: float = 20.0  # s: without one good sample, the last far above the limit: back
    leave_ratio: float = math.log(2.0)  # ratio: so far
    leave_factor: float = 0.914  # share of the users to go back to
    next_after_leave: float = 0.05  # ln users below the level that was left
    next_after_leave_slow: float = 0.06  # the same after a slow recovery
    ceiling_after_leave: float = 0.02  # ln users below it: never more, after a slow recovery
    false_above: float = 0.03  # ln users above the first breach, and fine: it was false
    false_users: int = 3  # users above it, at least
    false_ratio: float = -0.7  # ratio: so fine
    false_seconds: float = 10.0  # s: for so long
    narrow: float = 0.03  # half of the interval at which the search ends
    least_seconds: float = 170.0  # s: not before, however narrow the interval: that picks lucky runs
    longest_seconds: float = 900.0  # s: and then as it is
    least_above_seconds: float = 5.0  # s of evidence above the limit
    least_below_seconds: float = 15.0  # s of evidence below it

    # The estimate.
    capacities: int = 241  # points of the grid
    grid_below: float = 0.7  # ln users: from so far below the breach
    grid_above: float = 0.5  # ln users: to so far above it
    # How much the ratio grows with ln users: by 1 for a CPU, by 20 for a queue, by any for a cliff.
    slopes: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)  # of the ratio
    slope_odds: tuple[float, ...] = (-4.0, -3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # ln odds before the evidence
    noises: tuple[float, ...] = (0.15, 0.3, 0.6, 1.0)  # of the ratio
    log_ins: tuple[float, ...] = (0.0, 0.7, 1.5, 3.0)  # what log-ins really cost, of what was told
    log_in_odds: tuple[float, ...] = (-0.7, 0.0, -0.3, -1.2)  # ln odds before the evidence
    drifts: tuple[float, ...] = (0.0, 0.1, -0.1, -0.2, -0.3)  # ln users per hour: what the capacity gains or loses
    drift_odds: tuple[float, ...] = (0.0, -2.5, -1.5, -2.0, -2.5)  # ln odds before the evidence
    prior_sd: float = 0.08  # ln users: how far off the breach is taken to be
    clamp: float = 1.0  # ratio: further from the limit the line is wrong
    degrees: float = 4.0  # of Student's t: a pause of the server must not drag the line
    together_seconds: float = 5.0  # s: samples of one load that are taken together, as their mean
    same_load: float = 0.004  # ln users: so near
    block_seconds: float = 30.0  # s: one block of the jackknife
    groups: tuple[int, ...] = (1, 2, 3)  # blocks that are left out together
    fewest_blocks: int = 3  # groups: with fewer there is no jackknife
    most_blocks: int = 40  # blocks: with more, each two become one
    # Standard errors in half an interval of 95 %, by how noisy the ratio is, and by how many ln users that noise is.
    errors_by_noise: tuple[tuple[float, float], ...] = ((0.25, 1.1), (0.32, 2.9))
    errors_by_spread: tuple[tuple[float, float], ...] = ((0.025, 1.1), (0.05, 2.8))
    few: float = 1.5  # that many more by so much over the number of windows: a few say little of their own error
    fewest_windows: float = 2.0  # windows: with fewer, no more than that
    negligible: float = 25.0  # ln odds below the likeliest point: the jackknife leaves such points out
    widening: float = 0.01  # ln users: what the line can't follow

    # What is worth telling.
    fine_seconds: float = 10.0  # s: a load that was fine for so long is fine
    tipped_seconds: float = 10.0  # s: breached for so long …
    tipped_ratio: float = math.log(2.0)  # ratio: … by so much …
    tipped_below: float = 0.12  # ln users: … at a load so far below one that was fine: the server tips over

    # What holds or ends a search whatever its phase.
    unknown_hold_seconds: float = 10.0  # s without a known sample: hold
    unknown_back_seconds: float = 60.0  # s: each time, a step back
    unknown_end_seconds: float = 180.0  # s: the end
    step_back: float = 0.9  # share of the users
    saturated_end_seconds: float = 30.0  # s with a saturated load generator: the end
    absent_share: float = 0.03  # share of the target, and one user: more are missing or too many …
    absent_seconds: float = 60.0  # s: … for so long without a change: the end
    away_hold_seconds: float = 10.0  # s without any answer of the server: hold; less is a breach
    away_extra_seconds: float = 15.0  # s besides the window: the end; a restart takes 10 to 30 s


DEFAULT = Tuning()
