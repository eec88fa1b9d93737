"""Whether one server is slower than another: each figure's estimate from runs, its confidence interval, and an outcome.

Which actions and routes come how often is left to chance in every run. So figures of all requests are those of a
common mix: each route's own times, weighted with its share of the requests of all compared runs together.

A run varies within itself (the jackknife of its seconds) and from run to run. From one run of each server the latter
can't be seen, so each figure brings an assumption; with every repeat the runs themselves count for more.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from mmload.errors import ExitCode
from mmload.results.statistics import (
    SHORTEST_SECONDS,
    Autocorrelation,
    LeftOut,
    RunEstimate,
    SecondsOfTimes,
    Spectrum,
    SteadyWindow,
    autocorrelation,
    bound,
    levels,
    mixed,
    two_sided,
    typical,
)

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
# Nobody has measured it: a browser's times vary more than a server's.
_BETWEEN_BROWSERS = 0.1
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
class RequestMix:
    """What the compared runs have in common: the routes with their shares, and the actions, each frequent in all runs.

    `covered` is the share of all good answers that these routes gave.
    """

    shares: Mapping[str, float]
    actions: tuple[str, ...]
    covered: float
    browser: tuple[str, ...] = ()  # steps of browser users


def common_mix(windows: Sequence[SteadyWindow]) -> RequestMix:
    """The mix of these runs. A route counts with the mean of its shares, so that a longer run doesn't count more."""
    means = {}
    wholes = [sum(times.count for times in window.routes.values()) for window in windows]
    for route in _frequent([window.routes for window in windows]):
        means[route] = math.fsum(
            window.routes[route].count / whole for window, whole in zip(windows, wholes, strict=True)
        ) / len(windows)
    covered = math.fsum(means.values())
    shares = {route: share / covered for route, share in means.items()}
    actions, browser = (_frequent([getattr(each, name) for each in windows]) for name in ("actions", "browser"))
    return RequestMix(shares, tuple(actions[:MOST_ACTIONS]), covered, tuple(browser))


def _frequent(tables: Sequence[Mapping[str, SecondsOfTimes]]) -> list[str]:
    """Names with enough times for a median in every run, the most frequent first."""
    names = [name for name in tables[0] if all(name in table and table[name].count >= FEWEST[50] for table in tables)]
    return sorted(names, key=lambda name: (-sum(table[name].count for table in tables), name))


def estimates(window: SteadyWindow, mix: RequestMix, memory: Autocorrelation) -> dict[Figure, RunEstimate]:
    """All figures of one run that it has enough for. `memory` is that of all compared runs together."""
    choices = LeftOut(window, memory)
    found: dict[Figure, RunEstimate] = {}
    found.update(_of_requests(window, mix, choices))
    found.update(_of_times(DELIVERIES, window.delivery, choices))
    for step in mix.browser:
        times = window.browser[step]
        median = _percentile(choices.times(times), 50, times.count, choices)
        found[Figure(f"browser.{step}", "p50", Scale.TIME, _BETWEEN_BROWSERS)] = median
    for action in mix.actions:
        found.update(_of_times(action, window.actions[action], choices))
    if any(window.expected):
        found[MISSING] = _share(choices, window.missing, window.expected)
    return found


def _of_requests(window: SteadyWindow, mix: RequestMix, choices: LeftOut) -> Iterator[tuple[Figure, RunEstimate]]:
    if mix.shares:
        spectra = {route: choices.times(window.routes[route]) for route in mix.shares}
        yield TYPICAL, _of_logs(choices.estimate(typical(spectra, mix.shares)))
        whole = mixed(spectra, mix.shares)
        count = sum(window.routes[route].count for route in mix.shares)
        for percent in _percents(count):
            yield percentile_figure(ALL_REQUESTS, percent), _percentile(whole, percent, count, choices)
    if any(window.requests):
        yield ERRORS, _share(choices, window.failures, window.requests)
        yield from _rates(window, choices)


def _rates(window: SteadyWindow, choices: LeftOut) -> Iterator[tuple[Figure, RunEstimate]]:
    import numpy as np

    logs = np.log(np.maximum(choices.sums(window.requests), 1) / window.seconds)
    yield THROUGHPUT, choices.estimate(logs)
    if window.users:
        yield PER_USER, choices.estimate(logs + math.log(60 / window.users))


def _of_times(subject: str, times: SecondsOfTimes, choices: LeftOut) -> Iterator[tuple[Figure, RunEstimate]]:
    percents = _percents(times.count)
    if not percents:
        return
    spectrum = choices.times(times)
    for percent in percents:
        yield percentile_figure(subject, percent), _percentile(spectrum, percent, times.count, choices)


def _percents(count: int) -> list[int]:
    return [percent for percent, fewest in FEWEST.items() if count >= fewest]


def _percentile(spectrum: Spectrum, percent: int, count: int, choices: LeftOut) -> RunEstimate:
    """With the greater of two variances: of the blocks, and what a shift of the shares would do (Woodruff 1952)."""
    estimate = choices.estimate(spectrum.percentile(percent))
    shift = _BUNDLED * math.sqrt(percent * (100 - percent) / count)
    low, high = (spectrum.percentile(min(100, max(0, percent + each)))[0] for each in (-shift, shift))
    return _of_logs(RunEstimate(estimate.value, max(estimate.variance, ((high - low) / 2) ** 2)))


def _of_logs(estimate: RunEstimate) -> RunEstimate:
    return RunEstimate(estimate.value, estimate.variance + _BIN_VARIANCE)


def _share(choices: LeftOut, part: Sequence[int], whole: Sequence[int]) -> RunEstimate:
    """A share of a count. Where hardly any came, the blocks don't know that one more could have: Poisson's variance."""
    import numpy as np

    sums = choices.sums(whole)
    estimate = choices.estimate(np.divide(choices.sums(part), sums, out=np.zeros(len(sums)), where=sums > 0))
    return RunEstimate(estimate.value, max(estimate.variance, (max(0, sum(part)) + 1) / sum(whole) ** 2))


# How many degrees of freedom the assumption about the variation between runs is worth: the number of pairs of runs
# that it was measured on, less a margin for being another server and another machine.
_ASSUMED_FREEDOM = 6
# Differences of failures are in points; smaller ones than this don't matter, wider intervals tell nothing.
SHARE_TOLERANCE = 0.001
_SHARE_RESOLUTION = 0.005


class Judgement(StrEnum):
    """What can be said about a figure, and about the whole."""

    SAME = "no difference seen"
    WORSE = "worse"
    BETTER = "better"
    UNKNOWN = "can't tell"


@dataclass(frozen=True, slots=True)
class Rules:
    """How to judge. `tolerance`: smaller differences don't matter; `between`: how much runs of one server differ.

    `between` (relative, for the typical time) replaces what the figures assume; theirs grow or shrink with it.
    `comparisons`: with how many others the base is compared at once.
    """

    tolerance: float = 0.05
    confidence: float = 0.95
    between: float | None = None
    comparisons: int = 1


class FigureDifference(msgspec.Struct, frozen=True):
    """One figure of both sides. `change`, `low` and `high` are relative (0.1: 10 % more), of a share absolute.

    `low` to `high` is the confidence interval; `probability` that of such a difference by chance alone, corrected for
    the number of figures. What it takes to tell: runs that are `longer` by this factor (None: no length would do), or
    so many `repeats`.
    """

    subject: str
    measure: str
    unit: Scale
    base: float
    new: float
    change: float
    low: float
    high: float
    probability: float
    judgement: Judgement
    primary: bool = False
    leading: bool = False
    longer: float | None = 1.0
    repeats: int = 1

    @property
    def spread(self) -> float:
        return self.high - self.low

    @property
    def leaves_out_zero(self) -> bool:
        """Whether the whole interval is on one side."""
        return self.low > 0 or self.high < 0


class Comparison(msgspec.Struct, frozen=True):
    """The outcome and what it follows from. `covered`: the share of the requests that the common mix holds."""

    outcome: Judgement
    differences: tuple[FigureDifference, ...]
    covered: float
    tolerance: float
    seconds: tuple[tuple[int, ...], tuple[int, ...]]
    notes: tuple[str, ...] = ()


EXIT_CODES = {
    Judgement.SAME: ExitCode.PASSED,
    Judgement.BETTER: ExitCode.PASSED,
    Judgement.WORSE: ExitCode.THRESHOLD_FAILED,
    Judgement.UNKNOWN: ExitCode.INCONCLUSIVE,
}


def compare(base: Sequence[SteadyWindow], new: Sequence[SteadyWindow], rules: Rules | None = None) -> Comparison:
    """Compare two sides of one or more runs each."""
    rules = rules or Rules()
    windows = (*base, *new)
    seconds = (tuple(each.seconds for each in base), tuple(each.seconds for each in new))
    shortest = min(each.seconds for each in windows)
    if shortest < SHORTEST_SECONDS:
        note = f"a steady window of {shortest} s is too short to compare: at least {SHORTEST_SECONDS} s are needed"
        return Comparison(Judgement.UNKNOWN, (), 0.0, rules.tolerance, seconds, (note,))
    mix = common_mix(windows)
    memory = autocorrelation([levels(window) for window in windows])
    found = [estimates(window, mix, memory) for window in windows]
    differences = _differences(found[: len(base)], found[len(base) :], rules)
    return Comparison(overall(differences), differences, mix.covered, rules.tolerance, seconds, _notes(mix))


def _notes(mix: RequestMix) -> tuple[str, ...]:
    if mix.covered >= 0.5:
        return ()
    return (
        f"the routes that are frequent in all runs make up only {mix.covered * 100:.0f} % of the requests: run longer",
    )


def overall(differences: Sequence[FigureDifference]) -> Judgement:
    """The outcome: worse if any primary figure is; else as the leading one. So p99's wide interval hides nothing."""
    if any(each.primary and each.judgement is Judgement.WORSE for each in differences):
        return Judgement.WORSE
    return next((each.judgement for each in differences if each.leading), Judgement.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Contrast:
    """The difference of a figure, its standard error, and what that consists of."""

    figure: Figure
    base: float
    new: float
    error: float
    within: float
    freedom: float

    @property
    def change(self) -> float:
        """New less base, of logarithms where the figure has them."""
        return self.new - self.base

    @property
    def probability(self) -> float:
        """Of a difference at least as great by chance alone."""
        return two_sided(self.change / self.error, self.freedom) if self.error else 1.0


def contrast(
    figure: Figure, base: Sequence[RunEstimate], new: Sequence[RunEstimate], between: float | None = None
) -> Contrast:
    """Compare the means of two sides.

    The variance of one run is a mean of two: what its seconds and the assumption say, and, given repeats, what the
    runs of a side really differ by; each weighs as many degrees of freedom as it has (a moderated t, Smyth 2004).
    """
    sides = (base, new)
    means = [statistics.fmean(each.value for each in side) for side in sides]
    within = statistics.fmean(statistics.fmean(each.variance for each in side) for side in sides)
    scale = 1.0 if figure.scale.logarithmic else statistics.fmean(means)
    assumed = within + ((figure.between if between is None else between) * scale) ** 2
    freedom = len(base) + len(new) - 2
    seen = math.fsum((each.value - mean) ** 2 for side, mean in zip(sides, means, strict=True) for each in side)
    variance = (_ASSUMED_FREEDOM * assumed + seen) / (_ASSUMED_FREEDOM + freedom)
    weight = 1 / len(base) + 1 / len(new)
    return Contrast(
        figure, means[0], means[1], math.sqrt(variance * weight), within * weight, _ASSUMED_FREEDOM + freedom
    )


def _differences(
    base: Sequence[dict[Figure, RunEstimate]], new: Sequence[dict[Figure, RunEstimate]], rules: Rules
) -> tuple[FigureDifference, ...]:
    """Of all figures that every run has."""
    figures = [figure for figure in base[0] if all(figure in run for run in (*base, *new))]
    factor = _between_factor(figures, rules)
    contrasts = [
        contrast(figure, [run[figure] for run in base], [run[figure] for run in new], figure.between * factor)
        for figure in figures
    ]
    # Two families: that many actions were looked at takes nothing from the figures that the outcome follows from.
    primary = corrected([each for each in contrasts if each.figure.primary], rules.comparisons)
    others = corrected([each for each in contrasts if not each.figure.primary], rules.comparisons)
    return tuple(difference(each, probability, rules) for each, probability in (*primary, *others))


def _between_factor(figures: Sequence[Figure], rules: Rules) -> float:
    leading = next((figure.between for figure in figures if figure.leading), None)
    return 1.0 if rules.between is None or leading is None else rules.between / leading


def corrected(contrasts: Sequence[Contrast], comparisons: int = 1) -> list[tuple[Contrast, float]]:
    """The probabilities corrected for their number (Bonferroni)."""
    factor = len(contrasts) * comparisons
    return [(each, min(1.0, each.probability * factor)) for each in contrasts]


def difference(each: Contrast, probability: float, rules: Rules) -> FigureDifference:
    """A contrast in the units that people read, and judged."""
    reach = bound(rules.confidence, each.freedom) * each.error
    edges = (each.change, each.change - reach, each.change + reach)
    logarithmic = each.figure.scale.logarithmic
    change, low, high = (math.expm1(edge) if logarithmic else edge for edge in edges)
    longer, repeats = _needed(each, rules)
    return FigureDifference(
        subject=each.figure.subject,
        measure=each.figure.measure,
        unit=each.figure.scale,
        base=_shown(each.figure.scale, each.base),
        new=_shown(each.figure.scale, each.new),
        change=change,
        low=low,
        high=high,
        probability=probability,
        judgement=_judged(each, change, reach, probability, rules),
        primary=each.figure.primary,
        leading=each.figure.leading,
        longer=longer,
        repeats=repeats,
    )


def _shown(scale: Scale, value: float) -> float:
    if scale is Scale.TIME:
        return math.exp(value) * 1000
    return math.exp(value) if scale.logarithmic else value


def _judged(each: Contrast, change: float, reach: float, probability: float, rules: Rules) -> Judgement:
    """Worse or better: not by chance, and beyond the tolerance. Can't tell: a difference that matters may hide."""
    tolerance, resolution = _limits(each, rules)
    if probability < 1 - rules.confidence and abs(change) > tolerance:
        worse = (change > 0) == each.figure.scale.more_is_worse
        return Judgement.WORSE if worse else Judgement.BETTER
    # An interval too wide, or one that leaves out 0 and reaches further than what is tolerated.
    hidden = reach > resolution or (reach < abs(each.change) and abs(each.change) + reach > resolution)
    return Judgement.UNKNOWN if hidden else Judgement.SAME


def _limits(each: Contrast, rules: Rules) -> tuple[float, float]:
    if each.figure.scale.logarithmic:
        return rules.tolerance, math.log1p(rules.tolerance)
    return SHARE_TOLERANCE, _SHARE_RESOLUTION


def _needed(each: Contrast, rules: Rules) -> tuple[float | None, int]:
    """By what factor longer runs, or how many times as many, would make the interval narrow enough.

    Only what the seconds vary shrinks with a longer run. What the runs differ by shrinks with their number alone.
    """
    wanted = (_limits(each, rules)[1] / bound(rules.confidence, each.freedom)) ** 2
    between = max(0.0, each.error**2 - each.within)
    longer = each.within / (wanted - between) if wanted > between else None
    return longer, max(1, math.ceil(each.error**2 / wanted))
