"""What the evidence says about the capacity: a grid posterior, and an interval that also fits wandering servers.

Near the limit the logarithm of the measure over its limit is a line over the logarithm of users. Its crossing (the
capacity), its slope and its noise are unknown; the grid holds their joint posterior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.search.tuning import DEFAULT, Tuning

Grid = NDArray[np.float64]


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

    def __init__(
        self, centre: float, window_seconds: float, *, log_ins: bool = False, tuning: Tuning = DEFAULT
    ) -> None:
        self._window_seconds, self._tuning = window_seconds, tuning
        low, high = centre - tuning.grid_below, centre + tuning.grid_above
        self._capacities: Grid = np.linspace(low, high, tuning.capacities)
        self._slopes: Grid = np.array(tuning.slopes)
        self._variances: Grid = tuning.degrees * np.array(tuning.noises) ** 2
        self._log_noises: Grid = np.log(np.array(tuning.noises))
        self._log_ins: Grid = np.array(tuning.log_ins if log_ins else (1.0,))
        prior = _student((self._capacities - centre) ** 2 / (tuning.degrees * tuning.prior_sd**2), tuning.degrees)
        slope_odds, odds = np.array(tuning.slope_odds), np.array(tuning.log_in_odds if log_ins else (0.0,))
        joint = prior[:, None, None, None] + slope_odds[None, :, None, None] + odds[None, None, :, None]
        shape = (tuning.capacities, len(tuning.slopes), len(odds), len(tuning.noises))
        self._total: Grid = np.broadcast_to(joint, shape).copy()
        self._blocks: list[Grid] = []
        self._in_block = tuning.block_seconds

    def add(self, load: float, ratio: float, seconds: float, log_ins: float = 0.0) -> None:
        """One sample that stands for `seconds`; `log_ins` is their load, as it was told, as a share of the users'."""
        loads = load + np.log1p(self._log_ins * log_ins)
        beyond = loads[None, None, :] - self._capacities[:, None, None]
        clamp = self._tuning.clamp
        error = max(-clamp, min(clamp, ratio)) - np.clip(self._slopes[None, :, None] * beyond, -clamp, clamp)
        odds = _student((error * error)[..., None] / self._variances, self._tuning.degrees)
        likelihood = (seconds / self._window_seconds) * (odds - self._log_noises)
        if self._in_block >= self._tuning.block_seconds:
            self._blocks.append(np.zeros_like(self._total))
            self._in_block = 0.0
        self._in_block += seconds
        self._blocks[-1] += likelihood
        self._total += likelihood

    def begin_block(self) -> None:
        """What is added from now on is another block of the jackknife."""
        self._in_block = math.inf

    def estimate(self) -> Estimate:
        """Mean and interval: the posterior's own spread and the jackknife's over blocks, as independent errors."""
        middle, spread = self.moments()
        error = math.hypot(spread, max(self._block_error(1), self._block_error(2)))
        return Estimate(middle, self._tuning.factor * error + self._tuning.widening)

    def moments(self) -> tuple[float, float]:
        """The mean, and the posterior's own standard deviation."""
        marginal = self._marginal(self._total)
        middle = float(marginal @ self._capacities)
        return middle, math.sqrt(float(marginal @ (self._capacities - middle) ** 2))

    def without_each(self) -> list[float]:
        """The means without each of the blocks."""
        return [float(self._marginal(self._total - block) @ self._capacities) for block in self._blocks]

    def _marginal(self, logarithms: Grid) -> Grid:
        weights = np.exp(logarithms - logarithms.max()).sum(axis=(1, 2, 3))
        return np.asarray(weights / weights.sum())

    def _block_error(self, together: int) -> float:
        """The standard error of the mean, by leaving out so many blocks together, one group after the other."""
        groups = [sum(self._blocks[at : at + together]) for at in range(0, len(self._blocks), together)]
        count = len(groups)
        if count < self._tuning.fewest_blocks:
            return 0.0
        without = [float(self._marginal(self._total - group) @ self._capacities) for group in groups]
        centre = math.fsum(without) / count
        return math.sqrt((count - 1) / count * math.fsum((each - centre) ** 2 for each in without))


def _student(squares: Grid, degrees: float) -> Grid:
    """The logarithm of Student's density, but for a constant."""
    return np.asarray(-(degrees + 1.0) / 2.0 * np.log1p(squares))
