"""How many more users one server holds than another: judged, in words, as a document, as an exit code. Pure.

The words and the exit codes are those of `mmload compare`.
"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from coordinator.answer import Answer, Ending, capacity_text, minutes
from coordinator.answer import exit_code as exit_code_alone
from coordinator.search.decide import CONFIDENCE
from coordinator.search.paired import Ratio
from mmload.errors import ExitCode
from mmload.results.comparison import EXIT_CODES, Judgement

NAME = "comparison.json"
SCHEMA = 1


class ComparedServer(msgspec.Struct, frozen=True):
    """One of the two: its address, the folder of its run (below that of the comparison), and what was found of it."""

    server: str
    folder: str
    answer: Answer
    slowest_action: str = ""
    cause: str = ""


class CapacityDifference(msgspec.Struct, frozen=True):
    """How many more users the new server holds. `change`, `low` and `high` are shares: 0.12 is 12 % more.

    None is not known: both are, if nothing can be said; one is, where a limit of one server was never crossed.
    """

    outcome: Judgement
    said: str
    base: ComparedServer
    new: ComparedServer
    tolerance: float
    confidence: float
    change: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    schema: int = SCHEMA


def difference(base: ComparedServer, new: ComparedServer, ratio: Ratio | None, tolerance: float) -> CapacityDifference:
    outcome = judged(ratio, tolerance)
    found = CapacityDifference(outcome, "", base, new, tolerance, CONFIDENCE)
    if ratio is not None:
        change, low, high = (_share(each) for each in (ratio.change, ratio.low, ratio.high))
        found = msgspec.structs.replace(found, change=change, low=low, high=high, pairs=ratio.pairs)
    return msgspec.structs.replace(found, said=sentence(found))


def _share(logarithm: float) -> float | None:
    return math.expm1(logarithm) if math.isfinite(logarithm) else None


def judged(ratio: Ratio | None, tolerance: float) -> Judgement:
    """As `mmload compare` judges a figure of which more is better."""
    if ratio is None:
        return Judgement.UNKNOWN
    leaves_out_zero = ratio.low > 0 or ratio.high < 0
    most, least = math.log1p(tolerance), math.log1p(-tolerance)
    if leaves_out_zero and not least <= ratio.change <= most:
        return Judgement.BETTER if ratio.change > 0 else Judgement.WORSE
    reach = (ratio.high - ratio.low) / 2
    hidden = reach > most or (leaves_out_zero and not (least <= ratio.low and ratio.high <= most))
    return Judgement.UNKNOWN if hidden else Judgement.SAME


def sentence(found: CapacityDifference) -> str:
    """`http://new holds 12 % more users (5–19 %, 95 %) than http://base`."""
    new, base = found.new.server, found.base.server
    if found.low is None and found.high is None:
        return f"can't tell whether {new} holds more users than {base}: {_why_not(found)}"
    if found.low is None or found.high is None:
        return f"{new} holds {_one_sided(found)} users than {base}"
    between = f"between {_signed(found.low)} and {_signed(found.high)} users, {_sure(found)}"
    if found.outcome is Judgement.UNKNOWN:
        return f"can't tell whether {new} holds more users than {base}: {between}: search longer, or use --precision"
    if found.outcome is Judgement.SAME and found.low <= 0 <= found.high:
        return f"no difference seen between {new} and {base}: {between}"
    tolerated = ", which is tolerated" if found.outcome is Judgement.SAME else ""
    return f"{new} holds {_changed(found)} users ({_interval(found)}, {_sure(found)}) than {base}{tolerated}"


def _why_not(found: CapacityDifference) -> str:
    if {found.base.answer.ended_by, found.new.answer.ended_by} == {Ending.AT_LEAST}:
        return "neither server crossed a limit"
    first = next((each for each in (found.base, found.new) if each.answer.ended_by != Ending.OTHER_ENDED), found.base)
    return f"{first.server}: {first.answer.ended_by}: {first.answer.reason}"


def _one_sided(found: CapacityDifference) -> str:
    if found.low is not None:
        return f"at least {100 * found.low:.0f} % more" if found.low >= 0 else f"at most {-100 * found.low:.0f} % fewer"
    high = found.high or 0.0
    return f"at least {-100 * high:.0f} % fewer" if high <= 0 else f"at most {100 * high:.0f} % more"


def _changed(found: CapacityDifference) -> str:
    change = found.change or 0.0
    return f"{_percent(abs(change))} {'more' if change > 0 else 'fewer'}"


def _interval(found: CapacityDifference) -> str:
    """Without its sign: `5–19 %`."""
    low, high = sorted((abs(found.low or 0.0), abs(found.high or 0.0)))
    return f"{_percent(low).removesuffix(' %')}–{_percent(high)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


def _signed(share: float) -> str:
    return f"{_percent(abs(share))} {'more' if share > 0 else 'fewer'}"


def _sure(found: CapacityDifference) -> str:
    return f"{100 * found.confidence:g} %"


def facts(found: CapacityDifference) -> list[str]:
    """What was found of each, and how the difference was measured."""
    told = [_told(name, each) for name, each in (("base", found.base), ("new", found.new))]
    longest = max(found.base.answer.minutes, found.new.answer.minutes)
    turns = f"from {found.pairs} pairs of turns" if found.pairs else "without turns at both limits"
    return [*told, f"{turns}, {minutes(longest)}; differences up to {100 * found.tolerance:g} % are tolerated"]


def _told(name: str, each: ComparedServer) -> str:
    broke = f"what broke first: {each.answer.broke_first}" if each.answer.broke_first else ""
    slowest = f" (slowest action then: {each.slowest_action})" if broke and each.slowest_action else ""
    parts = [capacity_text(each.answer), broke + slowest, *each.cause.splitlines()]
    return f"{name} {each.server}: {'; '.join(filter(None, parts))}"


def text(found: CapacityDifference) -> str:
    """For a terminal."""
    return "\n".join([found.said, *(f"  {fact}" for fact in facts(found))])


def exit_code(found: CapacityDifference) -> ExitCode:
    """That of `mmload compare`, but where a search was interrupted, or lost an agent or its server."""
    alone = {exit_code_alone(each.answer) for each in (found.base, found.new)}
    for code in (ExitCode.INTERRUPTED, ExitCode.SERVER_NOT_READY):
        if code in alone:
            return code
    return EXIT_CODES[found.outcome]


def write(folder: Path, found: CapacityDifference) -> None:
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def read(folder: Path) -> CapacityDifference:
    """Raises OSError or msgspec.MsgspecError."""
    return msgspec.json.decode((folder / NAME).read_bytes(), type=CapacityDifference)
