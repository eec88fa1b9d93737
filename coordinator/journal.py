"""The journal: one JSON line for what was to be found, one for each cycle (seen, decided, why), one for the answer.

Decisions are pure, so the lines of the cycles are all that `mmload replay` needs to make them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from coordinator.answer import Answer, Limits
from coordinator.history import Observation, Reading
from mmload.errors import UsageError

NAME = "journal.jsonl"
# Raised when a reader of the old form would misunderstand the new one; new fields alone do not raise it.
SCHEMA = 1


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


class End(msgspec.Struct, frozen=True, tag="answer", tag_field="line"):
    """The last line: the answer, and what became of the agents."""

    ms: int
    answer: Answer
    agents: str = ""


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
            raise UsageError(f"{path}: there is a journal already; name another folder") from None
        except OSError as error:
            raise UsageError(f"{path}: the journal can't be written: {error.strerror}") from None

    def add(self, line: Line) -> None:
        try:
            self._file.write(_ENCODER.encode(line) + b"\n")
        except OSError as error:
            self.trouble = self.trouble or f"{self.path}: the journal can't be written: {error.strerror}"

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
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from None
    whole, _, rest = data.rpartition(b"\n")
    lines = list(_lines(path, whole))
    if not lines or not isinstance(lines[0], Head):
        raise UsageError(f"{path}: this is no journal: its first line does not have the limits")
    if lines[0].schema > SCHEMA:
        raise UsageError(
            f"{path}: a journal of form {lines[0].schema}; this version reads up to {SCHEMA}: update mmload"
        )
    cycles = tuple(line for line in lines if isinstance(line, Cycle))
    end = next((line for line in lines if isinstance(line, End)), None)
    return Journal(lines[0], cycles, end, torn=bool(rest.strip()))


def _lines(path: Path, data: bytes) -> Iterator[Line]:
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            yield _DECODER.decode(line)
        except msgspec.MsgspecError as error:
            raise UsageError(f"{path}: line {number}: not a line of a journal: {error}") from None
