"""How many machines for how many people, what they cost, and how long all take to log in. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mmload.open_files import open_files_needed

# Above it a worker's own delays get into what it measures (docs/performance.md).
HIGHEST_LOAD = 0.7
# UsersConfiguration.MaxLoginsInFlight.
LOGINS_IN_FLIGHT = 2
# Pods and machines have other things in memory, too.
MEMORY_RESERVE = 1.5
CPUS = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
GB_PER_CPU = {"c": 2, "m": 4}


@dataclass(frozen=True, slots=True)
class PersonCost:
    """What a person costs: `cpu_ms` each second and `memory_kb` of a worker; `*_login_s` of the server's CPU, once.

    `process_mb` is a worker without people, `login_wait_s` what one login takes at least.
    """

    cpu_ms: float
    memory_kb: float
    process_mb: float
    password_login_s: float
    kept_login_s: float
    login_wait_s: float


# In docs/performance.md and docs/sessions.md. To measure again:
#   python -m benchmarks person --users 200 --seconds 90        (cpu_ms, memory_kb)
#   python -m benchmarks start                                  (process_mb)
#   python -m benchmarks ramp                                   (the log-ins)
MEASURED = PersonCost(
    cpu_ms=0.41, memory_kb=71, process_mb=85, password_login_s=0.365, kept_login_s=0.023, login_wait_s=0.25
)


@dataclass(frozen=True, slots=True)
class Machines:
    """So many of a type of machines, with so many workers each at most; USD per hour, None if not known."""

    kind: str
    count: int
    workers_each: int
    memory_gb: float
    hourly: float | None


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What so many people take. `machines` are alternatives."""

    people: int
    workers: int
    people_each: int
    memory_mb: int
    open_files: int
    password_seconds: float
    kept_seconds: float
    machines: Sequence[Machines]


def plan(
    people: int, server_cpus: int, kinds: Sequence[str], prices: Mapping[str, float], cost: PersonCost = MEASURED
) -> LoadPlan:
    """For so many people, all acting at once."""
    workers = max(1, math.ceil(people * cost.cpu_ms / 1000 / HIGHEST_LOAD))
    each = math.ceil(people / workers)
    memory = math.ceil((cost.process_mb + each * cost.memory_kb / 1024) * MEMORY_RESERVE)
    fastest = people * cost.login_wait_s / (workers * LOGINS_IN_FLIGHT)
    return LoadPlan(
        people=people,
        workers=workers,
        people_each=each,
        memory_mb=memory,
        open_files=open_files_needed(each),
        password_seconds=max(fastest, people * cost.password_login_s / server_cpus),
        kept_seconds=people * cost.kept_login_s / server_cpus,
        machines=list(_alternatives(workers, memory, kinds, prices)),
    )


def _alternatives(
    workers: int, memory_mb: int, kinds: Sequence[str], prices: Mapping[str, float]
) -> Iterator[Machines]:
    for kind in kinds:
        family, _, size = kind.partition(".")
        cpus, gb = CPUS[size], CPUS[size] * GB_PER_CPU[family[0]]
        most = min(cpus, int(gb * 1024 // memory_mb))
        if most:
            count = math.ceil(workers / most)
            price = prices.get(kind)
            yield Machines(kind, count, most, gb, None if price is None else count * price)


def types_of(family: str) -> list[str]:
    """The types of machines of a family, as far as their size is known: c7i, m7i."""
    return [f"{family}.{size}" for size in CPUS] if family[:1] in GB_PER_CPU else []


def duration(seconds: float) -> str:
    """In words: for people who wait."""
    minutes = math.ceil(seconds / 60)
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
