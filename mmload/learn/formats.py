"""The formats of access logs: from a line to its fields. Pure; which format a log has is seen from its first lines.

A field that a format does not have is empty. Times are kept as the log writes them, and read once for each text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import msgspec

from mmload.errors import UNREADABLE_JSON

# One request: what each field is called, in order. `person`: what marks its user for certain (an id, or a hash of the
# session), if the log has it.
FIELDS = ("address", "time", "method", "target", "status", "agent", "seconds", "person")
Line = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class LogFormat:
    """`parse` gives None for a line of another form; `epoch` the Unix seconds of a line's time (ValueError: none)."""

    name: str
    parse: Callable[[bytes], Line | None]
    epoch: Callable[[bytes], float]
    queries: bool = True
    # Of the seconds field: how many there are in a second.
    per_second: float = 1.0


_MONTHS = {
    name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)
}


def epoch_of_clf(text: bytes) -> float:
    """`26/Nov/2026:10:01:02 +0100`, with or without milliseconds and zone (then UTC)."""
    whole, _, zone = text.partition(b" ")
    return _minute(whole[:17], zone) + float(whole[18:])


@lru_cache(maxsize=64)
def _minute(text: bytes, zone: bytes) -> float:
    day, month, rest = text.split(b"/")
    year, hour, minute = rest.split(b":")
    return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), tzinfo=_zone(zone)).timestamp()


def _zone(text: bytes) -> timezone:
    if not text:
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return timezone(-offset if text[:1] == b"-" else offset)


# The year 9999 is the last that calendars know here; less a day, as there are zones ahead of UTC.
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_OFFSET = re.compile(rb"([+-])(\d\d):?(\d\d)$")
# What a time in a line may raise when it is none.
UNREADABLE_TIME = (ValueError, KeyError, OverflowError)


def offset_of(text: bytes) -> int:
    """By how many seconds the clock of a log is ahead of UTC. Pure."""
    found = _OFFSET.search(text)
    if found is None:
        return 0
    seconds = 3600 * int(found[2]) + 60 * int(found[3])
    return -seconds if found[1] == b"-" else seconds


def epoch_of_iso(text: bytes) -> float:
    """`2026-11-26T10:01:02+01:00`, also with a `Z`, or as Mattermost writes it (`2026-11-26 10:01:02.123 Z`)."""
    moment = datetime.fromisoformat(text.decode().replace(" Z", "Z"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def epoch_of_any(text: bytes) -> float:
    """Unix seconds (or milliseconds), ISO 8601, or the common log's form."""
    try:
        number = float(text)
    except ValueError:
        return epoch_of_clf(text) if b"/" in text else epoch_of_iso(text)
    seconds = number / 1000 if number > 1e11 else number
    if not 0 <= seconds < _END_OF_TIME:
        raise ValueError(f"{number} is no Unix time")
    return seconds


def _by_pattern(pattern: bytes) -> Callable[[bytes], Line | None]:
    """A parser by named groups; those that the pattern lacks are empty."""
    lacking = (name for name in FIELDS if b"(?P<%s>" % name.encode() not in pattern)
    match = re.compile(pattern + b"".join(b"(?P<%s>)" % name.encode() for name in lacking)).match

    def parse(line: bytes) -> Line | None:
        found: Any = match(line)
        if found is None:
            return None
        fields: Line = found.group(*FIELDS)
        return fields

    return parse


def _quickly(usual: bytes, general: Callable[[bytes], Line | None]) -> Callable[[bytes], Line | None]:
    """A parser by a pattern of usual lines, whose groups are the fields in order; others are left to `general`.

    It takes half the time. Escaped quotes are unusual.
    """
    match = re.compile(usual).match

    def parse(line: bytes) -> Line | None:
        found: Any = None if b"\\" in line else match(line)
        if found is None:
            return general(line)
        fields: Line = found.groups()
        return fields

    return parse


_QUOTED = rb'[^"\\]*(?:\\.[^"\\]*)*'
_REQUEST = rb'"(?P<method>[A-Z]{2,10}) (?P<target>[^" ]*)[^"]*"'
_COMMON = rb"(?:\S+ )??(?P<address>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] " + _REQUEST + rb" (?P<status>\d{3}) \S+"
_COMBINED = _COMMON + rb' "' + _QUOTED + rb'" "(?P<agent>' + _QUOTED + rb')"'
# Behind the combined form: nginx' request time, bare, in quotes, or named (rt=0.012).
_TIMED = _COMBINED + rb'.*?[ =]"?(?P<seconds>\d+\.\d{3})"?(?=[ "\r\n]|$)'
_USUAL = rb'(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) ([^" ]*) [^"]*" (\d{3}) \S+ "[^"]*" "([^"]*)"'
_USUAL_TIMED = _USUAL + rb' "?(\d+\.\d{3})(?=[ "\r\n]|$)()'
_HAPROXY = (
    rb"(?:[^\[]*haproxy\[\d+\]: )?(?P<address>[0-9a-fA-F.:]+):\d+ \[(?P<time>[^\]]+)\] \S+ \S+/\S+ "
    rb"[-\d/]*/\+?(?P<seconds>-?\d+) (?P<status>-?\d{1,3}) \S+ \S+ \S+ \S+ [-\d/+]+ [-\d/+]+ "
    rb"\{?(?P<agent>[^{}\"]*?)\}? ?(?:\{[^}]*\} )?" + _REQUEST
)

# The agent comes in the middle, and the time before the status.
_USUAL_HAPROXY = re.compile(
    rb"(?:[^\[]*haproxy\[\d+\]: )?([0-9a-fA-F.:]+):\d+ \[([^\]]+)\] \S+ \S+ (?:\d+/){4}(\d+) (\d{3}) "
    rb'\S+ \S+ \S+ \S+ \S+ \S+ \{([^{}"]*)\} "([A-Z]+) ([^" ]*) '
).match


def _parse_haproxy(line: bytes) -> Line | None:
    found: Any = _USUAL_HAPROXY(line)
    if found is None:
        return _general_haproxy(line)
    address, time, seconds, status, agent, method, target = found.groups()
    return address, time, method, target, status, agent, seconds, b""


class _Headers(msgspec.Struct):
    agent: list[str] = msgspec.field(default_factory=list, name="User-Agent")


class _CaddyRequest(msgspec.Struct):
    method: str
    uri: str
    remote_ip: str = ""
    client_ip: str = ""
    remote_addr: str = ""
    headers: _Headers = msgspec.field(default_factory=_Headers)


class _CaddyLine(msgspec.Struct):
    ts: float | str
    request: _CaddyRequest
    status: int = 0
    duration: float = 0.0


class _MattermostLine(msgspec.Struct):
    timestamp: str
    msg: str
    method: str = ""
    url: str = ""
    user_id: str = ""
    ip_addr: str = ""
    status_code: str = ""


def _typed(kind: Any) -> Callable[[bytes], Any]:
    decode = msgspec.json.Decoder(kind).decode

    def decoded(line: bytes) -> Any:
        try:
            return decode(line)
        except UNREADABLE_JSON:
            return None

    return decoded


_caddy_line, _mattermost_line = _typed(_CaddyLine), _typed(_MattermostLine)


def _parse_caddy(line: bytes) -> Line | None:
    found: _CaddyLine | None = _caddy_line(line)
    if found is None:
        return None
    request = found.request
    return (
        (request.client_ip or request.remote_ip or request.remote_addr).encode(),
        str(found.ts).encode(),
        request.method.encode(),
        request.uri.encode(),
        b"%d" % found.status,
        request.headers.agent[0].encode() if request.headers.agent else b"",
        b"%f" % found.duration,
        b"",
    )


_MATTERMOST_MESSAGE = "Received HTTP request"


def _parse_mattermost(line: bytes) -> Line | None:
    """Other lines of the server's log are no requests: they are of the format, with an empty method."""
    found: _MattermostLine | None = _mattermost_line(line)
    if found is None:
        return None
    is_request = found.msg == _MATTERMOST_MESSAGE
    return (
        found.ip_addr.encode(),
        found.timestamp.encode(),
        found.method.encode() if is_request else b"",
        found.url.encode(),
        found.status_code.encode(),
        b"",
        b"",
        found.user_id.encode(),
    )


# What the fields of a JSON log are called: nginx' variables, and what guides and Traefik call them.
_JSON_NAMES: Mapping[str, tuple[str, ...]] = {
    "time": ("time_iso8601", "msec", "time_local", "@timestamp", "timestamp", "time", "StartUTC", "ts", "date"),
    "address": ("http_x_forwarded_for", "remote_addr", "remote_ip", "client_ip", "client", "ClientHost", "remoteip"),
    "method": ("request_method", "method", "RequestMethod", "verb", "http_method"),
    "target": ("request_uri", "uri", "RequestPath", "url", "path", "request_path"),
    "request": ("request", "request_line"),
    "status": ("status", "status_code", "DownstreamStatus", "response", "code"),
    "agent": ("http_user_agent", "user_agent", "agent", "request_User-Agent", "useragent", "request_user_agent"),
    "person": ("session_hash", "token_hash", "session", "user_id", "mmuserid", "cookie_MMUSERID"),
    "seconds": ("request_time", "duration", "response_time", "upstream_response_time"),
}


def _json_parser(sample: Mapping[str, Any]) -> Callable[[bytes], Line | None] | None:
    """A parser of lines with the names of this one; None where they name no request. Pure."""
    names = {field: next((name for name in known if name in sample), "") for field, known in _JSON_NAMES.items()}
    whole = isinstance(sample.get(names["request"]), str) and not (names["method"] and names["target"])
    if not names["time"] or not (whole or (names["method"] and names["target"])):
        return None
    fields = [
        (field, str | int | float | None, msgspec.field(default="", name=name)) for field, name in names.items() if name
    ]
    decode = _typed(msgspec.defstruct("JsonLogLine", fields))

    def text(found: Any, field: str) -> bytes:
        value = getattr(found, field, "")
        return b"" if value is None else str(value).encode()

    def parse(line: bytes) -> Line | None:
        found = decode(line)
        if found is None:
            return None
        if whole:
            method, _, rest = text(found, "request").partition(b" ")
            target = rest.partition(b" ")[0]
        else:
            method, target = text(found, "method"), text(found, "target")
        address = text(found, "address").partition(b",")[0]
        return (
            address,
            text(found, "time"),
            method,
            target,
            text(found, "status"),
            text(found, "agent"),
            text(found, "seconds"),
            text(found, "person"),
        )

    return parse


_general_haproxy = _by_pattern(_HAPROXY)
# In the order in which they are tried: the first that reads nearly all of the first lines.
_TEXT_FORMATS = (
    LogFormat("nginx combined with request time", _quickly(_USUAL_TIMED, _by_pattern(_TIMED)), epoch_of_clf),
    LogFormat("combined (nginx, Apache)", _quickly(_USUAL + b"()()", _by_pattern(_COMBINED)), epoch_of_clf),
    LogFormat("common (Apache)", _by_pattern(_COMMON), epoch_of_clf),
    LogFormat("HAProxy HTTP", _parse_haproxy, epoch_of_clf, per_second=1000.0),
)
_JSON_FORMATS = (
    LogFormat("Caddy JSON", _parse_caddy, epoch_of_any),
    LogFormat("Mattermost server log", _parse_mattermost, epoch_of_iso, queries=False),
)
# The names for `--format`.
SHORT_NAMES = ("nginx-timed", "combined", "common", "haproxy", "caddy", "mattermost", "json")
# So much of the first lines has to be of a format: others are torn, or from before a change of the configuration.
_ENOUGH = 0.8


def recognised(lines: Sequence[bytes], wanted: str = "") -> LogFormat | None:
    """The format of these lines, or the `wanted` one if it reads any of them. Pure."""
    candidates = dict(zip(SHORT_NAMES, [*_TEXT_FORMATS, *_JSON_FORMATS, json_format(lines)], strict=True))
    if wanted:
        chosen = candidates[wanted]
        return chosen if chosen and any(_reads(chosen, line) for line in lines) else None
    for each in candidates.values():
        if each is not None and lines and sum(_reads(each, line) for line in lines) >= _ENOUGH * len(lines):
            return each
    return None


def _reads(format_: LogFormat, line: bytes) -> bool:
    found = format_.parse(line)
    if found is None:
        return False
    try:
        format_.epoch(found[1])
    except UNREADABLE_TIME:
        return False
    return True


def json_format(lines: Iterable[bytes]) -> LogFormat | None:
    """A JSON log by the names in its first line that is an object; None if there is none. Pure."""
    for line in lines:
        try:
            found = msgspec.json.decode(line)
        except UNREADABLE_JSON:
            continue
        parse = _json_parser(found) if isinstance(found, dict) else None
        if parse is not None:
            has_queries = not isinstance(found.get("path"), str) or "uri" in found or "request_uri" in found
            return LogFormat("JSON", parse, epoch_of_any, queries=has_queries)
    return None
