"""A journal's decisions made again: with its own limits they must be the same, with others they show what changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from coordinator.answer import Answer, Limits, Mode, Step
from coordinator.answering import people
from coordinator.history import Observation
from coordinator.journal import Journal
from coordinator.loop import Decider
from coordinator.telling import clock_text
from coordinator.thresholds import weigh
from mmload.errors import UsageError


@dataclass(frozen=True, slots=True)
class Difference:
    """A cycle that is decided otherwise now."""

    number: int  # of the cycle, counted from 1
    seen: Observation
    was: Step
    now: Step


@dataclass(frozen=True, slots=True)
class Replay:
    """All decisions again. `answer` is what they come to, None if the journal ends before."""

    cycles: int
    differences: tuple[Difference, ...]
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be otherwise than in the journal: fields of the limits, and thresholds by the names of readings."""

    limits: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)


def replayed(journal: Journal, changes: Changes, search: Callable[[Limits], Decider]) -> Replay:
    """Decide on every cycle that was decided on. Pure, as `search` is."""
    decider = search(dataclasses.replace(journal.head.limits, **changes.limits))
    differences, answer, count = [], None, 0
    for count, cycle in enumerate(journal.cycles, start=1):
        if not cycle.fed:
            continue
        seen = _under(cycle.seen, changes.thresholds)
        now = decider.observe(seen)
        if (now.users, now.reason) != (cycle.users, cycle.reason):
            differences.append(Difference(count, seen, Step(cycle.users, cycle.reason), now))
        if now.answer is not None:
            answer = now.answer
            break
    return Replay(count, tuple(differences), answer)


def _under(seen: Observation, thresholds: Mapping[str, float]) -> Observation:
    readings = tuple(
        dataclasses.replace(each, limit=thresholds[each.name]) if each.name in thresholds else each
        for each in seen.readings
    )
    return dataclasses.replace(seen, readings=readings)


def changes_of(journal: Journal, given: Iterable[str], mode: str | None) -> Changes:
    """The options `--limit NAME=VALUE` and `--mode`. Raises UsageError for a name that the journal does not know."""
    limits: dict[str, Any] = {} if mode is None else {"mode": Mode(mode)}
    thresholds: dict[str, float] = {}
    fields = {field.name for field in dataclasses.fields(Limits)}
    for each in given:
        name, _, text = each.rpartition("=")
        if name in journal.head.thresholds:
            thresholds[name] = _number(each, text)
        elif name in fields:
            limits[name] = _of_limits(journal.head.limits, name, each, text)
        else:
            known = ", ".join([*journal.head.thresholds, *sorted(fields - {"mode"})])
            raise UsageError(f"--limit {each!r}: expected NAME=VALUE with one of the names {known}")
    return Changes(limits, thresholds)


def _number(given: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise UsageError(f"--limit {given!r}: expected a number of 0 or more after the equals sign")
    return value


def _of_limits(limits: Limits, name: str, given: str, text: str) -> Any:
    """The value as that field's type."""
    value = _number(given, text)
    whole = int(value) if value == int(value) else value
    try:
        changed = msgspec.convert({**msgspec.to_builtins(limits), name: whole}, Limits)
    except msgspec.ValidationError:
        raise UsageError(f"--limit {given!r}: {name} is a whole number") from None
    return getattr(changed, name)


def text(replay: Replay, journal: Journal, *, most: int = 20) -> str:
    """For people: what is decided otherwise, the first ones of many. Pure."""
    lines = [f"{replay.cycles} cycles; {len(replay.differences)} are decided otherwise"]
    lines += [_line(each) for each in replay.differences[:most]]
    if len(replay.differences) > most:
        lines.append(f"… and {len(replay.differences) - most} more")
    if replay.differences:
        lines.append("From the first difference on, the load that is on record is that of the old decisions.")
    if journal.torn:
        lines.append("The last line is torn: the search was cut off while it was being written.")
    was = journal.end.answer if journal.end is not None else None
    lines += [f"answer on record: {_answer(was)}", f"answer now:       {_answer(replay.answer)}"]
    return "\n".join(lines)


def _line(each: Difference) -> str:
    seen = each.seen
    return (
        f"{clock_text(seen.seconds):>6}  {seen.users} users, {weigh(seen).said}: was {each.was.users} "
        f"({each.was.reason}), now {each.now.users} ({each.now.reason})"
    )


def _answer(answer: Answer | None) -> str:
    if answer is None:
        return "none: the journal ends before"
    return f"{people(answer)}; {answer.ended_by}: {answer.reason}"


def document(replay: Replay) -> dict[str, Any]:
    """For `--json`. Pure."""
    told: dict[str, Any] = msgspec.to_builtins(replay)
    return told


def same(replay: Replay, changes: Changes) -> bool:
    """False where the journal's own limits lead to other decisions: another version, or a fault."""
    return bool(changes.limits or changes.thresholds) or not replay.differences
