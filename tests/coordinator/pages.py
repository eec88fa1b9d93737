"""Pages of /metrics as an agent writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mmload.metrics.exposition import buckets
from mmload.metrics.histogram import Histogram
from mmload.metrics.recorder import RECONNECT, STARTING_REQUEST
from mmload.plugin.web.metrics import METRICS


def histogram(seconds: Iterable[float]) -> Histogram:
    times = Histogram()
    for each in seconds:
        times.record(each)
    return times


def page(
    requests: Iterable[float] = (),
    failures: int = 0,
    logins: Iterable[float] = (),
    starting: Iterable[float] = (),
    actions: Mapping[str, Iterable[float]] | None = None,
    deliveries: Iterable[float] = (),
    present: int = 0,
    saturated: bool = False,
    reason: str = "timed out",
) -> str:
    """Durations are in seconds. The failures are among the requests, and so are those of users who were starting."""
    done, slow = histogram(requests), histogram(logins)
    acted = {name: histogram(times) for name, times in (actions or {}).items()}
    parts = [
        METRICS["mmload_users"].sample(present + 5, "target"),
        METRICS["mmload_users"].sample(present, "active"),
        METRICS["mmload_requests_total"].sample(done.count, "load", "GET /posts"),
        METRICS["mmload_requests_total"].sample(slow.count, "login", "POST /users/login"),
        METRICS["mmload_request_failures_total"].sample(failures, "load", "GET /posts", reason),
        METRICS["mmload_request_seconds"].histogram(buckets(done), "load", "GET /posts", "ok"),
        METRICS["mmload_request_seconds"].histogram(buckets(slow), "login", "POST /users/login", "ok"),
        METRICS["mmload_span_seconds"].histogram(buckets(histogram(starting)), STARTING_REQUEST),
        METRICS["mmload_span_seconds"].histogram(buckets(histogram([7.0] * 10)), RECONNECT),
        *(METRICS["mmload_action_seconds"].histogram(buckets(each), name, "ok") for name, each in acted.items()),
        METRICS["mmload_delivery_seconds"].histogram(buckets(histogram(deliveries))),
        METRICS["mmload_generator_saturated"].sample(int(saturated)),
        METRICS["mmload_generator_cpu_ratio"].sample(0.97 if saturated else 0.2, "locust"),
    ]
    return "".join(parts)
