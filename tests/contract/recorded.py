"""The recordings of real servers, as the tests read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "recordings"
VERSIONS = ("11.6", "6.7")


@dataclass(frozen=True)
class Exchange:
    """One request to a real server and its answer."""

    number: int
    label: str
    who: str
    method: str
    path: str
    query: dict[str, Any] | None
    request_body: Any
    status: int
    headers: dict[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.number} {self.label}: {self.method} {self.path}"


@cache
def exchanges(version: str) -> tuple[Exchange, ...]:
    lines = (FOLDER / f"mattermost-{version}-http.jsonl").read_text("utf-8").splitlines()
    return tuple(_exchange(number, json.loads(line)) for number, line in enumerate(lines))


def _exchange(number: int, line: dict[str, Any]) -> Exchange:
    return Exchange(
        number,
        line["label"],
        line["as"],
        line["method"],
        line["path"],
        line["query"],
        _grown(line["request_body"]),
        line["status"],
        line["response_headers"],
        line["response_body"],
    )


def _grown(body: Any) -> Any:
    """The body as it was sent: `$repeat` stands for a text of one letter."""
    if isinstance(body, dict):
        if "$repeat" in body:
            letter, times = body["$repeat"]
            return str(letter) * int(times)
        return {key: _grown(value) for key, value in body.items()}
    return body


@cache
def frames(version: str) -> tuple[dict[str, Any], ...]:
    """What went over the sockets, in the order of the recording; between users that order means nothing."""
    lines = (FOLDER / f"mattermost-{version}-websocket.jsonl").read_text("utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)
