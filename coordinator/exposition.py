"""The pages of /metrics (Prometheus text format 0.0.4), as far as the coordinator reads them.

Only named families are decoded: a page has thousands of lines, and it is read each second.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

_SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Sample(NamedTuple):
    """One line: its name, its labels, its value."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(page: str, names: Collection[str]) -> Iterator[Sample]:
    """The samples of these names, in the order of the page; lines that can't be read are left out. Pure."""
    wanted = tuple(names)
    for line in page.splitlines():
        if not line.startswith(wanted):
            continue
        found = _SAMPLE.match(line)
        if found is not None and found[1] in names and (value := _number(found[3])) is not None:
            yield Sample(found[1], _labels(found[2] or ""), value)


# Each page repeats the labels of the one before.
@lru_cache(maxsize=50_000)
def _labels(text: str) -> Mapping[str, str]:
    return {name: _unescaped(value) if "\\" in value else value for name, value in _LABEL.findall(text)}


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda match: {"n": "\n"}.get(match[1], match[1]), value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
