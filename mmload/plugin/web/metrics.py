"""`/metrics` for Prometheus: one table of all metrics, each with how it follows from the record (docs/metrics.md).

On Locust's web server, and on an address of its own if `RunConfiguration.MetricsAddress` names one.

On the master, or on the only process; workers have none.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import gevent
from flask import Blueprint, Response
from gevent.pywsgi import WSGIServer
from locust.runners import WorkerRunner

from mmload.errors import UsageError
from mmload.metrics.counts import MISSING_REASONS, Counts
from mmload.metrics.delta import Delta, ProcessHealth, RouteFigures
from mmload.metrics.exposition import CONTENT_TYPE, PEER_EDGES_SECONDS, Kind, PrometheusMetric, buckets, together
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import DELIVERY
from mmload.plugin.settings import settings_of
from mmload.plugin.startup_checks import refuse
from mmload.plugin.web.run_view import View, view_of
from mmload.results.model import RunPhase

if TYPE_CHECKING:
    from locust.env import Environment

_GAUGE, _COUNTER, _HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

Samples: TypeAlias = Callable[[PrometheusMetric, View], Iterator[str]]

# A scrape every 10 s or faster misses no bad second.
HEALTH_SECONDS = 10
# The peer puts `$ID` for each id in a path.
_ID = re.compile(r"\{[a-z_]*id\}")
_API = "/api/v4"


def page(view: View) -> Iterator[str]:
    """The text, a piece at a time, none longer than one histogram: others may have their turn in between."""
    for metric, samples in FAMILIES:
        yield metric.head()
        yield from samples(metric, view)


def _info(metric: PrometheusMetric, view: View) -> Iterator[str]:
    facts, server = view.facts, view.facts.server
    yield metric.sample(1, facts.mmload, facts.locust, facts.python, server.url, server.version, facts.name)


def _phase(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for phase in RunPhase:
        yield metric.sample(int(view.last is not None and view.last.phase is phase), phase)


def _users(metric: PrometheusMetric, view: View) -> Iterator[str]:
    last = view.last
    yield metric.sample(view.target, "target")
    yield metric.sample(view.spawned, "spawned")
    yield metric.sample(last.waiting if last else 0, "waiting")
    yield metric.sample(last.active if last else 0, "active")
    yield metric.sample(last.gave_up if last else 0, "gave_up")


def _workers(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for state, count in sorted(view.workers.items()):
        yield metric.sample(count, state)


def _routes(whole: Delta) -> Iterator[tuple[str, str, RouteFigures]]:
    """All routes with their kind."""
    for kind, routes in (("load", whole.routes), ("login", whole.logins)):
        # A copy: the record goes on while a long page is being made.
        for route, figures in list(routes.items()):
            yield kind, route, figures


def _requests(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        yield metric.sample(figures.count, kind, route)


def _failures(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        for reason, failures in list(figures.failures.items()):
            yield metric.sample(failures.count, kind, route, reason)


def _expected(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        for reason, refusals in list(figures.expected.items()):
            yield metric.sample(refusals.count, kind, route, reason)


def _request_seconds(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for kind, route, figures in _routes(view.totals.whole):
        yield from _both(view, metric, figures.times, figures.failed_times, kind, route)


def _actions(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for name, figures in list(view.totals.whole.actions.items()):
        yield metric.sample(figures.times.count, name, "ok")
        yield metric.sample(figures.failed_times.count, name, "failed")
        yield metric.sample(figures.skipped, name, "skipped")


def _action_seconds(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for name, figures in list(view.totals.whole.actions.items()):
        yield from _both(view, metric, figures.times, figures.failed_times, name)


def _both(view: View, metric: PrometheusMetric, good: Histogram, failed: Histogram, *labels: str) -> Iterator[str]:
    """The good ones always, the failed ones where there are any: most never fail, and each histogram is 28 lines."""
    yield metric.histogram(view.buckets(good), *labels, "ok")
    if failed.count:
        yield metric.histogram(view.buckets(failed), *labels, "failed")


def _delivery_seconds(metric: PrometheusMetric, view: View) -> Iterator[str]:
    yield metric.histogram(buckets(view.totals.whole.spans.get(DELIVERY, Histogram())))


def _span_seconds(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for name, times in list(view.totals.whole.spans.items()):
        if name != DELIVERY:
            yield metric.histogram(buckets(times), name)


def _missing(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for reason in MISSING_REASONS:
        yield metric.sample(getattr(view.totals.whole.deliveries, reason), reason)


def _counted(**counts: Callable[[Delta], int]) -> Samples:
    """A sample for each label, from the sums of the whole run."""

    def samples(metric: PrometheusMetric, view: View) -> Iterator[str]:
        for label, count in counts.items():
            yield metric.sample(count(view.totals.whole), label)

    return samples


def _fields(counts: Callable[[Delta], Counts], *names: str) -> Samples:
    """A sample for each of these fields, from the sums of the whole run."""
    return _counted(**{name: lambda run, name=name: getattr(counts(run), name) for name in names})


def _browser_steps(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for name, step in list(view.totals.whole.browser.items()):
        yield metric.sample(step.times.count, name, "ok")
        yield metric.sample(step.failed, name, "failed")
        yield metric.sample(step.skipped, name, "skipped")


def _browser_seconds(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for name, step in list(view.totals.whole.browser.items()):
        yield metric.histogram(view.buckets(step.times), name)


def _browser_vitals(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for name, step in list(view.totals.whole.browser.items()):
        for vital, values in list(step.vitals.items()):
            if vital != "cls":
                yield metric.histogram(view.buckets(values), name, vital)


def _browser_busy(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for host, figures in list(view.totals.whole.browser_hosts.items()):
        yield metric.sample(figures.busy, host)


def _events(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for name, count in list(view.totals.whole.events.items()):
        yield metric.sample(count, name)


def _unavailable(metric: PrometheusMetric, view: View) -> Iterator[str]:
    for feature, reason in list(view.totals.whole.unavailable.items()):
        yield metric.sample(1, feature, reason)


def _health(value: Callable[[ProcessHealth], float | None]) -> Samples:
    """The worst of the last seconds, for each process that was there in them."""

    def samples(metric: PrometheusMetric, view: View) -> Iterator[str]:
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


def _peer_time(metric: PrometheusMetric, view: View) -> Iterator[str]:
    parts = []
    for _, _, figures in _routes(view.totals.whole):
        parts += [view.buckets(figures.times), view.buckets(figures.failed_times)]
        yield ""  # a turn for others
    yield metric.histogram(together(parts), edges=PEER_EDGES_SECONDS)


def _peer_errors(metric: PrometheusMetric, view: View) -> Iterator[str]:
    yield from _by_labels(metric, _failed(view, lambda reason: reason[:3] if reason[:3].isdigit() else None))


def _peer_timeouts(metric: PrometheusMetric, view: View) -> Iterator[str]:
    yield from _by_labels(metric, _failed(view, lambda reason: "" if reason == "timed out" else None))


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


def _by_labels(metric: PrometheusMetric, counts: Iterable[tuple[tuple[str, ...], int]]) -> Iterator[str]:
    """Different reasons, and routes, may have the same labels: their sum."""
    sums: dict[tuple[str, ...], int] = {}
    for labels, count in counts:
        sums[labels] = sums.get(labels, 0) + count
    for labels, count in sums.items():
        yield metric.sample(count, *labels)


def _count(count: Callable[[Delta], int]) -> Samples:
    """One sum of the whole run."""
    return _one(lambda view: count(view.totals.whole))


def _deliveries(metric: PrometheusMetric, view: View) -> Iterator[str]:
    counts = view.totals.whole.deliveries
    yield metric.sample(counts.delivered - counts.late, "in_time")
    yield metric.sample(counts.late, "late")


def _without_account(view: View) -> float:
    return view.last.without_account if view.last else 0


def _sockets(view: View) -> float:
    return view.last.sockets if view.last else 0


def _one(value: Callable[[View], float]) -> Samples:
    def samples(metric: PrometheusMetric, view: View) -> Iterator[str]:
        yield metric.sample(value(view))

    return samples


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
    (_GAUGE, "mmload_test_phase", "phase", _phase, "1 for the phase of the last recorded second."),
    (_GAUGE, "mmload_users", "state", _users, "Simulated users by state."),
    (_GAUGE, "mmload_users_without_account", "", _one(_without_account),
     "Users that gave up because no account was left for them."),
    (_GAUGE, "mmload_workers", "state", _workers, "Worker processes by Locust's state."),
    (_COUNTER, "mmload_requests_total", "kind route", _requests, "REST calls that ended, successful or not."),
    (_COUNTER, "mmload_request_failures_total", "kind route reason", _failures, "REST calls that failed, by reason."),
    (_COUNTER, "mmload_request_expected_refusals_total", "kind route reason", _expected,
     "REST calls refused as a real client's would be (the post was deleted in the meantime); not failures."),
    (_HISTOGRAM, "mmload_request_seconds", "kind route outcome", _request_seconds,
     "From the call (including the wait for a connection, and connecting) to the last byte read."),
    (_COUNTER, "mmload_actions_total", "action outcome", _actions, "Actions of users that ended."),
    (_HISTOGRAM, "mmload_action_seconds", "action outcome", _action_seconds, "How long an action took."),
    (_COUNTER, "mmload_browser_steps_total", "step outcome", _browser_steps, "Steps of browser users that ended."),
    (_HISTOGRAM, "mmload_browser_step_seconds", "step", _browser_seconds,
     "Time until the user could continue (docs/measures.md)."),
    (_HISTOGRAM, "mmload_browser_vital_seconds", "step vital", _browser_vitals,
     "What the page measured in a step: ttfb, lcp, inp."),
    (_COUNTER, "mmload_browser_busy_steps_total", "host", _browser_busy,
     "Steps done while the browser's machine was busy: their times cannot be trusted."),
    (_HISTOGRAM, "mmload_delivery_seconds", "", _delivery_seconds,
     "From sending a post to its posted event on another user's WebSocket."),
    (_HISTOGRAM, "mmload_span_seconds", "span", _span_seconds,
     "Other durations: reconnects, schedule lag, starting users' requests, and measurements of the generator itself."),
    (_COUNTER, "mmload_deliveries_total", "outcome", _deliveries,
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
    (_GAUGE, "mmload_deliveries_missing", "reason", _missing, "Missing deliveries by reason."),
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
    (_COUNTER, "mmload_events_total", "event", _events, "WebSocket events received."),
    (_GAUGE, "mmload_sockets", "", _one(_sockets), "Open WebSockets."),
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
    (_GAUGE, "mmload_feature_unavailable", "feature reason", _unavailable, "1 for each feature that the server lacks."),
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
    (_COUNTER, "loadtest_http_errors_total", "path method status_code", _peer_errors,
     "Responses with a status of 400 or more."),
    (_COUNTER, "loadtest_http_timeouts_total", "path method", _peer_timeouts, "Requests that timed out."),
    (_GAUGE, "loadtest_websocket_connections_total", "", _one(_sockets), "Open WebSockets."),
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


def register(events: Any) -> None:
    """Wire this into Locust; called once, where the locustfile is imported."""
    events.init.add_listener(_on_init)


def _on_init(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return
    if environment.web_ui is not None and environment.web_ui.app is not None:
        environment.web_ui.app.register_blueprint(blueprint(environment))
    if address := settings_of(environment).config.run.metrics_address:
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
