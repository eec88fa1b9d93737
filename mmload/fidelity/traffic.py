"""What a client sent in one step, in a form in which two clients can be compared. Pure.

Ids, times and typed texts are replaced; of bodies the names of the fields are kept, not their values.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from mmload.client.http.rules import API
from mmload.errors import UNREADABLE_JSON

PAGE = "GET site page"
STATIC = "/static/"
ANY_VALUE = "*"
Pairs = tuple[tuple[str, str], ...]

_ID = re.compile(r"\{.*\}|[a-z0-9]{26}|\d+|me|\w+:\d{13}")
_PLACEHOLDER = re.compile(r"\{\w+\}")
# Values of a query that mean the same for everybody; any other may be a name, an id, a time or a secret.
_FIXED_VALUE = re.compile(r"-?\d{0,4}|true|false")
_FIXED_WORDS = frozenset({"old", "web", "down", "up", "name", "display_name", "username", "asc", "desc"})
# Their values are what somebody typed, or a number of the moment.
_FREE_KEYS = frozenset({"name", "term", "_", "sequence_number"})
# A segment of a path after one of these is somebody's or something's name.
_BEFORE_NAMES = frozenset({"name", "username", "email"})
_FIELD = re.compile(r"[A-Za-z_]{1,40}")
_WORD = re.compile(r"[a-z_]{1,30}")


@dataclass(frozen=True, slots=True)
class SentRequest:
    """`route` is named by the `RouteTable`; `until` (the answer's end) is None where nobody recorded it.

    `body`: (name, kind) of each field; None: not recorded, or no JSON. Times in milliseconds of the step.
    `under_way`: how many others were not answered then.
    """

    route: str
    query: Pairs = ()
    body: Pairs | None = ()
    at: float = 0.0
    until: float | None = None
    under_way: int = 0

    @property
    def line(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.route}?{query}" if query else self.route


@dataclass(frozen=True, slots=True)
class SentFrame:
    """An action that went out over the WebSocket."""

    action: str
    data: Pairs = ()
    at: float = 0.0

    @property
    def line(self) -> str:
        data = ", ".join(f"{name}: {kind}" for name, kind in self.data)
        return f"{self.action} {{{data}}}" if data else self.action


@dataclass(frozen=True, slots=True)
class StepTraffic:
    """All that a client sent in one step. `sockets`: the query of each WebSocket that it tried to open.

    `static`: how many files of each kind it fetched from the server. `frames` is None where nobody recorded them.
    """

    name: str
    how: str = ""
    requests: tuple[SentRequest, ...] = ()
    frames: tuple[SentFrame, ...] | None = ()
    sockets: tuple[Pairs, ...] = ()
    static: Mapping[str, int] = field(default_factory=dict)


class RouteTable:
    """Names requests: `METHOD /path/{id}`. The client's routes say where names stand, which look like nothing else."""

    def __init__(self, names: Iterable[str]) -> None:
        self._patterns: defaultdict[tuple[str, int], list[tuple[str, list[str]]]] = defaultdict(list)
        for name in names:
            method, _, path = name.partition(" ")
            segments = path.split("/")
            self._patterns[method, len(segments)].append((name, segments))
        for found in self._patterns.values():
            # `/channels/direct` before `/channels/{channel_id}`.
            found.sort(key=lambda pattern: sum(map(_is_placeholder, pattern[1])))

    def name_of(self, method: str, path: str) -> str:
        """The route of a path below /api/v4."""
        segments = [unquote(segment) for segment in path.split("/")]
        for name, pattern in self._patterns[method, len(segments)]:
            if all(map(_fits, pattern, segments)):
                return _PLACEHOLDER.sub("{id}", name)
        pairs = zip(["", *segments], segments, strict=False)
        return f"{method} " + "/".join(segment if _is_word(*pair) else "{id}" for pair in pairs for segment in pair[1:])


def _is_word(before: str, segment: str) -> bool:
    """Whether a segment of an unknown path is a part of the route, not an id or a name."""
    if before in _BEFORE_NAMES or _ID.fullmatch(segment):
        return False
    return not segment or is_word(segment)


def is_word(text: Any) -> bool:
    """Whether it is a name of a program's own: small letters and underscores."""
    return isinstance(text, str) and _WORD.fullmatch(text) is not None


def _is_placeholder(segment: str) -> bool:
    return segment.startswith("{")


def _fits(pattern: str, segment: str) -> bool:
    if not _is_placeholder(pattern):
        return pattern == segment
    return pattern.endswith("name}") or _ID.fullmatch(segment) is not None


def fixed_query(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Parameters in order of their names; a value that changes from one person or moment to the next is a star."""
    return tuple(sorted((name, ANY_VALUE if _changes(name, value) else value) for name, value in pairs))


def _changes(name: str, value: str) -> bool:
    return name in _FREE_KEYS or (value not in _FIXED_WORDS and not _FIXED_VALUE.fullmatch(value))


def query_of(target: str) -> Pairs:
    """The fixed query of a URL or path."""
    return fixed_query(parse_qsl(urlsplit(target).query, keep_blank_values=True))


def fields(body: Any) -> Pairs | None:
    """The fields of a JSON body; of a list those of its elements. A text that is always empty, or a switch, counts."""
    if isinstance(body, dict):
        return tuple(sorted((field_name(name), _kind(value)) for name, value in body.items()))
    if isinstance(body, list):
        first = next(iter(body), None)
        inside = fields(first) if isinstance(first, dict) else (("", _kind(first)),)
        return (("[]", ""), *(inside or ()))
    return None


def field_name(name: str) -> str:
    """The name of a field in a body; `{id}` where it is somebody's id or name."""
    return name if _FIELD.fullmatch(name) and not _ID.fullmatch(name) else "{id}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "text" if value else '""'
    if isinstance(value, int | float):
        return "number"
    if value is None:
        return "none"
    return "object" if isinstance(value, dict) else "list"


def file_kind(url: str) -> str:
    """The kind of a static file; "" for what is none."""
    return static_kind(url) if below_api(url) is None else ""


def value_of(text: str | None) -> Any:
    """What a text says; None if it is no JSON."""
    try:
        return msgspec.json.decode(text) if text else None
    except UNREADABLE_JSON:
        return None


def static_kind(path: str) -> str:
    """The kind of a static file, by the end of its name; "" for what is no such file."""
    name = urlsplit(path).path.rpartition("/")[2]
    ending = name.rpartition(".")[2] if "." in name else ""
    return ending if STATIC in path or ending in ("js", "css", "png", "ico", "woff2") else ""


def below_api(path: str) -> str | None:
    """The path below /api/v4, without its query; None for another one."""
    _, api, rest = urlsplit(path).path.partition(f"{API}/")
    return f"/{rest}" if api else None
