"""Decoded documents against the field tables: every problem is found in one pass, each with the path of its key.

Pure. A value that is refused is replaced by its default, so that the rest can still be checked; the caller raises.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mmload.config.fields import FINITE, Check, Key, keys
from mmload.config.files import Object

# Keys of the peer's and the seed tool's config.json that nothing here needs: accepted, and named in one notice.
UNUSED_KEYS: Mapping[str, frozenset[str]] = {
    "": frozenset({"DeploymentConfiguration"}),
    "ConnectionConfiguration": frozenset(
        {"DriverName", "DataSource", "MaxIdleConns", "MaxIdleConnsPerHost", "IdleConnTimeoutMilliseconds"}
    ),
}
_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "null",
    list: "a list",
    dict: "a table",
    Object: "a table",
}
_LONGEST_SHOWN = 60
# Whole numbers beyond it fit no other program's integers.
_LARGEST_INT = 2**63


@dataclass(slots=True)
class DocumentCheck:
    """What a check of documents has found so far."""

    source: str = ""
    problems: list[str] = field(default_factory=list)
    wrong_keys: set[str] = field(default_factory=set)
    respelled: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    # Path of each key that was given a good value, and who gave it.
    sources: dict[str, str] = field(default_factory=dict)

    def refuse(self, path: str, what: str, source: str = "") -> None:
        self.wrong_keys.add(path)
        self.problems.append(f"{source or self.source}: {path}: {what}")

    def notices(self) -> list[str]:
        """What a person should know although nothing is wrong."""
        told = []
        if self.unused:
            told.append(f"{self.source}: not used by mmload: {', '.join(self.unused)}")
        if self.respelled:
            told.append(f"{self.source}: accepted in another spelling: {', '.join(self.respelled)}")
        return told


class _RefusedValue(Exception):
    """Carries the sentence that `leaf` files under the value's path."""


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that `name` most resembles, or ""."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def table_values(table: type[msgspec.Struct], given: Mapping[str, Any], path: str, findings: DocumentCheck) -> Any:
    """The struct that a decoded table describes; what is wrong in it goes to `findings`."""
    values = {}
    by_name = {key.name: key for key in keys(table)}
    for name in getattr(given, "repeated", ()):
        findings.refuse(join(path, _printable(name)), "the key is there more than once")
    for name, value in given.items():
        key = _known_key(name, by_name, given, path, findings)
        # null is what the peer writes for a list that is not set: the same as leaving the key out.
        if key is not None and value is not None:
            values[key.attribute] = _value(key, value, join(path, key.name), findings)
    return table(**values)


def _known_key(
    name: str, by_name: Mapping[str, Key], given: Mapping[str, Any], path: str, findings: DocumentCheck
) -> Key | None:
    """The field that a document's key means, or None: unknown (refused) or unused."""
    if name in by_name:
        return by_name[name]
    respelled = next((known for known in by_name if known.lower() == name.lower()), "")
    if respelled in given:
        findings.refuse(join(path, _printable(name)), f"the key is there twice, also as {respelled}")
        return None
    if respelled:
        findings.respelled.append(f"{join(path, name)} (for {respelled})")
        return by_name[respelled]
    if name.lower() in {unused.lower() for unused in UNUSED_KEYS.get(path, ())}:
        findings.unused.append(join(path, name))
        return None
    resembled = nearest(name, list(by_name))
    hint = f"did you mean {resembled}?" if resembled else f"known here: {', '.join(by_name)}"
    findings.refuse(join(path, _printable(name)), f"unknown key; {hint}")
    return None


def _value(key: Key, given: Any, path: str, findings: DocumentCheck) -> Any:
    if key.table is not None:
        return _nested(key.table, given, path, findings, key.default)
    if key.element is not None:
        return elements(key, given, path, findings)
    return leaf(key, given, path, findings)


def _nested(table: type[msgspec.Struct], given: Any, path: str, findings: DocumentCheck, default: Any) -> Any:
    if isinstance(given, dict):
        return table_values(table, given, path, findings)
    findings.refuse(path, f"expected a table of keys, found {_kind(given)}")
    return default


def elements(key: Key, given: Any, path: str, findings: DocumentCheck, source: str = "") -> tuple[Any, ...]:
    """A list, each of its values checked."""
    if not isinstance(given, list):
        findings.refuse(path, f"expected a list, found {_kind(given)}")
        return ()
    findings.sources[path] = source or findings.source
    if issubclass(key.element, msgspec.Struct):
        whole = [_nested(key.element, each, f"{path}[{i}]", findings, None) for i, each in enumerate(given)]
        return tuple(each for each in whole if each is not None)
    element = Key(key.attribute, key.name, key.element, "", key.says, key.checks)
    return tuple(leaf(element, each, f"{path}[{i}]", findings, source) for i, each in enumerate(given))


def leaf(key: Key, given: Any, path: str, findings: DocumentCheck, source: str = "") -> Any:
    """A single value, checked; its default where it is refused."""
    try:
        value = _typed(key, given)
        for check in (FINITE, *key.checks) if key.kind is float else key.checks:
            if not check.accepts(value):
                raise _RefusedValue(_expectation(check, key, value))
    except _RefusedValue as refusal:
        findings.refuse(path, str(refusal), source)
        return key.default
    findings.sources[path] = source or findings.source
    return value


def _typed(key: Key, given: Any) -> Any:
    """The value as the field's type; a whole number serves as a number, nothing else is converted."""
    whole = isinstance(given, int) and not isinstance(given, bool)
    if whole and key.kind in (int, float) and abs(given) >= _LARGEST_INT:
        raise _RefusedValue("expected a number below 2^63")
    if key.kind is float and whole:
        return float(given)
    if type(given) is not key.kind:
        raise _RefusedValue(f"expected {_KINDS[key.kind]}, found {_shown(key, given)}")
    if isinstance(given, str) and not _is_text(given):
        raise _RefusedValue("expected a text of UTF-8 characters, without a null character")
    return given


def _is_text(given: str) -> bool:
    """False for a lone half of a surrogate pair, which JSON lets pass and nothing can send on."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in given


def _expectation(check: Check, key: Key, value: Any) -> str:
    resembled = nearest(value, check.choices) if check.choices and isinstance(value, str) else ""
    hint = f"; did you mean {resembled}?" if resembled else ""
    return f"expected {check.expected}, found {_shown(key, value)}{hint}"


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a date or time")


def _shown(key: Key, value: Any) -> str:
    """A found value for a message: of secrets and of whole tables only what kind it is."""
    if key.says.secret or not isinstance(value, bool | int | float | str):
        return f"an empty {_kind(value)[2:]}" if value == "" else _kind(value)
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else _quoted(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _quoted(value: float | str) -> str:
    if not isinstance(value, str):
        return repr(value)
    # A password or a token in a URL must not reach the terminal or a log, even when the URL is refused.
    harmless = re.sub(r"(?s).*[/:].*@", "…@", value)
    return json.dumps(re.sub(r"(?s)\?.*", "?…", harmless), ensure_ascii=False)


def _printable(name: str) -> str:
    """A key of a document as it may be shown on a terminal."""
    name = name if name.isprintable() else ascii(name)[1:-1]
    return name if len(name) <= _LONGEST_SHOWN else name[: _LONGEST_SHOWN - 1] + "…"
