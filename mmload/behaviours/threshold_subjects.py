"""What a threshold can be about, known before anything ran: the actions of each class of our users, and the routes.

Imports no Locust: `mmload run` asks before it starts one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

from mmload.behaviours import goals
from mmload.behaviours.background import LOOK_UP, POLL
from mmload.behaviours.catalogue import SIMULATIVE
from mmload.client.api import channels, licensed, posts, system, teams, users
from mmload.client.http.client import Route
from mmload.config.tables import SIMPLE_ACTIONS
from mmload.config.thresholds import ThresholdRefused, parse

_DUTIES = (POLL, LOOK_UP)
_CALLS: tuple[ModuleType, ...] = (users, teams, channels, posts, system, licensed)
# By the names of the classes (`mmload.user_classes.CLASSES`). What is not in reach without Locust is written out
# here, and a test holds it against the classes' own tasks.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "SimulatedUser": (*(action.name for action in SIMULATIVE), *_DUTIES),
    "SimpleUser": (*SIMPLE_ACTIONS, *_DUTIES),
    "IdleUser": _DUTIES,
    "ClusterUser": ("GetLogs", "GetAnalytics", "GetClusterStatus", "GetPluginStatuses", "UpdateConfig", *_DUTIES),
    "GenerateUser": (
        *(name for phase in goals.PHASES for name in phase),
        *("JoinAllTeams", "AddChannelMember", "GetPosts"),
        *_DUTIES,
    ),
}


def routes() -> tuple[str, ...]:
    """The names of all routes that our users ask, log-ins too."""
    found = [each for module in _CALLS for each in vars(module).values() if isinstance(each, Route)]
    return tuple(dict.fromkeys(str(route) for route in found))


def refusals(thresholds: Iterable[str], classes: Sequence[str]) -> list[str]:
    """What is wrong with thresholds on a run of these classes of ours: subjects that there will never be."""
    known = (*(name for each in classes for name in ACTIONS[each]), *routes())
    wrong = []
    for text in thresholds:
        try:
            parse(text, known)
        except ThresholdRefused as refusal:
            wrong.append(str(refusal))
    return wrong
