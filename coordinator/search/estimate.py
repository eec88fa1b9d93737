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

    With `log_ins`, samples may have log-ins in them, whose cost is unknown, too. Axes of the grid: capacity when the
    evidence began, slope, cost of log-ins, noise, drift of the capacity.
    """

    def __init__(
        self, centre: float, window_seconds: float, *, log_ins: bool = False, tuning: Tuning = DEFAULT
    ) -> None:
        self._window_seconds, self._tuning = window_seconds, tuning
        low, high = centre - tuning.grid_below, centre + tuning.grid_above
        self._capacities: Grid = np.linspace(low, high, tuning.capacities)
        self._slopes: Grid = np.array(tuning.slopes)
        self._noises: Grid = np.array(tuning.noises)
        self._log_ins: Grid = np.array(tuning.log_ins if log_ins else (1.0,))
        self._drifts: Grid = np.array(tuning.drifts) / 3600.0
        prior = _student((self._capacities - centre) ** 2 / (tuning.degrees * tuning.prior_sd**2), tuning.degrees)
        odds = (tuning.slope_odds, tuning.log_in_odds if log_ins else (0.0,), (0.0,) * len(tuning.noises))
        self._total = _joint(prior, *map(np.array, (*odds, tuning.drift_odds)))
        self._blocks: list[Grid] = []
        self._block_seconds = self._in_block = tuning.block_seconds
        self._now = self._seconds = 0.0
        self._look: list[tuple[float, float, float, float, float]] = []

    def add(self, load: float, ratio: float, seconds: float, log_ins: float = 0.0, *, at: float = 0.0) -> None:
        """One sample that stands for `seconds`; `log_ins` is their load, as it was told, as a share of the users'.

        `at` is its moment, in seconds since the evidence began. Samples of one load are taken together for a while.
        """
        clamp = self._tuning.clamp
        if self._look and abs(load - self._look[0][0]) > self._tuning.same_load:
            self._take_look()
        self._look.append((load, max(-clamp, min(clamp, ratio)), log_ins, at, seconds))
        if math.fsum(each[-1] for each in self._look) >= self._tuning.together_seconds:
            self._take_look()

    def _take_look(self) -> None:
        """The mean of the samples that were taken together, as one."""
        if not self._look:
            return
        samples = np.array(self._look)
        self._look.clear()
        seconds = float(samples[:, -1].sum())
        load, ratio, log_ins, at = (samples[:, -1] @ samples[:, :-1] / seconds).tolist()
        self._now = max(self._now, float(samples[-1, -2]))
        self._seconds += seconds
        likelihood = (seconds / self._window_seconds) * self._likelihood(load, ratio, log_ins, at)
        if self._in_block >= self._block_seconds:
            self._blocks.append(np.zeros_like(self._total))
            self._in_block = 0.0
        self._in_block += seconds
        self._blocks[-1] += likelihood
        self._total += likelihood
        if len(self._blocks) > self._tuning.most_blocks and self._in_block >= self._block_seconds:
            self._blocks = _grouped(self._blocks, 2)
            self._block_seconds *= 2.0

    def _likelihood(self, load: float, ratio: float, log_ins: float, at: float) -> Grid:
        """The logarithm of each grid point's likelihood."""
        tuning = self._tuning
        loads = load + np.log1p(self._log_ins * log_ins)
        # Axes: capacity, log-ins, drift.
        beyond = loads[:, None] - self._drifts * at - self._capacities[:, None, None]
        line = np.clip(self._slopes[None, :, None, None] * beyond[:, None], -tuning.clamp, tuning.clamp)
        error = ratio - line
        noises = self._noises[:, None]
        squares = (error * error)[:, :, :, None, :] / (tuning.degrees * noises**2)
        return np.asarray(_student(squares, tuning.degrees) - np.log(noises))

    def begin_block(self) -> None:
        """What is added from now on is another block of the jackknife."""
        self._take_look()
        self._in_block = math.inf

    def estimate(self) -> Estimate:
        """The capacity now, and its interval: the greater of the posterior's spread and the jackknife's over blocks."""
        self._take_look()
        weights = _weights(self._total)
        likely = np.flatnonzero(self._total > self._total.max() - self._tuning.negligible)
        now = self._capacities[:, None] + self._drifts * self._now
        values = np.broadcast_to(now[:, None, None, None, :], self._total.shape).ravel()[likely]
        total, blocks = self._total.ravel()[likely], [block.ravel()[likely] for block in self._blocks]
        middle = _mean(_weights(total), values)
        spread = math.sqrt(_mean(_weights(total), (values - middle) ** 2))
        groups = [_grouped(blocks, together) for together in self._tuning.groups]
        error = max(spread, *(self._block_error(total, each, values) for each in groups))
        return Estimate(middle, math.hypot(self._errors(weights) * error, self._tuning.widening))

    def moments(self) -> tuple[float, float]:
        """The mean of the capacity now, and the posterior's own standard deviation."""
        self._take_look()
        weights, now = self._marginal(self._total), self._capacities[:, None] + self._drifts * self._now
        middle = float((weights * now).sum())
        return middle, math.sqrt(float((weights * (now - middle) ** 2).sum()))

    def without_each(self) -> list[float]:
        """The means without each of the blocks."""
        now = self._capacities[:, None] + self._drifts * self._now
        return [float((self._marginal(self._total - block) * now).sum()) for block in self._blocks]

    def _marginal(self, logarithms: Grid) -> Grid:
        """Of capacity and drift."""
        return np.asarray(_weights(logarithms).sum(axis=(1, 2, 3)))

    def _errors(self, weights: Grid) -> float:
        """How many standard errors half the interval is.

        What is seen of a noisy server for minutes may still be its mood, which both errors take too lightly; where it
        is steady, levels follow the estimate so closely that they are too great.
        """
        noise = float(weights.sum(axis=(0, 1, 2, 4)) @ np.log(self._noises))
        slope = float(weights.sum(axis=(0, 2, 3, 4)) @ np.log(self._slopes))
        tuning = self._tuning
        by_noise = _between(math.exp(noise), tuning.errors_by_noise)
        by_spread = _between(math.exp(noise - slope), tuning.errors_by_spread)
        windows = max(tuning.fewest_windows, self._seconds / self._window_seconds - 1.0)
        return max(by_noise, by_spread) * (1.0 + tuning.few / windows)

    def _block_error(self, total: Grid, groups: list[Grid], values: Grid) -> float:
        """The standard error of the mean of `values`, by leaving out one group of blocks after the other."""
        count = len(groups)
        if count < self._tuning.fewest_blocks:
            return 0.0
        without = [_mean(_weights(total - group), values) for group in groups]
        centre = math.fsum(without) / count
        return math.sqrt((count - 1) / count * math.fsum((each - centre) ** 2 for each in without))


def _joint(*odds: Grid) -> Grid:
    """The sum of all, each along its own axis."""
    total: Grid = np.zeros(())
    for each in odds:
        total = total[..., None] + each
    return total


def _grouped(blocks: list[Grid], together: int) -> list[Grid]:
    return [np.sum(blocks[at : at + together], axis=0) for at in range(0, len(blocks), together)]


def _weights(logarithms: Grid) -> Grid:
    weights = np.exp(logarithms - logarithms.max())
    return np.asarray(weights / weights.sum())


def _mean(weights: Grid, values: Grid) -> float:
    """Not by `@`: for vectors as short as these its threads only wait for each other, and round by their number."""
    return float((weights * values).sum())


def _between(value: float, points: tuple[tuple[float, float], ...]) -> float:
    """Along a line between two points, level beyond them."""
    return float(np.interp(value, [point for point, _ in points], [errors for _, errors in points]))


def _student(squares: Grid, degrees: float) -> Grid:
    """The logarithm of Student's density, but for a constant."""
    return np.asarray(-(degrees + 1.0) / 2.0 * np.log1p(squares))
