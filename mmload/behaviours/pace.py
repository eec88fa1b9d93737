"""How long people wait between actions: pure functions of the configuration, the person's rate and chance."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from mmload.config import DeviceShare, Rate, SimulController


def idle_seconds(min_ms: int, average_ms: int, rate: float, rng: random.Random) -> float:
    """One wait between two actions: uniform in [min, 2·average - min), times the person's rate. Pure."""
    return rng.uniform(min_ms, 2 * average_ms - min_ms) / 1000 * rate


class Schedule:
    """When a person acts. `next_wait` after each action says how long to rest; `lag` at the next how late that is.

    Closed model: a wait begins when the action has ended, so a slow server slows its people down. Open model: the
    moments are planned by the clock, each from the one before; an action that takes longer makes the next one late, not
    all that follow, and the lateness is on record.
    Spells: people are active for a while and then pause (both times exponentially distributed); an average of 0 minutes
    of activity means that they never pause.
    """

    __slots__ = ("_active_until", "_planned", "_settings")

    def __init__(self, settings: SimulController, now: float, rng: random.Random) -> None:
        self._settings = settings
        self._planned = now
        self._active_until = now + self._spell_seconds(rng)

    def _spell_seconds(self, rng: random.Random) -> float:
        minutes = self._settings.avg_active_minutes
        return rng.expovariate(1 / (60 * minutes)) if minutes > 0 else math.inf

    def next_wait(self, now: float, rate: float, rng: random.Random) -> float:
        """Seconds to rest from now on."""
        settings = self._settings
        wait = idle_seconds(settings.min_idle_time_ms, settings.avg_idle_time_ms, rate, rng)
        if now >= self._active_until:
            if settings.avg_pause_minutes > 0:
                wait += rng.expovariate(1 / (60 * settings.avg_pause_minutes))
            self._active_until = now + wait + self._spell_seconds(rng)
        self._planned = (self._planned if settings.open_model else now) + wait
        return max(0.0, self._planned - now)

    def lag(self, now: float) -> float:
        """By how many seconds an action that begins now is late."""
        return max(0.0, now - self._planned)


def rate_of(number: int, seed: int, distribution: Sequence[Rate]) -> float:
    """An account's rate: a function of its number and the seed, so that runs repeat. 1.0 without a distribution."""
    if not distribution:
        return 1.0
    shares = [rate.percentage for rate in distribution]
    return random.Random(f"{seed}:rate:{number}").choices(distribution, shares)[0].rate


def devices_of(number: int, seed: int, distribution: Sequence[DeviceShare]) -> int:
    """How many devices the person of a number has: 1 without a distribution. Pure."""
    if not distribution:
        return 1
    shares = [part.percentage for part in distribution]
    return random.Random(f"{seed}:devices:{number}").choices(distribution, shares)[0].devices
