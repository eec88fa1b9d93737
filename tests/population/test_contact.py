"""The first contact with whatever listens at the server's address."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmload.errors import RateLimited
from mmload.population.readiness import examine, examine_quickly, exit_code
from mmload.population.rest import ApiServer, asked_wait_seconds
from tests.population.making_settings import settings

Reply = tuple[int, dict[str, str], str]


@contextmanager
def answering(reply: Callable[[str], Reply]) -> Iterator[str]:
    """A web server that answers every GET with what `reply` makes of its path."""

    class Replying(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = reply(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Replying)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}
MATTERMOST = {"X-Version-Id": "11.6.0.11.6.0.abc.false", **JSON}


@pytest.mark.parametrize(
    ("reply", "what", "fix"),
    [
        ((200, HTML, "<html>Welcome to nginx!</html>"), "no Mattermost server: a web page came", "ServerURL"),
        ((200, JSON, '{"hello": "world"}'), "no Mattermost server", "ServerURL"),
        ((200, JSON, '["status"]'), "no Mattermost server", "ServerURL"),
        ((404, JSON, "{}"), "no Mattermost server: its answer is 404", "ServerURL"),
        ((404, MATTERMOST, "{}"), "not below this path", "remove the path"),
        ((502, {}, "bad gateway"), "answers 502", "log"),
        ((301, {"Location": "https://chat.example/api/v4/system/ping"}, ""), "redirects to https://chat", "ServerURL"),
        (
            (500, MATTERMOST, '{"status": "UNHEALTHY", "database_status": "UNHEALTHY", "filestore_status": "OK"}'),
            "unwell: status, database",
            "mend the server",
        ),
    ],
)  # fmt: skip
def test_what_is_no_mattermost_is_told_from_what_it_answers(reply: Reply, what: str, fix: str) -> None:
    """A wrong URL is the commonest mistake: say what is there instead."""
    with answering(lambda path: reply) as url:
        examination = examine(settings(url), 4)

    assert len(examination.errors) == 1
    assert what in examination.errors[0].what
    assert fix in examination.errors[0].fix
    assert exit_code(examination) == 5


def test_a_port_that_nobody_listens_on_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        examination = examine_quickly(settings(f"http://127.0.0.1:{port}"), 4)

    assert examination.errors[0].what == f"http://127.0.0.1:{port}: connection refused"


def test_a_server_that_never_answers_is_given_up_after_its_time() -> None:
    """It listens, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow = settings(f"http://127.0.0.1:{silent.getsockname()[1]}", connection={"request_timeout_seconds": 0.2})
        examination = examine_quickly(slow, 4)

    assert "timed out" in examination.errors[0].what


def test_tls_to_a_port_without_it_is_named() -> None:
    with answering(lambda path: (200, {}, "")) as url:
        examination = examine_quickly(settings(url.replace("http", "https")), 4)

    assert "the port doesn't speak TLS" in examination.errors[0].what
    assert f"use {url} " in examination.errors[0].fix


def test_what_a_rate_limit_asks_for_is_carried_with_the_error() -> None:
    """Recorded: Mattermost's limiter answers text, with spans of seconds."""
    limited = (429, {"Retry-After": "3", "X-RateLimit-Reset": "5"}, "limit exceeded\n")
    with answering(lambda path: limited) as url:
        server = ApiServer(settings(url).config.connection)
        with pytest.raises(RateLimited) as caught:
            server.call("GET", "/system/ping")
        server.close()

    assert caught.value.retry_after_seconds == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7), ({"X-RateLimit-Reset": "2"}, 2), ({}, 1), ({"Retry-After": "soon"}, 1),
     ({"X-RateLimit-Reset": "1700000009"}, 9)],
)  # fmt: skip
def test_waits_are_read_from_either_header(headers: dict[str, str], seconds: float) -> None:
    """Spans, points in time, nonsense, nothing."""
    assert asked_wait_seconds(headers, now=1_700_000_000) == seconds


def test_an_old_server_is_told_by_its_version() -> None:
    """It answers as Mattermost does; only too old."""
    ping = json.dumps({"status": "OK", "AndroidLatestVersion": ""})
    config = json.dumps({"Version": "5.31.0", "EnableSignInWithEmail": "true"})

    def reply(path: str) -> Reply:
        return 200, {**MATTERMOST, "X-Version-Id": "5.31.0.5.31.0.x.false"}, ping if "ping" in path else config

    with answering(reply) as url:
        examination = examine_quickly(settings(url), 4)

    assert "Mattermost 5.31.0 is older than 6.7" in [finding.what for finding in examination.errors]
