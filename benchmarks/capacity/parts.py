"""The parts of the search that can be left out, each by other values of `Tuning`: what is worth its lines?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from coordinator.search.tuning import DEFAULT

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Part:
    """What a part does, and the tuning without it."""

    meaning: str
    without: dict[str, Any]


PARTS = {
    "careful_climb": Part("a small server that was breached on the way up is climbed again", {"coarse_users": 0}),
    "login_breaches": Part("where log-ins alone cross the limit, they are waited for", {"drops": 10**9}),
    "arrivals_scale": Part(
        "more log-ins in evidence where they are expensive", {"largest_arrivals_share": DEFAULT.arrivals_share}
    ),
    "crawl": Part("a server that is breached for two minutes is, whatever its log-ins", {"crawl_seconds": NEVER}),
    "false_breach": Part("a breach that was false is forgotten, and the climb goes on", {"false_seconds": NEVER}),
    "passing": Part("after a breach, log-ins pass before the users are judged", {"passing": False}),
    "false_bound": Part("a load that came near the limit only for a moment is passed", {"false_bound": NEVER}),
    "onset": Part(
        "the breach is put down to an earlier load", {"onset_back_seconds": 0.0, "onset_longest_seconds": 0.0}
    ),
    "leave": Part("a level far above the limit is left", {"leave_seconds": NEVER}),
    "far_step": Part("larger steps up to an estimate that is far away", {"far_step": NEVER}),
    "far_share": Part("more log-ins far below the target", {"far_share": 0.0}),
    "growth_near": Part("the climb is slower near the limit", {"growth_near": DEFAULT.growth}),
}
