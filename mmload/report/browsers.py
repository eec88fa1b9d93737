"""What browser users saw, for all forms of the report: their steps, their hosts, what failed and how it looked."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmload.browser.messages import BUSY_SHARE
from mmload.metrics.browser import VITALS, BrowserFailure, BrowserStep
from mmload.metrics.histogram import Histogram
from mmload.report.findings import RunFindings
from mmload.report.tables import Column, ReportTable, time_cells
from mmload.report.wording import NONE, clock, count, megabytes, milliseconds, percent
from mmload.results.generator_health import untrusted

# Google's own percentile for these, of all visits; ours are of steps.
VITAL_PERCENT = 75
MOST_PICTURES = 10
LARGEST_PICTURE_BYTES = 500_000
_PICTURE = re.compile(r"browser/\d+\.jpg")
_TIMES = (
    *(Column("step", "words"), Column("count"), Column("failed"), Column("skipped", page_only=True)),
    *(Column("p50 ms"), Column("p95"), Column("max"), Column("distribution", page_only=True)),
)
_PAGES = (
    Column("step", "words"),
    *map(Column, ("TTFB p75", "LCP p75", "INP p75", "CLS p75", "requests", "kB", "long tasks ms", "heap MB")),
)


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A failure as the page shows it; `picture` is a data URL, "" none."""

    heading: str
    console: tuple[str, ...]
    picture: str


def browser_tables(found: RunFindings) -> dict[str, ReportTable]:
    """The steps, what their pages measured, and why some failed."""
    steps = found.window.browser
    failures = [
        (name, reason, count(number))
        for name, step in found.run.totals.whole.browser.items()
        for reason, number in step.failures.items()
    ]
    return {
        "browser": ReportTable("Browser users", _TIMES, [_times(*each) for each in steps.items()], "steps", True),
        "browser pages": ReportTable(
            "Pages of browser users",
            _PAGES,
            [_page(name, step) for name, step in steps.items() if step.times.count],
            "steps",
            True,
        ),
        "browser failures": ReportTable(
            "Failed steps of browser users",
            (Column("step", "words"), Column("reason", "words"), Column("count")),
            failures,
            "reasons",
        ),
    }


def _times(name: str, step: BrowserStep) -> Sequence[str | Histogram]:
    p50, _, p95, _, _, longest = time_cells(step.times)
    return (name, count(step.done), count(step.failed), count(step.skipped), p50, p95, longest, step.times)


def _page(name: str, step: BrowserStep) -> Sequence[str | Histogram]:
    good = step.times.count
    vitals = [_vital(step, each) for each in VITALS]
    sizes = [_mean(step.requests, good), _mean(step.bytes / 1000, good)]
    heap = megabytes(step.heap_bytes) if step.heap_bytes else NONE
    return (name, *vitals, *sizes, milliseconds(step.long_task_ms / good / 1000), heap)


def _vital(step: BrowserStep, name: str) -> str:
    value = step.vitals[name].percentile(VITAL_PERCENT) if name in step.vitals else None
    if name == "cls":
        return NONE if value is None else f"{value:.2f}"
    return milliseconds(value)


def _mean(total: float, number: int) -> str:
    return f"{total / number:,.1f}"


def host_sentences(found: RunFindings) -> list[str]:
    """How the machines of the browsers fared; what cannot be believed is said first."""
    whole = found.run.totals.whole
    doubt = untrusted(whole)
    told = [doubt] if doubt else []
    for name, host in whole.browser_hosts.items():
        told.append(
            f"{name}: mean CPU {percent(host.cpu_mean)} over {count(host.steps)} steps, at most "
            f"{percent(host.cpu_max)}; busy (over {percent(BUSY_SHARE)}) in {count(host.busy)} of them"
        )
    return told


def failed_steps(failures: Sequence[BrowserFailure], folder: Path | None = None) -> list[FailedStep]:
    """The failures one by one, with pictures where a folder is given."""
    shown = []
    for place, each in enumerate(failures):
        picture = ""
        if folder and place < MOST_PICTURES and _PICTURE.fullmatch(each.screenshot):
            picture = _picture(folder / each.screenshot)
        heading = f"{clock(each.ms / 1000)} {each.step} on {each.host}: {each.reason}"
        shown.append(FailedStep(heading, each.console, picture))
    return shown


def _picture(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError:
        return ""
    if len(content) > LARGEST_PICTURE_BYTES or not content.startswith(b"\xff\xd8"):
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
