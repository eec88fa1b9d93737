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
POST, SCROLL, THREADS = "CreatePost", "ScrollChannel", "ViewGlobalThreads"
# Variants of an action, which send other requests than it does else. How many posts are replies is a setting.
REPLY, NO_THREADS = f"{POST} reply", f"{THREADS} empty"
VARIANTS = {REPLY: POST, NO_THREADS: THREADS}
# What follows from several actions: the box of a channel in which somebody typed is left by whatever comes next (its
# draft is deleted once more), who followed a link into the past comes to a channel with a box again, and who comes back
# from the threads to a direct channel has it shown in the sidebar.
LEFT_BOX, LEFT_PAST, BACK_IN_DIRECT = "LeftBox", "LeftPast", "BackInDirect"
# All that is asked for once more where the server does not know a socket again, as after a restart.
RENEWED = "SocketRenewed"
LINK = "ClickPermalink"
# What opens direct and group channels.
TO_DIRECT = ("OpenDirectOrGroupChannel", "CreateDirectChannel", "CreateGroupChannel")
# As which action a cause is told.
TOLD_AS = {
    **VARIANTS,
    LEFT_BOX: POST,
    LEFT_PAST: LINK,
    BACK_IN_DIRECT: THREADS,
    RENEWED: "ReconnectWebSocket",
}
Edition = Literal["free", "licensed"]


@dataclass(frozen=True, slots=True)
class ActionTable:
    """Requests per action, by cause (an action, or what a client does by itself) and handler.

    `pauses`: the seconds in which people read in an action; `typing`: in which they type, if they are idle for
    `full_speed_idle_s` or more between actions (who hurries types faster); people take from `typing_speeds[0]` to
    `typing_speeds[1]` times as long. `deviations`: how far the means may be off where they depend on other actions.
    `boxes`: how often it types in the box of a channel, leaves one ("left"), or leaves its own at once ("saved").
    `shares`: those of the variants.
    """

    requests: Mapping[str, Mapping[str, float]]
    pauses: Mapping[str, float] = field(default_factory=dict)
    typing: Mapping[str, float] = field(default_factory=dict)
    full_speed_idle_s: float = 20.0
    typing_speeds: tuple[float, float] = (1.0, 1.0)
    deviations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    boxes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def handlers(self) -> list[str]:
        return sorted({handler for each in self.requests.values() for handler in each})

    def causes(self, frequencies: Mapping[str, float], replies: float) -> dict[str, float]:
        """How often each cause is, if actions are done so often and so many posts are replies. Pure."""
        found = dict(frequencies)
        for variant, action in VARIANTS.items():
            if variant in self.requests:
                share = replies if variant == REPLY else self.shares.get(variant, 0.0)
                found |= {action: found.get(action, 0.0) * (1 - share), variant: found.get(action, 0.0) * share}
        return found | self.following(found)

    def following(self, counts: Mapping[str, float]) -> dict[str, float]:
        """How often that happens which follows from several actions, if these are done so often, in any order. Pure."""
        typed, left, saved = (
            sum(times * self.boxes.get(name, {}).get(what, 0.0) for name, times in counts.items())
            for what in ("typed", "left", "saved")
        )
        past, visits = counts.get(LINK, 0.0), left + saved
        direct = sum(counts.get(name, 0.0) for name in TO_DIRECT)
        back = counts.get(THREADS, 0.0) + counts.get(NO_THREADS, 0.0)
        return {
            LEFT_BOX: typed * left / (typed + left + saved) if typed and left else 0.0,
            LEFT_PAST: past * visits / (past + visits) if past else 0.0,
            BACK_IN_DIRECT: back * min(1.0, direct / visits) if visits else 0.0,
        }

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
    return ActionTable(**document[edition], **document["typists"])
