"""Opens access logs, plain or compressed, finds out their format, and counts them. What cannot be read is said."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO

from mmload.errors import UsageError
from mmload.learn.formats import UNREADABLE_TIME, LogFormat, has_zone, offset_of, recognised
from mmload.learn.observed import HOUR, Observed
from mmload.learn.routes import HandlerFinder, is_served, route_of
from mmload.learn.tally import JUMP_SECONDS, Jumps, LogTally

_HEAD_LINES = 200
_HEAD_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
# Compressed in ways that the standard library does not read as a stream of lines, or hardly anybody uses for logs.
_OTHER_PACKERS = {
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
    _GZIP: "gzip twice",
}
# No line of a log is longer: without an end of line, a file of any size would be read at once.
_LONGEST_LINE = 1 << 20
_SHOWN_LINES, _SHOWN_CHARACTERS = 3, 160
LEAST_SECONDS = 600


@dataclass(frozen=True, slots=True)
class AccessLog:
    """A log whose format is known. `begins`: when its first request was (Unix seconds); `offset`: of its zone.

    Not `zoned`: its times do not say where they are, and are taken for UTC.
    """

    path: Path
    format: LogFormat
    begins: float
    offset: int
    zoned: bool


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's content, unpacked. Raises UsageError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        if not file.seekable():
            raise UsageError(f"{path}: this is a pipe, but logs are read twice: expected a file")
        if file.peek(2)[:2] != _GZIP:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked, BufferedReader(unpacked, 1 << 17) as buffered:
            yield buffered


def examined(path: Path, wanted: str = "") -> AccessLog:
    """A log by its first lines. Raises UsageError where they are of no known format."""
    _refuse_packed(path)
    head = _head(path)
    if not head:
        raise UsageError(f"{path}: the file is empty")
    if any(b"\0" in line for line in head):
        raise UsageError(f"{path}: not a text file (it contains zero bytes): expected an access log, plain or .gz")
    # The last one may be cut off by the end of what was read.
    found = recognised(head[:-1] or head, wanted)
    if found is None:
        raise UsageError(_unknown(path, head, wanted))
    begins, offset, zoned = next(_moments(head, found), (0.0, 0, True))
    return AccessLog(path, found, begins, offset, zoned)


def _refuse_packed(path: Path) -> None:
    with opened(path) as file:
        try:
            begin = file.read(8)
        except (EOFError, zlib.error, OSError):
            return
    for magic, packer in _OTHER_PACKERS.items():
        if begin.startswith(magic):
            raise UsageError(
                f"{path}: compressed with {packer}: expected an access log, plain or .gz; decompress it first"
            )


def _head(path: Path) -> list[bytes]:
    lines: list[bytes] = []
    with opened(path) as file:
        try:
            for _ in range(_HEAD_LINES):
                line = file.readline(_HEAD_BYTES)
                if not line:
                    break
                if line.strip():
                    lines.append(line)
        except (EOFError, zlib.error, OSError) as error:
            if not lines:
                raise UsageError(f"{path}: cannot be decompressed: {_damage(error)}") from None
    return lines


def _moments(head: Iterable[bytes], log: LogFormat) -> Iterator[tuple[float, int, bool]]:
    """The time of each line, by how many seconds its clock is ahead of UTC, and whether it says so."""
    for line in head:
        fields = log.parse(line)
        if fields is not None:
            with suppress(*UNREADABLE_TIME):
                yield log.epoch(fields[1]), offset_of(fields[1]), has_zone(fields[1])


def _unknown(path: Path, head: Sequence[bytes], wanted: str) -> str:
    tried = wanted or (
        "nginx and Apache (combined, common), HAProxy, Caddy, Traefik, AWS load balancer, JSON, "
        "Mattermost's server log; each of them also in syslog or a container's log"
    )
    shown = "\n".join(f"  {masked(line)}" for line in head[:_SHOWN_LINES])
    advice = "" if wanted else "\nuse --format to name another format; docs/learn.md lists the fields of each"
    begins = f"it begins with (letters and digits masked):\n{shown}{advice}"
    return f"{path}: unknown log format; tried: {tried}; {begins}"


def masked(line: bytes) -> str:
    """A line whose letters and digits tell its form and nothing else. Pure."""
    text = line.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS]
    text = re.sub(r"[0-9]", "0", text)
    return re.sub(r"[^\W\d_]", "x", text)


def _damage(error: Exception) -> str:
    return "it is cut off" if isinstance(error, EOFError) else "it is damaged"


def counted(
    logs: Iterable[AccessLog], routes: Iterable[str], tell: Callable[[str], None] = lambda text: None
) -> Observed:
    """All logs together, the oldest first. `tell` hears of each before it is read. Raises UsageError."""
    in_order = sorted(logs, key=lambda log: log.begins)
    queries = all(log.format.queries for log in in_order)
    tally = LogTally(HandlerFinder(routes, queries=queries))
    notes: list[str] = []
    for log in in_order:
        tell(f"{log.path}: {log.format.name}")
        with opened(log.path) as file:
            tally.feed(_lines(file, log.path, notes), log.format)
    source = ", ".join(dict.fromkeys(log.format.name for log in in_order))
    observed = tally.observed(source, queries=queries, offset=in_order[0].offset)
    observed.as_counted = str if queries else route_of
    if not all(log.zoned for log in in_order):
        notes.append("the times have no time zone, and were taken as UTC")
    observed.notes += [*notes, *_oddities(tally)]
    _refuse_others(observed, tally)
    return observed


def _lines(file: IO[bytes], path: Path, notes: list[str]) -> Iterator[bytes]:
    """Its lines, up to where it can be read."""
    read = 0
    try:
        for line in file:
            read += 1
            yield line
    except (EOFError, zlib.error, OSError) as error:
        notes.append(f"{path.name}: {_damage(error)} after {read:,} lines; those were counted")


def _oddities(tally: LogTally) -> Iterator[str]:
    if tally.unreadable:
        share = tally.unreadable / max(1, tally.lines)
        yield f"{tally.unreadable:,} of {tally.lines:,} lines ({share:.1%}) have another format and were left out"
    yield from jumps_told(tally.jumps)


def jumps_told(jumps: Jumps) -> Iterator[str]:
    """Sentences about a clock that jumped. Pure."""
    if jumps.back:
        yield (
            f"the clock went back {jumps.back} times by more than {JUMP_SECONDS // 60} min "
            f"(at most {_span(jumps.largest_back)}), so people in those minutes are counted again"
        )
    if jumps.gaps:
        longest = _span(jumps.largest_gap)
        yield f"there are {jumps.gaps} gaps of more than an hour (the longest {longest}); they are left out"


def _span(seconds: float) -> str:
    return f"{seconds / HOUR:.1f} h" if seconds >= 2 * HOUR else f"{seconds / 60:.0f} min"


def _refuse_others(observed: Observed, tally: LogTally) -> None:
    """Logs without any request to Mattermost's API teach nothing."""
    requests = observed.handlers.total() + observed.integrations.total()
    if not requests:
        advice = (
            ": Mattermost only logs requests at level DEBUG (LogSettings)" if "Mattermost" in observed.source else ""
        )
        raise UsageError(f"{tally.lines:,} lines, but no requests{advice}")
    if not any(is_served(name) for name in observed.handlers | observed.integrations):
        raise UsageError(
            f"{requests:,} requests, but none to Mattermost's API (/api/v4/…): is this another application's log?"
        )
