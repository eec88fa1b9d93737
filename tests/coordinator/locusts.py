"""A web server that answers as a Locust agent does: as many users at once as ordered, slow above its capacity."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.coordinator.pages import page
from tests.coordinator.serving import Answer, Asked, serving

GOOD, SLOW = 0.1, 5.0  # seconds
_REQUESTS = 20  # between two looks


@dataclass
class Locust:
    """What it was told, and how it is; `measures` False: without any of ours."""

    capacity: int = 1000
    users: int = 0
    measures: bool = True
    ordered: list[int] = field(default_factory=list)
    stops: int = 0
    _requests: list[float] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/stats/requests":
            return Answer(200, json.dumps({"user_count": self.users, "state": "running" if self.users else "ready"}))
        if asked.path == "/swarm":
            self.users = int(parse_qs(asked.body.decode())["user_count"][0])
            self.ordered.append(self.users)
            return Answer(200, '{"success": true}')
        if asked.path == "/stop":
            self.users, self.stops = 0, self.stops + 1
            return Answer(200, '{"success": true}')
        return Answer(200, self._page(), "text/plain") if asked.path == "/metrics" else Answer(404, "")

    def _page(self) -> str:
        if not self.measures:
            return "locust_users 1\n"
        self._requests += [SLOW if self.users > self.capacity else GOOD] * _REQUESTS
        return page(self._requests, present=self.users)


@contextmanager
def running(locust: Locust) -> Iterator[str]:
    """Its address."""
    with serving(locust.answer) as url:
        yield url
