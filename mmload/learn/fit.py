"""From requests by handler to how often people do what: the mix of actions that explains them best. Pure.

The requests of each handler are a sum over actions (non-negative least squares on the action × handler table), weighted
by how well each count is known. What clients look up by themselves depends on what they know already, so those handlers
have an unknown of their own. Where handlers cannot tell actions apart, the default mix decides, and that is said.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmload.config import SimulController
from mmload.learn.handler_table import (
    BACK_IN_DIRECT,
    ENTRY,
    EVENTS,
    LEFT_BOX,
    LEFT_PAST,
    POST,
    RENEWED,
    REPLY,
    TOLD_AS,
    VARIANTS,
    ActionTable,
    Edition,
)
from mmload.learn.nnls import Matrix, nonnegative_least_squares
from mmload.learn.observed import HOUR, NOTEWORTHY, Hour
from mmload.learn.routes import SITE_ASSET, WEB_SOCKET, is_served

POLL, LOOK_UP = "Poll", "LookUp"
POLLS_PER_HOUR = 60.0
CLIENT = "the client itself"
# What follows from actions, and how far from what these say its number may be.
_FOLLOWING = {LEFT_BOX: 0.2, LEFT_PAST: 0.2, BACK_IN_DIRECT: 0.2}
_CAUSES = (POLL, ENTRY, RENEWED)
# A channel whose posts a client has, and another.
_SINCE = "GET /channels/{channel_id}/posts?since"
_UNREAD = "GET /users/{user_id}/channels/{channel_id}/posts/unread"
# How often these come depends on what a client knows already, and on what others do.
_LOOKED_UP = (
    "GET /users/{user_id}/image",
    "POST /users/ids",
    "POST /users/ids?since",
    "POST /users/usernames",
    "POST /users/status/ids",
    "GET /files/{file_id}/thumbnail",
    "GET /files/{file_id}/preview",
    "HEAD /files/{file_id}/thumbnail",
    "GET /users/{user_id}/teams/{team_id}/threads/{thread_id}",
    "GET /users/{user_id}/teams/{team_id}/threads",
    # Letters are typed until nobody else has such a name; and who is shown a channel's beginning first is told once.
    "GET /users/autocomplete",
    "GET /users/stats",
    # Also fetched before anybody looks, of channels that have become unread.
    _UNREAD,
    SITE_ASSET,
)
# The table's means are right to about this share, however many requests there are; what is more or less than a whole
# number depends on something, and may be none of it, but not more of the mean than the second one.
_MODEL_ERROR, _CHANCE_ERROR = 0.02, 0.5
# An equation that is off by more standard deviations counts for less (Huber's weights).
_ROBUST = 1.5
_ROUNDS = 8
_HALVINGS = 60
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
    """What was learned. `unexplained`: requests whose handlers no action has. `replies`: their share, if known."""

    actions: tuple[Learned, ...]
    handlers: tuple[Explained, ...]
    unexplained: Mapping[str, int]
    seconds_between_actions: float
    idle_seconds: float
    user_hours: float
    logins: float
    polls_per_user_hour: float
    replies: float | None = None

    @property
    def explained_share(self) -> float:
        """Of all requests, those that the prediction has as well."""
        total = sum(each.seen for each in self.handlers) + sum(self.unexplained.values())
        return sum(min(each.seen, each.predicted) for each in self.handlers) / total if total else 0.0

    def frequencies(self) -> dict[str, float]:
        return {each.name: each.frequency for each in self.actions}


@dataclass(frozen=True, slots=True)
class _System:
    """A row for each handler, a column for each cause; and what the default mix would have done of each."""

    causes: tuple[str, ...]
    is_action: NDArray[np.bool_]
    is_expected: NDArray[np.bool_]
    handlers: tuple[str, ...]
    means: Matrix  # handlers × causes
    deviations: Matrix  # of the means
    seen: Matrix
    expected: Matrix  # of each cause
    width: Matrix  # how far from that it may be

    def weighted(self, found: Matrix) -> tuple[Matrix, Matrix]:
        """The equations in units of their standard deviations, if `found` is how often each cause was."""
        predicted = self.means @ found
        level = np.maximum(np.maximum(self.seen, predicted), 1.0)
        deviation = np.sqrt(level + (_MODEL_ERROR * self.seen) ** 2 + self.deviations**2 @ found**2)
        if found.any():
            deviation *= np.sqrt(np.maximum(1.0, np.abs(self.seen - predicted) / (_ROBUST * deviation)))
        prior = np.diag(1.0 / self.width)[self.is_expected]
        return (
            np.vstack([self.means / deviation[:, None], prior]),
            np.concatenate([self.seen / deviation, (self.expected / self.width)[self.is_expected]]),
        )

    def counts(self, found: Matrix) -> dict[str, float]:
        """By cause; an action with its variants, whose columns are what they send more than it does."""
        return dict(zip(self.causes, (float(each) for each in found), strict=True))

    def expecting(self, following: Mapping[str, float]) -> _System:
        """How often that happens which follows from other actions."""
        expected, width = self.expected.copy(), self.width.copy()
        for at, cause in enumerate(self.causes):
            if cause in following:
                expected[at], width[at] = following[cause], max(1.0, _FOLLOWING[cause] * following[cause])
        return replace(self, expected=expected, width=width)


def fit(
    hour: Hour,
    table: ActionTable,
    defaults: Mapping[str, float],
    service_seconds: Mapping[str, float] | None = None,
    settings: SimulController = SimulController(),  # noqa: B008 — a frozen value
) -> Fit:
    """The mix that explains the requests of `hour` (of any length). `defaults`: the frequencies of the default mix.

    `settings`: what a log does not say, and the mix will be played with.
    """
    system = _system(_openings_as_one(hour.handlers), table.counted(_opening), defaults, settings.percent_replies)
    system, found = _solved(system, table)
    counts = system.counts(found)
    uncertainty = _uncertainty(system, found)
    knows_replies = REPLY in uncertainty and uncertainty[REPLY][1]
    user_hours = hour.user_seconds / HOUR
    done = {name: counts[name] for name in defaults if name in table.requests}
    total = sum(done.values())
    unit = _unit(done, defaults)
    between = HOUR * user_hours / total if total else math.inf
    pace = _pace(counts, total, table, service_seconds or {}, settings)
    return Fit(
        tuple(
            Learned(name, _ratio(count, user_hours), count, _ratio(count, unit), *uncertainty[name])
            for name, count in done.items()
        ),
        _explained(system, found, table, hour.handlers),
        {name: count for name, count in hour.handlers.items() if _opening(name) not in system.handlers},
        between,
        pace.idle(between),
        user_hours,
        counts[ENTRY],
        _ratio(counts[POLL], user_hours),
        _apart(counts)[REPLY] / counts[POST] if knows_replies and counts.get(POST) else None,
    )


def _ratio(count: float, by: float) -> float:
    return count / by if by else 0.0


def _apart(counts: Mapping[str, float]) -> dict[str, float]:
    """By cause; an action without its variants."""
    found = dict(counts)
    for variant, action in VARIANTS.items():
        if variant in found:
            found[variant] = min(found[variant], found[action])
            found[action] -= found[variant]
    return found


def _solved(system: _System, table: ActionTable) -> tuple[_System, Matrix]:
    """How often each cause was: how sure an equation is depends on that itself, so it is found in a few rounds."""
    found = np.zeros(len(system.causes))
    for _ in range(_ROUNDS):
        found = nonnegative_least_squares(*system.weighted(found))
        system = system.expecting(table.following(_apart(system.counts(found))))
    return system, found


def _unit(done: Mapping[str, float], defaults: Mapping[str, float]) -> float:
    """The number of actions that has frequency 1: posts, as by default; without posts, so that the sums agree."""
    if done.get("CreatePost", 0) > 0:
        return done["CreatePost"]
    whole = sum(defaults[name] for name in done)
    return sum(done.values()) / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class _Pace:
    """How far actions are apart: they take `busy` seconds and `typing` at full speed, on average, and people idle.

    Behind another window nobody acts: all the faster they do in front, but an action does not become shorter by that.
    """

    busy: float
    typing: float
    in_front: float
    table: ActionTable

    def between(self, idle: float) -> float:
        """Seconds between two actions of all people. Who idles less types faster; who types slowly acts less often."""
        typing = self.typing * min(1.0, idle / self.table.full_speed_idle_s) / self.in_front
        fixed = idle + self.busy / self.in_front
        quick, slow = (fixed + typing * speed for speed in self.table.typing_speeds)
        return (slow - quick) / math.log(slow / quick) if slow > quick else quick

    def idle(self, between: float) -> float:
        """The idle time with which actions are so far apart."""
        if math.isinf(between):
            return between
        low, high = 0.0, between
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.between(middle) < between else (low, middle)
        return (low + high) / 2


def _pace(
    counts: Mapping[str, float],
    total: float,
    table: ActionTable,
    service_seconds: Mapping[str, float],
    settings: SimulController,
) -> _Pace:
    """How long the actions take, if there are so many in all."""
    apart = _apart({name: times for name, times in counts.items() if name in table.requests and name not in _CAUSES})
    busy = sum(times * _duration(table, name, service_seconds) for name, times in apart.items())
    typing = sum(times * table.typing.get(name, 0.0) for name, times in apart.items())
    number = max(1.0, total)
    return _Pace(busy / number, typing / number, settings.percent_time_in_front, table)


def _duration(table: ActionTable, action: str, service_seconds: Mapping[str, float]) -> float:
    """How long an action takes: the pauses in it but for typing, and its requests one after the other."""
    requests = table.requests.get(action, {}).items()
    waiting = sum(mean * service_seconds.get(handler, 0.0) for handler, mean in requests)
    return table.pauses.get(action, 0.0) + waiting


def _system(seen: Mapping[str, int], table: ActionTable, defaults: Mapping[str, float], replies: float) -> _System:
    actions = [name for name in defaults if name in table.requests]
    looked_up = (name for name in table.requests.get(LOOK_UP, ()) if name != WEB_SOCKET)
    loose = dict.fromkeys([*_LOOKED_UP, *table.requests.get(EVENTS, ()), *looked_up])
    handlers = [
        name for name in table.handlers if name in seen or any(table.requests[each].get(name) for each in actions)
    ]
    # Elsewhere, or not logged: files of another server, sockets that are still open.
    handlers = [name for name in handlers if name in seen or name not in NOTEWORTHY]
    others = [name for name in (*VARIANTS, *_FOLLOWING) if name in table.requests]
    causes = [*actions, *others, *_CAUSES, *(name for name in loose if name in handlers)]
    expected = _expected(seen, table, defaults, actions)
    shares = {**table.shares, REPLY: replies}
    expected |= {variant: shares.get(variant, 0.0) * expected.get(action, 0.0) for variant, action in VARIANTS.items()}
    means = _matrix(table.requests, handlers, causes, itself=1.0)
    deviations = _matrix(table.deviations, handlers, causes, itself=0.0)
    opening = np.array([name == _UNREAD for name in handlers])[:, None]
    whole = (np.abs(means - np.round(means)) <= _MODEL_ERROR * np.maximum(1.0, means)) & (
        (deviations <= _MODEL_ERROR) | opening
    )
    chance = np.minimum(np.abs(means - np.round(means)), _CHANCE_ERROR * means)
    deviations = np.where(whole, 0.0, np.maximum(deviations, chance))
    # Of what is looked up, only what is certain: the client itself is there for the rest.
    is_loose = np.array([name in loose for name in handlers])[:, None]
    means = np.where(is_loose, np.where(whole, np.round(means), 0.0), means)
    for variant, action in VARIANTS.items():
        if variant in causes:
            means[:, causes.index(variant)] -= means[:, causes.index(action)]
    return _System(
        tuple(causes),
        np.array([cause in actions for cause in causes]),
        np.array([cause in actions or cause in VARIANTS or cause in _FOLLOWING for cause in causes]),
        tuple(handlers),
        means,
        np.where(is_loose, 0.0, deviations),
        np.array([float(seen.get(name, 0)) for name in handlers]),
        np.array([expected.get(cause, 0.0) for cause in causes]),
        np.array(
            [_PRIOR_WIDTH * max(expected.get(VARIANTS.get(cause, cause), 0.0), expected["least"]) for cause in causes]
        ),
    )


def _matrix(
    values: Mapping[str, Mapping[str, float]], handlers: Sequence[str], causes: Sequence[str], itself: float
) -> Matrix:
    """Handlers × causes; a cause that is a handler causes `itself`."""
    place = {name: at for at, name in enumerate(handlers)}
    matrix = np.zeros((len(handlers), len(causes)))
    for column, cause in enumerate(causes):
        for handler, value in values.get(cause, {cause: itself}).items():
            if handler in place:
                matrix[place[handler], column] = value
    return matrix


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
    matrix, _ = system.weighted(found)
    covariance = np.linalg.pinv(matrix.T @ matrix, hermitian=True)
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


def _explained(system: _System, found: Matrix, table: ActionTable, seen: Mapping[str, int]) -> tuple[Explained, ...]:
    predicted = system.means @ found
    rows: list[Explained] = []
    for at, handler in enumerate(system.handlers):
        shares = system.means[at] * found
        causes: dict[str, float] = {}
        for cause, share in zip(system.causes, shares, strict=True):
            if share:
                name = TOLD_AS.get(cause, cause) if cause in table.requests and cause != POLL else CLIENT
                causes[name] = causes.get(name, 0.0) + float(share)
        largest = sorted(((name, share) for name, share in causes.items() if share > 0), key=lambda each: -each[1])[:3]
        names = [name for name in (handler, _SINCE) if _opening(name) == handler and (name in seen or name == handler)]
        for name in names:
            # Which of both is asked for depends on what a client has of a channel: as in the log.
            share = seen.get(name, 0) / system.seen[at] if system.seen[at] else 1.0 / len(names)
            told = tuple((cause, share * count) for cause, count in largest)
            rows.append(Explained(name, float(seen.get(name, 0)), share * float(predicted[at]), told))
    return tuple(sorted(rows, key=lambda each: (-each.seen, each.handler)))


def _opening(handler: str) -> str:
    """The handler, with both ways of asking for the posts of a channel that is opened as one. Pure."""
    return _UNREAD if handler == _SINCE else handler


def _openings_as_one(seen: Mapping[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for handler, count in seen.items():
        found[_opening(handler)] += count
    return found


def edition_of(seen: Mapping[str, int]) -> Edition:
    """Whether the server has a licence, by what only then is asked for. Pure."""
    licensed = seen.get("GET /channels/{channel_id}/bookmarks", 0)
    return "licensed" if licensed > 0.05 * sum(count for name, count in seen.items() if is_served(name)) else "free"
