"""A server's metrics in Prometheus, as what its people did: requests by the server's functions, open WebSockets."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests

from mmload.config.coordinator_tables import Monitor
from mmload.errors import UNREADABLE, ServerNotReady, UsageError, transport_reason
from mmload.learn.observed import DAY, HOUR, SLOT_SECONDS, Hour, Observed, Slot
from mmload.learn.routes import OTHER, PERFORMANCE_REPORT, SITE_ASSET, WEB_SOCKET, route_of
from mmload.learn.server_names import DRAFT_ROUTES, DRAFTS, ROUTES
from mmload.learn.user_agents import ClientKind
from mmload.web_session import prometheus_session

SOURCE = "Mattermost's metrics in Prometheus"
ANSWER_SECONDS = 60.0
MOST_DAYS = 62
_KINDS = {"web": ClientKind.BROWSER, "desktop": ClientKind.DESKTOP, "mobile": ClientKind.MOBILE}
_QUERIES = {
    "requests": "sum by (handler, method, origin_client) (increase(mattermost_api_time_count{labels}[5m]))",
    "times": "sum by (handler, method) (increase(mattermost_api_time_sum{labels}[5m]))",
    "sockets": "sum(avg_over_time(mattermost_http_websockets_total{labels}[5m]))",
    "reconnects": "sum(increase(mattermost_websocket_reconnects_total{labels}[5m]))",
}
# Of a proxy's exporter: how much, but not what.
_PROXY = "sum(increase(nginx_http_requests_total{labels}[5m]))"

# One series: its labels, and its values by time.
Series = tuple[Mapping[str, str], Mapping[int, float]]
Ask = Callable[[str, int, int], "list[Series]"]


def handler_of(function: str, method: str) -> str:
    """The handler that a function of the server serves. Pure."""
    if function == DRAFTS:
        return DRAFT_ROUTES[0]
    route = ROUTES.get(function)
    if route is None:
        return f"{OTHER} API"
    return f"HEAD {route.partition(' ')[2]}" if method == "HEAD" else route


def as_counted(handler: str) -> str:
    """The handler as metrics have it, "" if they do not: without purposes, and drafts of threads are drafts. Pure."""
    route = route_of(handler)
    if route in (WEB_SOCKET, SITE_ASSET):
        return ""
    return DRAFT_ROUTES[0] if route in DRAFT_ROUTES else route


@dataclass(slots=True)
class _Sums:
    """What was counted, by five minutes (their ends) and by handler."""

    requests: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    kinds: Counter[ClientKind] = field(default_factory=Counter)
    sockets: dict[int, float] = field(default_factory=dict)
    took: Counter[str] = field(default_factory=Counter)
    reconnects: float = 0.0

    def add(self, found: Mapping[str, Iterable[Series]]) -> None:
        for labels, values in found["requests"]:
            name = handler_of(labels.get("handler", ""), labels.get("method", ""))
            for end, value in values.items():
                self.requests[end][name] += value  # type: ignore[assignment]
            self.kinds[_KINDS.get(labels.get("origin_client", ""), ClientKind.UNKNOWN)] += round(sum(values.values()))
        for labels, values in found["times"]:
            self.took[handler_of(labels.get("handler", ""), labels.get("method", ""))] += sum(values.values())  # type: ignore[assignment]
        for _, values in found["sockets"]:
            self.sockets.update(values)
        self.reconnects += sum(sum(values.values()) for _, values in found["reconnects"])


def observed(ask: Ask, start: float, end: float, labels: str = "") -> Observed:
    """What the server's people did between these moments. Raises UsageError where Prometheus knows nothing of them."""
    sums, (first, last) = _Sums(), whole_slots(start, end)
    for begin, until in days(first, last):
        sums.add({name: ask(query.replace("{labels}", labels), begin, until) for name, query in _QUERIES.items()})
    if not sums.requests:
        return _of_proxy(ask, first, last, labels)
    return _observed(sums, first, last)


def whole_slots(start: float, end: float) -> tuple[int, int]:
    """The first and the last end of five whole minutes between these moments. Pure."""
    first = (math.ceil(start / SLOT_SECONDS) + 1) * SLOT_SECONDS
    last = math.floor(end / SLOT_SECONDS) * SLOT_SECONDS
    if last < first:
        raise UsageError("--from and --to: expected at least one whole interval of five minutes between them")
    if last - first > MOST_DAYS * DAY:
        raise UsageError(f"--from and --to: expected at most {MOST_DAYS} days")
    return first, last


def days(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Spans of a day at most: a server refuses answers of too many points, and none has to be kept whole. Pure."""
    for begin in range(first, last + 1, DAY):
        yield begin, min(last, begin + DAY - SLOT_SECONDS)


def _observed(sums: _Sums, first: int, last: int) -> Observed:
    hours: defaultdict[int, Hour] = defaultdict(Hour)
    slots = []
    for end in sorted({*sums.requests, *sums.sockets}):
        start = end - SLOT_SECONDS
        counts = sums.requests.get(end, Counter())
        slot = Slot(start, SLOT_SECONDS, 0, 0, 0, round(counts[PERFORMANCE_REPORT]), sockets=sums.sockets.get(end, 0.0))
        slots.append(slot)
        hour = hours[start // HOUR]
        hour.handlers.update(counts)
        hour.seconds += SLOT_SECONDS
        hour.user_seconds += SLOT_SECONDS * slot.people
    for hour in hours.values():
        hour.handlers = Counter({name: round(value) for name, value in hour.handlers.items() if round(value)})
    found = Observed(
        SOURCE, False, first - SLOT_SECONDS, last, hours=dict(sorted(hours.items())), slots=slots, as_counted=as_counted
    )
    found.kinds = Counter({kind: count for kind, count in sums.kinds.items() if count})
    total = found.handlers
    found.service_seconds = {name: sums.took[name] / count for name, count in total.items() if count}
    found.reconnects = round(sums.reconnects)
    found.notes.append("bots and integrations cannot be told from people, so their requests are in the mix")
    missing = (last - first) // SLOT_SECONDS + 1 - len(slots)
    if missing:
        found.notes.append(f"Prometheus has no data for {missing} intervals of 5 min; they are left out")
    return found


def _of_proxy(ask: Ask, first: int, last: int, labels: str) -> Observed:
    """Of a server without metrics, what the exporter of an nginx counts: how many requests, and when."""
    hours: defaultdict[int, Hour] = defaultdict(Hour)
    for begin, until in days(first, last):
        for _, values in ask(_PROXY.replace("{labels}", labels), begin, until):
            for end, value in values.items():
                hour = hours[(end - SLOT_SECONDS) // HOUR]
                hour.handlers[OTHER] += round(value)
                hour.seconds += SLOT_SECONDS
    if not hours:
        raise UsageError(
            "Prometheus has no mattermost_api_time_count for this time: Mattermost needs a licence and "
            "MetricsSettings.Enable to export it; check --from, --to and --match, too"
        )
    found = Observed("metrics of nginx in Prometheus", False, first - SLOT_SECONDS, last, hours=dict(hours))
    found.notes.append("metrics of nginx have no paths, so what people do cannot be learned from them")
    return found


def moment(option: str, text: str, now: float) -> float:
    """`2026-11-26T08:00` (local time, unless it names a zone), `2026-11-26`, Unix seconds, or `now`. Pure."""
    if text == "now":
        return now
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r}: expected a time such as 2026-11-26T08:00, or now") from None


def asking(monitor: Monitor) -> Ask:
    """A function that asks Prometheus over a span of time. Raises ServerNotReady and UsageError."""
    session, url = prometheus_session(monitor), monitor.prometheus_url.rstrip("/")

    def ask(query: str, start: int, end: int) -> list[Series]:
        span = {"query": query, "start": str(start), "end": str(end), "step": str(SLOT_SECONDS)}
        try:
            answer = session.post(f"{url}/api/v1/query_range", data=span, timeout=ANSWER_SECONDS).json()
            if answer["status"] != "success":
                raise UsageError(f"Prometheus at {url} refused a query: {answer.get('error', 'no reason given')}")
            return [_series(each) for each in answer["data"]["result"]]
        except requests.ConnectionError as error:
            raise ServerNotReady(f"Prometheus at {url} cannot be reached: {transport_reason(error)}") from None
        except requests.Timeout:
            raise ServerNotReady(f"Prometheus at {url} did not answer within {ANSWER_SECONDS:g} s") from None
        except (requests.RequestException, *UNREADABLE, KeyError, TypeError, AttributeError) as error:
            raise ServerNotReady(
                f"{url} does not answer like Prometheus ({type(error).__name__}): expected the address of a "
                "Prometheus, such as http://localhost:9090"
            ) from None

    return ask


def _series(found: Any) -> Series:
    values = ((round(float(at)), float(text)) for at, text in found["values"])
    return dict(found["metric"]), {at: value for at, value in values if math.isfinite(value)}
