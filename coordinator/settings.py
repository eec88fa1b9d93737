"""coordinator.json and the command line as what the search needs: the document, the limits, the agents."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from coordinator.agents import Agent
from coordinator.answer import Limits
from coordinator.loadagent import LoadAgent
from coordinator.questions import Unanswered
from coordinator.swarm import SwarmAgent
from mmload.config import Settings
from mmload.config import coordinator_tables as tables
from mmload.config.documents import COORDINATOR
from mmload.config.loading import load_document
from mmload.errors import ServerNotReady

TOKEN_VARIABLE = "MMLOAD_AGENT_TOKEN"
# An action takes a person about so long besides the wait before it (measured on the sandbox: 1.2 requests a second and
# user at an idle time of 3 s, 6 requests an action).
_ACTION_SECONDS = 2.0
# `rate(…[5m])` looks back five minutes; `irate` and `idelta` only at the last two samples, however long their range is.
_RANGE = re.compile(r"(\w+)?\s*\(?[^()\[\]]*\[\s*((?:\d+(?:ms|[smhdwy]))+)\s*(?::[^\]]*)?\]")
_RANGE_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_LAST_TWO = ("irate", "idelta")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The document, where it came from, and what a person should know of it."""

    document: tables.Coordinator
    source: str
    notices: tuple[str, ...]


def load(given: Path | None, environ: Mapping[str, str] = os.environ) -> Loaded:
    """The document named on the command line, else by the environment, else in config/, else the defaults."""
    checked = load_document(COORDINATOR, environ, given=given)
    return Loaded(checked.value, checked.source, checked.notices)


def limits_of(document: tables.Coordinator, settings: Settings) -> Limits:
    """What the search is to keep to. `settings` tell how often a user acts. Pure."""
    search = document.search
    action_seconds = settings.simul.avg_idle_time_ms / 1000 + _ACTION_SECONDS
    alerting = [query.query for query in document.monitor.queries if query.alert]
    return Limits(
        mode=search.mode,
        lowest_users=search.lowest_users,
        highest_users=document.cluster.max_active_users,
        spawn_rate=search.spawn_rate,
        window_seconds=max(document.measures.window_seconds, *map(looks_back_seconds, alerting), 0.0),
        precision=search.precision_percent / 100 or None,
        budget_seconds=search.budget_minutes * 60,
        arrival_seconds=search.arrival_actions * action_seconds,
        users_increase=document.num_users_inc,
        users_decrease=document.num_users_dec,
        rest_seconds=document.rest_time_seconds,
    )


def looks_back_seconds(query: str) -> float:
    """How far back a PromQL expression looks: its longest range, 0 without one. Pure."""
    ranges = [found[2] for found in _RANGE.finditer(query) if found[1] not in _LAST_TWO]
    return max((_range_seconds(each) for each in ranges), default=0.0)


def _range_seconds(text: str) -> float:
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _RANGE_PART.findall(text))


def thresholds_of(document: tables.Coordinator, *, measured: bool) -> dict[str, float]:
    """The limits by the names of their readings. Pure."""
    from coordinator.measures import Recent

    own = Recent(document.measures).unknown("") if measured else ()
    queries = {query.description: query.threshold for query in document.monitor.queries if query.alert}
    return {reading.name: reading.limit for reading in own} | queries


def agents_of(document: tables.Coordinator, settings: Settings, environ: Mapping[str, str] = os.environ) -> list[Agent]:
    """The configured agents, each by the API that it speaks. Raises ServerNotReady for one that speaks none."""
    configured = document.cluster.agents
    rate = document.search.spawn_rate / len(configured)
    token = environ.get(TOKEN_VARIABLE, "")
    return [_agent(agent, rate, settings, token) for agent in configured]


def _agent(agent: tables.Agent, spawn_rate: float, settings: Settings, token: str) -> Agent:
    most = settings.config.users.max_active_users
    swarm = SwarmAgent(agent.id, agent.api_url, spawn_rate, most, token)
    load = LoadAgent(agent.id, agent.api_url, documents(settings), agent.max_users or most, token)
    if agent.api == "swarm":
        return swarm
    if agent.api == "loadagent":
        return load
    return _speaking(agent, swarm, load)


def _speaking(agent: tables.Agent, swarm: SwarmAgent, load: LoadAgent) -> Agent:
    """Locust's API where it is there: it comes along with the spawn rate and with the state of the workers."""
    refusals = []
    for candidate in (swarm, load):
        try:
            candidate.status()
        except Unanswered as error:
            refusals.append(str(error))
        else:
            return candidate
    reasons = dict.fromkeys(refusals)
    raise ServerNotReady(
        f"agent {agent.id} at {agent.api_url} can't be driven: {'; '.join(reasons)}: start it (`mmload agent`), "
        "or correct its ApiURL in ClusterConfig.Agents"
    )


def documents(settings: Settings) -> dict[str, Any]:
    """What a new agent is created with: our settings, starting with no users. Pure."""
    users = replace(settings.config.users, initial_active_users=0)
    return {
        "LoadTestConfig": msgspec.to_builtins(replace(settings.config, users=users)),
        "SimulControllerConfig": msgspec.to_builtins(settings.simul),
        "SimpleControllerConfig": msgspec.to_builtins(settings.simple),
    }
