"""The sources of an ObserveConfiguration: which of them exist, and what `mmload doctor` says of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import requests

from coordinator.observe.exporters import Exporters, presets
from coordinator.observe.metrics_page import MetricsPage
from coordinator.observe.postgres import PostgresServer
from coordinator.observe.processes import DATABASE, Processes
from coordinator.observe.state import Source
from coordinator.polling import Unanswered
from mmload.config.coordinator_tables import Coordinator, Monitor, Observe
from mmload.errors import UNREADABLE, ConfigurationError
from mmload.web_session import prometheus_session

_SECONDS = 3.0
# What only that exporter has, and the key that names it.
_SIGNS = {
    "node_exporter": ("node_uname_info", ("server_node", "database_node"), "ServerNode (or DatabaseNode)"),
    "Mattermost's metrics": ("mattermost_http_requests_total", ("mattermost",), "Mattermost"),
    "postgres_exporter": ("pg_up", ("postgres_exporter",), "PostgresExporter"),
}
# By the name of what tells a figure: the instances that have it.
Ask = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class SourceFound:
    """One thing to know: `trouble` of a source that is configured, or one that is there and could be."""

    what: str
    why: str = ""
    fix: str = ""
    trouble: bool = False


def sources_found(server_url: str, document: Coordinator) -> tuple[SourceFound, ...]:
    """What a capacity search of this server sees of it, and what it could see."""
    observe = document.observe
    return (
        *_processes(observe.server_url or server_url, observe),
        *_prometheus(document.monitor, observe),
        *_metrics_page(observe),
        *_postgres(observe),
    )


def _processes(server_url: str, observe: Observe) -> Iterator[SourceFound]:
    if not observe.processes:
        return
    try:
        seen = Processes(server_url, observe.postgres_url).found()
    except OSError:
        return  # no /proc: another system
    if seen:
        yield SourceFound(f"a capacity search sees the CPU of {seen}, which run on this machine")
    if DATABASE in seen and not observe.postgres_url:
        what = "PostgreSQL runs on this machine"
        fix = "set ObserveConfiguration.PostgresURL, PostgresUser and the password (docs/observe.md)"
        yield SourceFound(what, "a capacity search could name locks, slow queries and a full connection pool", fix)


def _prometheus(monitor: Monitor, observe: Observe) -> Iterator[SourceFound]:
    """A Prometheus that nobody configured, and that is not there, is no news."""
    if presets(observe):
        yield from _looked(f"exporters in Prometheus at {monitor.prometheus_url}", lambda: Exporters(monitor, observe))
    try:
        yield from unused(observe, _asking(monitor))
    except (requests.RequestException, *UNREADABLE, KeyError, TypeError, ConfigurationError):
        return


def _asking(monitor: Monitor) -> Ask:
    session = prometheus_session(monitor)
    url = f"{monitor.prometheus_url.rstrip('/')}/api/v1/query"

    def ask(name: str) -> list[str]:
        answer = session.get(url, params={"query": f"count by (instance) ({name})"}, timeout=_SECONDS)
        return sorted(each["metric"]["instance"] for each in answer.json()["data"]["result"])

    return ask


def unused(observe: Observe, ask: Ask) -> Iterator[SourceFound]:
    """Exporters that are there and that nobody configured."""
    for name, (sign, attributes, key) in _SIGNS.items():
        if any(getattr(observe, each) for each in attributes):
            continue
        if instances := ask(sign):
            shown = ", ".join(instances[:5])
            fix = f"set ObserveConfiguration.{key} to one of {shown}"
            yield SourceFound(f"Prometheus has {name}", "a capacity search could say why a limit was crossed", fix)


def _metrics_page(observe: Observe) -> Iterator[SourceFound]:
    if observe.metrics_url:
        yield from _looked(f"Mattermost's metrics at {observe.metrics_url}", lambda: MetricsPage(observe.metrics_url))


def _postgres(observe: Observe) -> Iterator[SourceFound]:
    if observe.postgres_url:
        yield from _looked(f"PostgreSQL at {observe.postgres_url}", lambda: PostgresServer(observe))


def _looked(name: str, make: Callable[[], Source]) -> Iterator[SourceFound]:
    """One look at what is configured."""
    why = "a capacity search will say less about why a limit was crossed"
    try:
        source = make()
        try:
            source.look()
        finally:
            source.close()
    except (Unanswered, ConfigurationError) as error:
        yield SourceFound(f"cannot observe {name}: {error}", why, "see docs/observe.md", trouble=True)
        return
    for note in source.notes:
        yield SourceFound(f"{name}: {note}", why, trouble=True)
    if not source.notes:
        yield SourceFound(f"a capacity search sees {name}")
