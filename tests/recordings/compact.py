"""Makes the recordings that tests need from full ones: `python tests/recordings/compact.py SOURCE`.

SOURCE holds mattermost-11.6/ and mattermost-6.7/ with http.jsonl and websocket.jsonl each. Tokens go, and so does
what tests do not look at: times, and the ends of long texts that are no JSON.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

VERSIONS = ("11.6", "6.7")
HEADERS = ("Content-Type", "Content-Encoding", "Cache-Control", "Etag", "Set-Cookie", "Vary", "Token")
MADE_UP = ("Token", "Etag")
LONGEST_TEXT = 120
TOKEN = re.compile(r"token=\w+")


def shortened(value: Any) -> Any:
    """The value with long texts cut, JSON in texts kept whole, since tests compare its shape."""
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if not isinstance(value, str):
        return value
    if len(value) <= LONGEST_TEXT:
        return TOKEN.sub("token=…", value)
    if value[0] in "{[":
        try:
            return json.dumps(shortened(json.loads(value)), separators=(",", ":"))
        except ValueError:
            pass
    return value[:LONGEST_TEXT] + "…"


def repeated(body: Any) -> Any:
    """A request body, a text of one letter over and over told by its number."""
    if isinstance(body, dict):
        return {key: repeated(item) for key, item in body.items()}
    if isinstance(body, str) and len(body) > LONGEST_TEXT and body == body[0] * len(body):
        return {"$repeat": [body[0], len(body)]}
    return body


def exchange(line: dict[str, Any]) -> dict[str, Any]:
    headers = {name: text for name, text in line["response_headers"].items() if name in HEADERS}
    headers |= {name: "…" for name in MADE_UP if name in headers}
    return {
        "label": line["label"],
        "as": line["as"],
        "method": line["method"],
        "path": line["path"],
        "query": line["query"],
        "request_body": repeated(line["request_body"]),
        "status": line["status"],
        "response_headers": headers,
        "response_body": shortened(line["response_body"]),
    }


def frame(line: dict[str, Any]) -> dict[str, Any]:
    kept = {name: line[name] for name in ("as", "direction", "url", "status", "frame") if name in line}
    return {name: shortened(value) for name, value in kept.items()}


def main(source: Path) -> None:
    here = Path(__file__).parent
    for version in VERSIONS:
        folder = source / f"mattermost-{version}"
        for name, compact in (("http", exchange), ("websocket", frame)):
            lines = (folder / f"{name}.jsonl").read_text("utf-8").splitlines()
            shown = [json.dumps(compact(json.loads(line)), ensure_ascii=False, separators=(",", ":")) for line in lines]
            (here / f"mattermost-{version}-{name}.jsonl").write_text("\n".join(shown) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
