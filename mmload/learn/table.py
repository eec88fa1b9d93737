"""The action × handler table: how many requests of each handler one action sends, measured on the sandbox.

`python -m benchmarks handlers --write` makes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

FILE = Path(__file__).parent / "handlers.json"
# Causes of requests that are no actions.
ENTRY = "LogIn"
EVENTS = "Events"
Edition = Literal["free", "licensed"]


@dataclass(frozen=True, slots=True)
class ActionTable:
    """Requests per action, by cause (an action, or what a client does by itself) and handler.

    `pauses`: the seconds in which people read in an action; `typing`: in which they type, if they are idle for
    `full_speed_idle_s` or more between actions (who hurries types faster). `skipped`: the share of an action's draws
    that find nothing to do. `deviations`: how far the means may be off, where they depend on what else is done.
    """

    requests: Mapping[str, Mapping[str, float]]
    pauses: Mapping[str, float] = field(default_factory=dict)
    typing: Mapping[str, float] = field(default_factory=dict)
    full_speed_idle_s: float = 20.0
    skipped: Mapping[str, float] = field(default_factory=dict)
    deviations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def handlers(self) -> list[str]:
        return sorted({handler for each in self.requests.values() for handler in each})

    def counted(self, as_counted: Callable[[str], str]) -> ActionTable:
        """For a source that counts handlers under other names, or ("") not at all. Pure."""
        requests, deviations = (
            {cause: _renamed(each, as_counted) for cause, each in part.items()}
            for part in (self.requests, self.deviations)
        )
        return replace(self, requests=requests, deviations=deviations)


def _renamed(requests: Mapping[str, float], as_counted: Callable[[str], str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for handler, count in requests.items():
        if name := as_counted(handler):
            found[name] = found.get(name, 0.0) + count
    return found


def measured_table(edition: Edition) -> ActionTable:
    """What the package's people send on a free or a licensed server."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return ActionTable(**document[edition], full_speed_idle_s=document["full_speed_idle_s"])
