"""How a run came through a storm: when its sockets were all back, when its answers were as before, what was lost. Pure.

It has recovered when ten seconds are as those before it. Resolution: a second, as the record has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from mmload.config.stages import AFTER, BEFORE, DURING
from mmload.printable import significant
from mmload.results.model import RunPhase, Second, Storm, StormKind, StormRecovery
from mmload.results.outages import Outage

# The load before it, of which the seconds after it are to be alike.
FEWEST_BEFORE_SECONDS, MOST_BEFORE_SECONDS = 5, 120
FEWEST_BEFORE_REQUESTS = 20
# So long nothing may be out of its band: who recovers in waves has not recovered in between.
QUIET_SECONDS = 10
# The band of p99: that of 95 of 100 seconds before, and half as much again, 50 ms at least (below, it is chance).
P99_PERCENT, P99_FACTOR, P99_MARGIN_MS = 95, 1.5, 50.0
# The share of failures before, and so much more of a second's requests.
FAILURES_FACTOR, FAILURES_MARGIN = 2.0, 0.02
# A single second out of its band is chance, unless the storm has just begun.
FIRST_SECONDS = 2
# How far before the event the first second may show it: sockets break a moment before.
_EARLY_MS = 2000


@dataclass(frozen=True, slots=True)
class StormBand:
    """What seconds like those before the storm keep to."""

    sockets: int
    p99_ms: float | None
    failure_share: float


@dataclass(frozen=True, slots=True)
class OutOfBand:
    """What of a second was not as before the storm."""

    sockets: bool
    p99: bool
    failures: bool

    @property
    def any(self) -> bool:
        return self.sockets or self.p99 or self.failures


def recoveries(storms: Iterable[Storm], seconds: Sequence[Second]) -> tuple[StormRecovery, ...]:
    """How the run came through each of its storms."""
    latest = {storm.ms: storm for storm in storms}
    return tuple(recovery(storm, seconds) for storm in sorted(latest.values(), key=lambda each: each.ms))


def recovery(storm: Storm, seconds: Sequence[Second]) -> StormRecovery:
    """How the run came through one storm, as far as its seconds go."""
    load = [second for second in seconds if second.phase is not RunPhase.STOPPING]
    before = [each for each in load if each.ms + 1000 <= storm.ms and each.phase is RunPhase.STEADY]
    during = [each for each in load if each.ms + 1000 > storm.ms]
    watched = max(0.0, (during[-1].ms + 1000 - storm.ms) / 1000) if during else 0.0
    if untold := _untold(storm, len(before), len(during)):
        return StormRecovery(storm, watched, untold)
    limits = band(before[-MOST_BEFORE_SECONDS:], storm)
    out = _counted(_out_of_band(during, limits))
    quiet = _quiet_from(out, sum(each.ms + 1000 <= storm.over_ms for each in during) if storm.over_ms else len(during))
    told = StormRecovery(storm, watched, sockets_level=limits.sockets, p99_limit_ms=limits.p99_ms)
    return _with_figures(_with_spans(told, during, out, quiet), seconds)


def _untold(storm: Storm, before: int, during: int) -> str:
    if storm.problem:
        return storm.problem
    if before < FEWEST_BEFORE_SECONDS:
        return f"the load had been steady for only {before} s before it: {FEWEST_BEFORE_SECONDS} s are needed"
    return "" if during >= QUIET_SECONDS else f"the load ended {during} s after it: {QUIET_SECONDS} s are needed"


def band(before: Sequence[Second], storm: Storm) -> StormBand:
    """The band that the steady seconds before a storm make. Those who come with a spike have sockets, too."""
    p99s = sorted(second.p99_ms for second in before if second.p99_ms is not None)
    ended = sum(_ended(second) for second in before)
    limit = None
    if ended >= FEWEST_BEFORE_REQUESTS and p99s:
        usual = p99s[math.ceil(len(p99s) * P99_PERCENT / 100) - 1]
        limit = round(max(usual * P99_FACTOR, usual + P99_MARGIN_MS), 3)
    failed = sum(_failed(second) for second in before) / max(1, ended)
    came = storm.users if storm.kind is StormKind.SPIKE else 0
    sockets = min(second.sockets for second in before) + came
    return StormBand(sockets, limit, min(1.0, failed * FAILURES_FACTOR + FAILURES_MARGIN))


def _ended(second: Second) -> int:
    return second.requests + second.logins


def _failed(second: Second) -> int:
    return second.failures + second.login_failures


def _out_of_band(seconds: Iterable[Second], limits: StormBand) -> list[OutOfBand]:
    found: list[OutOfBand] = []
    for second in seconds:
        sockets = second.sockets < limits.sockets
        if _ended(second):
            slow = limits.p99_ms is not None and (
                second.p99_ms > limits.p99_ms if second.p99_ms is not None else _failed(second) == _ended(second)
            )
            failed = _failed(second) > limits.failure_share * _ended(second)
            found.append(OutOfBand(sockets, slow, failed))
        else:
            # A second in which no request ended says nothing of them.
            found.append(OutOfBand(sockets, bool(found) and found[-1].p99, bool(found) and found[-1].failures))
    return found


def _counted(out: Sequence[OutOfBand]) -> list[OutOfBand]:
    """Without single seconds between two good ones."""
    return [
        each
        if place < FIRST_SECONDS or out[place - 1].any or (place + 1 < len(out) and out[place + 1].any)
        else OutOfBand(sockets=False, p99=False, failures=False)
        for place, each in enumerate(out)
    ]


def _quiet_from(out: Sequence[OutOfBand], first: int) -> int | None:
    """The place of the first second of a quiet time, at `first` or later; None: there is none."""
    good = 0
    for place in range(first, len(out)):
        good = 0 if out[place].any else good + 1
        if good == QUIET_SECONDS:
            return place + 1 - QUIET_SECONDS
    return None


def _with_spans(
    told: StormRecovery, during: Sequence[Second], out: Sequence[OutOfBand], quiet: int | None
) -> StormRecovery:
    def span(bad: Sequence[bool]) -> float | None:
        """To the end of the last bad second; None: not surely over."""
        last = max((place for place, each in enumerate(bad[:quiet]) if each), default=None)
        if quiet is None and last is not None and last >= len(bad) - QUIET_SECONDS:
            return None
        return 0.0 if last is None else (during[last].ms + 1000 - told.storm.ms) / 1000

    sockets, p99, failures = (span([getattr(each, name) for each in out]) for name in ("sockets", "p99", "failures"))
    spans = [each for each in (sockets, p99, failures) if each is not None]
    return replace(
        told,
        recovered_seconds=None if quiet is None else max(spans, default=0.0),
        sockets_seconds=sockets,
        p99_seconds=p99 if told.p99_limit_ms is not None else None,
        failures_seconds=failures,
    )


def _with_figures(told: StormRecovery, seconds: Sequence[Second]) -> StormRecovery:
    """What happened from its beginning to its end, ten seconds at least; messages are settled to the end of the run."""
    after = [each for each in seconds if each.ms + 1000 > told.storm.ms]
    until = max(told.end_ms, told.storm.ms + QUIET_SECONDS * 1000)
    meanwhile = [each for each in after if each.ms < until]
    return replace(
        told,
        sockets_lowest=min(each.sockets for each in meanwhile),
        sockets_dropped=sum(each.dropped for each in meanwhile),
        p99_highest_ms=max((each.p99_ms for each in meanwhile if each.p99_ms is not None), default=None),
        requests=sum(map(_ended, meanwhile)),
        failures=sum(map(_failed, meanwhile)),
        peak_requests=max(map(_ended, meanwhile)),
        peak_failures=max(map(_failed, meanwhile)),
        expected=sum(each.expected for each in after),
        missing=max(0, sum(each.missing for each in after)),
    )


def in_stages(seconds: Iterable[Second], storms: Sequence[StormRecovery]) -> tuple[Second, ...]:
    """The seconds with the names of what they are to the storms: before, storm, after."""
    return tuple(replace(each, stage=_stage(each, storms)) for each in seconds) if storms else tuple(seconds)


def _stage(second: Second, storms: Sequence[StormRecovery]) -> str:
    if second.phase is RunPhase.STOPPING:
        return ""
    if second.ms + 1000 <= storms[0].storm.ms:
        return BEFORE if second.phase is RunPhase.STEADY else ""
    during = any(each.storm.ms < second.ms + 1000 and second.ms < each.end_ms for each in storms)
    return DURING if during else AFTER


def unforeseen(away: Iterable[Outage], storms: Sequence[StormRecovery]) -> tuple[Outage, ...]:
    """The outages that no storm of this run brought about."""
    return tuple(each for each in away if not any(in_storm(each.start_ms, storm) for storm in storms))


def in_storm(ms: int, each: StormRecovery) -> bool:
    """Whether a moment is in the time of a storm, or just before: what breaks, breaks a moment before it is seen."""
    return not each.storm.problem and each.storm.ms - _EARLY_MS <= ms <= each.end_ms


# The load of a run may end a moment before the time is up.
_TOLERANCE_SECONDS = 2.0


def lasted(each: StormRecovery) -> bool:
    """Whether the server had all the time it was given, and did not recover."""
    patience = each.storm.patience_seconds - _TOLERANCE_SECONDS
    return not each.untold and each.recovered_seconds is None and each.watched_seconds >= patience


# -- in words ------------------------------------------------------------------------------------------------------


def storm_name(each: StormRecovery) -> str:
    return f"{each.storm.kind} storm"


def storm_sentence(each: StormRecovery) -> str:
    """`recovered in 41 s (sockets 12 s, p99 41 s); 2 % failed meanwhile; no message lost`."""
    if each.untold:
        return each.untold
    came = each.recovered_seconds
    first = f"not recovered within {each.watched_seconds:.0f} s" if came is None else f"recovered in {came:.0f} s"
    return "; ".join((f"{first} ({', '.join(_parts(each))})", _failures(each), _lost(each)))


def so_far(each: StormRecovery) -> str:
    """The same while the load goes on."""
    if each.storm.problem or each.recovered_seconds is not None:
        return f"{storm_name(each)}: {storm_sentence(each)}"
    return f"{storm_name(each)}: not yet recovered after {each.watched_seconds:.0f} s"


def _parts(each: StormRecovery) -> list[str]:
    spans = {"sockets": each.sockets_seconds, "p99": each.p99_seconds}
    if each.failures:
        spans["failures"] = each.failures_seconds
    told = {name: "not back" if seconds is None else f"{seconds:.0f} s" for name, seconds in spans.items()}
    if each.p99_limit_ms is None:
        told["p99"] = "unknown: too few requests before the storm"
    return [f"{name} {text}" for name, text in told.items()]


def _failures(each: StormRecovery) -> str:
    if not each.failures:
        return "nothing failed meanwhile"
    return f"{significant(each.failures / each.requests * 100, 2)} % failed meanwhile"


def _lost(each: StormRecovery) -> str:
    if each.missing:
        return f"{each.missing:,} of {each.expected:,} deliveries lost"
    return "no message lost" if each.expected else "no message was expected"
