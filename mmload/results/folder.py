"""The run's folder on disk: written as the run goes on, readable after `kill -9`, whatever is torn or missing.

run.json and totals.json are replaced as a whole; seconds.jsonl, figures.jsonl and notes.jsonl grow by whole lines.

Which folder is meant by `latest`, by a folder's name or by its path.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from mmload.errors import UsageError
from mmload.metrics.browser import BrowserFailure
from mmload.metrics.delta import Delta
from mmload.metrics.histogram import plain
from mmload.results.generator_health import disturbed, undisturbed
from mmload.results.model import (
    SCHEMA,
    Facts,
    Figures,
    Note,
    NoteKind,
    Part,
    Run,
    Second,
    ServerSample,
    Storm,
    StormRecovery,
    Totals,
    Undisturbed,
)
from mmload.results.storms import in_stages, recoveries

FACTS = "run.json"
TOTALS = "totals.json"
SECONDS = "seconds.jsonl"
FIGURES = "figures.jsonl"
NOTES = "notes.jsonl"
ORDERS = "orders.jsonl"
STORMS = "storms.jsonl"
BROWSER = "browser.jsonl"
SCREENSHOTS = "browser"
SERVER = "server.jsonl"
LOG = "locust.log"

T = TypeVar("T")
_MEMORY = Path("/dev/shm")
_LONGEST_NAME = 200
# What is no JSON of this form, and what is no text at all.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


class Order(msgspec.Struct, frozen=True):
    """One line of orders.jsonl: what somebody wants of a run that goes on. `users` 0 means all of them.

    An action, or a storm (one that has its `ms` is raised by whoever orders it, and only put on record), or the end.
    """

    action: str = ""
    users: int = 0
    within_seconds: float = 0.0
    storm: Storm | None = None
    ends: bool = False


def folder_name(when: datetime, name: str) -> str:
    """`2026-01-31T12-00-00-name`: sorts by time, and is a valid name everywhere. Pure."""
    stamp = when.strftime("%Y-%m-%dT%H-%M-%S")
    return f"{stamp}-{name}" if name else stamp


def make_folder(runs: Path, when: datetime, name: str) -> Path:
    """A new folder for a run; a number is added where two runs began in the same second."""
    for attempt in range(1, 100):
        folder = runs / (folder_name(when, name) + (f"-{attempt}" if attempt > 1 else ""))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not runs.is_dir():
                break
            continue
        except OSError as error:
            raise UsageError(f"{runs}: cannot create the results folder: {error.strerror}") from None
        return folder
    raise UsageError(f"{runs}: cannot create the results folder: a file is in the way")


def spare_folder(folder: Path) -> Path:
    """Where the record of a run goes on, in memory, when its folder can't be written (its disk is full, say). Pure."""
    return _MEMORY / f"mmload-{str(folder.resolve()).replace('/', '+')[-_LONGEST_NAME:]}"


def place_of(folder: Path) -> Path:
    """Where the record of this folder is: there, or in memory."""
    spare = spare_folder(folder)
    try:
        # Nobody else's: everybody may make folders there.
        ours = spare.lstat().st_uid == os.geteuid() and spare.is_dir()
    except OSError:
        return folder
    return spare if ours else folder


class RunFolder:
    """The writing side. One process writes; others may read at any moment.

    When the folder can't be written any more, the record goes on in memory (`spare_folder`), but for figures.jsonl,
    which would fill it. `trouble` then says so.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        self._files: dict[str, Any] = {}

    def write_facts(self, facts: Facts) -> None:
        content = msgspec.json.format(msgspec.json.encode(facts), indent=2)
        self._surely(lambda: _replace(self.path / FACTS, [content]))

    def write_totals(self, totals: Totals, breathe: Callable[[], object] = lambda: None) -> None:
        """Write totals.json anew. `breathe` is called again and again meanwhile: it takes long after a long run."""
        self._surely(lambda: _replace(self.path / TOTALS, _breathing(totals_parts(totals), breathe)))

    def add_second(self, second: Second) -> None:
        self._add(SECONDS, msgspec.json.encode(second))

    def add_figures(self, figures: Figures) -> None:
        self._add(FIGURES, msgspec.json.encode(figures, enc_hook=plain))

    def add_note(self, note: Note) -> None:
        self._add(NOTES, msgspec.json.encode(note))

    def add_storm(self, storm: Storm) -> None:
        self._add(STORMS, msgspec.json.encode(storm))

    def add_browser_failure(self, failure: BrowserFailure, screenshot: bytes, name: str) -> None:
        """Add one line to browser.jsonl, and its picture under this name; none where the record goes on in memory."""
        if screenshot and not self.trouble:
            folder = self.path / SCREENSHOTS
            folder.mkdir(exist_ok=True)
            _replace(folder / name, [screenshot])
            failure = replace(failure, screenshot=f"{SCREENSHOTS}/{name}")
        self._add(BROWSER, msgspec.json.encode(failure))

    def write_server(self, samples: Iterable[ServerSample]) -> None:
        lines = [msgspec.json.encode(sample) + b"\n" for sample in samples]
        self._surely(lambda: _replace(self.path / SERVER, lines))

    def close(self) -> None:
        """Nothing more will be written."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _add(self, name: str, line: bytes) -> None:
        def append() -> None:
            if self.trouble and name == FIGURES:
                return
            if name not in self._files:
                self._files[name] = (self.path / name).open("ab", buffering=0)
            if self._files[name].write(line + b"\n") <= len(line):
                # The first part of it is there; readers pass over torn lines.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        self._surely(append)

    def _surely(self, write: Callable[[], None]) -> None:
        """Write it here, or, from the first failure on, in memory. OSError: not there either."""
        path = self.path
        try:
            write()
        except OSError as error:
            # While the sums are written, another greenlet may have met the same.
            if self.path is path:
                if self.trouble:
                    raise
                self._go_on_in_memory(error)
            write()

    def _go_on_in_memory(self, error: OSError) -> None:
        self.close()
        spare = spare_folder(self.path)
        spare.mkdir(mode=0o700)
        for name in (FACTS, TOTALS, SECONDS, NOTES, SERVER, STORMS):
            with suppress(OSError):
                content = (self.path / name).read_bytes()
                whole = content[: content.rfind(b"\n") + 1] if name.endswith(".jsonl") else content
                (spare / name).write_bytes(whole)
        self.trouble = (
            f"cannot write to {self.path}: {error.strerror}; the record continues in memory, in {spare}, without "
            "the figures of each second"
        )
        self.path = spare
        self.add_note(Note(int(time.time() * 1000), NoteKind.RECORD, self.trouble))


def _replace(path: Path, content: Iterable[bytes]) -> None:
    """The old content or the new, never half of it: also for a reader in the middle."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.writelines(content)
    os.replace(new, path)


def totals_parts(totals: Totals) -> Iterator[bytes]:
    """The sums as JSON, a name's figures at a time. Pure.

    In one piece they would take megabytes for a moment (2.5 after half an hour), which the C library then keeps.
    """
    yield _open({name: getattr(totals, name) for name in Totals.__struct_fields__ if name not in ("whole", "steady")})
    for name, delta in (("whole", totals.whole), ("steady", totals.steady)):
        yield b',"%b":' % name.encode()
        yield from _delta_parts(delta)
    yield b"}"


def _delta_parts(delta: Delta) -> Iterator[bytes]:
    rest = _open(replace(delta, actions={}, routes={}, logins={}, spans={}, browser={}))
    yield rest
    comma = b"," if len(rest) > 1 else b""
    for table in ("actions", "routes", "logins", "spans", "browser"):
        yield b'%b"%b":{' % (comma, table.encode())
        comma = b""
        for name, figures in getattr(delta, table).items():
            yield comma + msgspec.json.encode(name) + b":" + msgspec.json.encode(figures, enc_hook=plain)
            comma = b","
        yield b"}"
        comma = b","
    yield b"}"


def _open(value: Any) -> bytes:
    """A struct or dict as JSON, without the brace at its end."""
    return msgspec.json.encode(value)[:-1]


def _breathing(parts: Iterable[bytes], breathe: Callable[[], object]) -> Iterator[bytes]:
    for part in parts:
        yield part
        breathe()


def read_run(folder: Path) -> Run:
    """The run of a folder. `UsageError` if it is none; what a torn one lacks is said in `missing`."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    place = place_of(folder)
    if not any((place / name).exists() for name in (FACTS, SECONDS, TOTALS)):
        raise UsageError(f"{folder}: not a run folder (no {FACTS}, {SECONDS} or {TOTALS} in it)")
    missing: list[str] = []
    facts = _document(place / FACTS, Facts, missing) or Facts()
    totals = _document(place / TOTALS, Totals, missing) or Totals()
    seconds = lines(place / SECONDS, Second, missing)
    notes = lines(place / NOTES, Note, missing, required=False)
    missing += _torn(facts, totals, seconds)
    failures = lines(place / BROWSER, BrowserFailure, missing, required=False)
    storms = recoveries(lines(place / STORMS, Storm, missing, required=False), seconds)
    if storms and not facts.stages:
        seconds = in_stages(seconds, storms)
    # In memory there are no figures of each second.
    part = _undisturbed(folder, facts, seconds, storms) if place == folder else None
    parts = stage_parts(read_figures(folder), seconds) if facts.stages or storms else {}
    return Run(str(folder), facts, totals, seconds, notes, tuple(missing), part, parts, storms, failures)


def stage_parts(figures: Iterable[Figures], seconds: Iterable[Second]) -> dict[str, Part]:
    """The sums of each stage of a load. Pure."""
    stages = {second.ms: second.stage for second in seconds if second.stage}
    parts: dict[str, Part] = {}
    for each in figures:
        if stage := stages.get(each.ms):
            before = parts.get(stage, Part(0, Delta()))
            before.figures.merge(each.figures)
            parts[stage] = Part(before.seconds + 1, before.figures)
    return parts


def _undisturbed(
    folder: Path, facts: Facts, seconds: tuple[Second, ...], storms: tuple[StormRecovery, ...]
) -> Undisturbed | None:
    """Read only where the verdict may turn on it: a long run has many figures."""
    without = disturbed(seconds, storms) if facts.thresholds else frozenset()
    return undisturbed(read_figures(folder), without) if without else None


def read_figures(folder: Path) -> Iterator[Figures]:
    """The seconds of figures.jsonl, one at a time: all of a long run's at once would fill the memory.

    Lines that can't be read are passed over; none at all where the file is missing.
    """
    decoder = msgspec.json.Decoder(Figures, strict=False)
    try:
        file = (folder / FIGURES).open("rb")
    except OSError:
        return
    with file:
        for line in file:
            try:
                yield decoder.decode(line)
            except _UNREADABLE:
                continue


def add_order(folder: Path, order: Order) -> None:
    """Ask something of the run that writes this folder."""
    try:
        with (folder / ORDERS).open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(order) + b"\n")
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from None


def read_notes(folder: Path) -> tuple[Note, ...]:
    """notes.jsonl as far as it is there and readable."""
    return lines(folder / NOTES, Note, [], required=False)


def read_facts(folder: Path) -> Facts:
    """run.json as far as it is there and readable."""
    return _document(folder / FACTS, Facts, []) or Facts()


def _torn(facts: Facts, totals: Totals, seconds: tuple[Second, ...]) -> list[str]:
    """What an end out of order left out."""
    sentences = []
    if facts.started_ms and not facts.ended_ms:
        sentences.append("the run was cut off: its end was never recorded")
    lost = len(seconds) - totals.seconds
    if totals.seconds and lost > 0:
        sentences.append(f"the totals do not include the last {lost} s of the run")
    return sentences


def _document(path: Path, kind: type[T], missing: list[str]) -> T | None:
    try:
        document = msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        missing.append(f"{path.name} is missing")
        return None
    except (OSError, *_UNREADABLE) as error:
        missing.append(f"cannot read {path.name}: {error}")
        return None
    schema = getattr(document, "schema", SCHEMA)
    if schema > SCHEMA:
        raise UsageError(f"{path}: written by a newer mmload (schema {schema}): upgrade to read it")
    if schema < SCHEMA:
        raise UsageError(
            f"{path}: written by an older mmload (schema {schema}; this one reads {SCHEMA}), whose figures have other "
            "names and meanings: read it with that version, or run the test again"
        )
    return document


def lines(path: Path, kind: type[T], missing: list[str], *, required: bool = True) -> tuple[T, ...]:
    """The whole lines of a file; a torn last line is what an interrupted write leaves, and is passed over."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if required:
            missing.append(f"{path.name} is missing")
        return ()
    except OSError as error:
        missing.append(f"cannot read {path.name}: {error.strerror}")
        return ()
    found: list[T] = []
    broken = 0
    for line in content.split(b"\n")[:-1]:
        try:
            found.append(msgspec.json.decode(line, type=kind))
        except _UNREADABLE:
            broken += 1
    if broken:
        missing.append(f"{path.name}: {broken} lines cannot be read")
    return tuple(found)


LATEST = "latest"
_SIGNS_OF_A_RUN = (FACTS, SECONDS, TOTALS)


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, be it a torn one."""
    return any((folder / name).is_file() for name in _SIGNS_OF_A_RUN)


def newest(runs: Path) -> Path:
    """The newest run below a folder: names begin with the time, so the last name is it. `UsageError` if none."""
    found = sorted(path for path in runs.iterdir() if is_run(path)) if runs.is_dir() else []
    if not found:
        raise UsageError(f"{runs}: no run here; give the run's folder, or the folder of the runs with --runs-folder")
    return found[-1]


def run_folder(given: str, runs: Path) -> Path:
    """The folder of `given`: `latest`, a path, or a name below `runs`. `UsageError` if there is no such run."""
    if given == LATEST:
        return newest(runs)
    for folder in (Path(given), runs / given):
        if folder.is_dir():
            return _checked(folder)
    places = given if Path(given).is_absolute() else f"{given} or {runs / given}"
    raise UsageError(f"{places}: no such folder; `{LATEST}` is the newest run in {runs}")


def _checked(folder: Path) -> Path:
    if not is_run(folder):
        raise UsageError(f"{folder}: not a run folder (no {', '.join(_SIGNS_OF_A_RUN)} in it)")
    return folder
