"""The text format that Prometheus scrapes: families of samples, and our histograms in buckets of fixed edges. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from mmload.metrics.histogram import Histogram, bucket_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The default edges of Prometheus' clients, which the peer and Mattermost use, with more between and around them:
# a percentile is interpolated within a bucket. Closest where people set limits: there an edge is at most a third above
# the one below, and at most 2.5 times it elsewhere.
EDGES_SECONDS = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.035, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5,
    0.6, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0,
)  # fmt: skip
PEER_EDGES_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EDGE_BUCKETS = tuple(bucket_of(round(edge * 1e6)) for edge in EDGES_SECONDS)


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class PrometheusMetric:
    """A metric's name, type, labels (without `le`) and meaning."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    def head(self) -> str:
        """The two lines before its samples."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"

    def sample(self, value: float, *labels: str) -> str:
        """One line; the labels' values in the order of their names."""
        return f"{self.name}{{{self._pairs(labels)}}} {number(value)}\n" if labels else f"{self.name} {number(value)}\n"

    def histogram(self, figures: Buckets, *labels: str) -> str:
        pairs = self._pairs(labels)
        comma = "," if pairs else ""
        lines = [
            f'{self.name}_bucket{{{pairs}{comma}le="{number(edge)}"}} {seen}\n'
            for edge, seen in zip(figures.edges, figures.cumulative, strict=True)
        ]
        braces = f"{{{pairs}}}" if pairs else ""
        lines.append(f'{self.name}_bucket{{{pairs}{comma}le="+Inf"}} {figures.count}\n')
        lines.append(f"{self.name}_sum{braces} {number(figures.total_us / 1e6)}\n")
        lines.append(f"{self.name}_count{braces} {figures.count}\n")
        return "".join(lines)

    def _pairs(self, values: tuple[str, ...]) -> str:
        return ",".join(f'{name}="{escaped(value)}"' for name, value in zip(self.labels, values, strict=True))


@dataclass(frozen=True, slots=True)
class Buckets:
    """How many durations did not exceed each of the edges, how many there are, and their sum."""

    cumulative: tuple[int, ...]
    count: int
    total_us: int
    edges: tuple[float, ...] = EDGES_SECONDS

    def at(self, edges: tuple[float, ...]) -> Buckets:
        """The same with some of the edges only."""
        kept = tuple(seen for edge, seen in zip(self.edges, self.cumulative, strict=True) if edge in edges)
        return Buckets(kept, self.count, self.total_us, edges)


def buckets(times: Histogram) -> Buckets:
    """A histogram in the edges of the text format. An edge may take in durations up to 0.1 % above it."""
    counts = [0] * (len(EDGES_SECONDS) + 1)
    for bucket, count in times.buckets.items():
        counts[bisect_left(_EDGE_BUCKETS, bucket)] += count
    return Buckets(tuple(accumulate(counts[:-1])), times.count, times.total_us)


def together(many: Iterable[Buckets]) -> Buckets:
    sums, count, total = [0] * len(EDGES_SECONDS), 0, 0
    for one in many:
        sums = [mine + theirs for mine, theirs in zip(sums, one.cumulative, strict=True)]
        count += one.count
        total += one.total_us
    return Buckets(tuple(sums), count, total)


def number(value: float) -> str:
    """As short as it can be without losing anything."""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


def escaped(text: str) -> str:
    """The value of a label, as the format wants it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
