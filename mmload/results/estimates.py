"""The figures of a run that are compared with another's: what each is, what it needs, and its estimate from a window.

Which actions and routes come how often is left to chance in every run. So figures of all requests are those of a
common mix: each route's own times, weighted with its share of the requests of all compared runs together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmload.results.autocorrelation import Autocorrelation
from mmload.results.bootstrap import Draws, Estimate, Spectrum, mixed, typical
from mmload.results.windows import Times, Window

ALL_REQUESTS = "all requests"
DELIVERIES = "delivery of posts"
# A percentile needs some times beyond it: 10 above the p95 and the p99, and 10 on either side of the median.
FEWEST = {50: 20, 95: 200, 99: 1000}
MOST_ACTIONS = 15
# What a bin of 0.5 % hides, as the variance of a logarithm.
_BIN_VARIANCE = 0.005**2 / 12
# Requests come in bundles of one person's, who is drawn by chance as a whole: a share of them varies by about twice as
# much as that of so many single ones (a design effect of 4). It matters where times have two peaks, as those of an
# action that asks once or twice: the median jumps from one to the other, and the seconds of one run don't show it.
_BUNDLED = 2.0


class Scale(StrEnum):
    """What kind of figure: how it is written, and whether more of it is worse."""

    TIME = "ms"
    RATE = "per second"
    USER_RATE = "per user and minute"
    SHARE = "share"

    @property
    def logarithmic(self) -> bool:
        """Whether runs are compared by the ratio of the figure, not by its difference."""
        return self is not Scale.SHARE

    @property
    def more_is_worse(self) -> bool:
        """Slower and more failures are worse; more requests are not."""
        return self in (Scale.TIME, Scale.SHARE)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `leading`: the one that must be known; `primary`: one of the few that the outcome follows from.

    `between` is by how much it varies from run to run of the same server beyond what its seconds tell: a standard
    deviation, relative to the figure.
    """

    subject: str
    measure: str
    scale: Scale
    between: float
    primary: bool = False
    leading: bool = False


# Measured: `python -m benchmarks compare` (docs/compare.md), rounded up.
_BETWEEN_TYPICAL = 0.01
_BETWEEN_PERCENTILES = {50: 0.015, 95: 0.05, 99: 0.1}
_BETWEEN_RATES = 0.03
_BETWEEN_SHARES = 0.3

TYPICAL = Figure(ALL_REQUESTS, "typical", Scale.TIME, _BETWEEN_TYPICAL, primary=True, leading=True)
ERRORS = Figure(ALL_REQUESTS, "failed", Scale.SHARE, _BETWEEN_SHARES, primary=True)
MISSING = Figure(DELIVERIES, "missing", Scale.SHARE, _BETWEEN_SHARES, primary=True)
THROUGHPUT = Figure(ALL_REQUESTS, "throughput", Scale.RATE, _BETWEEN_RATES)
PER_USER = Figure(ALL_REQUESTS, "of each user", Scale.USER_RATE, _BETWEEN_RATES)


def percentile_figure(subject: str, percent: int) -> Figure:
    """A percentile of the times of something."""
    primary = (subject, percent) in ((ALL_REQUESTS, 95), (ALL_REQUESTS, 99), (DELIVERIES, 95))
    return Figure(subject, f"p{percent}", Scale.TIME, _BETWEEN_PERCENTILES[percent], primary)


@dataclass(frozen=True, slots=True)
class Mix:
    """What the compared runs have in common: the routes with their shares, and the actions, each frequent in all runs.

    `covered` is the share of all good answers that these routes gave.
    """

    shares: Mapping[str, float]
    actions: tuple[str, ...]
    covered: float


def common_mix(windows: Sequence[Window]) -> Mix:
    """The mix of these runs. A route counts with the mean of its shares, so that a longer run doesn't count more."""
    means = {}
    wholes = [sum(times.count for times in window.routes.values()) for window in windows]
    for route in _frequent([window.routes for window in windows]):
        means[route] = math.fsum(
            window.routes[route].count / whole for window, whole in zip(windows, wholes, strict=True)
        ) / len(windows)
    covered = math.fsum(means.values())
    shares = {route: share / covered for route, share in means.items()}
    return Mix(shares, tuple(_frequent([window.actions for window in windows]))[:MOST_ACTIONS], covered)


def _frequent(tables: Sequence[Mapping[str, Times]]) -> list[str]:
    """Names with enough times for a median in every run, the most frequent first."""
    names = [name for name in tables[0] if all(name in table and table[name].count >= FEWEST[50] for table in tables)]
    return sorted(names, key=lambda name: (-sum(table[name].count for table in tables), name))


def estimates(window: Window, mix: Mix, memory: Autocorrelation, seed: int = 0) -> dict[Figure, Estimate]:
    """All figures of one run that it has enough for. `memory` is that of all compared runs together."""
    draws = Draws(window, memory, seed)
    found: dict[Figure, Estimate] = {}
    found.update(_of_requests(window, mix, draws))
    found.update(_of_times(DELIVERIES, window.delivery, draws))
    for action in mix.actions:
        found.update(_of_times(action, window.actions[action], draws))
    if any(window.expected):
        found[MISSING] = _share(draws, window.missing, window.expected)
    return found


def _of_requests(window: Window, mix: Mix, draws: Draws) -> Iterator[tuple[Figure, Estimate]]:
    if mix.shares:
        spectra = {route: draws.times(window.routes[route]) for route in mix.shares}
        yield TYPICAL, _of_logs(draws.estimate(typical(spectra, mix.shares)))
        whole = mixed(spectra, mix.shares)
        count = sum(window.routes[route].count for route in mix.shares)
        for percent in _percents(count):
            yield percentile_figure(ALL_REQUESTS, percent), _percentile(whole, percent, count, draws)
    if any(window.requests):
        yield ERRORS, _share(draws, window.failures, window.requests)
        yield from _rates(window, draws)


def _rates(window: Window, draws: Draws) -> Iterator[tuple[Figure, Estimate]]:
    import numpy as np

    logs = np.log(np.maximum(draws.sums(window.requests), 1) / window.seconds)
    yield THROUGHPUT, draws.estimate(logs)
    if window.users:
        yield PER_USER, draws.estimate(logs + math.log(60 / window.users))


def _of_times(subject: str, times: Times, draws: Draws) -> Iterator[tuple[Figure, Estimate]]:
    percents = _percents(times.count)
    if not percents:
        return
    spectrum = draws.times(times)
    for percent in percents:
        yield percentile_figure(subject, percent), _percentile(spectrum, percent, times.count, draws)


def _percents(count: int) -> list[int]:
    return [percent for percent, fewest in FEWEST.items() if count >= fewest]


def _percentile(spectrum: Spectrum, percent: int, count: int, draws: Draws) -> Estimate:
    """With the greater of two variances: that of the draws, and what a shift of the shares would do (Woodruff 1952)."""
    estimate = draws.estimate(spectrum.percentile(percent))
    shift = _BUNDLED * math.sqrt(percent * (100 - percent) / count)
    low, high = (spectrum.percentile(min(100, max(0, percent + each)))[0] for each in (-shift, shift))
    return _of_logs(Estimate(estimate.value, max(estimate.variance, ((high - low) / 2) ** 2)))


def _of_logs(estimate: Estimate) -> Estimate:
    return Estimate(estimate.value, estimate.variance + _BIN_VARIANCE)


def _share(draws: Draws, part: Sequence[int], whole: Sequence[int]) -> Estimate:
    """A share of a count. Where hardly any came, the draws don't know that one more could have: Poisson's variance."""
    import numpy as np

    sums = draws.sums(whole)
    estimate = draws.estimate(np.divide(draws.sums(part), sums, out=np.zeros(len(sums)), where=sums > 0))
    return Estimate(estimate.value, max(estimate.variance, (max(0, sum(part)) + 1) / sum(whole) ** 2))
