"""The server's own figures of a run's time, where they are in its folder (server.jsonl).

Everything that the reports of a run have in common, computed once from its record. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmload.metrics.delta import Delta, all_times
from mmload.metrics.histogram import Histogram
from mmload.report.wording import count, milliseconds, plural, rate, span
from mmload.results.folder import SERVER, lines
from mmload.results.generator_health import GeneratorTrust, generator
from mmload.results.model import Run, Server, ServerSample
from mmload.results.outages import Outage, outages
from mmload.results.summary import Summary, Throughput, last_of_load, summary
from mmload.results.verdict import Verdict, verdict


@dataclass(frozen=True, slots=True)
class ServerMetric:
    """One figure over time."""

    name: str
    unit: str
    values: tuple[tuple[int, float], ...]  # (ms, value), in order of time
    limit: float | None = None


def read_server(folder: Path) -> tuple[ServerMetric, ...]:
    """The server's figures in a run's folder; none where there is no such file."""
    return metrics(lines(folder / SERVER, ServerSample, [], required=False))


def metrics(samples: Iterable[ServerSample]) -> tuple[ServerMetric, ...]:
    """Samples by name, in the order in which the names came. Pure."""
    first: dict[str, ServerSample] = {}
    values: dict[str, list[tuple[int, float]]] = {}
    for sample in samples:
        first.setdefault(sample.name, sample)
        values.setdefault(sample.name, []).append((sample.ms, sample.value))
    return tuple(
        ServerMetric(name, first[name].unit, tuple(sorted(found)), first[name].limit) for name, found in values.items()
    )


@dataclass(frozen=True, slots=True)
class RunFindings:
    """A run with its summary, its verdict, and what its generator's health lets one believe."""

    run: Run
    figures: Summary
    said: Verdict
    trust: GeneratorTrust
    outages: tuple[Outage, ...]

    @property
    def steady(self) -> bool:
        """Whether there is a steady window; without one, tables show the whole run."""
        return self.figures.steady.seconds > 0

    @property
    def window(self) -> Delta:
        """The sums that the tables show."""
        return self.run.totals.steady if self.steady else self.run.totals.whole

    @property
    def throughput(self) -> Throughput:
        """The throughput of that window."""
        return self.figures.steady if self.steady else self.figures.whole

    @property
    def window_name(self) -> str:
        """Which window that is, in words."""
        return f"steady window, {span(self.figures.steady.seconds)}" if self.steady else "whole run: no steady window"

    @property
    def times(self) -> Histogram:
        """The times of all good answers in that window."""
        return all_times(self.window.routes)

    @property
    def active(self) -> int:
        """How many users were active when the load ended, before they were stopped."""
        end = last_of_load(self.run.seconds)
        return end.active if end else 0


def findings(run: Run) -> RunFindings:
    """What there is to tell of a run; of a torn one, as far as its record goes."""
    return RunFindings(run, summary(run), verdict(run), generator(run), outages(run.seconds))


def title(run: Run) -> str:
    """`Load test` with the run's name."""
    return f"Load test {run.facts.name}".rstrip()


def subtitle(run: Run) -> list[str]:
    """Where, on what, how long, by which seed: what is known of it."""
    facts = run.facts
    ran = f"{span(run.totals.seconds)}" + (f" ({facts.ending})" if facts.ending else "")
    seed = f"seed {facts.seed}" if facts.seed else ""
    return [part for part in (facts.server.url, server_text(facts.server), ran, seed) if part]


def server_text(server: Server) -> str:
    """`Mattermost 11.6.0, no licence`; a sandbox is never taken for Mattermost."""
    if not server.version:
        return "sandbox" if server.sandbox else ""
    licence = {True: f"licensed {server.sku}".rstrip(), False: "no licence", None: ""}[server.licensed]
    name = f"{'sandbox in place of ' if server.sandbox else ''}Mattermost {server.version}"
    return ", ".join(part for part in (name, licence) if part)


def sentence(found: RunFindings) -> str:
    """The verdict with the load it was reached at, in one sentence."""
    part, users = found.throughput, found.figures.users
    load = f"{count(found.active)} of {plural(users.target, 'user')}"
    work = f"{rate(part.requests_per_second)} requests/s"
    slow = found.times.percentile(99)
    times = f", p99 {milliseconds(slow)} ms" if slow is not None else ""
    return f"{said(found)}: {load} active at the end, {work}{times} ({found.window_name})."


def said(found: RunFindings) -> str:
    """`Passed`, `Failed` or `Inconclusive`."""
    return str(found.said.outcome).capitalize()
