"""What the reports of a run have in common, computed once from its record: figures, and their words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mmload.metrics.counts import MISSING_REASONS, DeliveryCounts
from mmload.metrics.delta import Delta, ProcessHealth, all_times
from mmload.metrics.histogram import Histogram
from mmload.report.wording import clock, count, milliseconds, of_ms, percent, plural, rate, span
from mmload.results.folder import SERVER, lines
from mmload.results.generator_health import LOCAL, GeneratorTrust, trust_in
from mmload.results.model import Run, Second, Server, ServerSample
from mmload.results.outages import Outage, outages
from mmload.results.storms import storm_name, storm_sentence
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
    return RunFindings(run, summary(run), verdict(run), trust_in(run.seconds), outages(run.seconds))


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
    storms = "".join(f"{text}. " for text in storm_texts(found))
    return f"{said(found)}: {storms}{load} active at the end, {work}{times} ({found.window_name})."


def outage_texts(found: RunFindings) -> list[str]:
    """When the server did not answer, or with errors."""
    return [
        f"{outage.what}, {clock(outage.start_ms / 1000)} to {clock(outage.end_ms / 1000)} ({span(outage.seconds)})"
        for outage in found.outages
    ]


def storm_texts(found: RunFindings) -> list[str]:
    """How the run came through each of its storms, a sentence each."""
    return [f"{storm_name(each).capitalize()}: {storm_sentence(each)}" for each in found.run.storms]


def said(found: RunFindings) -> str:
    """`Passed`, `Failed` or `Inconclusive`."""
    return str(found.said.outcome).capitalize()


class ProcessFigures(msgspec.Struct, frozen=True):
    """One process of the generator: means and worst seconds. What the system does not tell is null."""

    cpu_mean: float  # cores
    cpu_max: float
    lag_max_ms: float
    backlog_max: int
    gc_max_ms: float  # garbage collection in one second
    rss_max_bytes: int
    steal_max: float | None
    throttled_max_ms: float | None


def process_names(seconds: Iterable[Second]) -> list[str]:
    """The processes that told of their health, in the order in which they came."""
    return list(dict.fromkeys(name for second in seconds for name in second.health))


def label(name: str, names: Iterable[str]) -> str:
    """What a process is called for people: `local` is the only one, or the master of the workers."""
    if name != LOCAL:
        return name
    return "master" if set(names) - {LOCAL} else "generator"


def process_figures(seconds: Sequence[Second]) -> dict[str, ProcessFigures]:
    """The figures of every process that told of its health."""
    return {
        name: _figures([second.health[name] for second in seconds if name in second.health])
        for name in process_names(seconds)
    }


def _figures(told: Sequence[ProcessHealth]) -> ProcessFigures:
    return ProcessFigures(
        cpu_mean=round(sum(each.cpu for each in told) / len(told), 4),
        cpu_max=max(each.cpu for each in told),
        lag_max_ms=max(each.lag_ms for each in told),
        backlog_max=max(each.backlog for each in told),
        gc_max_ms=max(each.gc_ms for each in told),
        rss_max_bytes=max(each.rss_bytes for each in told),
        steal_max=_worst(each.steal for each in told),
        throttled_max_ms=_worst(each.throttled_ms for each in told),
    )


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


# Of so many events that are expected, none happens in 5 % of all cases: exp(-3) = 0.05.
_THREE = 3


def delivery_text(figures: Summary) -> str:
    """How many posts the account is about, and how long deliveries took."""
    deliveries, times = figures.deliveries, figures.delivery_times
    text = f"{plural(deliveries.sent, 'post')} sent"
    if deliveries.uncertain:
        text += f", {count(deliveries.uncertain)} without an answer (stored or not)"
    if times.p50_ms is not None:
        text += f"; p50 {of_ms(times.p50_ms)} ms, p95 {of_ms(times.p95_ms)} ms, p99 {of_ms(times.p99_ms)} ms"
    if times.clock_error_ms is not None:
        text += f" (clocks of several hosts: ± {of_ms(times.clock_error_ms)} ms)"
    return f"{text}."


def loss_texts(deliveries: DeliveryCounts) -> list[str]:
    """Why deliveries are missing; where none is, what that is worth.

    What can't be ruled out, by the rule of three: with 95 % confidence, a rate of 3 / n at most.
    """
    reasons = [f"{count(number)} missing: {MISSING_REASONS[reason]}" for reason, number in deliveries.reasons.items()]
    if deliveries.missing or not deliveries.delivered:
        return reasons
    if deliveries.delivered <= _THREE:
        return [*reasons, "nothing is missing, but too few deliveries were made to say how often one is lost"]
    none = f"none of {count(deliveries.delivered)} deliveries is missing"
    return [*reasons, f"{none}: a loss rate below {percent(_THREE / deliveries.delivered)} could have gone unnoticed"]


def generator_sentences(found: RunFindings) -> list[str]:
    """What is to be said of the generator."""
    if found.trust.sentences:
        return list(found.trust.sentences)
    # Charts and tables are of the whole run: what they show beside the seconds that count is not denied.
    if beside := len(found.trust.saturated_seconds):
        only = f"a limit was crossed only during ramp-up or while users were stopping ({beside} s)"
        return [f"The generator kept up in the steady state: {only}."]
    return ["The generator kept up: none of its limits was crossed."]
