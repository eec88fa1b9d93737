"""Compares the shape of two JSON documents: keys and types, not values."""

from __future__ import annotations

import json
import re
from typing import Any

ID = re.compile(r"[a-z0-9]{26}")
_CUT_LIST = re.compile(r"\.\.\. \d+ more")
_CUT_TEXT = "…"


def is_id(value: object) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def unpacked(value: Any) -> Any:
    """Documents that travel as text inside of others, unpacked; a text cut by the recording is None."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return None if value.endswith(_CUT_TEXT) else value
    return value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "text", dict: "object", list: "list", type(None): "null"}[type(value)]


def differences(recorded: Any, got: Any, path: str = "$") -> list[str]:
    """One line for each place where the two differ."""
    recorded, got = unpacked(recorded), unpacked(got)
    if _kind(recorded) != _kind(got):
        if isinstance(got, dict | list) and recorded is None:
            return []  # the recording cut it
        return [f"{path}: {_kind(recorded)} recorded, {_kind(got)} got ({recorded!r:.60} / {got!r:.60})"]
    if isinstance(recorded, dict):
        return _object_differences(recorded, got, path)
    if isinstance(recorded, list):
        return _elements(_without_cut(recorded), got, path, cut=len(_without_cut(recorded)) < len(recorded))
    return []


def _object_differences(recorded: dict[str, Any], got: dict[str, Any], path: str) -> list[str]:
    if recorded and all(is_id(key) for key in recorded):
        return _elements(list(recorded.values()), list(got.values()), path, cut=True)
    found = [f"{path}.{key}: not in the answer" for key in recorded if key not in got]
    found += [f"{path}.{key}: not in the recording" for key in got if key not in recorded]
    for key in recorded.keys() & got.keys():
        found += differences(recorded[key], got[key], f"{path}.{key}")
    return found


def _without_cut(items: list[Any]) -> list[Any]:
    return [item for item in items if not (isinstance(item, str) and _CUT_LIST.fullmatch(item))]


def _elements(recorded: list[Any], got: list[Any], path: str, *, cut: bool) -> list[str]:
    """Each element got looks like one recorded; a list not cut by the recording has as many."""
    if not cut and len(recorded) != len(got):
        return [f"{path}: {len(recorded)} elements recorded, {len(got)} got"]
    if bool(recorded) != bool(got):
        return [f"{path}: {len(recorded)} elements recorded, {len(got)} got"]
    found: list[str] = []
    for number, item in enumerate(got):
        tries = [differences(example, item, f"{path}[{number}]") for example in recorded]
        best: list[str] = min(tries, key=len)
        found += best
    return found
