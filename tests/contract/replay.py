"""Plays a recording against a server: its own ids, times and tokens put where the recorded ones stand."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from typing import Any

import requests

from tests.contract.recorded import Exchange
from tests.contract.shape import is_id

# A picture of 8 x 8, as small as a PNG gets.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mP4z8CAFTEMLQkGPBJ0tQMAxWU/wVtWbcIAAAAASUVORK5CYII="
)
_EPOCH_MS = 1_700_000_000_000
TIMEOUT_SECONDS = 20


class Replay:
    """One server under replay."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.tokens: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._times: dict[int, int] = {}
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    def send(self, exchange: Exchange) -> requests.Response:
        """Send the recorded request in this server's terms, and learn from its answer."""
        headers = {"Accept-Encoding": "gzip"}
        if exchange.who in self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens[exchange.who]}"
        if exchange.label == "profile image unchanged":
            headers["If-None-Match"] = "0"
        response = self._session.request(
            exchange.method,
            self.address + self.told(exchange.path),
            params={key: self.told(value) for key, value in (exchange.query or {}).items()},
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            **self._body(exchange),
        )
        self._session.cookies.clear()
        self._learn(exchange, response)
        return response

    def _body(self, exchange: Exchange) -> dict[str, Any]:
        body = exchange.request_body
        if exchange.label == "malformed json":
            return {"data": "{"}
        if isinstance(body, dict) and "$multipart" in body:
            files = dict.fromkeys(body["$multipart"], ("picture.png", PICTURE, "image/png"))
            return {"files": files, "data": self.told(body["fields"] or {})}
        return {} if body is None else {"json": self.told(body)}

    def _learn(self, exchange: Exchange, response: requests.Response) -> None:
        if "Token" in response.headers:
            self.tokens[exchange.who] = response.headers["Token"]
        if response.headers.get("Content-Type", "").startswith("application/json") and response.content:
            self.learn(exchange.body, response.json())

    def learn(self, recorded: Any, got: Any) -> None:
        """What stands at the same place is the same thing; what is known already stays known."""
        if isinstance(recorded, dict) and isinstance(got, dict):
            for key in recorded.keys() & got.keys():
                self.learn(recorded[key], got[key])
        elif isinstance(recorded, list) and isinstance(got, list):
            for one, other in zip(recorded, got, strict=False):
                self.learn(one, other)
        elif is_id(recorded) and is_id(got):
            self._ids.setdefault(recorded, got)
        elif _is_moment(recorded) and _is_moment(got):
            self._times.setdefault(recorded, got)

    def told(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.told(key): self.told(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.told(item) for item in value]
        if isinstance(value, str):
            return self._told_text(value)
        return self._told_moment(value) if _is_moment(value) else value

    def _told_text(self, text: str) -> str:
        if "/" in text and not text.startswith(("http", "{")):
            return "/".join(self._told_text(part) for part in text.split("/"))
        if text.startswith("{"):
            return json.dumps(self.told(json.loads(text)))
        if text.isdigit() and _is_moment(int(text)):
            return str(self._told_moment(int(text)))
        return self._ids.get(text, text)

    def _told_moment(self, moment: int) -> int:
        """The moment of the same thing; else as long after the last thing known as it was in the recording."""
        known = sorted(self._times)
        place = bisect_right(known, moment)
        if not place:
            return moment
        last = known[place - 1]
        return self._times[last] + moment - last


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > _EPOCH_MS
