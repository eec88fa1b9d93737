"""What was learned as documents: simulcontroller.json, the load profile, and everything as JSON. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from mmload.learn.fit import Fit
from mmload.learn.observed import DAY, Observed, Slot

SIMULCONTROLLER, PROFILE, FIGURES = "simulcontroller.json", "profile.json", "learned.json"
LEAST_IDLE_MS, LONGEST_IDLE_MS = 1000, 24 * 3600 * 1000


def simulcontroller(fit: Fit) -> dict[str, Any]:
    """The frequencies, and the idle time. Keys that a log says nothing of keep their defaults."""
    average = min(max(2, round(fit.idle_seconds * 1000)), LONGEST_IDLE_MS) if math.isfinite(fit.idle_seconds) else 0
    idle = {"MinIdleTimeMs": min(LEAST_IDLE_MS, average // 2), "AvgIdleTimeMs": average} if average else {}
    return {
        **idle,
        **({} if fit.replies is None else {"PercentReplies": _rounded(fit.replies)}),
        "ActionFrequencies": [
            {"ActionId": each.name, "Frequency": _rounded(each.frequency)}
            for each in sorted(fit.actions, key=lambda each: -each.frequency)
        ],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def profile(slots: Iterable[Slot], offset: int) -> list[tuple[int, int]]:
    """The curve over the day: minutes since midnight (local time), and people then; of several days the mean."""
    times: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for slot in slots:
        times[int((slot.start + offset) % DAY // 60)].append((slot.seconds, slot.people))
    curve = []
    for minute, found in sorted(times.items()):
        seconds = sum(each for each, _ in found)
        if seconds > 0:
            curve.append((minute, round(sum(each * people for each, people in found) / seconds)))
    return curve


def everything(observed: Observed, fit: Fit | None) -> dict[str, Any]:
    """All figures, for scripts; without anything that could name a person."""
    busiest = observed.busiest
    return {
        "source": observed.source,
        "from": iso(observed.start),
        "to": iso(observed.end),
        "notes": observed.notes,
        "requests": observed.handlers.total() + observed.integrations.total(),
        "people": {
            "told_apart_by": observed.mark,
            "sure": people_are_sure(observed),
            "most": observed.most_people,
            "user_hours": round(observed.user_hours, 2),
            "daily": {iso(number * DAY)[:10]: people for number, people in sorted(observed.daily.items())},
        },
        "busiest_hour": None
        if busiest is None
        else {"from": iso(busiest[0] * 3600), "per_s": round(busiest[1].rate, 3)},
        "clients": {kind.value: count for kind, count in observed.kinds.most_common()},
        "integrations": dict(observed.integrations.most_common()),
        "statuses": dict(sorted(observed.statuses.items())),
        "fit": None if fit is None else _fitted(fit),
    }


def _fitted(fit: Fit) -> dict[str, Any]:
    return {
        "user_hours": round(fit.user_hours, 2),
        "explained": round(fit.explained_share, 4),
        "idle_s": round(fit.idle_seconds, 3) if math.isfinite(fit.idle_seconds) else None,
        "replies": None if fit.replies is None else round(fit.replies, 4),
        "logins": round(fit.logins),
        "polls_per_user_hour": round(fit.polls_per_user_hour, 2),
        "actions": {
            each.name: {
                "per_user_hour": round(each.per_user_hour, 4),
                "count": round(each.count, 1),
                "frequency": _rounded(each.frequency),
                "uncertainty": round(each.uncertainty, 4),
                "told_apart": each.told_apart,
                "like": list(each.like),
            }
            for each in fit.actions
        },
        "handlers": {
            each.handler: {
                "seen": each.seen,
                "predicted": round(each.predicted, 1),
                "explained_by": {name: round(share, 1) for name, share in each.causes},
            }
            for each in fit.handlers
        },
        "unexplained": dict(sorted(fit.unexplained.items(), key=lambda each: -each[1])),
    }


def iso(moment: float) -> str:
    """A moment in UTC, as 2026-11-26T10:00:00Z."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# How far the number of people may be from what the clients' reports (one a minute) say.
_SURE_WITHIN = 0.1


def people_are_sure(observed: Observed) -> bool | None:
    """Whether two ways to count people agree; None where there is only one. Pure."""
    if any(each.marked or each.sockets for each in observed.slots):
        return True
    by_others, by_reports = observed.counted_twice()
    if not by_reports or not by_others:
        return None
    return abs(by_reports / by_others - 1) <= _SURE_WITHIN
