"""What a threshold's figure comes to in a run, and whether the threshold holds. Pure.

Times and errors count over the steady window; log-ins and the account of messages over the whole run, as most log-ins
come before the steady window and a message's account is closed after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import eq, ge, gt, le, lt
from typing import TypeVar

import msgspec

from mmload.config.fields import nearest
from mmload.config.stages import STORM_STAGES, StagesRefused, parse_stages, stage_named, stage_names
from mmload.config.threshold_syntax import (
    ACTIONS,
    BROWSER,
    DELIVERY,
    DELIVERY_COUNTS,
    LOGINS,
    RECOVERY,
    REQUESTS,
    SPANS,
    Threshold,
    ThresholdRefused,
    Unit,
    matching,
    parse,
)
from mmload.metrics.browser import BrowserStep
from mmload.metrics.delta import ActionFigures, Delta, RouteFigures
from mmload.metrics.histogram import Histogram, middle_us
from mmload.printable import significant
from mmload.results.generator_health import MOST_BUSY_STEPS
from mmload.results.model import Part, Run, StormRecovery

T = TypeVar("T")
F = TypeVar("F", RouteFigures, ActionFigures)


# The samples that must lie beyond a percentile for it to be one: with ten, its place among them is known to a third
# (1/sqrt(10)). So p99 takes 1,000 samples, p95 200, p50 20.
FEWEST_BEYOND = 10
FEWEST_FOR_MEAN = 10
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq}
_ALWAYS_COUNTED = ("sent", "uncertain", "expected")


class ThresholdResult(msgspec.Struct, frozen=True):
    """One threshold in one run. `value` is in seconds, a share, per second or a number; `passed` None: undetermined.

    `said` is a sentence: what came out, or why nothing can be told.
    """

    text: str
    value: float | None
    passed: bool | None
    said: str


@dataclass(frozen=True, slots=True)
class ThresholdWindow:
    """Figures of a run that thresholds are held against: of its steady window, of all of it, and of its stages."""

    steady: Delta
    steady_seconds: int
    whole: Delta
    whole_seconds: int
    stages: Mapping[str, Part] = field(default_factory=dict)
    storms: tuple[StormRecovery, ...] = ()

    def of_stage(self, name: str) -> ThresholdWindow:
        """As if the run had been this stage alone."""
        if name not in self.stages:
            raise _Untold(f"the run has no stage {name}, or ended before it")
        part = self.stages[name]
        return ThresholdWindow(part.figures, part.seconds, part.figures, part.seconds)


@dataclass(frozen=True, slots=True)
class ThresholdSample:
    """What a threshold is about: times of what went well, and how often it did not."""

    times: Histogram
    failed: int
    seconds: int

    @property
    def count(self) -> int:
        return self.times.count + self.failed


class _Untold(Exception):
    """Carries the sentence that says why the figure cannot be determined."""


def window(run: Run) -> ThresholdWindow:
    """The windows of a run as they are."""
    totals = run.totals
    stages = {name: run.stages[kept] for name, kept in kept_stages(run).items() if kept in run.stages}
    return ThresholdWindow(totals.steady, totals.steady_seconds, totals.whole, totals.seconds, stages, run.storms)


def kept_stages(run: Run) -> dict[str, str]:
    """What a threshold may call the stages of a run, and the names under which their figures are kept."""
    if run.storms and not run.facts.stages:
        return {name: name for name in STORM_STAGES}
    try:
        stages = parse_stages(run.facts.stages)
    except StagesRefused:
        return {}
    return {name: stage_named(stages, name) for name in stage_names(stages)}


def evaluate(threshold: Threshold | str, run: Run) -> ThresholdResult:
    """Whether a threshold holds in a run; one that can't be read cannot be determined."""
    return judge(threshold, window(run))


def judge(threshold: Threshold | str, over: ThresholdWindow) -> ThresholdResult:
    """Whether a threshold holds over some windows."""
    try:
        meant = parse(threshold) if isinstance(threshold, str) else threshold
        return _judged(meant, over.of_stage(meant.stage) if meant.stage else over)
    except ThresholdRefused as refusal:
        return ThresholdResult(str(threshold), None, None, f"{refusal}")
    except _Untold as why:
        text = threshold if isinstance(threshold, str) else threshold.text
        return ThresholdResult(text, None, None, f"{text}: cannot be determined: {why}")


def _judged(threshold: Threshold, over: ThresholdWindow) -> ThresholdResult:
    if threshold.measure == RECOVERY:
        return _recovered(threshold, over.storms)
    value, lacks = _delivery_count(threshold, over) if _counts_deliveries(threshold) else _sampled(threshold, over)
    holds = _OPERATORS[threshold.operator](value, threshold.limit)
    shown = written(value, threshold.unit)
    if lacks and (holds or not _sure_breach(threshold, over)):
        said = f"{threshold.text}: cannot be determined: it is {shown}, but {lacks}"
        return ThresholdResult(threshold.text, value, None, said)
    return _decided(threshold, value, shown, holds=holds)


def _decided(threshold: Threshold, value: float, shown: str, *, holds: bool) -> ThresholdResult:
    said = f"{threshold.text}: {'holds' if holds else 'crossed'}: {shown}"
    return ThresholdResult(threshold.text, value, holds, said)


def _recovered(threshold: Threshold, storms: tuple[StormRecovery, ...]) -> ThresholdResult:
    """Of several storms the longest recovery. One that lasted is crossed as soon as it was watched for long enough."""
    if not storms:
        raise _Untold("there was no storm in this run")
    spans = [_recovery_span(threshold.subject, each) for each in storms]
    value = max(seconds for seconds, _ in spans)
    lasted = any(not over for _, over in spans)
    holds = not lasted and _OPERATORS[threshold.operator](value, threshold.limit)
    shown = f"not within {written(value, Unit.SECONDS)}" if lasted else written(value, Unit.SECONDS)
    if lasted and (value < threshold.limit or threshold.operator in (">", ">=")):
        raise _Untold(f"{shown}, and then the load ended")
    return _decided(threshold, value, shown, holds=holds)


def _recovery_span(part: str, each: StormRecovery) -> tuple[float, bool]:
    """How long it took, and whether it was over by then."""
    if each.untold:
        raise _Untold(each.untold)
    if part == "p99" and each.p99_limit_ms is None:
        raise _Untold("there were too few requests before the storm for a p99")
    seconds: float | None = getattr(each, f"{part or 'recovered'}_seconds")
    return (each.watched_seconds, False) if seconds is None else (seconds, True)


def _counts_deliveries(threshold: Threshold) -> bool:
    return threshold.subject == DELIVERY and threshold.measure in DELIVERY_COUNTS


def _delivery_count(threshold: Threshold, over: ThresholdWindow) -> tuple[float, str]:
    """A figure of the account of messages, and what it lacks to be believed when it is a good one ("" nothing)."""
    counts = over.whole.deliveries
    expected, count = counts.expected, int(getattr(counts, threshold.measure))
    if threshold.measure in _ALWAYS_COUNTED:
        return count, ""
    if not expected:
        raise _Untold("no delivery was expected: nobody posted in a channel of another connected user of this test")
    settled = counts.delivered + counts.missing + counts.withdrawn
    lacks = f"{expected - settled} deliveries were not settled when the record ended" if settled < expected else ""
    return (count / expected if threshold.unit is Unit.SHARE else count), lacks


def _sampled(threshold: Threshold, over: ThresholdWindow) -> tuple[float, str]:
    """The figure of a sample, and what the sample lacks for it ("" nothing)."""
    sample = _sample(threshold.subject, over)
    if threshold.measure == "count":
        return sample.count, ""
    if threshold.measure == "rate":
        if not sample.seconds:
            raise _Untold("no seconds of this run were recorded")
        return sample.count / sample.seconds, ""
    if threshold.measure == "errors":
        if not sample.count:
            raise _Untold("there were none in this window")
        return (sample.failed / sample.count if threshold.unit is Unit.SHARE else sample.failed), ""
    if not sample.times.count:
        raise _Untold("none succeeded in this window, so there are no times")
    needed, count = fewest(threshold), sample.times.count
    if count >= needed:
        return _time(threshold, sample.times), ""
    samples = "1 sample" if count == 1 else f"{count:,} samples"
    lacks = f"from only {samples}; {needed:,} are needed: run about {math.ceil(needed / count)} times as long"
    return _time(threshold, sample.times), lacks


def _time(threshold: Threshold, times: Histogram) -> float:
    value = {
        "min": times.minimum,
        "max": times.maximum,
        "avg": times.total / times.count,
        "percentile": times.percentile(threshold.percent),
    }[threshold.measure]
    assert value is not None, "there is a sample"
    return value


def fewest(threshold: Threshold) -> int:
    """How many samples its figure takes."""
    if threshold.measure == "percentile":
        beyond = min(threshold.percent, 100 - threshold.percent) / 100
        return math.ceil(round(FEWEST_BEYOND / beyond, 6))
    return FEWEST_FOR_MEAN if threshold.measure == "avg" else 1


def _sure_breach(threshold: Threshold, over: ThresholdWindow) -> bool:
    """Whether a percentile is crossed beyond doubt although it takes more samples: enough of them are past the limit.

    Missing deliveries are missing, however many are still open.
    """
    if _counts_deliveries(threshold):
        return threshold.operator in ("<", "<=", "==")
    if threshold.measure != "percentile" or threshold.operator not in ("<", "<="):
        return False
    times = _sample(threshold.subject, over).times
    past = sum(count for bucket, count in times.buckets.items() if middle_us(bucket) / 1e6 > threshold.limit)
    return past >= FEWEST_BEYOND


def _sample(subject: str, over: ThresholdWindow) -> ThresholdSample:
    """What a subject names; `_Untold` if there is nothing of this name, or no window to look at."""
    if subject == LOGINS:
        return _summed(RouteFigures(), over.whole.logins.values(), over.whole_seconds)
    if not over.steady_seconds:
        raise _Untold("there was no steady window")
    if subject in SPANS:
        return ThresholdSample(over.steady.spans.get(subject) or Histogram(), 0, over.steady_seconds)
    if subject == REQUESTS:
        return _summed(RouteFigures(), over.steady.routes.values(), over.steady_seconds)
    if subject == ACTIONS:
        return _summed(ActionFigures(), over.steady.actions.values(), over.steady_seconds)
    if subject.startswith(f"{BROWSER}."):
        return _of_browsers(subject, over)
    return _named(subject, over)


def _named(subject: str, over: ThresholdWindow) -> ThresholdSample:
    """An action, a route, or a class of them."""
    if " " not in subject:
        _check_known(subject, over.whole.actions)
        return _summed(ActionFigures(), _matching(subject, over.steady.actions), over.steady_seconds)
    if not _matching(subject, over.whole.routes) and (logins := _matching(subject, over.whole.logins)):
        return _summed(RouteFigures(), logins, over.whole_seconds)
    _check_known(subject, over.whole.routes)
    return _summed(RouteFigures(), _matching(subject, over.steady.routes), over.steady_seconds)


def _of_browsers(subject: str, over: ThresholdWindow) -> ThresholdSample:
    """A step of browser users, or a vital of its page; `_Untold` if their machine was too busy to tell."""
    _, name, *vital = subject.split(".")
    _check_known(name, over.whole.browser, "step of browser users")
    whole = BrowserStep()
    for step in _matching(name, over.steady.browser):
        whole.merge(step)
    if whole.busy > MOST_BUSY_STEPS * whole.done:
        busy = f"{whole.busy} of {whole.done} steps"
        raise _Untold(f"the browser's host was busy in {busy}, so its times cannot be trusted")
    if vital:
        return ThresholdSample(whole.vitals.get(vital[0].lower()) or Histogram(), 0, over.steady_seconds)
    return ThresholdSample(whole.times, whole.failed, over.steady_seconds)


def _check_known(subject: str, table: Mapping[str, object], what: str = "") -> None:
    if not _matching(subject, table):
        what = what or ("route" if " " in subject else "action")
        resembled = nearest(subject, list(table))
        hint = f"; did you mean {resembled}?" if resembled and resembled != subject else ""
        raise _Untold(f"no such {what} in this run{hint}")


def _matching(subject: str, table: Mapping[str, T]) -> list[T]:
    return [table[name] for name in matching(subject, table)]


def _summed(whole: F, parts: Iterable[F], seconds: int) -> ThresholdSample:
    """`whole` is empty to begin with."""
    for figures in parts:
        whole.merge(figures)
    return ThresholdSample(whole.times, whole.failed_times.count, seconds)


def written(value: float, unit: Unit) -> str:
    """A figure for a sentence: `340 ms`, `2.41 s`, `0.12 %`, `51.3/s`, `1,204`."""
    if unit is Unit.SECONDS:
        return f"{significant(value * 1000, 3)} ms" if value < 1 else f"{value:,.2f} s"
    if unit is Unit.SHARE:
        return f"{significant(value * 100, 3)} %"
    return f"{value:,.1f}/s" if unit is Unit.PER_SECOND else f"{value:,.0f}"
