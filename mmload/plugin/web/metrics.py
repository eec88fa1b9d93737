"""`/metrics` for Prometheus: one table of all metrics, each with how it follows from the record (docs/metrics.md).

On Locust's web server, and on an address of its own if `RunConfiguration.MetricsAddress` names one; on the master, or
on the only process: workers have none.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import gevent
from flask import Blueprint, Response
from gevent.pywsgi import WSGIServer
from locust.env import Environment
from locust.runners import WorkerRunner

from mmload.errors import UsageError
from mmload.metrics.counts import MISSING_REASONS, Counts
from mmload.metrics.delta import ActionFigures, Delta, Failures, ProcessHealth, RouteFigures
from mmload.metrics.exposition import (
    CONTENT_TYPE,
    PEER_EDGES_SECONDS,
    Buckets,
    Kind,
    PrometheusMetric,
    buckets,
    together,
)
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY
from mmload.plugin.settings import settings_of
from mmload.plugin.startup_checks import refuse
from mmload.plugin.web.run_view import View, view_of
from mmload.results.model import RunPhase

T = TypeVar("T")

_GAUGE, _COUNTER, _HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

# Values (numbers, or histograms in buckets), each with its labels' values.
Samples: TypeAlias = Callable[[View], Iterable[tuple[Any, ...]]]

# A scrape every 10 s or faster misses no bad second.
HEALTH_SECONDS = 10
# The peer puts `$ID` for each id in a path.
_ID = re.compile(r"\{[a-z_]*id\}")
_API = "/api/v4"


def page(view: View) -> Iterator[str]:
    """The text, a piece at a time, none longer than one histogram: others may have their turn in between."""
    for metric, samples in FAMILIES:
        yield metric.head()
        for value, *labels in samples(view):
            yield metric.histogram(value, *labels) if isinstance(value, Buckets) else metric.sample(value, *labels)


def _info(view: View) -> Iterator[tuple[Any, ...]]:
    facts, server = view.facts, view.facts.server
    yield 1, facts.mmload, facts.locust, facts.python, server.url, server.version, facts.name


def _users(view: View) -> Iterator[tuple[Any, ...]]:
    yield view.target, "target"
    yield view.spawned, "spawned"
    for state in ("waiting", "active", "gave_up"):
        yield getattr(view.last, state, 0), state


def _routes(view: View) -> Iterator[tuple[str, str, RouteFigures]]:
    """All routes with their kind."""
    for kind, routes in (("load", view.totals.whole.routes), ("login", view.totals.whole.logins)):
        # A copy: the record goes on while a long page is being made.
        for route, figures in list(routes.items()):
            yield kind, route, figures


def _reasons(failures: Callable[[RouteFigures], dict[str, Failures]]) -> Samples:
    return lambda view: (
        (found.count, kind, route, reason)
        for kind, route, figures in _routes(view)
        for reason, found in list(failures(figures).items())
    )


def _request_seconds(view: View) -> Iterator[tuple[Any, ...]]:
    for kind, route, figures in _routes(view):
        yield from _both(view, figures, kind, route)


def _action_seconds(view: View) -> Iterator[tuple[Any, ...]]:
    for name, figures in list(view.totals.whole.actions.items()):
        yield from _both(view, figures, name)


def _both(view: View, figures: ActionFigures | RouteFigures, *labels: str) -> Iterator[tuple[Any, ...]]:
    """The good ones always, the failed ones where there are any: most never fail, and each histogram is 28 lines."""
    yield view.buckets(figures.times), *labels, "ok"
    if figures.failed_times.count:
        yield view.buckets(figures.failed_times), *labels, "failed"


def _counted(**counts: Callable[[Delta], int]) -> Samples:
    """A sample for each label, from the sums of the whole run."""
    return lambda view: ((count(view.totals.whole), label) for label, count in counts.items())


def _fields(counts: Callable[[Delta], Counts], *names: str) -> Samples:
    """A sample for each of these fields, from the sums of the whole run."""
    return lambda view: ((getattr(counts(view.totals.whole), name), name) for name in names)


def _named(table: Callable[[Delta], dict[str, T]], *values: Callable[[T], tuple[Any, ...]]) -> Samples:
    """Samples for each name of a table: its own label comes before those that `values` give."""

    def samples(view: View) -> Iterator[tuple[Any, ...]]:
        for name, found in list(table(view.totals.whole).items()):
            for each in values:
                value, *labels = each(found)
                yield value, name, *labels

    return samples


def _browser_vitals(view: View) -> Iterator[tuple[Any, ...]]:
    for name, step in list(view.totals.whole.browser.items()):
        for vital, values in list(step.vitals.items()):
            if vital != "cls":
                yield view.buckets(values), name, vital


def _health(value: Callable[[ProcessHealth], float | None]) -> Samples:
    """The worst of the last seconds, for each process that was there in them."""

    def samples(view: View) -> Iterator[tuple[Any, ...]]:
        worst: dict[str, float] = {}
        for second in view.recent[-HEALTH_SECONDS:]:
            for process, health in second.health.items():
                found = value(health)
                if found is not None:
                    worst[process] = max(found, worst.get(process, found))
        return ((worst[process], process) for process in sorted(worst))

    return samples


def _thousandth(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 9)


def _peer_time(view: View) -> Iterator[tuple[Any, ...]]:
    times = (each for _, _, figures in _routes(view) for each in (figures.times, figures.failed_times))
    yield (together(map(view.buckets, times)).at(PEER_EDGES_SECONDS),)


def _peer_failures(status: Callable[[str], str | None]) -> Samples:
    """Failures with the peer's labels; `status` of a reason is None where it does not count.

    Different reasons, and routes, may have the same labels: their sum.
    """

    def samples(view: View) -> Iterator[tuple[Any, ...]]:
        sums: Counter[tuple[str, ...]] = Counter()
        for _, route, figures in _routes(view):
            method, _, path = route.partition(" ")
            labels = (_path(path), method)
            for reason, failures in list(figures.failures.items()):
                if (found := status(reason)) is not None:
                    sums[(*labels, found) if found else labels] += failures.count
        return ((count, *labels) for labels, count in sums.items())

    return samples


def _path(path: str) -> str:
    """As the peer names it; what is no call of the API (a page of the site) has no path that starts with a slash."""
    return _API + _ID.sub("$ID", path) if path.startswith("/") else path


def _count(count: Callable[[Delta], int]) -> Samples:
    return _one(lambda view: count(view.totals.whole))


def _one(value: Callable[[View], float | Buckets]) -> Samples:
    return lambda view: [(value(view),)]


_open_sockets = _one(lambda view: view.last.sockets if view.last else 0)

# Names once given stay. Type, name, labels, how its samples follow from the record, help.
# fmt: off
_TABLE: tuple[tuple[Kind, str, str, Samples, str], ...] = (
    (_GAUGE, "mmload_info", "version locust python server server_version run", _info,
     "Versions of the generator and the server, and the name of the run."),
    (_GAUGE, "mmload_test_running", "", _one(lambda view: int(view.running)), "1 while a test is running."),
    (_GAUGE, "mmload_test_start_timestamp_seconds", "", _one(lambda view: view.facts.started_ms / 1000),
     "Start of the last test, Unix time."),
    (_COUNTER, "mmload_test_seconds_total", "", _one(lambda view: view.totals.seconds),
     "Recorded seconds of the test."),
    (_GAUGE, "mmload_test_phase", "phase",
     lambda view: ((int(view.last is not None and view.last.phase is phase), phase) for phase in RunPhase),
     "1 for the phase of the last recorded second."),
    (_GAUGE, "mmload_users", "state", _users, "Simulated users by state."),
    (_GAUGE, "mmload_users_without_account", "",
     _one(lambda view: view.last.without_account if view.last else 0),
     "Users that gave up because no account was left for them."),
    (_GAUGE, "mmload_workers", "state",
     lambda view: ((count, state) for state, count in sorted(view.workers.items())),
     "Worker processes by Locust's state."),
    (_COUNTER, "mmload_requests_total", "kind route",
     lambda view: ((figures.count, kind, route) for kind, route, figures in _routes(view)),
     "REST calls that ended, successful or not."),
    (_COUNTER, "mmload_request_failures_total", "kind route reason",
     _reasons(lambda route: route.failures), "REST calls that failed, by reason."),
    (_COUNTER, "mmload_request_expected_refusals_total", "kind route reason",
     _reasons(lambda route: route.expected),
     "REST calls refused as a real client's would be (the post was deleted in the meantime); not failures."),
    (_HISTOGRAM, "mmload_request_seconds", "kind route outcome", _request_seconds,
     "From the call (including the wait for a connection, and connecting) to the last byte read."),
    (_COUNTER, "mmload_actions_total", "action outcome",
     _named(lambda run: run.actions, lambda each: (each.times.count, "ok"),
            lambda each: (each.failed_times.count, "failed"), lambda each: (each.skipped, "skipped")),
     "Actions of users that ended."),
    (_HISTOGRAM, "mmload_action_seconds", "action outcome", _action_seconds, "How long an action took."),
    (_COUNTER, "mmload_browser_steps_total", "step outcome",
     _named(lambda run: run.browser, lambda each: (each.times.count, "ok"),
            lambda each: (each.failed, "failed"), lambda each: (each.skipped, "skipped")),
     "Steps of browser users that ended."),
    (_HISTOGRAM, "mmload_browser_step_seconds", "step",
     _named(lambda run: run.browser, lambda each: (buckets(each.times),)),
     "Time until the user could continue (docs/measures.md)."),
    (_HISTOGRAM, "mmload_browser_vital_seconds", "step vital", _browser_vitals,
     "What the page measured in a step: ttfb, lcp, inp."),
    (_COUNTER, "mmload_browser_busy_steps_total", "host",
     _named(lambda run: run.browser_hosts, lambda each: (each.busy,)),
     "Steps done while the browser's machine was busy: their times cannot be trusted."),
    (_HISTOGRAM, "mmload_delivery_seconds", "",
     _one(lambda view: buckets(view.totals.whole.spans.get(DELIVERY, Histogram()))),
     "From sending a post to its posted event on another user's WebSocket."),
    (_HISTOGRAM, "mmload_span_seconds", "span",
     _named(lambda run: {name: times for name, times in run.spans.items() if name != DELIVERY},
            lambda times: (buckets(times),)),
     "Other durations: reconnects, schedule lag, starting users' requests, and measurements of the generator itself."),
    (_COUNTER, "mmload_deliveries_total", "outcome",
     _counted(in_time=lambda run: run.deliveries.delivered - run.deliveries.late, late=lambda run: run.deliveries.late),
     "Expected deliveries that were received: in time, or later than LateDeliveryMs (late)."),
    (_COUNTER, "mmload_extra_deliveries_total", "", _count(lambda run: run.deliveries.extra),
     "Deliveries to sockets that were not expected to get the post (just joined, or not connected)."),
    (_COUNTER, "mmload_resumed_deliveries_total", "", _count(lambda run: run.deliveries.resumed),
     "Deliveries, expected or extra, over a WebSocket that was resumed after the post was sent."),
    (_COUNTER, "mmload_duplicate_deliveries_total", "", _count(lambda run: run.deliveries.duplicated),
     "Deliveries that had been received before."),
    (_COUNTER, "mmload_out_of_order_deliveries_total", "", _count(lambda run: run.deliveries.out_of_order),
     "Deliveries after a later post of the same channel."),
    # No counters: what was expected, given up or unanswered may be taken back.
    (_GAUGE, "mmload_delivery_account", "part",
     _fields(lambda run: run.deliveries, "expected", "delivered", "missing", "withdrawn"),
     "Expected deliveries (a post and another socket in its channel) by outcome."),
    (_GAUGE, "mmload_deliveries_missing", "reason",
     _fields(lambda run: run.deliveries, *MISSING_REASONS), "Missing deliveries by reason."),
    (_COUNTER, "mmload_posts_total", "", _count(lambda run: run.deliveries.sent), "Posts that the server accepted."),
    (_GAUGE, "mmload_posts_uncertain", "", _count(lambda run: run.deliveries.uncertain),
     "Posts without an answer that no user has received."),
    (_COUNTER, "mmload_logins_total", "outcome", _counted(ok=lambda run: run.sessions.logins,
     failed=lambda run: run.sessions.logins_failed),
     "Logins of users."),
    (_COUNTER, "mmload_kept_sessions_total", "", _count(lambda run: run.sessions.kept_sessions),
     "Users that started with a kept session, without a login."),
    (_COUNTER, "mmload_sign_ups_total", "", _count(lambda run: run.sessions.sign_ups),
     "Accounts created by users that had none."),
    (_COUNTER, "mmload_relogins_total", "", _count(lambda run: run.sessions.relogins),
     "Logins after a session had expired."),
    (_COUNTER, "mmload_rate_limited_total", "", _count(lambda run: run.sessions.rate_limited),
     "429 (rate limit) responses that were obeyed."),
    (_COUNTER, "mmload_users_stopped_total", "", _count(lambda run: run.sessions.logged_out),
     "Users that stopped and logged out."),
    (_COUNTER, "mmload_events_total", "event", _named(lambda run: run.events, lambda count: (count,)),
     "WebSocket events received."),
    (_GAUGE, "mmload_sockets", "", _open_sockets, "Open WebSockets."),
    (_COUNTER, "mmload_socket_changes_total", "change",
     _fields(lambda run: run.sockets, "opened", "dropped", "resumed", "renewed", "given_up", "closed"),
     "WebSockets opened, dropped, resumed, renewed, given up and closed."),
    (_COUNTER, "mmload_posted_events_total", "", _count(lambda run: run.sockets.posted_of_others),
     "posted events about posts of other users."),
    (_COUNTER, "mmload_sequence_gaps_total", "", _count(lambda run: run.sockets.gaps),
     "Gaps in the sequence numbers of WebSocket events."),
    (_COUNTER, "mmload_sequence_gaps_closed_total",
     "outcome", _counted(filled=lambda run: run.sockets.gaps_filled, lost=lambda run: run.sockets.gaps_lost),
     "Gaps filled by resuming, or lost with a renewed WebSocket."),
    (_COUNTER, "mmload_unreadable_events_total", "", _count(lambda run: run.sockets.unreadable),
     "WebSocket events whose data could not be read."),
    (_COUNTER, "mmload_listener_errors_total", "", _count(lambda run: run.sockets.listener_errors),
     "WebSocket events that mmload could not handle: internal errors."),
    (_GAUGE, "mmload_feature_unavailable", "feature reason",
     _named(lambda run: run.unavailable, lambda reason: (1, reason)), "1 for each feature that the server lacks."),
    (_GAUGE, "mmload_generator_saturated", "", _one(lambda view: int(view.saturated)),
     "1 if the generator was saturated recently: its latencies cannot be trusted."),
    (_GAUGE, "mmload_generator_cpu_ratio", "process", _health(lambda health: health.cpu),
     "CPU seconds per second; 1 is a whole core."),
    (_GAUGE, "mmload_generator_loop_lag_seconds", "process", _health(lambda health: _thousandth(health.lag_ms)),
     "Event-loop lag."),
    (_GAUGE, "mmload_generator_backlog_sockets", "process", _health(lambda health: health.backlog),
     "Sockets found readable at once."),
    (_GAUGE, "mmload_generator_gc_seconds", "process", _health(lambda health: _thousandth(health.gc_ms)),
     "Garbage collection in one second."),
    (_GAUGE, "mmload_generator_rss_bytes", "process", _health(lambda health: health.rss_bytes), "Resident memory."),
    (_GAUGE, "mmload_generator_steal_ratio", "process", _health(lambda health: health.steal),
     "Share of the machine's CPU time that its host took away (steal)."),
    (_GAUGE, "mmload_generator_throttled_seconds", "process", _health(lambda health: _thousandth(health.throttled_ms)),
     "Throttled by the CPU quota in one second."),
    (_HISTOGRAM, "loadtest_http_request_time", "", _peer_time, "Duration of all REST calls, successful or not."),
    (_COUNTER, "loadtest_http_errors_total", "path method status_code",
     _peer_failures(lambda reason: reason[:3] if reason[:3].isdigit() else None),
     "Responses with a status of 400 or more."),
    (_COUNTER, "loadtest_http_timeouts_total", "path method",
     _peer_failures(lambda reason: "" if reason == "timed out" else None), "Requests that timed out."),
    (_GAUGE, "loadtest_websocket_connections_total", "", _open_sockets, "Open WebSockets."),
)
# fmt: on
FAMILIES = tuple(
    (PrometheusMetric(name, kind, tuple(labels.split()), text), samples) for kind, name, labels, samples, text in _TABLE
)
METRICS = {metric.name: metric for metric, _ in FAMILIES}


log = logging.getLogger("mmload.metrics")

PATH = "/metrics"
# Making a page takes no longer than this at a stretch: in between, other greenlets get their turn.
LONGEST_STRETCH_SECONDS = 0.005


def offer(environment: Environment, **_: Any) -> None:
    """From the `init` event on. An address that can't be had ends Locust with one message and our exit code."""
    if isinstance(environment.runner, WorkerRunner):
        return
    if environment.web_ui is not None and environment.web_ui.app is not None:
        environment.web_ui.app.register_blueprint(blueprint(environment))
    if address := settings_of(environment).config.run.metrics_address:
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
            f"RunConfiguration.MetricsAddress: cannot listen on {address}: {reason}; choose another"
        ) from None
    log.info("metrics are on http://%s:%d%s", server.server_host, server.server_port, PATH)
    return server


def _application(environment: Any) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [f"only GET {PATH} is available\n".encode()]
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
