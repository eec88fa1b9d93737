"""Pages of /metrics as an agent writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mmload.metrics.exposition import buckets
from mmload.metrics.histogram import Histogram
from mmload.plugin.web.metrics import (
    ACTION_SECONDS,
    CPU,
    DELIVERY_SECONDS,
    FAILURES,
    REQUEST_SECONDS,
    REQUESTS,
    SATURATED,
    USERS,
)


def histogram(seconds: Iterable[float]) -> Histogram:
    times = Histogram()
    for each in seconds:
        times.record(each)
    return times


def page(
    requests: Iterable[float] = (),
    failures: int = 0,
    logins: Iterable[float] = (),
    actions: Mapping[str, Iterable[float]] | None = None,
    deliveries: Iterable[float] = (),
    present: int = 0,
    saturated: bool = False,
    reason: str = "timed out",
) -> str:
    """Durations are in seconds. The failures are among the requests."""
    done, slow = histogram(requests), histogram(logins)
    parts = [
        USERS.sample(present + 5, "asked"),
        USERS.sample(present, "present"),
        REQUESTS.sample(done.count, "load", "GET /posts"),
        REQUESTS.sample(slow.count, "login", "POST /users/login"),
        FAILURES.sample(failures, "load", "GET /posts", reason),
        REQUEST_SECONDS.histogram(buckets(done), "load", "GET /posts", "ok"),
        REQUEST_SECONDS.histogram(buckets(slow), "login", "POST /users/login", "ok"),
        *(ACTION_SECONDS.histogram(buckets(histogram(each)), name, "ok") for name, each in (actions or {}).items()),
        DELIVERY_SECONDS.histogram(buckets(histogram(deliveries))),
        SATURATED.sample(int(saturated)),
        CPU.sample(0.97 if saturated else 0.2, "locust"),
    ]
    return "".join(parts)
