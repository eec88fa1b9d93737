"""How many users the sandbox holds, by queueing theory: the machine-repair model, a closed network with one queue.

Each of N users asks again after a pause of `think_seconds` on average, whatever its distribution; `slots` serve one
request each, exponentially distributed, first come, first served. Such a network has a product form (Baskett, Chandy,
Muntz, Palacios 1975): the number of requests in the queue is known exactly, and one that comes sees the queue of N - 1
users (the arrival theorem: Sevcik, Mitrani 1981; Lavenberg, Reiser 1980).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
_PARTS = 2000


@dataclass(frozen=True, slots=True)
class Station:
    """The queue, and the pause between the end of a user's request and its next."""

    slots: int
    service_seconds: float
    think_seconds: float

    @property
    def saturation(self) -> float:
        """Users that would just keep it busy if nobody ever waited."""
        return self.slots * (1.0 + self.think_seconds / self.service_seconds)


def in_queue(station: Station, users: int) -> Numbers:
    """The probabilities of 0, 1, … `users` requests being served or waiting."""
    logs = np.zeros(users + 1)
    for count in range(1, users + 1):
        rate = min(count, station.slots) / station.service_seconds
        logs[count] = logs[count - 1] + math.log((users - count + 1) / station.think_seconds / rate)
    odds = np.exp(logs - logs.max())
    return np.asarray(odds / odds.sum())


def throughput(station: Station, users: int) -> float:
    """Requests served per second."""
    busy = np.minimum(np.arange(users + 1), station.slots)
    return float(in_queue(station, users) @ busy) / station.service_seconds


def slower_share(station: Station, users: int, seconds: float) -> float:
    """The share of requests that are answered later than that, waiting included."""
    seen = in_queue(station, users - 1)
    return math.fsum(odds * _later(station, count, seconds) for count, odds in enumerate(seen.tolist()) if odds > 1e-15)


def _later(station: Station, before: int, seconds: float) -> float:
    """For a request that finds so many before it: it waits for departures at the full rate, then is served."""
    waits = max(0, before - station.slots + 1)
    full, own = station.slots / station.service_seconds, 1.0 / station.service_seconds
    if not waits:
        return math.exp(-own * seconds)
    if station.slots == 1:
        return _erlang_tail(waits + 1, full, seconds)
    # Served only for what is left after the wait of u seconds: the wait's density times that, integrated.
    u = (np.arange(_PARTS) + 0.5) * seconds / _PARTS
    density = np.exp(waits * math.log(full) + (waits - 1) * np.log(u) - full * u - math.lgamma(waits))
    served_late = float(density @ np.exp(-own * (seconds - u))) * seconds / _PARTS
    return min(1.0, _erlang_tail(waits, full, seconds) + served_late)


def _erlang_tail(stages: int, rate: float, seconds: float) -> float:
    """The probability that so many exponential stages take longer together."""
    mean = rate * seconds
    terms = (math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(stages))
    return min(1.0, math.fsum(terms))


def capacity(station: Station, limit_seconds: float, share: float = 0.01) -> float:
    """The number of users at which that share of the requests is slower than the limit (0.01: the p99 is the limit)."""
    low, high = 1, max(4, 4 * math.ceil(station.saturation))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if slower_share(station, middle, limit_seconds) <= share else (low, middle)
    below, above = (slower_share(station, users, limit_seconds) for users in (low, high))
    if not 0.0 < below < above:
        return float(low)
    return low + (math.log(share) - math.log(below)) / (math.log(above) - math.log(below))
