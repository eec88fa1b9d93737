"""What a REST call costs the generator: our client against the library under it and against plain FastHttpUser."""

from __future__ import annotations

# Before anything that makes sockets: as in a worker, the standard library is patched by Locust.
import locust  # isort: skip

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
from geventhttpclient.client import HTTPClient
from locust.env import Environment

from benchmarks import responder
from benchmarks.measuring import Report, Spread, Table, python_process, spread, whole
from mmload.client.capabilities import MissingFeatures
from mmload.client.http.client import Rest, Route, Transport, decoded
from mmload.client.http.rules import API
from mmload.metrics.recorder import Recorder
from mmload.models import PostList, User

BARE, OURS, REPORTED, FAST = "bare geventhttpclient", "our client", "our client, reported", "FastHttpUser"
_ME, _POSTS, _SEND = Route("GET", "/users/me"), Route("GET", "/channels/{id}/posts"), Route("POST", "/users/ids")
_USER, _PAGE = msgspec.json.Decoder(User), msgspec.json.Decoder(PostList)
_BODY = msgspec.json.encode(["a" * 26] * 20)
_JSON = {"Content-Type": "application/json"}
# What one call does, by its name: route, path, body.
CALLS = {
    "GET, 95 bytes": (_ME, "/users/me", b""),
    "POST JSON, 95 bytes": (_SEND, "/users/ids", _BODY),
    "GET, page of 60 posts": (_POSTS, "/channels/c/posts", b""),
}
Ask = Callable[[Route, str, bytes], None]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--calls", type=whole, default=2000, help="in a round (default: %(default)s)")
    add("--rounds", type=whole, default=7, help="of which minimum and median are told (default: %(default)s)")


def bare(url: str) -> Ask:
    """The library alone; the body is read, not decoded."""
    client = HTTPClient.from_url(url, concurrency=1)
    head = {"Authorization": "Bearer token"}

    def ask(route: Route, path: str, body: bytes) -> None:
        client.request(route.method, API + path, body, {**head, **_JSON} if body else head).read()

    return ask


def ours(url: str, report: Any) -> Ask:
    """Our client, with the answer decoded into the fields that we keep."""
    rest = Rest(Transport(url), report=report, unavailable=MissingFeatures(lambda *_: None))
    rest.set_token("token")

    def ask(route: Route, path: str, body: bytes) -> None:
        answer = rest.call(route, path, body, headers=_JSON if body else None)
        if route is _POSTS:
            decoded(answer, _PAGE, route)
        else:
            decoded(answer, _USER, route)

    return ask


def reporter(environment: Environment) -> Any:
    """To our recorder and to Locust's tables, as `MattermostUser` does."""
    recorder = Recorder()

    def report(route: Route, start: float, seconds: float, size: int, failure: Any) -> None:
        recorder.request(str(route), seconds, "", login=False)
        environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=route.method,
            name=route.path,
            response_time=seconds * 1000,
            response_length=size,
            exception=failure,
            context={},
            response=None,
            start_time=start,
            url=route.path,
        )

    return report


def fast(url: str, environment: Environment) -> Ask:
    """A plain FastHttpUser, its answers decoded by the standard library."""

    class Plain(locust.FastHttpUser):
        host = url
        abstract = True

    client = Plain(environment).client

    def ask(route: Route, path: str, body: bytes) -> None:
        headers = {"Authorization": "Bearer token", **(_JSON if body else {})}
        with client.request(route.method, API + path, name=route.path, data=body.decode(), headers=headers) as answer:
            answer.json()

    return ask


def microseconds(ask: Ask, call: tuple[Route, str, bytes], calls: int) -> float:
    """CPU time of this process for one call."""
    began = time.process_time()
    for _ in range(calls):
        ask(*call)
    return (time.process_time() - began) * 1e6 / calls


def costs(ways: dict[str, Ask], calls: int, rounds: int) -> dict[str, dict[str, Spread]]:
    """By call and way; the ways take turns, so that a slow moment hits all of them."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name, call in CALLS.items():
            for way, ask in ways.items():
                found[name][way].append(microseconds(ask, call, calls))
    return {name: {way: spread(values) for way, values in by_way.items()} for name, by_way in found.items()}


def measure(args: argparse.Namespace) -> Report:
    with python_process("-m", responder.__name__) as port:
        url = f"http://127.0.0.1:{port}"
        environment = Environment(host=url)
        environment.create_local_runner()
        ways = {
            BARE: bare(url),
            OURS: ours(url, lambda *_: None),
            REPORTED: ours(url, reporter(environment)),
            FAST: fast(url, environment),
        }
        return report(costs(ways, args.calls, args.rounds))


def report(found: dict[str, dict[str, Spread]]) -> Report:
    """Table and figures. Pure."""
    rows = [
        (call, way, cost.minimum, cost.median, cost.minimum / by_way[BARE].minimum)
        for call, by_way in found.items()
        for way, cost in by_way.items()
    ]
    figures = {
        call: {way: {"minimum": cost.minimum, "median": cost.median} for way, cost in by_way.items()}
        for call, by_way in found.items()
    }
    columns = ("call", "way", "µs minimum", "µs median", "x bare")
    return Report({"us_per_call": figures}, (Table("CPU per REST call", columns, tuple(rows)),))
