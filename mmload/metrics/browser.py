"""What browser users measure, step by step, and how their machines fared meanwhile: sums that can be merged."""

from __future__ import annotations

import msgspec

from mmload.browser.messages import BUSY_SHARE, PageMeasures, StepDone
from mmload.metrics.histogram import Histogram

# The vitals of a page, in seconds; CLS has no unit.
VITALS = ("ttfb", "lcp", "inp", "cls")
_MOST_REASONS = 50
_OTHER = "(other)"


class BrowserStep(msgspec.Struct, omit_defaults=True):
    """One step: the times until the person could go on, what failed and why, and what the page measured meanwhile.

    `measured`: the steps behind `requests`, `bytes` and the long tasks. `busy`: those done while the machine was.
    """

    skipped: int = 0
    times: Histogram = msgspec.field(default_factory=Histogram)
    failed: int = 0
    failures: dict[str, int] = {}
    vitals: dict[str, Histogram] = {}
    requests: int = 0
    bytes: int = 0
    long_tasks: int = 0
    long_task_ms: int = 0
    heap_bytes: int = 0  # the largest
    busy: int = 0

    @property
    def done(self) -> int:
        """Those that were carried out, well or not."""
        return self.times.count + self.failed

    def count(self, step: StepDone) -> None:
        if step.skipped:
            self.skipped += 1
            return
        self.busy += step.host_cpu >= BUSY_SHARE
        if step.usable_ms is None:
            self.failed += 1
            reason = step.failure if step.failure in self.failures or len(self.failures) < _MOST_REASONS else _OTHER
            self.failures[reason] = self.failures.get(reason, 0) + 1
            return
        self.times.record(step.usable_ms / 1000)
        self._measured(step.measures)

    def _measured(self, page: PageMeasures) -> None:
        for name in VITALS:
            value = getattr(page, name)
            if value is not None:
                self._vital(name).record(value if name == "cls" else value / 1000)
        self.requests += page.requests
        self.bytes += page.bytes
        self.long_tasks += page.long_tasks
        self.long_task_ms += round(page.long_task_ms)
        self.heap_bytes = max(self.heap_bytes, page.heap_bytes)

    def _vital(self, name: str) -> Histogram:
        return self.vitals.setdefault(name, Histogram())

    def merge(self, other: BrowserStep) -> None:
        self.times.merge(other.times)
        for reason, count in other.failures.items():
            self.failures[reason] = self.failures.get(reason, 0) + count
        for name, values in other.vitals.items():
            self._vital(name).merge(values)
        for name in ("skipped", "failed", "requests", "bytes", "long_tasks", "long_task_ms", "busy"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.heap_bytes = max(self.heap_bytes, other.heap_bytes)


class BrowserHost(msgspec.Struct, omit_defaults=True):
    """The machine of some browsers: how many steps were done there, how many while it was busy, its CPU in them."""

    steps: int = 0
    busy: int = 0
    cpu_sum: float = 0.0
    cpu_max: float = 0.0

    @property
    def cpu_mean(self) -> float:
        """The share of its CPU time that was used, in the mean of the steps."""
        return self.cpu_sum / self.steps if self.steps else 0.0

    def count(self, step: StepDone) -> None:
        if not step.skipped:
            self.merge(BrowserHost(1, int(step.host_cpu >= BUSY_SHARE), step.host_cpu, step.host_cpu))

    def merge(self, other: BrowserHost) -> None:
        self.steps += other.steps
        self.busy += other.busy
        self.cpu_sum += other.cpu_sum
        self.cpu_max = max(self.cpu_max, other.cpu_max)


class BrowserFailure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of browser.jsonl: a step that failed, what the console said, and its picture (a file's name; "" none)."""

    ms: int
    step: str
    reason: str
    host: str = ""
    console: tuple[str, ...] = ()
    screenshot: str = ""
