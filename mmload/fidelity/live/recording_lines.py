"""What a page sent, as a line of a recording: the form of `webapp.jsonl`. Pure.

A recording is shown to others. Only routes, names of parameters and fields, and values that are the same for everybody
are in it (the rules of `traffic.py`); of bodies the kinds of values.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from mmload.fidelity.live.messages import SeenFrame, SeenRequest, SeenTraffic
from mmload.fidelity.recording import route_table
from mmload.fidelity.traffic import below_api, field_name, file_kind, is_word, query_of, value_of

_NOT_RECORDED = "(not recorded)"


def line_of(step: str, how: str, seen: SeenTraffic) -> dict[str, Any]:
    asked = [each for each in seen.requests if not file_kind(each.url)]
    began = min([*(each.at for each in seen.requests), *(each.at for each in seen.frames)], default=0.0)
    frames = (frame for each in seen.frames if (frame := _frame(each, began)) is not None)
    return {
        "step": step,
        "how": how,
        "requests": [_request(each, began) for each in sorted(asked, key=lambda request: request.at)],
        "sockets": [
            {"at": round(max(0.0, each.at - began)), "query": dict(query_of(each.url))} for each in seen.sockets
        ],
        "frames": list(frames),
        "static": dict(Counter(kind for each in seen.requests if (kind := file_kind(each.url)))),
    }


def shape(value: Any) -> Any:
    """What a body is made of, without what is in it: "str", "num", ["x2", first element]."""
    if isinstance(value, dict):
        shapes: dict[str, Any] = {}
        for name, each in value.items():
            known = field_name(name)
            # Fields that are named after somebody's ids are as many as there are.
            shapes[known if known not in shapes else f"{{id}}{len(shapes)}"] = shape(each)
        return shapes
    if isinstance(value, list):
        return [f"x{len(value)}", *map(shape, value[:1])]
    if isinstance(value, str):
        return "str" if value else ""
    return value if value is None or isinstance(value, bool) else "num"


def _request(seen: SeenRequest, began: float) -> dict[str, Any]:
    path = below_api(seen.url)
    line: dict[str, Any] = {"at": round(seen.at - began), "method": seen.method}
    if seen.until is not None:
        line["until"] = round(seen.until - began)
    if path is None:
        return {**line, "path": "/", "page": True}
    line["path"] = route_table().name_of(seen.method, path).partition(" ")[2]
    more = {"query": dict(query_of(seen.url)), "body": _body(seen.body)}
    return line | {name: value for name, value in more.items() if value}


def _body(text: str | None) -> Any:
    if text == "":
        return None
    body = value_of(text)
    return shape(body) if isinstance(body, dict | list) else _NOT_RECORDED


def _frame(seen: SeenFrame, began: float) -> dict[str, Any] | None:
    said = value_of(seen.text)
    if not isinstance(said, dict) or not is_word(said.get("action")):
        return None
    return {"at": round(max(0.0, seen.at - began)), "action": said["action"], "data": shape(said.get("data") or {})}
