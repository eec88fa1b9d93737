"""Makes mmload/fidelity/webapp.jsonl from the full recording: `python tests/recordings/compact_webapp.py SOURCE`.

SOURCE is webapp-traffic.jsonl: what Mattermost's own web application 11.6 sent in a browser, one line a step. Sizes go,
and so do counts of TCP connections, what the server sent, and requests that the browser's cache answered. The package
has the file because `mmload fidelity` needs it; webapp.jsonl in this folder is a link to it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PACKAGED = Path(__file__).parents[2] / "mmload" / "fidelity" / "webapp.jsonl"
CACHED = ("memory", "disk")


def step(line: dict[str, Any]) -> dict[str, Any]:
    """One step, with what the client sent."""
    sent = [each for each in line["http"] if each.get("cache") not in CACHED]
    opened = [each for each in line["ws"] if each["dir"] == "open"]
    said = [each for each in line["ws"] if each["dir"] == "out"]
    static = line.get("static") or {}
    return {
        "step": line["step"],
        "how": line["how"],
        "requests": [request(each) for each in sent],
        "sockets": [{"at": each["at"], "query": each["q"]} for each in opened],
        "frames": [{"at": each["at"], "action": each["action"], "data": each.get("data") or {}} for each in said],
        "static": {kind: count["requests"] - count["from_cache"] for kind, count in static.items()},
    }


def request(each: dict[str, Any]) -> dict[str, Any]:
    kept = {"at": each["at"], "method": each["m"], "path": each["p"]}
    named = {"page": each.get("page"), "query": each.get("q"), "body": each.get("b")}
    return kept | {name: value for name, value in named.items() if value}


def main(source: Path) -> None:
    lines = (json.loads(line) for line in source.read_text("utf-8").splitlines())
    shown = [json.dumps(step(line), ensure_ascii=False, separators=(",", ":")) for line in lines]
    PACKAGED.write_text("\n".join(shown) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
