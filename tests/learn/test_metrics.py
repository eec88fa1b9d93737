"""`mmload learn --prometheus`: on a stand-in for Prometheus that has the metrics of people whose mix is known."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from mmload.behaviours.catalogue import routes
from mmload.cli import main
from mmload.errors import ExitCode, UsageError
from mmload.learn.metrics import as_counted, days, handler_of, moment, whole_slots
from mmload.learn.routes import HandlerFinder, route_of
from mmload.learn.server_names import DRAFTS, ROUTES
from tests.learn.logs import START, Story, story

NAMES = {route: name for name, route in ROUTES.items()}
Points = Mapping[int, float]


def function_of(route: str) -> str:
    """The name under which the server counts this route; "" if it does not."""
    return DRAFTS if as_counted(route) not in NAMES and "/drafts" in route else NAMES.get(as_counted(route), "")


def increases(told: Story) -> dict[tuple[str, str], Points]:
    """By function and method, the requests of each five minutes, by their end."""
    finder, found = HandlerFinder(routes()), defaultdict[tuple[str, str], Counter[int]](Counter)
    for each in told.requests:
        route = route_of(finder.find(each.method.encode(), each.target.encode()).name)
        if name := function_of(route):
            found[name, each.method][int(each.moment) // 300 * 300 + 300] += 1
    return dict(found)


def answer(told: Story, query: str, ends: range) -> list[dict[str, Any]]:
    """What Prometheus would say to one of our queries."""
    if "mattermost_api_time_count" in query:
        series = [
            ({"handler": name, "method": method, "origin_client": "web"}, points)
            for (name, method), points in increases(told).items()
        ]
    elif "mattermost_api_time_sum" in query:
        series = [
            ({"handler": name, "method": method}, {at: 0.012 * value for at, value in points.items()})
            for (name, method), points in increases(told).items()
        ]
    elif "websockets_total" in query:
        series = [({}, dict.fromkeys(range(START + 300, START + int(told.seconds) + 1, 300), told.people))]
    else:
        series = []
    return [
        {"metric": labels, "values": [[at, str(points[at])] for at in ends if at in points]}
        for labels, points in series
    ]


@contextmanager
def prometheus(told: Story | None, status: int = 200, body: bytes = b"") -> Iterator[tuple[str, list[str]]]:
    """Its address, and the queries that came; `body` is all that it says, if given."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked.append(form["query"][0])
            ends = range(int(form["start"][0]), int(form["end"][0]) + 1, int(form["step"][0]))
            result = answer(told, form["query"][0], ends) if told else []
            document = {"status": "success", "data": {"resultType": "matrix", "result": result}}
            content = body or json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def told() -> Story:
    return story(5, people=20, seconds=1800)


def learn(url: str, *options: str) -> int:
    span = ("--from", str(START), "--to", str(START + 1800))
    return main(["learn", "--prometheus", url, *span, "--force", *options])


def test_the_mix_and_the_people_are_found_in_metrics(
    told: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with prometheus(told) as (url, _):
        assert learn(url, "--output", str(tmp_path)) == ExitCode.PASSED

    found = json.loads((tmp_path / "learned.json").read_text())
    assert found["people"]["most"] == told.people
    assert found["people"]["user_hours"] == pytest.approx(told.people * told.seconds / 3600, rel=0.01)
    actions = found["fit"]["actions"]
    told_apart = [
        name
        for name in ("SwitchChannel", "ViewGlobalThreads", "CreatePost", "UnreadCheck")
        if actions[name]["told_apart"]
    ]
    assert len(told_apart) >= 2
    for name in told_apart:
        assert actions[name]["count"] == pytest.approx(told.done[name], abs=4 * math.sqrt(told.done[name])), name
    assert found["fit"]["explained"] > 0.9
    assert json.loads((tmp_path / "profile.json").read_text())["Points"][0] == [600, told.people]
    assert "identified by open WebSockets; certain" in capsys.readouterr().out


def test_a_selector_is_put_into_all_queries(told: Story, tmp_path: Path) -> None:
    with prometheus(told) as (url, asked):
        learn(url, "--output", str(tmp_path), "--match", 'job="mattermost"')

    assert asked
    assert all('{job="mattermost"}[5m]' in query for query in asked)


def test_without_metrics_of_mattermost_it_is_said_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    with prometheus(None) as (url, _):
        assert learn(url) == ExitCode.USAGE

    assert "no mattermost_api_time_count for this time: Mattermost needs a licence" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "code", "complaint"),
    [
        (b"<html>Grafana</html>", ExitCode.SERVER_NOT_READY, "does not answer like Prometheus"),
        (b'{"status": "error", "error": "parse error"}', ExitCode.USAGE, "refused a query: parse error"),
        (b"[]", ExitCode.SERVER_NOT_READY, "does not answer like Prometheus"),
    ],
)
def test_what_is_no_prometheus_is_named(
    body: bytes, code: ExitCode, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with prometheus(None, body=body) as (url, _):
        assert learn(url) == code

    assert complaint in capsys.readouterr().err


def test_nobody_at_that_address_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert learn("http://127.0.0.1:9") == ExitCode.SERVER_NOT_READY

    assert "Prometheus at http://127.0.0.1:9 cannot be reached: connection refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "expected access logs, or --prometheus URL --from TIME"),
        (("--prometheus", "http://127.0.0.1:9"), "--prometheus: expected --from TIME"),
        (("--prometheus", "http://127.0.0.1:9", "--from", "Monday"), "--from 'Monday': expected a time such as"),
        (
            ("--prometheus", "http://127.0.0.1:9", "--from", "0", "--to", "100"),
            "at least one whole interval of five minutes",
        ),
        (("--prometheus", "http://127.0.0.1:9", "--from", "0", "--to", "9999999"), "at most 62 days"),
    ],
)
def test_impossible_orders_are_refused(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["learn", *arguments]) == ExitCode.USAGE

    assert complaint in capsys.readouterr().err


def test_each_route_of_the_client_has_its_function_in_the_server() -> None:
    counted = {as_counted(route) for route in routes() if not route.startswith("HEAD ")} - {""}

    assert counted <= {*ROUTES.values(), as_counted("DELETE /users/{user_id}/channels/{channel_id}/drafts/{root_id}")}
    assert set(ROUTES.values()) <= set(routes())
    assert handler_of("createPost", "POST") == "POST /posts"
    assert handler_of("getFileThumbnail", "HEAD") == "HEAD /files/{file_id}/thumbnail"
    assert handler_of("getSomethingNew", "GET") == "other API"


def test_a_span_is_asked_for_in_days_of_whole_slots() -> None:
    assert whole_slots(1000, 1900) == (1500, 1800)
    assert list(days(300, 300 + 86_400)) == [(300, 86_400), (86_700, 86_700)]
    with pytest.raises(UsageError, match="at least one whole interval of five minutes"):
        whole_slots(1000, 1400)


def test_a_moment_is_a_time_of_day_or_unix_seconds() -> None:
    assert moment("--from", "2026-11-26T10:00:00+00:00", 5) == START
    assert moment("--from", str(START), 5) == START
    assert moment("--to", "now", 5) == 5
