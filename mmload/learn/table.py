"""The action × handler table: how many requests of each handler one action sends, measured on the sandbox.

`python -m benchmarks handlers --write` makes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmload.learn.routes import route_of

FILE = Path(__file__).parent / "handlers.json"
# Causes of requests that are no actions.
ENTRY = "LogIn"
EVENTS = "Events"
Edition = Literal["free", "licensed"]


@dataclass(frozen=True, slots=True)
class ActionTable:
    """Requests per action, by cause (an action, or what a client does by itself) and handler.

    `pauses`: the seconds in which people read or type in an action.
    """

    requests: Mapping[str, Mapping[str, float]]
    pauses: Mapping[str, float]

    @property
    def handlers(self) -> list[str]:
        return sorted({handler for each in self.requests.values() for handler in each})

    def without_queries(self) -> ActionTable:
        """For a source that has no query strings: the purposes of a route are one. Pure."""
        return ActionTable({cause: _by_route(each) for cause, each in self.requests.items()}, self.pauses)


def _by_route(requests: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for handler, count in requests.items():
        found[route_of(handler)] = found.get(route_of(handler), 0.0) + count
    return found


def measured_table(edition: Edition) -> ActionTable:
    """What the package's people send on a free or a licensed server."""
    found = json.loads(FILE.read_text(encoding="utf-8"))[edition]
    return ActionTable(found["requests"], found["pauses"])
