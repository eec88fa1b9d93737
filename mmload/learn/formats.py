"""The formats of access logs: from a line to its fields. Pure; which format a log has is seen from its first lines.

A field that a format does not have is empty. Times are kept as the log writes them, and read once for each text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import msgspec

from mmload.errors import UNREADABLE_JSON

# One request: address, time, method, target, status, agent, seconds, person. The last is what marks its user for
# certain (an id, or a hash of the session), if the log has it.
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


def has_zone(text: bytes) -> bool:
    """Whether a time says in which zone it is (Unix time is in none). Pure."""
    return text.endswith(b"Z") or _OFFSET.search(text) is not None or text.replace(b".", b"").isdigit()


def offset_of(text: bytes) -> int:
    """By how many seconds the clock of a log is ahead of UTC. Pure."""
    found = _OFFSET.search(text)
    if found is None:
        return 0
    seconds = 3600 * int(found[2]) + 60 * int(found[3])
    return -seconds if found[1] == b"-" else seconds


def epoch_of_iso(text: bytes) -> float:
    """`2026-11-26T10:01:02+01:00`, also with `Z`, without zone (then UTC), or with a blank before it (Mattermost)."""
    moment = datetime.fromisoformat(text.decode().replace(" Z", "Z").replace(" +", "+").replace(" -", "-"))
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


# What a line of text is matched by, in this order; a group that a pattern lacks, or that is not there, is empty.
_GROUPS = ("address", "time", "method", "target", "status", "agent", "forwarded", "seconds", "person")


def _by_pattern(general: bytes, usual: bytes = b"") -> Callable[[bytes], Line | None]:
    """A parser by named groups. The client's address is the forwarded one, where a proxy tells it.

    `usual`: a pattern of all groups but the person, in order, which reads usual lines in half the time. Escaped quotes
    are unusual.
    """
    lacking = (name for name in _GROUPS if b"(?P<%s>" % name.encode() not in general)
    search = re.compile(general + b"".join(b"(?P<%s>)" % name.encode() for name in lacking)).match
    quickly = re.compile(usual + b"()").match if usual else None

    def parse(line: bytes) -> Line | None:
        found: Any = quickly(line) if quickly is not None and b"\\" not in line else None
        if found is not None:
            groups = found.groups(b"")
        else:
            found = search(line)
            if found is None:
                return None
            groups = [each or b"" for each in found.group(*_GROUPS)]
        address, time, method, target, status, agent, forwarded, seconds, person = groups
        return forwarded or address, time, method, target, status, agent, seconds, person

    return parse


_QUOTED = rb'[^"\\]*(?:\\.[^"\\]*)*'
_ADDRESS = rb"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]+)"
_REQUEST = rb'"(?P<method>[A-Z]{2,10}) (?P<target>[^" ]*)[^"]*"'
# Before the address there may be a virtual host, behind it those of proxies.
_COMMON = (
    rb"(?:[^\s,]+ )??(?P<address>[^\s,]+)(?:, [^\s,]+)* \S+ \S+ \[(?P<time>[^\]]+)\] "
    + _REQUEST
    + rb" (?P<status>\d{3}) \S+"
)
_FORWARDED = rb'(?: "(?:(?P<forwarded>' + _ADDRESS + rb')[^"]*|-?)")?'
_COMBINED = _COMMON + rb' "' + _QUOTED + rb'" "(?P<agent>' + _QUOTED + rb')"' + _FORWARDED
# Behind the combined form: nginx' request time, bare, in quotes, or named (rt=0.012).
_TIMED = _COMBINED + rb'.*?[ =]"?(?P<seconds>\d+\.\d{3})"?(?=[ "\r\n]|$)'
_TRAEFIK = _COMBINED + rb' \d+ "[^"]*" "[^"]*" (?P<seconds>\d+)ms'
_USUAL = (
    rb'([^\s,]+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) ([^" ]*) [^"]*" (\d{3}) \S+ "[^"]*" "([^"]*)"'
    rb'(?: "(?:(' + _ADDRESS + rb')[^"]*|-?)")?'
)
_USUAL_TIMED = _USUAL + rb' (?:rt=)?"?(\d+\.\d{3})(?=[ "\r\n]|$)'
_LOAD_BALANCER = (
    rb"(?:https?|h2|wss?|grpcs?) (?P<time>\S+) \S+ \[?(?P<address>[0-9a-fA-F.:]+)\]?:\d+ \S+ "
    rb"\S+ (?:-1|(?P<seconds>[\d.]+)) \S+ (?P<status>\S+) \S+ \d+ \d+ " + _REQUEST + rb' "(?P<agent>' + _QUOTED + rb')"'
)
# Mattermost's own log as text. Other lines than those of requests are of the format, with an empty method.
_MATTERMOST_TEXT = (
    rb"[a-z]+ +\[(?P<time>\d{4}-[^\]]+)\] (?:Received HTTP request .*?\bmethod=(?P<method>[A-Z]+) url=(?P<target>\S*)"
    rb"(?:.*? user_id=(?P<person>\w+))?(?:.*? status_code=(?P<status>\d+))?|)"
)
_HAPROXY = (
    rb"(?P<address>[0-9a-fA-F.:]+):\d+ \[(?P<time>[^\]]+)\] \S+ \S+ "
    rb"[-\d/]*/\+?(?P<seconds>-?\d+) (?P<status>-?\d{1,3}) \S+ \S+ \S+ \S+ [-\d/+]+ [-\d/+]+ "
    rb'(?:\{(?P<agent>[^{}"]*)\} )?(?:\{[^}]*\} )?' + _REQUEST
)
# The agent comes in the middle, and the time before the status.
_USUAL_HAPROXY = re.compile(
    rb"([0-9a-fA-F.:]+):\d+ \[([^\]]+)\] \S+ \S+ (?:\d+/){4}(\d+) (\d{3}) "
    rb'\S+ \S+ \S+ \S+ \S+ \S+ (?:\{([^{}"]*)\} )?(?:\{[^}]*\} )?"([A-Z]+) ([^" ]*) '
).match
_general_haproxy = _by_pattern(_HAPROXY)
_AN_ADDRESS, _A_PRODUCT = re.compile(_ADDRESS).match, re.compile(rb"[A-Za-z][^/]*/\d").match


def _parse_haproxy(line: bytes) -> Line | None:
    """Of the headers that are captured, the agent and the forwarded address are told by their form."""
    found: Any = _USUAL_HAPROXY(line)
    if found is not None:
        address, time, seconds, status, captured, method, target = found.groups(b"")
    elif (general := _general_haproxy(line)) is not None:
        address, time, method, target, status, captured, seconds, _ = general
    else:
        return None
    headers = captured.split(b"|")
    agent = next(filter(_A_PRODUCT, headers), b"")
    forwarded = next(filter(_AN_ADDRESS, headers), address) if len(headers) > 1 or not agent else address
    return forwarded.partition(b",")[0], time, method, target, status, agent, seconds, b""


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
    duration: float | str = 0.0


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
        b"%f" % found.duration if isinstance(found.duration, float) else b"",
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


# Nanoseconds.
_TRAEFIKS_DURATION = "Duration"
# What the fields of a JSON log are called: nginx' variables, and what guides and Traefik call them.
_JSON_NAMES: Mapping[str, tuple[str, ...]] = {
    "time": ("time_iso8601", "msec", "time_local", "@timestamp", "timestamp", "StartUTC", "time", "ts", "date"),
    "forwarded": ("http_x_forwarded_for", "x_forwarded_for", "request_X-Forwarded-For"),
    "address": ("remote_addr", "remote_ip", "client_ip", "client", "ClientHost", "remoteip"),
    "method": ("request_method", "method", "RequestMethod", "verb", "http_method"),
    "target": ("request_uri", "uri", "RequestPath", "url", "path", "request_path"),
    "request": ("request", "request_line"),
    "status": ("status", "status_code", "DownstreamStatus", "response", "code"),
    "agent": ("http_user_agent", "user_agent", "agent", "request_User-Agent", "useragent", "request_user_agent"),
    "person": ("session_hash", "token_hash", "session", "user_id", "mmuserid", "cookie_MMUSERID"),
    "seconds": ("request_time", "duration", "response_time", "upstream_response_time", _TRAEFIKS_DURATION),
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
        forwarded, seconds = text(found, "forwarded").partition(b",")[0], text(found, "seconds")
        return (
            forwarded if forwarded not in (b"", b"-") else text(found, "address"),
            text(found, "time"),
            method,
            target,
            text(found, "status"),
            text(found, "agent"),
            seconds if seconds.replace(b".", b"", 1).isdigit() else b"",
            text(found, "person"),
        )

    return parse


# In the order in which they are tried: the first that reads nearly all of the first lines. By the names for `--format`.
_FORMATS = {
    "traefik": LogFormat("Traefik common", _by_pattern(_TRAEFIK), epoch_of_clf, per_second=1000.0),
    "nginx-timed": LogFormat("nginx combined with request time", _by_pattern(_TIMED, _USUAL_TIMED), epoch_of_clf),
    "combined": LogFormat("combined (nginx, Apache)", _by_pattern(_COMBINED, _USUAL + b"()"), epoch_of_clf),
    "common": LogFormat("common (Apache)", _by_pattern(_COMMON), epoch_of_clf),
    "haproxy": LogFormat("HAProxy HTTP", _parse_haproxy, epoch_of_clf, per_second=1000.0),
    "alb": LogFormat("AWS load balancer", _by_pattern(_LOAD_BALANCER), epoch_of_iso),
    "caddy": LogFormat("Caddy JSON", _parse_caddy, epoch_of_any),
    "mattermost": LogFormat("Mattermost server log", _parse_mattermost, epoch_of_iso, queries=False),
    "mattermost-text": LogFormat(
        "Mattermost server log as text", _by_pattern(_MATTERMOST_TEXT), epoch_of_iso, queries=False
    ),
}
SHORT_NAMES = (*_FORMATS, "json")
# So much of the first lines has to be of a format: others are torn, or from before a change of the configuration.
_ENOUGH = 0.8

_DAY_AND_TIME = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
_ISO = rb"\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-]\d\d:?\d\d)"
# What is written before a line by syslog (RFC 5424; RFC 3164, also with a time as in the other one) and by containers.
_BEFORE = re.compile(
    rb"<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|(?:\[[^\]]*\])+) (?:\xef\xbb\xbf)?"
    rb"|(?:<\d{1,3}>)?(?:" + _DAY_AND_TIME + rb"|" + _ISO + rb") (?:\S+ )?[^\s:\[]+(?:\[\d+\])?: "
    rb"|" + _ISO + rb" (?:std(?:out|err) [FP] )?"
).match


class _ContainerLine(msgspec.Struct):
    log: str
    stream: str


_container_line = _typed(_ContainerLine)


def _behind_prefix(line: bytes) -> bytes:
    found = _BEFORE(line)
    return line[found.end() :] if found is not None else b""


def _of_container(line: bytes) -> bytes:
    found: _ContainerLine | None = _container_line(line)
    return found.log.encode() if found is not None else b""


# Lines of another log in those of a collector: what is told, and how they are got.
_COLLECTORS = (("behind a prefix (syslog, container)", _behind_prefix), ("in a container's log", _of_container))


def recognised(lines: Sequence[bytes], wanted: str = "") -> LogFormat | None:
    """The format of these lines, or the `wanted` one if it reads any of them. Pure."""
    found = _recognised(lines, wanted)
    for told, inner in _COLLECTORS:
        if found is None and (within := _recognised([inner(line) for line in lines], wanted)) is not None:
            found = replace(within, name=f"{within.name}, {told}", parse=_composed(within.parse, inner))
    return found


def _composed(parse: Callable[[bytes], Line | None], inner: Callable[[bytes], bytes]) -> Callable[[bytes], Line | None]:
    return lambda line: parse(inner(line))


def _recognised(lines: Sequence[bytes], wanted: str) -> LogFormat | None:
    candidates = {**_FORMATS, "json": json_format(lines)}
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
            scale = 1e9 if _TRAEFIKS_DURATION in found else 1.0
            return LogFormat("JSON", parse, epoch_of_any, queries=has_queries, per_second=scale)
    return None
