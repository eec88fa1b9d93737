"""What exporters tell by Prometheus: the queries are here, a label says whose figures are meant.

The reader is the coordinator's own, with its address, its log-in and its authorities (MonitorConfig).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from coordinator.observe.state import ObservedState, Source
from coordinator.polling import Unanswered
from coordinator.prometheus import Prometheus
from coordinator.search.sample import Reading
from mmload.config.coordinator_tables import Monitor, Observe, Query

# Of several nodes the busiest counts. `irate` is of the last two scrapes, at most a minute apart each.
_LAST = "[2m]"
_SENT, _RECEIVED = (
    f"max(irate(node_network_{way}_bytes_total{{$}}{_LAST}) / (node_network_speed_bytes{{$}} > 0))"
    for way in ("transmit", "receive")
)
_NODE = {
    "cpu": "max(1 - avg by (instance) (sum by (instance, cpu) ("
    f'irate(node_cpu_seconds_total{{mode=~"idle|iowait",$}}{_LAST}))))',
    "io_wait": f'max(avg by (instance) (irate(node_cpu_seconds_total{{mode="iowait",$}}{_LAST})))',
    "disk": f'max(irate(node_disk_io_time_seconds_total{{device!~"loop.*|ram.*|sr.*",$}}{_LAST}))',
    "network": f"{_SENT} > {_RECEIVED} or {_RECEIVED}",
}
_CORES = 'max(count by (instance) (node_cpu_seconds_total{mode="idle",$}))'
_MATTERMOST = {
    "server_cpu": f"max(irate(mattermost_process_cpu_seconds_total{{$}}{_LAST}) or "
    f"irate(process_cpu_seconds_total{{$}}{_LAST}))",
    "server_cores": "max(go_sched_gomaxprocs_threads{$})",
    "pool_in_use": 'max(go_sql_in_use_connections{db_name=~".*master.*",$})',
    "pool_most": 'max(go_sql_max_open_connections{db_name=~".*master.*",$} > 0)',
    "pool_waiting": f'sum(irate(go_sql_wait_duration_seconds_total{{db_name=~".*master.*",$}}{_LAST}))',
}
_POSTGRES = {
    "connections": "sum(pg_stat_activity_count{$})",
    "connections_most": "max(pg_settings_max_connections{$})",
    "backends_active": 'sum(pg_stat_activity_count{state="active",$})',
    # Versions without the label have none with this value, and so tell nothing.
    "backends_in_locks": 'sum(pg_stat_activity_count{state="active",wait_event_type="Lock",$})',
    "backends_in_io": 'sum(pg_stat_activity_count{state="active",wait_event_type="IO",$})',
    "cache_hits": f"sum(irate(pg_stat_database_blks_hit{{$}}{_LAST})) / "
    f"(sum(irate(pg_stat_database_blks_hit{{$}}{_LAST})) + sum(irate(pg_stat_database_blks_read{{$}}{_LAST})))",
}


def _prefixed(prefix: str, queries: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}_{name}": query for name, query in queries.items()}


def presets(observe: Observe) -> dict[str, str]:
    """The queries of what is configured, by the figures of the state that they tell. Pure."""
    parts = (
        (observe.server_node, {**_prefixed("machine", _NODE), "machine_cores": _CORES}),
        (observe.database_node, _prefixed("database_machine", _NODE)),
        (observe.mattermost, _MATTERMOST),
        (observe.postgres_exporter, _POSTGRES),
    )
    return {
        name: query.replace("$", f'instance=~"{instance}"')
        for instance, queries in parts
        if instance
        for name, query in queries.items()
    }


def state_of(readings: Mapping[str, Reading]) -> ObservedState:
    """The figures that are known. Pure."""
    known: dict[str, Any] = {name: each.value for name, each in readings.items() if each.value is not None}
    state = ObservedState(**known)
    # Mattermost may use all of its machine, unless it says otherwise.
    return state if state.server_cores is not None else replace(state, server_cores=state.machine_cores)


class Exporters(Source):
    """The presets, asked all at once: some twenty, whose answers change with a scrape."""

    every_seconds = 5.0

    def __init__(self, monitor: Monitor, observe: Observe, *, wall: Callable[[], float] = time.time) -> None:
        queries = tuple(Query(name, query, math.inf) for name, query in presets(observe).items())
        self._prometheus = Prometheus(replace(monitor, queries=queries))
        self._wall = wall

    def look(self) -> ObservedState:
        """What they told last. Raises Unanswered if nothing is known."""
        readings = self._prometheus.readings(math.inf, self._wall())
        state = state_of(readings)
        if all(reading.value is None for reading in readings.values()):
            raise Unanswered(next(iter(readings.values())).unknown)
        self.notes = tuple(
            f"{name}: {each.unknown}" for name, each in readings.items() if each.value is None and name in _NEEDED
        )
        return state


# Those whose absence is a wrong label rather than an exporter's age.
_NEEDED = frozenset(("machine_cpu", "database_machine_cpu", "server_cpu", "connections"))
