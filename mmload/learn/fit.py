"""From requests by handler to how often people do what: the mix of actions that explains them best. Pure.

The requests of each handler are a sum over actions (non-negative least squares on the action × handler table), weighted
by how well each count is known. What clients look up by themselves depends on what they know already, so those handlers
have an unknown of their own. Where handlers cannot tell actions apart, the default mix decides, and that is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmload.learn.nnls import Matrix, nonnegative_least_squares
from mmload.learn.observed import HOUR, Hour
from mmload.learn.routes import SITE_ASSET, WEB_SOCKET, is_served
from mmload.learn.table import ENTRY, EVENTS, ActionTable, Edition

POLL, LOOK_UP = "Poll", "LookUp"
POLLS_PER_HOUR = 60.0
CLIENT = "the client itself"
_CAUSES = (POLL, ENTRY)
# How often these come depends on what a client knows already, and on what others do.
_LOOKED_UP = (
    "GET /users/{user_id}/image",
    "POST /users/ids",
    "POST /users/ids?since",
    "POST /users/usernames",
    "POST /users/status/ids",
    "GET /files/{file_id}/thumbnail",
    "GET /files/{file_id}/preview",
    # Also fetched before anybody looks, of channels that have become unread.
    "GET /users/{user_id}/channels/{channel_id}/posts/unread",
    SITE_ASSET,
)
# The table's means are right to about this share, however many requests there are.
_MODEL_ERROR = 0.02
# How far from the default mix an action may be expected: this many times its own frequency.
_PRIOR_WIDTH = 5.0
# An action is told apart when it is known at least so well: relative, or in standard deviations of its own number.
_TOLD_APART, _CHANCE = 0.15, 3.0
# Of another action, when it is mostly the other's number that makes this one's uncertain.
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Learned:
    """One action: how often people do it, and how sure that is (relative standard deviation).

    Not `told_apart`: the handlers leave room, and the default mix decides; mostly between this one and those `like` it.
    """

    name: str
    per_user_hour: float
    count: float
    frequency: float
    uncertainty: float
    told_apart: bool = True
    like: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explained:
    """One handler: requests in the log, and as predicted, with the three causes of most of them."""

    handler: str
    seen: float
    predicted: float
    causes: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """What was learnt. `unexplained`: requests whose handlers no action has."""

    actions: tuple[Learned, ...]
    handlers: tuple[Explained, ...]
    unexplained: Mapping[str, int]
    seconds_between_actions: float
    idle_seconds: float
    pause_seconds: float
    user_hours: float
    logins: float
    polls_per_user_hour: float

    @property
    def explained_share(self) -> float:
        """Of all requests, those that the prediction has as well."""
        total = sum(each.seen for each in self.handlers) + sum(self.unexplained.values())
        return sum(min(each.seen, each.predicted) for each in self.handlers) / total if total else 0.0

    def frequencies(self) -> dict[str, float]:
        return {each.name: each.frequency for each in self.actions}


@dataclass(frozen=True, slots=True)
class _System:
    """The weighted equations: a row for each handler, a column for each cause; then the default mix as weak ones."""

    causes: tuple[str, ...]
    is_action: tuple[bool, ...]
    handlers: tuple[str, ...]
    means: Matrix  # handlers × causes
    seen: Matrix
    matrix: Matrix
    wanted: Matrix


def fit(
    hour: Hour, table: ActionTable, defaults: Mapping[str, float], service_seconds: Mapping[str, float] | None = None
) -> Fit:
    """The mix that explains the requests of `hour` (of any length). `defaults`: the frequencies of the default mix."""
    seen = hour.handlers
    system = _system(seen, table, defaults)
    found = nonnegative_least_squares(system.matrix, system.wanted)
    counts = dict(zip(system.causes, (float(each) for each in found), strict=True))
    uncertainty = _uncertainty(system, found)
    user_hours = hour.user_seconds / HOUR
    actions = [name for name in defaults if name in table.requests]
    total = sum(counts[name] for name in actions)
    unit = _unit(counts, defaults, actions)
    between = HOUR * user_hours / total if total else math.inf
    busy = sum(counts[name] * _duration(table, name, service_seconds or {}) for name in actions) / total if total else 0
    return Fit(
        tuple(
            Learned(
                name,
                counts[name] / user_hours if user_hours else 0.0,
                counts[name],
                counts[name] / unit if unit else 0.0,
                *uncertainty[name],
            )
            for name in actions
        ),
        _explained(system, found, table),
        {name: count for name, count in seen.items() if name not in system.handlers},
        between,
        max(0.0, between - busy),
        busy,
        user_hours,
        counts[ENTRY],
        counts[POLL] / user_hours if user_hours else 0.0,
    )


def _unit(counts: Mapping[str, float], defaults: Mapping[str, float], actions: Sequence[str]) -> float:
    """The number of actions that has frequency 1: posts, as by default; without posts, so that the sums agree."""
    if counts.get("CreatePost", 0) > 0:
        return counts["CreatePost"]
    whole = sum(defaults[name] for name in actions)
    return sum(counts[name] for name in actions) / whole if whole else 0.0


def _duration(table: ActionTable, action: str, service_seconds: Mapping[str, float]) -> float:
    """How long an action takes: the pauses in it, and its requests one after the other."""
    requests = table.requests[action]
    waiting = sum(mean * service_seconds.get(handler, 0.0) for handler, mean in requests.items())
    return table.pauses.get(action, 0.0) + waiting


def _system(seen: Mapping[str, int], table: ActionTable, defaults: Mapping[str, float]) -> _System:
    actions = [name for name in defaults if name in table.requests]
    loose = list(dict.fromkeys([*_LOOKED_UP, *table.requests.get(EVENTS, ()), *_looked_up(table)]))
    handlers = [name for name in table.handlers if name in seen or _expects(table, defaults, name)]
    causes = [*actions, *_CAUSES, *(name for name in loose if name in handlers)]
    place = {name: at for at, name in enumerate(handlers)}
    means = np.zeros((len(handlers), len(causes)))
    for column, cause in enumerate(causes):
        for handler, mean in table.requests.get(cause, {cause: 1.0} if cause in place else {}).items():
            if handler in place:
                means[place[handler], column] = mean
    counts = np.array([float(seen.get(name, 0)) for name in handlers])
    deviation = np.sqrt(np.maximum(counts, 1.0) + (_MODEL_ERROR * counts) ** 2)
    expected = _expected(seen, table, defaults, actions)
    width = np.array([_PRIOR_WIDTH * max(expected.get(cause, 0.0), expected["least"]) for cause in causes])
    prior = np.array([expected.get(cause, 0.0) for cause in causes])
    bound = np.array([cause in actions for cause in causes])
    rows = np.diag(1.0 / width)[bound]
    return _System(
        tuple(causes),
        tuple(cause in actions for cause in causes),
        tuple(handlers),
        means,
        counts,
        np.vstack([means / deviation[:, None], rows]),
        np.concatenate([counts / deviation, (prior / width)[bound]]),
    )


def _looked_up(table: ActionTable) -> list[str]:
    return [handler for handler in table.requests.get(LOOK_UP, ()) if handler != WEB_SOCKET]


def _expects(table: ActionTable, defaults: Mapping[str, float], handler: str) -> bool:
    return any(table.requests[name].get(handler) for name in defaults if name in table.requests)


def _expected(
    seen: Mapping[str, int], table: ActionTable, defaults: Mapping[str, float], actions: Sequence[str]
) -> dict[str, float]:
    """How often the default mix would have done each action, had it sent as much. `least`: of a rare one."""
    handlers = {handler for name in actions for handler in table.requests[name]} - set(_LOOKED_UP)
    sent = sum(
        defaults[name] * mean
        for name in actions
        for handler, mean in table.requests[name].items()
        if handler in handlers
    )
    scale = sum(seen.get(handler, 0) for handler in handlers) / sent if sent else 0.0
    return {**{name: scale * defaults[name] for name in actions}, "least": max(1.0, 0.001 * scale)}


def _uncertainty(system: _System, found: Matrix) -> dict[str, tuple[float, bool, tuple[str, ...]]]:
    """Of each cause: its relative standard deviation, whether it is told apart, and which are like it. Pure."""
    covariance = np.linalg.pinv(system.matrix.T @ system.matrix, hermitian=True)
    deviations = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    correlations = np.abs(covariance / np.outer(deviations, deviations))
    known = {}
    for at, cause in enumerate(system.causes):
        value = max(float(found[at]), 1.0)
        alike: tuple[str, ...] = ()
        told_apart = bool(deviations[at] <= max(_TOLD_APART * value, _CHANCE * math.sqrt(value)))
        if not told_apart:
            order = [int(each) for each in np.argsort(-correlations[at]) if each != at and system.is_action[each]]
            alike = tuple(system.causes[each] for each in order if correlations[at, each] > _ALIKE)[:3]
        known[cause] = (float(deviations[at]) / value, told_apart, alike)
    return known


def _explained(system: _System, found: Matrix, table: ActionTable) -> tuple[Explained, ...]:
    predicted = system.means @ found
    rows = []
    for at, handler in enumerate(system.handlers):
        shares = system.means[at] * found
        causes: dict[str, float] = {}
        for cause, share in zip(system.causes, shares, strict=True):
            if share > 0:
                name = cause if cause in table.requests and cause != POLL else CLIENT
                causes[name] = causes.get(name, 0.0) + float(share)
        largest = sorted(causes.items(), key=lambda each: -each[1])[:3]
        rows.append(Explained(handler, float(system.seen[at]), float(predicted[at]), tuple(largest)))
    return tuple(sorted(rows, key=lambda each: (-each.seen, each.handler)))


def edition_of(seen: Mapping[str, int]) -> Edition:
    """Whether the server has a licence, by what only then is asked for. Pure."""
    licensed = seen.get("GET /channels/{channel_id}/bookmarks", 0)
    return "licensed" if licensed > 0.05 * sum(count for name, count in seen.items() if is_served(name)) else "free"
