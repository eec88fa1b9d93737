"""The server's own figures of a run that has ended: what Prometheus has of it, kept in the run's folder.

Asked are the queries of coordinator.json (`MonitorConfig.Queries`), over the run's span; without any, nothing is.
Whatever goes wrong becomes a sentence: a run must not fail because its server's figures are not to be had.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from mmload.config.coordinator_tables import Coordinator, Monitor, Query
from mmload.config.documents import COORDINATOR, load_document
from mmload.errors import UNREADABLE, ConfigurationError, transport_reason
from mmload.results.model import ServerSample
from mmload.web_session import prometheus_session

# More points than these are not seen in a chart.
MOST_POINTS = 300
# For all queries together: who waits for the end of a run does not wait long for this.
PATIENCE_SECONDS = 10.0

Ask = Callable[[Query, float, float, float], Any]


def configured(environ: Mapping[str, str] = os.environ, folder: Path = Path("config")) -> Monitor:
    """What is to be asked of whom. Raises ConfigurationError."""
    document: Coordinator = load_document(COORDINATOR, environ, folder).value
    return document.monitor


def server_figures(
    monitor: Monitor, start: float, end: float, ask: Ask | None = None, clock: Callable[[], float] = time.monotonic
) -> tuple[list[ServerSample], list[str]]:
    """The figures from `start` to `end` (seconds since 1970), and a sentence for each query that gave none."""
    found: list[ServerSample] = []
    complaints = []
    ask = ask or asking(monitor)
    deadline = clock() + PATIENCE_SECONDS
    for query in monitor.queries:
        patience = min(monitor.query_timeout_seconds, deadline - clock())
        samples, why = _asked(ask, query, (start, end), patience)
        found += samples
        if why:
            complaints.append(f"no server metrics for {query.description!r}: {why}")
    return found, complaints


def _asked(ask: Ask, query: Query, span: tuple[float, float], patience: float) -> tuple[list[ServerSample], str]:
    if patience <= 0:
        return [], "the previous queries took too long"
    try:
        samples = samples_of(query, ask(query, *span, patience))
    except requests.Timeout:
        return [], "Prometheus did not respond in time"
    except requests.ConnectionError as failed:
        return [], f"cannot reach Prometheus (MonitorConfig.PrometheusURL): {transport_reason(failed)}"
    except requests.exceptions.ContentDecodingError as error:
        return [], f"Prometheus: {transport_reason(error)}"
    except (requests.RequestException, *UNREADABLE, KeyError, TypeError) as error:
        return [], f"this is not a Prometheus response ({type(error).__name__})"
    except ExpressionRefused as refused:
        return [], f"Prometheus refused the query: {refused}"
    return samples, "" if samples else "Prometheus has no data for this time"


class ExpressionRefused(Exception):
    """Prometheus's own words on a query that it does not answer."""


def asking(monitor: Monitor) -> Ask:
    """A function that asks Prometheus for one query over a span of time. Raises ConfigurationError."""
    session = prometheus_session(monitor)

    def ask(query: Query, start: float, end: float, patience: float) -> Any:
        params = {"query": query.query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step(end - start)}s"}
        answer = session.get(
            f"{monitor.prometheus_url.rstrip('/')}/api/v1/query_range", params=params, timeout=patience
        )
        document = answer.json()
        if document["status"] != "success":
            raise ExpressionRefused(str(document.get("error", "no reason given")))
        return document

    return ask


def step(seconds: float) -> int:
    """The distance of two points, in whole seconds. Pure."""
    return max(1, math.ceil(seconds / MOST_POINTS))


def samples_of(query: Query, document: Any) -> list[ServerSample]:
    """What an answer tells; of several series the greatest value counts, as for the coordinator. Pure."""
    greatest: dict[int, float] = {}
    for series in document["data"]["result"]:
        for at, text in series["values"]:
            ms, value = round(float(at) * 1000), float(text)
            if math.isfinite(value):
                greatest[ms] = max(value, greatest.get(ms, value))
    limit = query.threshold if query.alert else None
    return [ServerSample(ms, query.description, greatest[ms], limit=limit) for ms in sorted(greatest)]


def keep_server_figures(
    start: float, end: float, keep: Callable[[Sequence[ServerSample]], None], complain: Callable[[str], None]
) -> None:
    """Ask what is configured, and hand on what came of it."""
    try:
        monitor = configured()
        if not monitor.queries:
            return
        samples, complaints = server_figures(monitor, start, end)
    except ConfigurationError as error:
        complain(f"no server metrics: {error}")
        return
    for text in complaints:
        complain(text)
    if samples:
        keep(samples)
