"""What a key of a document may hold: the annotations of the tables, and the field table read from them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from mmload.errors import UsageError

_SCALARS = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class Says:
    """What a key means, in the words of docs/configuration.md."""

    meaning: str
    ours: bool = False  # mmload's own: the peer's documents don't have it
    secret: bool = False  # never shown
    environment_only: bool = False  # a document may not hold it


@dataclass(frozen=True, slots=True)
class Check:
    """What a value must be besides its type. `expected` completes "expected …"."""

    expected: str
    accepts: Callable[[Any], bool]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """One field of a table: the attribute, its name in the documents, and all that is known of it."""

    attribute: str
    name: str
    kind: Any
    default: Any
    says: Says
    checks: tuple[Check, ...]

    @property
    def table(self) -> type[msgspec.Struct] | None:
        return self.kind if isinstance(self.kind, type) and issubclass(self.kind, msgspec.Struct) else None

    @property
    def element(self) -> Any:
        """The type of a list's elements, or None when this is no list."""
        return get_args(self.kind)[0] if get_origin(self.kind) is tuple else None

    @property
    def has_variable(self) -> bool:
        """Whether an environment variable can hold it: a single value or a list of texts."""
        return self.kind in _SCALARS or self.element is str


@cache
def keys(table: type[msgspec.Struct]) -> tuple[Key, ...]:
    """The field table of a struct, in the order of its declaration."""
    return tuple(_key(field) for field in msgspec.structs.fields(table))


def _key(field: msgspec.structs.FieldInfo) -> Key:
    kind, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
    says = next((note for note in notes if isinstance(note, Says)), Says(""))
    checks = tuple(note for note in notes if isinstance(note, Check))
    return Key(field.name, field.encode_name, kind, field.default, says, checks)


_ABBREVIATIONS = {word: word.upper() for word in ("url", "tls", "dm", "gm", "cpa", "ca", "mb")}
_WORDS = {**_ABBREVIATIONS, "websocket": "WebSocket", "seconds": "Sec"}


def key_name(attribute: str) -> str:
    """The documents' name of an attribute: `server_url` is ServerURL, `rest_seconds` is RestSec. Pure."""
    return "".join(_WORDS.get(word, word.capitalize()) for word in attribute.split("_"))


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that `name` most resembles, or ""."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """A hint at the nearest known name, or "". Pure."""
    found = nearest(name, known)
    return f"did you mean {prefix}{found}?" if found else ""


_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


def seconds_of(option: str, text: str) -> int:
    """Seconds from the forms that Locust takes: 900, 900s, 15m, 1h30m; `UsageError` for others and for none. Pure."""
    found = _TIME.fullmatch(f"{text}s" if text.isdecimal() else text)
    parts = [int(part or 0) for part in found.groups()] if found else [0, 0, 0]
    seconds = 3600 * parts[0] + 60 * parts[1] + parts[2]
    if not seconds:
        raise UsageError(f"{option} {text!r}: expected a time such as 900, 15m or 1h30m")
    return seconds


def at_least(low: float) -> Check:
    return Check(f"{low:g} or more", lambda value: value >= low)


def more_than(low: float) -> Check:
    return Check(f"more than {low:g}", lambda value: value > low)


def between(low: float, high: float) -> Check:
    return Check(f"{low:g} to {high:g}", lambda value: low <= value <= high)


def one_of(*choices: str) -> Check:
    return Check(f"one of {', '.join(choices)}", lambda value: value in choices, choices)


def matching(pattern: str, expected: str) -> Check:
    compiled = re.compile(pattern)
    return Check(expected, lambda value: compiled.fullmatch(value) is not None)


def url(*schemes: str) -> Check:
    """An absolute URL. Name and password have their own keys: in a URL they would be shown."""
    forms = " or ".join(f"{scheme}://host[:port]" for scheme in schemes)
    return Check(f"a URL {forms}, without user name, query or fragment", lambda value: _is_url(value, schemes))


def optional(check: Check) -> Check:
    """That, or an empty text."""
    return Check(f"{check.expected}; or empty", lambda value: not value or check.accepts(value))


def _is_url(text: str, schemes: Iterable[str]) -> bool:
    if re.search(r"[\s\x00-\x1f\\@?#]", text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname) and port != 0


NOT_EMPTY = Check("a string that is not empty", bool)
EMAIL = matching(r"[^@\s]+@[^@\s]+", "an e-mail address")
FINITE = Check("a finite number", math.isfinite)
SHARE = between(0, 1)
