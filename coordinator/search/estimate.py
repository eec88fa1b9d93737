"""What the evidence says about the capacity: a grid posterior, and an interval that also fits wandering servers.

Near the limit the logarithm of the measure over its limit is a line over the logarithm of users. Its crossing (the
capacity), its slope and its noise are unknown; the grid holds their joint posterior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]

# The capacity is looked for from 0.7 below to 0.5 above where the climb met its breach, in logarithms of users.
CAPACITIES = 181
GRID_BELOW, GRID_ABOVE = 0.7, 0.5
# How much the measure grows with the load, and how noisy it is: a CPU limit has slope 1, a queue 20, a cliff any.
# Before the evidence the gentle ones are unlikely, by e to these powers: each run would wait to rule them out.
SLOPES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
SLOPE_ODDS = (-4.0, -3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
NOISES = (0.05, 0.1, 0.2, 0.4)
# What log-ins really cost, as multiples of what the search was told, and how likely that is (e to these powers).
# Not every limit is one of load: of connections, log-ins are none yet.
LOG_INS = (0.0, 0.7, 1.5, 3.0)
LOG_IN_ODDS = (-0.7, 0.0, -0.3, -1.2)
# On simulated servers the climb's breach is off by 4 % (sd; 7 % where the capacity wanders): twice that, to be safe.
PRIOR_SD = 0.08
# Far from the limit the line is wrong: both sides are clamped.
CLAMP = 0.7
# Student's t with 4 degrees: a pause of the server must not drag the fit.
DEGREES = 4.0
# Evidence of this length is one block of the jackknife; noise may outlast it, so pairs of blocks are tried too.
BLOCK_SECONDS = 30.0
FEWEST_BLOCKS = 3
# Half an interval of 95 % is this many standard errors, and a little for what the line can't follow (tuned on
# simulated servers, proven on others: docs/capacity-method.md).
FACTOR = 2.0
WIDENING = 0.004
# Where the noise is as great as the grid knows, a few blocks happen to agree too often: there, so much wider.
NOISY_WIDER = 0.15


@dataclass(frozen=True, slots=True)
class Estimate:
    """The capacity as logarithm of users, and half the 95 % interval around it."""

    middle: float
    half_width: float

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return self.middle - self.half_width

    @property
    def high(self) -> float:
        """The interval's upper end."""
        return self.middle + self.half_width


class Posterior:
    """The joint posterior, fed one sample at a time. `window_seconds` of samples count as one: they overlap.

    With `log_ins`, samples may have log-ins in them, whose cost is unknown, too.
    """

    def __init__(self, centre: float, window_seconds: float, *, log_ins: bool = False) -> None:
        self._window_seconds = window_seconds
        self._capacities: Grid = np.linspace(centre - GRID_BELOW, centre + GRID_ABOVE, CAPACITIES)
        self._slopes: Grid = np.array(SLOPES)
        self._variances: Grid = DEGREES * np.array(NOISES) ** 2
        self._log_noises: Grid = np.log(np.array(NOISES))
        self._log_ins: Grid = np.array(LOG_INS if log_ins else (1.0,))
        prior = _student((self._capacities - centre) ** 2 / (DEGREES * PRIOR_SD**2))
        odds = np.array(LOG_IN_ODDS if log_ins else (0.0,))
        joint = prior[:, None, None, None] + np.array(SLOPE_ODDS)[None, :, None, None] + odds[None, None, :, None]
        shape = (CAPACITIES, len(SLOPES), len(odds), len(NOISES))
        self._total: Grid = np.broadcast_to(joint, shape).copy()
        self._blocks: list[Grid] = []
        self._in_block = BLOCK_SECONDS

    def add(self, load: float, ratio: float, seconds: float, log_ins: float = 0.0) -> None:
        """One sample that stands for `seconds`; `log_ins` is their load, as it was told, as a share of the users'."""
        loads = load + np.log1p(self._log_ins * log_ins)
        beyond = loads[None, None, :] - self._capacities[:, None, None]
        error = max(-CLAMP, min(CLAMP, ratio)) - np.clip(self._slopes[None, :, None] * beyond, -CLAMP, CLAMP)
        odds = _student((error * error)[..., None] / self._variances)
        likelihood = (seconds / self._window_seconds) * (odds - self._log_noises)
        if self._in_block >= BLOCK_SECONDS:
            self._blocks.append(np.zeros_like(self._total))
            self._in_block = 0.0
        self._in_block += seconds
        self._blocks[-1] += likelihood
        self._total += likelihood

    def estimate(self) -> Estimate:
        """Mean and interval: the posterior's own spread and the jackknife's over blocks, as independent errors."""
        marginal = self._marginal(self._total)
        middle = float(marginal @ self._capacities)
        spread = math.sqrt(float(marginal @ (self._capacities - middle) ** 2))
        error = math.hypot(spread, max(self._block_error(1), self._block_error(2)))
        wider = 1.0 + NOISY_WIDER * self._noisy_odds()
        return Estimate(middle, wider * (FACTOR * error + WIDENING))

    def _noisy_odds(self) -> float:
        """How likely it is that the noise is the greatest of the grid."""
        weights = np.exp(self._total - self._total.max()).sum(axis=(0, 1, 2))
        return float(weights[-1] / weights.sum())

    def _marginal(self, logarithms: Grid) -> Grid:
        weights = np.exp(logarithms - logarithms.max()).sum(axis=(1, 2, 3))
        return np.asarray(weights / weights.sum())

    def _block_error(self, together: int) -> float:
        """The standard error of the mean, by leaving out so many blocks together, one group after the other."""
        groups = [sum(self._blocks[at : at + together]) for at in range(0, len(self._blocks), together)]
        count = len(groups)
        if count < FEWEST_BLOCKS:
            return 0.0
        without = [float(self._marginal(self._total - group) @ self._capacities) for group in groups]
        centre = math.fsum(without) / count
        return math.sqrt((count - 1) / count * math.fsum((each - centre) ** 2 for each in without))


def _student(squares: Grid) -> Grid:
    """The logarithm of Student's density, but for a constant."""
    return np.asarray(-(DEGREES + 1.0) / 2.0 * np.log1p(squares))
