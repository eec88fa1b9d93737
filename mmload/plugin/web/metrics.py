"""The metrics of `/metrics`: names, types, labels, meanings (docs/metrics.md describes each). Names once given stay.

Which metrics `/metrics` has, and how they follow from the record of the test (docs/metrics.md). Pure.

`/metrics` for Prometheus: on Locust's web server, and on one of its own where it is asked for.

On the master, or on the only process; workers have none.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import gevent
from flask import Blueprint, Response
from gevent.pywsgi import WSGIServer
from locust.runners import WorkerRunner

from mmload.config import load_settings
from mmload.errors import UsageError
from mmload.metrics.delta import Delta, ProcessHealth, RouteFigures
from mmload.metrics.exposition import CONTENT_TYPE, PEER_EDGES_SECONDS, Kind, Metric, buckets, together
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import (
    DELIVERIES,
    DELIVERIES_EXPECTED,
    DELIVERIES_EXTRA,
    DELIVERIES_LATE,
    DELIVERIES_MISSING,
    DELIVERIES_OUT_OF_ORDER,
    DELIVERIES_RESUMED,
    DELIVERIES_TWICE,
    DELIVERIES_WITHDRAWN,
    DELIVERY,
    LOGINS,
    LOGINS_FAILED,
    MISSING_BECAUSE,
    POSTS_SENT,
    POSTS_UNCERTAIN,
    SOCKETS_CLOSED,
    SOCKETS_DROPPED,
    SOCKETS_GIVEN_UP,
    SOCKETS_OPENED,
    SOCKETS_RENEWED,
    SOCKETS_RESUMED,
)
from mmload.plugin.startup_checks import refuse
from mmload.plugin.web.test_view import View, view_of
from mmload.results.model import Phase

if TYPE_CHECKING:
    from locust.env import Environment

_GAUGE, _COUNTER, _HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

INFO = Metric(
    "mmload_info", _GAUGE, ("version", "locust", "python", "server", "server_version", "run"), "Who tests whom."
)
RUNNING = Metric("mmload_test_running", _GAUGE, (), "1 while a test goes on.")
STARTED = Metric("mmload_test_start_timestamp_seconds", _GAUGE, (), "When the last test began, since 1970.")
SECONDS = Metric("mmload_test_seconds_total", _COUNTER, (), "Seconds of the test that are in its record.")
PHASE = Metric("mmload_test_phase", _GAUGE, ("phase",), "1 for the phase of the last recorded second.")
USERS = Metric("mmload_users", _GAUGE, ("state",), "Simulated users by state.")
WORKERS = Metric("mmload_workers", _GAUGE, ("state",), "Worker processes by Locust's state.")
REQUESTS = Metric("mmload_requests_total", _COUNTER, ("kind", "route"), "REST calls that ended, good or not.")
FAILURES = Metric(
    "mmload_request_failures_total", _COUNTER, ("kind", "route", "reason"), "REST calls that failed, by reason."
)
EXPECTED = Metric(
    "mmload_request_expected_refusals_total",
    _COUNTER,
    ("kind", "route", "reason"),
    "REST calls refused as a real client's are, too (somebody deleted the post meanwhile): no failures.",
)
REQUEST_SECONDS = Metric(
    "mmload_request_seconds",
    _HISTOGRAM,
    ("kind", "route", "outcome"),
    "From the call (waiting for a connection and connecting are in it) to the last byte read.",
)
ACTIONS = Metric("mmload_actions_total", _COUNTER, ("action", "outcome"), "Actions of people that ended.")
ACTION_SECONDS = Metric("mmload_action_seconds", _HISTOGRAM, ("action", "outcome"), "What an action took.")
DELIVERY_SECONDS = Metric(
    "mmload_delivery_seconds", _HISTOGRAM, (), "From sending a post to its arrival on another socket."
)
SPAN_SECONDS = Metric("mmload_span_seconds", _HISTOGRAM, ("span",), "Other spans of time that are measured.")
DELIVERED = Metric("mmload_deliveries_total", _COUNTER, ("outcome",), "Deliveries that came.")
# No counters: what was expected, given up or unanswered may be taken back.
ACCOUNT = Metric("mmload_delivery_account", _GAUGE, ("part",), "The account of messages as it stands.")
MISSING = Metric("mmload_deliveries_missing", _GAUGE, ("reason",), "Deliveries given up, by reason.")
POSTS = Metric("mmload_posts_total", _COUNTER, (), "Posts that the server accepted.")
POSTS_UNANSWERED = Metric("mmload_posts_uncertain", _GAUGE, (), "Posts without an answer that nobody has seen.")
LOGINS_ENDED = Metric("mmload_logins_total", _COUNTER, ("outcome",), "Log-ins of users.")
EVENTS = Metric("mmload_events_total", _COUNTER, ("event",), "WebSocket events received.")
SOCKETS = Metric("mmload_sockets", _GAUGE, (), "WebSockets open.")
SOCKET_CHANGES = Metric("mmload_socket_changes_total", _COUNTER, ("change",), "What became of WebSockets.")
COUNTS = Metric("mmload_counts_total", _COUNTER, ("what",), "Whatever else is counted.")
UNAVAILABLE = Metric(
    "mmload_feature_unavailable", _GAUGE, ("feature", "reason"), "1 for each feature that the server lacks."
)
SATURATED = Metric("mmload_generator_saturated", _GAUGE, (), "1 if the test's figures of late can't be trusted.")
CPU = Metric("mmload_generator_cpu_ratio", _GAUGE, ("process",), "CPU seconds per second; 1 is a whole core.")
LAG = Metric(
    "mmload_generator_loop_lag_seconds", _GAUGE, ("process",), "How long the event loop kept something waiting."
)
BACKLOG = Metric("mmload_generator_backlog_sockets", _GAUGE, ("process",), "Sockets found readable at once.")
GC = Metric("mmload_generator_gc_seconds", _GAUGE, ("process",), "Garbage collection in one second.")
RSS = Metric("mmload_generator_rss_bytes", _GAUGE, ("process",), "Memory.")
STEAL = Metric("mmload_generator_steal_ratio", _GAUGE, ("process",), "CPU time of the machine that its host gave away.")
THROTTLED = Metric(
    "mmload_generator_throttled_seconds", _GAUGE, ("process",), "Held back for the CPU quota in one second."
)
PEER_TIME = Metric("loadtest_http_request_time", _HISTOGRAM, (), "The time taken by all REST calls, good or not.")
PEER_ERRORS = Metric(
    "loadtest_http_errors_total", _COUNTER, ("path", "method", "status_code"), "Answers with a status of 400 or more."
)
PEER_TIMEOUTS = Metric("loadtest_http_timeouts_total", _COUNTER, ("path", "method"), "Requests that timed out.")
PEER_SOCKETS = Metric("loadtest_websocket_connections_total", _GAUGE, (), "WebSockets open.")


# By state or outcome: the counters of the record that have a place of their own.
_DELIVERIES = {
    "delivered": DELIVERIES,
    "extra": DELIVERIES_EXTRA,
    "late": DELIVERIES_LATE,
    "resumed": DELIVERIES_RESUMED,
    "duplicated": DELIVERIES_TWICE,
    "out_of_order": DELIVERIES_OUT_OF_ORDER,
}
_ACCOUNT = {
    "expected": DELIVERIES_EXPECTED,
    "delivered": DELIVERIES,
    "missing": DELIVERIES_MISSING,
    "withdrawn": DELIVERIES_WITHDRAWN,
}
_LOGINS = {"ok": LOGINS, "failed": LOGINS_FAILED}
_SOCKETS = {
    "opened": SOCKETS_OPENED,
    "dropped": SOCKETS_DROPPED,
    "resumed": SOCKETS_RESUMED,
    "renewed": SOCKETS_RENEWED,
    "given_up": SOCKETS_GIVEN_UP,
    "closed": SOCKETS_CLOSED,
}
_PLACED = frozenset((*_DELIVERIES.values(), *_ACCOUNT.values(), *_LOGINS.values(), *_SOCKETS.values()))
_PLACED |= {POSTS_SENT, POSTS_UNCERTAIN}
# A scrape every 10 s or faster misses no bad second.
HEALTH_SECONDS = 10
# The peer puts `$ID` for each id in a path.
_ID = re.compile(r"\{[a-z_]*id\}")
_API = "/api/v4"


def page(view: View) -> Iterator[str]:
    """The text, a piece at a time, none longer than one histogram: others may have their turn in between."""
    for metric, samples in FAMILIES:
        yield metric.head()
        yield from samples(view)


def _info(view: View) -> Iterator[str]:
    facts, server = view.facts, view.facts.server
    yield INFO.sample(1, facts.mmload, facts.locust, facts.python, server.url, server.version, facts.name)


def _phase(view: View) -> Iterator[str]:
    for phase in Phase:
        yield PHASE.sample(int(view.last is not None and view.last.phase is phase), phase)


def _users(view: View) -> Iterator[str]:
    last = view.last
    yield USERS.sample(view.asked, "asked")
    yield USERS.sample(view.spawned, "spawned")
    yield USERS.sample(last.waiting if last else 0, "waiting")
    yield USERS.sample(last.present if last else 0, "present")
    yield USERS.sample(last.gave_up if last else 0, "gave_up")


def _workers(view: View) -> Iterator[str]:
    for state, count in sorted(view.workers.items()):
        yield WORKERS.sample(count, state)


def _routes(whole: Delta) -> Iterator[tuple[str, str, RouteFigures]]:
    """All routes with their kind."""
    for kind, routes in (("load", whole.routes), ("login", whole.logins)):
        # A copy: the record goes on while a long page is being made.
        for route, figures in list(routes.items()):
            yield kind, route, figures


def _requests(view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        yield REQUESTS.sample(figures.count, kind, route)


def _failures(view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        for reason, failures in list(figures.failures.items()):
            yield FAILURES.sample(failures.count, kind, route, reason)


def _expected(view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        for reason, refusals in list(figures.expected.items()):
            yield EXPECTED.sample(refusals.count, kind, route, reason)


def _request_seconds(view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        yield from _both(view, REQUEST_SECONDS, figures.times, figures.failed_times, kind, route)


def _actions(view: View) -> Iterator[str]:
    for name, figures in list(view.totals.whole.actions.items()):
        yield ACTIONS.sample(figures.times.count, name, "ok")
        yield ACTIONS.sample(figures.failed_times.count, name, "failed")
        yield ACTIONS.sample(figures.skipped, name, "skipped")


def _action_seconds(view: View) -> Iterator[str]:
    for name, figures in list(view.totals.whole.actions.items()):
        yield from _both(view, ACTION_SECONDS, figures.times, figures.failed_times, name)


def _both(view: View, metric: Metric, good: Histogram, failed: Histogram, *labels: str) -> Iterator[str]:
    """The good ones always, the failed ones where there are any: most never fail, and each histogram is 28 lines."""
    yield metric.histogram(view.buckets(good), *labels, "ok")
    if failed.count:
        yield metric.histogram(view.buckets(failed), *labels, "failed")


def _delivery_seconds(view: View) -> Iterator[str]:
    yield DELIVERY_SECONDS.histogram(buckets(view.totals.whole.spans.get(DELIVERY, Histogram())))


def _span_seconds(view: View) -> Iterator[str]:
    for name, times in list(view.totals.whole.spans.items()):
        if name != DELIVERY:
            yield SPAN_SECONDS.histogram(buckets(times), name)


def _missing(view: View) -> Iterator[str]:
    for name, count in list(view.totals.whole.counters.items()):
        if name.startswith(MISSING_BECAUSE):
            yield MISSING.sample(count, name.removeprefix(MISSING_BECAUSE))


def _counted(metric: Metric, names: Mapping[str, str]) -> Callable[[View], Iterator[str]]:
    """A sample for each of these counters of the record, also where nothing was counted yet."""

    def samples(view: View) -> Iterator[str]:
        for label, name in names.items():
            yield metric.sample(view.totals.whole.counters.get(name, 0), label)

    return samples


def _counts(view: View) -> Iterator[str]:
    for name, count in list(view.totals.whole.counters.items()):
        if name not in _PLACED and not name.startswith(MISSING_BECAUSE):
            yield COUNTS.sample(count, name)


def _events(view: View) -> Iterator[str]:
    for name, count in list(view.totals.whole.events.items()):
        yield EVENTS.sample(count, name)


def _unavailable(view: View) -> Iterator[str]:
    for feature, reason in list(view.totals.whole.unavailable.items()):
        yield UNAVAILABLE.sample(1, feature, reason)


def _sockets(metric: Metric) -> Callable[[View], Iterator[str]]:
    def samples(view: View) -> Iterator[str]:
        yield metric.sample(view.last.sockets if view.last else 0)

    return samples


def _health(metric: Metric, value: Callable[[ProcessHealth], float | None]) -> Callable[[View], Iterator[str]]:
    """The worst of the last seconds, for each process that was there in them."""

    def samples(view: View) -> Iterator[str]:
        worst: dict[str, float] = {}
        for second in view.recent[-HEALTH_SECONDS:]:
            for process, health in second.health.items():
                found = value(health)
                if found is not None:
                    worst[process] = max(found, worst.get(process, found))
        for process in sorted(worst):
            yield metric.sample(worst[process], process)

    return samples


def _thousandth(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 9)


def _peer_time(view: View) -> Iterator[str]:
    parts = []
    for _, _, figures in _routes(view.totals.whole):
        parts += [view.buckets(figures.times), view.buckets(figures.failed_times)]
        yield ""  # a turn for others
    yield PEER_TIME.histogram(together(parts), edges=PEER_EDGES_SECONDS)


def _peer_errors(view: View) -> Iterator[str]:
    yield from _by_labels(PEER_ERRORS, _failed(view, lambda reason: reason[:3] if reason[:3].isdigit() else None))


def _peer_timeouts(view: View) -> Iterator[str]:
    yield from _by_labels(PEER_TIMEOUTS, _failed(view, lambda reason: "" if reason == "timed out" else None))


def _failed(view: View, status: Callable[[str], str | None]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Failures with the peer's labels; `status` of a reason is None where it does not count."""
    for _, route, figures in _routes(view.totals.whole):
        method, _, path = route.partition(" ")
        labels = (_path(path), method)
        for reason, failures in list(figures.failures.items()):
            if (found := status(reason)) is not None:
                yield ((*labels, found) if found else labels), failures.count


def _path(path: str) -> str:
    """As the peer names it; what is no call of the API (a page of the site) has no path that starts with a slash."""
    return _API + _ID.sub("$ID", path) if path.startswith("/") else path


def _by_labels(metric: Metric, counts: Iterable[tuple[tuple[str, ...], int]]) -> Iterator[str]:
    """Different reasons, and routes, may have the same labels: their sum."""
    sums: dict[tuple[str, ...], int] = {}
    for labels, count in counts:
        sums[labels] = sums.get(labels, 0) + count
    for labels, count in sums.items():
        yield metric.sample(count, *labels)


def _one(metric: Metric, value: Callable[[View], float]) -> Callable[[View], Iterator[str]]:
    def samples(view: View) -> Iterator[str]:
        yield metric.sample(value(view))

    return samples


FAMILIES: tuple[tuple[Metric, Callable[[View], Iterator[str]]], ...] = (
    (INFO, _info),
    (RUNNING, _one(RUNNING, lambda view: int(view.running))),
    (STARTED, _one(STARTED, lambda view: view.facts.started_ms / 1000)),
    (SECONDS, _one(SECONDS, lambda view: view.totals.seconds)),
    (PHASE, _phase),
    (USERS, _users),
    (WORKERS, _workers),
    (REQUESTS, _requests),
    (FAILURES, _failures),
    (EXPECTED, _expected),
    (REQUEST_SECONDS, _request_seconds),
    (ACTIONS, _actions),
    (ACTION_SECONDS, _action_seconds),
    (DELIVERY_SECONDS, _delivery_seconds),
    (SPAN_SECONDS, _span_seconds),
    (DELIVERED, _counted(DELIVERED, _DELIVERIES)),
    (ACCOUNT, _counted(ACCOUNT, _ACCOUNT)),
    (MISSING, _missing),
    (POSTS, _one(POSTS, lambda view: view.totals.whole.counters.get(POSTS_SENT, 0))),
    (POSTS_UNANSWERED, _one(POSTS_UNANSWERED, lambda view: view.totals.whole.counters.get(POSTS_UNCERTAIN, 0))),
    (LOGINS_ENDED, _counted(LOGINS_ENDED, _LOGINS)),
    (EVENTS, _events),
    (SOCKETS, _sockets(SOCKETS)),
    (SOCKET_CHANGES, _counted(SOCKET_CHANGES, _SOCKETS)),
    (COUNTS, _counts),
    (UNAVAILABLE, _unavailable),
    (SATURATED, _one(SATURATED, lambda view: int(view.saturated))),
    (CPU, _health(CPU, lambda health: health.cpu)),
    (LAG, _health(LAG, lambda health: _thousandth(health.lag_ms))),
    (BACKLOG, _health(BACKLOG, lambda health: health.backlog)),
    (GC, _health(GC, lambda health: _thousandth(health.gc_ms))),
    (RSS, _health(RSS, lambda health: health.rss_bytes)),
    (STEAL, _health(STEAL, lambda health: health.steal)),
    (THROTTLED, _health(THROTTLED, lambda health: _thousandth(health.throttled_ms))),
    (PEER_TIME, _peer_time),
    (PEER_ERRORS, _peer_errors),
    (PEER_TIMEOUTS, _peer_timeouts),
    (PEER_SOCKETS, _sockets(PEER_SOCKETS)),
)


log = logging.getLogger("mmload.metrics")

PATH = "/metrics"
# Making a page takes no longer than this at a stretch: in between, other greenlets get their turn.
LONGEST_STRETCH_SECONDS = 0.005


def register(events: Any) -> None:
    """Wire this into Locust; called once, where the locustfile is imported."""
    events.init.add_listener(_on_init)


def _on_init(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return
    if environment.web_ui is not None and environment.web_ui.app is not None:
        environment.web_ui.app.register_blueprint(blueprint(environment))
    if address := load_settings()[0].config.run.metrics_address:
        _serve_or_exit(environment, address)


def _serve_or_exit(environment: Any, address: str) -> None:
    """An address that can't be had ends Locust with one message and our exit code, not with a traceback."""
    try:
        serve(environment, address)
    except UsageError as error:
        refuse(environment, error)


def blueprint(environment: Any) -> Blueprint:
    """The route for Locust's web server, below its base path; who may read it, `mmload.plugin.web.access` says."""
    pages = Blueprint("mmload_metrics", __name__, url_prefix=environment.parsed_options.web_base_path or None)

    @pages.get(PATH)
    def metrics() -> Response:
        return Response(in_turns(page(view_of(environment))), content_type=CONTENT_TYPE)

    return pages


def serve(environment: Any, address: str) -> WSGIServer:
    """A small web server of its own, for `/metrics` only. It ends with the process."""
    host, _, port = address.rpartition(":")
    server = WSGIServer((host.strip("[]"), int(port)), _application(environment), log=None, error_log=log)
    try:
        server.start()
    except OSError as error:
        # gevent adds the address to the text of the error.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UsageError(
            f"RunConfiguration.MetricsAddress: {address} can't be served: {reason}; choose another"
        ) from None
    log.info("metrics are on http://%s:%d%s", server.server_host, server.server_port, PATH)
    return server


def _application(environment: Any) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [f"only GET {PATH} is here\n".encode()]
        start_response("200 OK", [("Content-Type", CONTENT_TYPE)])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [in_turns(page(view_of(environment)))]

    return answer


def in_turns(pieces: Iterable[str], clock: Callable[[], float] = time.perf_counter) -> bytes:
    """The pieces as one text, letting others have their turn while it is made."""
    done, began = [], clock()
    for piece in pieces:
        done.append(piece)
        if clock() - began > LONGEST_STRETCH_SECONDS:
            gevent.sleep(0)
            began = clock()
    return "".join(done).encode()
