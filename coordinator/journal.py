"""The journal: one JSON line for what was to be found, one for each cycle (seen, decided, why), one for the answer.

Decisions are pure, so the lines of the cycles are all that `mmload replay` needs to make them again.

A journal's decisions made again: with its own limits they must be the same, with others they show what changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from coordinator.answer import Answer, Decider, Limits, Mode, PlannedCapacity, Step, capacity_text, clock_text
from coordinator.observe.causes import Cause
from coordinator.observe.state import ObservedState
from coordinator.search.sample import Observation, Reading, weigh
from mmload.errors import UsageError

NAME = "journal.jsonl"
# Raised when a reader of the old form would misunderstand the new one, or when decisions of the old one cannot be made
# again. Form 1 does not have the tuning of its search.
SCHEMA = 2


class Head(msgspec.Struct, frozen=True, tag="limits", tag_field="line"):
    """The first line: what is to be found, by whom, on what."""

    limits: Limits
    schema: int = SCHEMA
    mmload: str = ""
    started: str = ""
    agents: dict[str, int] = {}  # the most users of each
    thresholds: dict[str, float] = {}


class Cycle(msgspec.Struct, frozen=True, tag="cycle", tag_field="line", omit_defaults=True):
    """One cycle. `fed` is false while nothing could be decided (the queries' MinIntervalSec)."""

    ms: int  # since 1970
    seen: Observation
    users: int  # decided: users from now on
    reason: str
    fed: bool = True
    agents: dict[str, int] = {}  # users of each
    silent: dict[str, str] = {}  # agents that did not answer, and why
    failed: dict[str, str] = {}  # agents that did not take the order, and why
    watched: tuple[Reading, ...] = ()  # queries without Alert
    slowest: str = ""  # the slowest action
    server: ObservedState | None = None  # as far as it is observed


class End(msgspec.Struct, frozen=True, tag="answer", tag_field="line"):
    """The last line: the answer, what became of the agents, and why the limit was crossed, if that was observed."""

    ms: int
    answer: Answer
    agents: str = ""
    cause: Cause | None = None
    plan: tuple[PlannedCapacity, ...] = ()


Line = Head | Cycle | End
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Line)


class JournalWriter:
    """Adds whole lines. What can't be written is told once (`complain`): the search goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        try:
            self._file: BinaryIO = path.open("xb", buffering=0)
        except FileExistsError:
            raise UsageError(f"{path}: the journal already exists; use another folder") from None
        except OSError as error:
            raise UsageError(f"cannot write the journal {path}: {error.strerror}") from None

    def add(self, line: Line) -> None:
        try:
            self._file.write(_ENCODER.encode(line) + b"\n")
        except OSError as error:
            self.trouble = self.trouble or f"cannot write the journal {self.path}: {error.strerror}"

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as it was read. `end` is None when the search was cut off; `torn` tells of a half-written last line."""

    head: Head
    cycles: tuple[Cycle, ...]
    end: End | None = None
    torn: bool = False


def read(path: Path) -> Journal:
    """The journal in a file, or in a run's folder. Raises UsageError, naming the line."""
    path = path / NAME if path.is_dir() else path
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: not a file")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    whole, _, rest = data.rpartition(b"\n")
    lines = list(_lines(path, whole))
    if not lines or not isinstance(lines[0], Head):
        raise UsageError(f"{path}: not a journal: its first line does not contain the limits")
    if lines[0].schema > SCHEMA:
        raise UsageError(
            f"{path}: a journal with schema {lines[0].schema}; this version reads schema {SCHEMA}: update mmload"
        )
    cycles = tuple(line for line in lines if isinstance(line, Cycle))
    end = next((line for line in lines if isinstance(line, End)), None)
    return Journal(lines[0], cycles, end, torn=bool(rest.strip()))


def _lines(path: Path, data: bytes) -> Iterator[Line]:
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            yield _DECODER.decode(line)
        except msgspec.MsgspecError as error:
            raise UsageError(f"{path}: line {number}: not a journal line: {error}") from None


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
    """Decide on every cycle that was decided on. Pure, as `search` is. Raises UsageError for an old journal."""
    head = journal.head
    if head.schema < SCHEMA:
        raise UsageError(
            f"the journal has schema {head.schema}, of mmload {head.mmload or 'before 0.1.0'}, without the numbers "
            f"that its search used; only schema {SCHEMA} can be replayed: use the version that wrote it"
        )
    decider = search(dataclasses.replace(head.limits, **changes.limits))
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
    fields = {field.name for field in dataclasses.fields(Limits)} - {"tuning"}
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
    """What is decided otherwise, the first ones of many. Pure."""
    lines = [f"{replay.cycles} cycles; {len(replay.differences)} are decided differently"]
    lines += [_line(each) for each in replay.differences[:most]]
    if len(replay.differences) > most:
        lines.append(f"… and {len(replay.differences) - most} more")
    if replay.differences:
        lines.append("From the first difference on, the recorded load is that of the old decisions.")
    if journal.torn:
        lines.append("The last line is incomplete: the search was cut off while it was being written.")
    was = journal.end.answer if journal.end is not None else None
    lines += [f"recorded result: {_answer(was)}", f"result now:      {_answer(replay.answer)}"]
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
    return f"{capacity_text(answer)}; {answer.ended_by}: {answer.reason}"


def same(replay: Replay, changes: Changes) -> bool:
    """False where the journal's own limits lead to other decisions: another version, or a fault."""
    return bool(changes.limits or changes.thresholds) or not replay.differences
