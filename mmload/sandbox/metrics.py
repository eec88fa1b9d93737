"""The /metrics page with Mattermost's metric names and buckets, and plain counts for tests to compare with."""

from __future__ import annotations

import resource
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator

from mmload.sandbox.capacity import SlotLoad
from mmload.sandbox.http import ApiRoute
from mmload.sandbox.state import Document
from mmload.sandbox.world import World

# The default buckets of Prometheus' clients, which Mattermost uses.
BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class BucketHistogram:
    """Counts by duration."""

    __slots__ = ("counts", "total_seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_SECONDS) + 1)
        self.total_seconds = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        self.total_seconds += seconds

    def lines(self, name: str, labels: str) -> Iterator[str]:
        running = 0
        comma = "," if labels else ""
        for bound, count in zip((*BUCKETS_SECONDS, None), self.counts, strict=True):
            running += count
            le = "+Inf" if bound is None else f"{bound:g}"
            yield f'{name}_bucket{{{labels}{comma}le="{le}"}} {running}'
        yield f"{name}_sum{{{labels}}} {self.total_seconds:.6f}"
        yield f"{name}_count{{{labels}}} {running}"


class SandboxMetrics:
    """Requests and answers since the start."""

    def __init__(self) -> None:
        self.by_route: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._api_time: defaultdict[tuple[str, str, int], BucketHistogram] = defaultdict(BucketHistogram)
        self._login_attempts = Counter[bool]()
        self.sockets_resumed = 0
        self.sockets_opened = 0
        self.sockets_renewed = 0
        # How the last connections of those who came back had ended, as they told.
        self.close_codes = Counter[str]()
        self.posts_acknowledged = 0

    def request(self, route: ApiRoute | None, method: str, status: int, seconds: float) -> None:
        self.by_route[route.name if route is not None else f"{method} (no route)"][status] += 1
        if route is None:
            return
        self._api_time[route.handler_name, method, status].add(seconds)
        if route.handler_name == "login":
            self._login_attempts[status == 200] += 1

    def page(self, world: World, load: SlotLoad) -> str:
        """The text that Prometheus scrapes."""
        return "\n".join([*self._api_lines(), *self._gauge_lines(world, load.waiting), *_pool_lines(load), ""])

    def _api_lines(self) -> Iterator[str]:
        name = "mattermost_api_time"
        yield f"# HELP {name} Time to execute the api handler"
        yield f"# TYPE {name} histogram"
        # Every request ends at the in-memory state, so the store's time is the handler's.
        store = BucketHistogram()
        for (handler, method, status), histogram in sorted(self._api_time.items()):
            labels = f'handler="{handler}",method="{method}",origin_client="unknown",status_code="{status}"'
            yield from histogram.lines(name, labels)
            store.total_seconds += histogram.total_seconds
            store.counts = [a + b for a, b in zip(store.counts, histogram.counts, strict=True)]
        yield "# TYPE mattermost_db_store_time histogram"
        yield from store.lines("mattermost_db_store_time", 'method="Sandbox.All",success="true"')

    def _gauge_lines(self, world: World, waiting: int) -> Iterator[str]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        requests = sum(sum(counts.values()) for counts in self.by_route.values())
        errors = sum(count for counts in self.by_route.values() for status, count in counts.items() if status >= 400)
        posts = sum(not post.type for post in world.state.posts.values())
        yield from _lines(
            ("mattermost_http_requests_total", "counter", requests),
            ("mattermost_http_errors_total", "counter", errors),
            ("mattermost_http_websockets_total", "gauge", world.hub.open_sockets),
            ("mattermost_websocket_broadcasts_total", "counter", sum(world.hub.sent_by_name.values())),
            ("mattermost_post_total", "counter", posts),
            ("mattermost_login_logins_total", "counter", self._login_attempts[True]),
            ("mattermost_login_logins_fail_total", "counter", self._login_attempts[False]),
            ("mattermost_sandbox_requests_waiting", "gauge", waiting),
            ("process_cpu_seconds_total", "counter", round(usage.ru_utime + usage.ru_stime, 3)),
            ("process_resident_memory_bytes", "gauge", usage.ru_maxrss * 1024),
        )

    def counts(self, world: World) -> Document:
        """What the server received, for tests to compare a client's report with."""
        by_type = Counter(post.type for post in world.state.posts.values())
        people_posts = by_type.pop("", 0)
        return {
            "posts": people_posts,
            "system_posts": dict(by_type),
            "reactions": sum(len(post.reactions) for post in world.state.posts.values()),
            "users": len(world.state.users),
            "teams": len(world.state.teams),
            "channels": dict(Counter(channel.type for channel in world.state.channels.values())),
            "sessions": len(world.state.sessions),
            "sockets_open": world.hub.open_sockets,
            "sockets_opened": self.sockets_opened,
            "sockets_resumed": self.sockets_resumed,
            "close_codes": dict(self.close_codes),
            "posts_acknowledged": self.posts_acknowledged,
            "sockets_renewed": self.sockets_renewed,
            "events_sent": dict(world.hub.sent_by_name),
            "event_faults": dict(world.hub.faults.done),
            "requests": {
                route: {str(status): count for status, count in counts.items()}
                for route, counts in self.by_route.items()
            },
        }


def _pool_lines(load: SlotLoad) -> Iterator[str]:
    """The slots stand for Mattermost's connections to its database: what requests queue for."""
    if load.slots:
        yield from _lines(
            ("go_sql_max_open_connections", "gauge", load.slots),
            ("go_sql_in_use_connections", "gauge", load.in_use),
            ("go_sql_wait_duration_seconds_total", "counter", round(load.waited_seconds, 3)),
            labels='{db_name="master"}',
        )


def _lines(*metrics: tuple[str, str, float], labels: str = "") -> Iterator[str]:
    for name, kind, value in metrics:
        yield f"# TYPE {name} {kind}"
        yield f"{name}{labels} {value}"
