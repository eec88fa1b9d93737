"""The agents' own measures as readings: p99 over the last seconds, from the difference of two pages of /metrics."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from coordinator.search.sample import Reading
from mmload.config.coordinator_tables import Measures
from mmload.metrics.delta import answered
from mmload.metrics.recorder import STARTING_REQUEST
from mmload.results import generator_health
from mmload.results.outages import FEWEST_UNANSWERED

# A p99 of fewer says nothing; nor does a share of failures.
FEWEST_SAMPLES = 5
# More series than any agent has: a page whose labels are ever new is not remembered for ever.
MOST_SERIES = 200_000
# The slowest action is named only if it was done so often: else one slow moment names it.
FEWEST_TO_NAME = 20
_USERS, _SATURATED = "mmload_users", "mmload_generator_saturated"
_SOCKETS, _WITHOUT_ACCOUNT = "mmload_sockets", "mmload_users_without_account"


@dataclass(frozen=True, slots=True)
class _State:
    """What an agent says of its processes (the worst of ten seconds), and from where on it can't be trusted."""

    text: str
    most: float
    scale: float = 1.0


# By the names on the page.
_STATES = {
    "mmload_generator_cpu_ratio": _State("CPU {:.0%} of a core", generator_health.MOST_CPU),
    "mmload_generator_loop_lag_seconds": _State("event-loop lag up to {:.0f} ms", generator_health.MOST_LAG_MS, 1000),
    "mmload_generator_backlog_sockets": _State("{:.0f} sockets readable at once", generator_health.MOST_BACKLOG),
    "mmload_generator_gc_seconds": _State("{:.0f} ms of garbage collection", generator_health.MOST_GC_MS, 1000),
    "mmload_generator_steal_ratio": _State(
        "{:.0%} of the machine's CPU stolen by its host", generator_health.MOST_STEAL
    ),
    "mmload_generator_throttled_seconds": _State(
        "throttled by its CPU quota for {:.0f} ms", generator_health.MOST_THROTTLED_MS, 1000
    ),
}
_REQUESTS, _FAILURES = "mmload_requests_total", "mmload_request_failures_total"
_REQUEST, _ACTION, _DELIVERY, _SPAN = (
    "mmload_request_seconds_bucket",
    "mmload_action_seconds_bucket",
    "mmload_delivery_seconds_bucket",
    "mmload_span_seconds_bucket",
)
# What is read of a page, and the labels that matter.
BY = {
    **dict.fromkeys(_STATES, ("process",)),
    _SATURATED: (),
    _SOCKETS: (),
    _WITHOUT_ACCOUNT: (),
    _USERS: ("state",),
    _REQUESTS: ("kind",),
    _FAILURES: ("kind", "reason"),
    _REQUEST: ("kind", "le"),
    _ACTION: ("action", "le"),
    _DELIVERY: ("le",),
    _SPAN: ("span", "le"),
}
# The name of a metric, and its labels' values.
Labelled = tuple[str, ...]


class Sums:
    """`sum by (…)` of some metrics, as Prometheus has it, of pages that are read again and again.

    A page has thousands of lines, and nearly all its series are on the next one, too: what a name and its labels say is
    parsed when they are first seen, and from then on only the value is. Lines of other metrics are not parsed at all.
    """

    def __init__(self, by: Mapping[str, tuple[str, ...]]) -> None:
        """`by`: the labels to keep, by the metric's name."""
        self._by, self._beginnings = by, tuple(by)
        self._known: dict[str, Labelled] = {}

    def of(self, page: str) -> dict[Labelled, float]:
        """Those of a page, by name and labels' values; none of one that is no Prometheus text."""
        if len(self._known) > MOST_SERIES:
            self._known.clear()
        try:
            return self._summed(page)
        except ValueError:
            return {}

    def _summed(self, page: str) -> dict[Labelled, float]:
        sums, known = dict[Labelled, float](), self._known
        for line in page.split("\n"):
            series, _, value = line.rpartition(" ")
            found = known.get(series)
            if found is not None:
                sums[found] = sums.get(found, 0.0) + float(value)
            elif line.startswith(self._beginnings):
                for sample in self._parsed(line):
                    found = self._kept(series, value, sample)
                    sums[found] = sums.get(found, 0.0) + sample.value
        return sums

    def _parsed(self, line: str) -> Iterator[Sample]:
        for family in text_string_to_metric_families(line + "\n"):
            yield from (sample for sample in family.samples if sample.name in self._by)

    def _kept(self, series: str, value: str, sample: Sample) -> Labelled:
        found = (sample.name, *(sample.labels.get(label, "") for label in self._by[sample.name]))
        # Only where nothing but one space and the value is behind the series.
        with suppress(ValueError):
            if float(value) == sample.value and sample.timestamp is None:
                self._known[series] = found
        return found


# Cumulative counts by upper bound, as Prometheus has them.
Buckets = dict[float, float]


@dataclass(slots=True)
class Snapshot:
    """All agents' counters at one moment, added up. `present` is None where no page tells it.

    `ended` and `unanswered` (by reason) count log-ins, too; `requests` and `failures` do not. `starting` are those of
    `request` that were made by users who were still loading their first page.
    """

    seconds: float
    pages: int = 0
    present: int | None = None
    connections: int = 0
    without_account: int = 0
    saturated: str = ""
    ended: float = 0.0
    unanswered: dict[str, float] = field(default_factory=dict)
    requests: float = 0.0
    failures: float = 0.0
    request: Buckets = field(default_factory=dict)
    starting: Buckets = field(default_factory=dict)
    delivery: Buckets = field(default_factory=dict)
    actions: dict[str, Buckets] = field(default_factory=dict)

    @property
    def answered(self) -> float:
        """Requests and log-ins that got an answer, good or bad."""
        return self.ended - sum(self.unanswered.values())


def snapshot(pages: Mapping[str, str], seconds: float, sums: Sums | None = None) -> Snapshot:
    """The pages of the agents (by the agents' names) at one moment; `sums` has read those before."""
    sums = sums or Sums(BY)
    total = Snapshot(seconds, len(pages))
    for agent, page in pages.items():
        saturated, worst = False, dict[str, float]()
        for (name, *labels), value in sums.of(page).items():
            if name == _SATURATED:
                saturated = value > 0
            elif name in _STATES:
                worst[name] = max(value * _STATES[name].scale, worst.get(name, 0.0))
            else:
                _add(total, name, labels, value)
        # An agent calls itself saturated for minutes after a few bad seconds: for a run's figures that is right, but a
        # search weighs each moment by itself. Without any word on its state its own judgement counts.
        at_its_limit = not worst or any(value >= _STATES[name].most for name, value in worst.items())
        if saturated and at_its_limit:
            total.saturated = f"agent {agent} is at its limit: {_told(worst)}"
    return total


def _told(worst: Mapping[str, float]) -> str:
    """How the agent's processes are, the worst of them: CPU and lag always, the rest where it is too much."""
    always = ("mmload_generator_cpu_ratio", "mmload_generator_loop_lag_seconds")
    named = [name for name, value in worst.items() if value > 0 and (name in always or value >= _STATES[name].most)]
    return ", ".join(_STATES[name].text.format(worst[name]) for name in named) or "according to itself"


def _add(total: Snapshot, name: str, labels: Sequence[str], value: float) -> None:
    """`labels` are those of `BY`."""
    if name == _USERS:
        if labels[0] == "active":
            total.present = (total.present or 0) + int(value)
    elif name == _SOCKETS:
        total.connections += int(value)
    elif name == _WITHOUT_ACCOUNT:
        total.without_account += int(value)
    elif name == _ACTION:
        _count(total.actions.setdefault(labels[0], {}), labels[1], value)
    elif name == _DELIVERY:
        _count(total.delivery, labels[0], value)
    elif name == _SPAN:
        if labels[0] == STARTING_REQUEST:
            _count(total.starting, labels[1], value)
    else:
        _add_requests(total, name, labels, value)


def _add_requests(total: Snapshot, name: str, labels: Sequence[str], value: float) -> None:
    kind, last = labels[0], labels[-1]
    if name == _REQUESTS:
        total.ended += value
    elif name == _FAILURES and not answered(last):
        total.unanswered[last] = total.unanswered.get(last, 0.0) + value
    if kind != "login":
        if name == _REQUEST:
            _count(total.request, last, value)
        elif name == _REQUESTS:
            total.requests += value
        else:
            total.failures += value


def _count(buckets: Buckets, le: str, value: float) -> None:
    bound = float(le or "inf")
    buckets[bound] = buckets.get(bound, 0.0) + value


def difference(later: Buckets, earlier: Buckets) -> Buckets:
    """What was counted in between. Pure."""
    return {bound: count - earlier.get(bound, 0.0) for bound, count in later.items()}


def quantile(buckets: Buckets, share: float) -> float | None:
    """The value below which that share lies, interpolated within its bucket; None of nothing. Pure.

    Of long durations there are the fewer the longer they are: what lies above is taken to fall by the same factor over
    each stretch of the bucket (Prometheus' `histogram_quantile` takes as many at its end as at its beginning). Where
    nothing lies above the bucket, no such factor is known.
    """
    bounds = sorted(buckets)
    whole = buckets[bounds[-1]] if bounds else 0.0
    if whole <= 0:
        return None
    low, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= share * whole and buckets[bound] > below:
            if math.isinf(bound):
                return low
            return low + (bound - low) * _passed(whole - below, whole - share * whole, whole - buckets[bound])
        low, below = bound, max(below, buckets[bound])
    return low


def _passed(above_low: float, above: float, above_bound: float) -> float:
    """How far into a bucket it is that `above` durations are longer. Pure."""
    if above_bound <= 0.0:
        return (above_low - above) / above_low
    return math.log(above_low / above) / math.log(above_low / above_bound)


def count_of(buckets: Buckets) -> float:
    return max(buckets.values(), default=0.0)


class Answers:
    """Whether the server answers anything: the requests that got no answer since the last one that got one."""

    def __init__(self) -> None:
        self._answered = self._ended = 0.0
        self._unanswered: dict[str, float] = {}

    def add(self, latest: Snapshot) -> str:
        """What became of them in words, or "" if the server answers. An agent that was started anew begins anew."""
        # A page counts a failure but not yet its request, if it ends while the page is made: fewer answers are no news.
        if latest.answered > self._answered or latest.ended < self._ended:
            self._answered, self._unanswered = latest.answered, latest.unanswered
        self._ended = latest.ended
        without = {reason: count - self._unanswered.get(reason, 0.0) for reason, count in latest.unanswered.items()}
        count = sum(without.values())
        if count < FEWEST_UNANSWERED:
            return ""
        return f"{count:.0f} requests in a row, {max(without, key=lambda reason: without[reason])}"


class Recent:
    """The snapshots of the last seconds. An agent that was started anew begins a new window."""

    def __init__(self, limits: Measures) -> None:
        self._limits = limits
        self._snapshots: deque[Snapshot] = deque()

    def add(self, latest: Snapshot) -> None:
        if self._snapshots and _restarted(self._snapshots[-1], latest):
            self._snapshots.clear()
        self._snapshots.append(latest)
        # The first one that is kept is at least as old as the window is long.
        while len(self._snapshots) > 2 and latest.seconds - self._snapshots[1].seconds >= self._limits.window_seconds:
            self._snapshots.popleft()

    def readings(self) -> tuple[Reading, ...]:
        """One for each limit that is set."""
        if not self._snapshots:
            return tuple(self._nothing("no /metrics page yet"))
        return measured(self._limits, self._snapshots[0], self._snapshots[-1])

    def unknown(self, reason: str) -> tuple[Reading, ...]:
        """The same readings when the agents' pages could not be had."""
        return tuple(self._nothing(reason))

    def _nothing(self, reason: str) -> list[Reading]:
        empty = Snapshot(0.0)
        return [Reading(each.name, None, each.limit, reason) for each in measured(self._limits, empty, empty)]

    def slowest(self) -> str:
        """The slowest action of the window in words, or ""."""
        if not self._snapshots:
            return ""
        return slowest_action(self._snapshots[0], self._snapshots[-1])


def _restarted(before: Snapshot, after: Snapshot) -> bool:
    return (
        after.pages != before.pages
        or after.requests < before.requests
        or count_of(after.request) < count_of(before.request)
    )


def measured(limits: Measures, earlier: Snapshot, later: Snapshot) -> tuple[Reading, ...]:
    """The readings of what happened between two snapshots. Pure."""
    found: list[Reading] = []
    if limits.request_p99_seconds:
        found.append(_p99("p99 of requests (s)", _of_active_users(earlier, later), limits.request_p99_seconds))
    if limits.failure_percent:
        found.append(_failures(later.requests - earlier.requests, later.failures - earlier.failures, limits))
    if limits.action_p99_seconds:
        whole = _sum(_between(name, earlier, later) for name in later.actions)
        found.append(_p99("p99 of actions (s)", whole, limits.action_p99_seconds))
    found += [
        _p99(f"p99 of {each.action} (s)", _between(each.action, earlier, later), each.p99_seconds)
        for each in limits.action_limits
    ]
    if limits.delivery_p99_seconds:
        found.append(
            _p99("p99 of delivery (s)", difference(later.delivery, earlier.delivery), limits.delivery_p99_seconds)
        )
    return tuple(found)


def _of_active_users(earlier: Snapshot, later: Snapshot) -> Buckets:
    """The requests between two snapshots without those of users who were starting; all of them, if there are no others.

    A page load has the slowest requests of all. How many of them a search sees depends on how fast it adds users, and
    says nothing about how many users the server holds.
    """
    every = difference(later.request, earlier.request)
    starting = difference(later.starting, earlier.starting)
    # A page is written bit by bit: a request that ends meanwhile may be in its last lines only.
    active = {bound: max(0.0, count - starting.get(bound, 0.0)) for bound, count in every.items()}
    return active if count_of(active) >= FEWEST_SAMPLES else every


def _between(action: str, earlier: Snapshot, later: Snapshot) -> Buckets:
    return difference(later.actions.get(action, {}), earlier.actions.get(action, {}))


def _sum(parts: Iterable[Buckets]) -> Buckets:
    total: Buckets = {}
    for part in parts:
        for bound, count in part.items():
            total[bound] = total.get(bound, 0.0) + count
    return total


def _p99(name: str, buckets: Buckets, limit: float) -> Reading:
    count = count_of(buckets)
    if count < FEWEST_SAMPLES:
        return Reading(name, None, limit, f"only {count:.0f} in the window")
    return Reading(name, quantile(buckets, 0.99), limit)


def _failures(requests: float, failures: float, limits: Measures) -> Reading:
    if requests < FEWEST_SAMPLES:
        return Reading("failed requests (%)", None, limits.failure_percent, f"only {requests:.0f} in the window")
    return Reading("failed requests (%)", 100.0 * failures / requests, limits.failure_percent)


def slowest_action(earlier: Snapshot, later: Snapshot) -> str:
    """The action with the highest p99 of those that were done often enough. Pure."""
    p99s = {
        name: quantile(between, 0.99) or 0.0
        for name in later.actions
        if count_of(between := _between(name, earlier, later)) >= FEWEST_TO_NAME
    }
    if not p99s:
        return ""
    name = max(p99s, key=lambda each: p99s[each])
    return f"{name} {p99s[name]:.1f} s"
