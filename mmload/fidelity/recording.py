"""The recording of Mattermost's own web application 11.6 (webapp.jsonl, made by tests/recordings/compact_webapp.py)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from mmload.behaviours.catalogue import routes
from mmload.errors import UsageError
from mmload.fidelity.traffic import PAGE, RouteTable, SentFrame, SentRequest, StepTraffic, fields, fixed_query


@cache
def route_table() -> RouteTable:
    """The routes of our client, and those of the recording that have names in them, which look like nothing else."""
    recorded = [
        each for line in _lines() for each in line["requests"] if "_name}" in each["path"] and "page" not in each
    ]
    return RouteTable(dict.fromkeys([*routes(), *(f"{each['method']} {each['path']}" for each in recorded)]))


@cache
def recording() -> dict[str, StepTraffic]:
    """All steps by their names, in the order in which they were done."""
    return {line["step"]: step_of(line) for line in _lines()}


def recorded_step(name: str) -> StepTraffic:
    """One step; `UsageError` if there is none of this name."""
    if name not in recording():
        raise UsageError(f"--step {name}: no such step; `mmload fidelity --list` names them")
    return recording()[name]


@cache
def _lines() -> list[Any]:
    return [json.loads(line) for line in files(__package__).joinpath("webapp.jsonl").read_text("utf-8").splitlines()]


def step_of(line: dict[str, Any]) -> StepTraffic:
    return StepTraffic(
        line["step"],
        line["how"],
        tuple(map(_request, line["requests"])),
        tuple(SentFrame(each["action"], _kinds(each["data"]) or (), each["at"]) for each in line["frames"]),
        tuple(fixed_query(each["query"].items()) for each in line["sockets"]),
        line["static"],
    )


def _request(each: dict[str, Any]) -> SentRequest:
    route = PAGE if each.get("page") else route_table().name_of(each["method"], each["path"])
    body = each.get("body", {})
    return SentRequest(route, fixed_query(each.get("query", {}).items()), _kinds(body), each["at"], each.get("until"))


def _kinds(body: Any) -> Any:
    """The recording names kinds of values ("str", "num", ["x2", first]); what they stand for is as good."""
    return fields(_example(body))


def _example(kind: Any) -> Any:
    if isinstance(kind, dict):
        return {name: _example(value) for name, value in kind.items()}
    if isinstance(kind, list):
        return [_example(each) for each in kind[1:]]
    return 1 if kind == "num" else kind
