"""The first contact with whatever listens at the server's address."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Semaphore

import pytest

from mmload.client.accounts import Account
from mmload.errors import NoAnswer, RateLimited, Redirected, ServerNotReady, SessionExpired
from mmload.population.admin_api import ApiServer, Retrying, Session, login_refused
from mmload.population.readiness import examine, examine_quickly, exit_code
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
        ((200, HTML, "<html>Welcome to nginx!</html>"), "not a Mattermost server: it sent a web page", "ServerURL"),
        ((200, JSON, '{"hello": "world"}'), "not a Mattermost server", "ServerURL"),
        ((200, JSON, '["status"]'), "not a Mattermost server", "ServerURL"),
        ((404, JSON, "{}"), "not a Mattermost server: it answered 404", "ServerURL"),
        ((404, MATTERMOST, "{}"), "not below this path", "remove the path"),
        ((502, {}, "bad gateway"), "a proxy in front of the server answers 502 Bad Gateway", "start Mattermost"),
        ((502, HTML, "<html>502</html>"), "answers 502 Bad Gateway: it cannot reach", "start Mattermost"),
        ((503, HTML, "<html>503</html>"), "answers 503 Service Unavailable: it cannot", "start Mattermost"),
        ((401, HTML, "<html>401</html>"), "something in front of the server requires a login (401", "Headers"),
        ((403, HTML, "<html>403</html>"), "a proxy in front of the server refuses the request (403", "log"),
        ((400, HTML, "<html>Bad Request</html>"), "a proxy in front of the server refuses the request (400", "log"),
        ((400, HTML, "The plain HTTP request was sent to HTTPS port"), "speaks HTTPS only (400", "https://"),
        ((200, HTML, '<form><input name=p type="password">'), "requires a login (200", "Headers"),
        ((302, {"Location": "/oauth2/start?rd=secret"}, ""), "a login portal in front of the server", "Headers"),
        ((302, {"Location": "https://sso.example/login"}, ""), "redirects to https://sso.example/login", "Headers"),
        ((301, {"Location": "https://chat.example/"}, ""), "redirects to https://chat.example", "to https://chat.ex"),
        ((308, {"Location": "//chat.example/sub/api/v4/system/ping?x=1"}, ""), "http://chat.example/sub", "to http://chat"),
        ((302, {"Location": "/welcome"}, ""), "/welcome (302), which is not the API's address", "ServerURL"),
        ((301, {"Location": "/api/v4/system/ping"}, ""), "redirects to the same address (301)", "redirect rule"),
        ((301, {"Location": "https://a:b@chat/api/v4/system/ping"}, ""), "an address that cannot be used", "ServerURL"),
        ((304, {}, ""), "answers 304 without a Location", "log"),
        ((200, JSON, "[" * 100_000), "not a Mattermost server", "ServerURL"),
        ((301, {"Location": "https://chat.example/api/v4/system/ping"}, ""), "redirects to https://chat", "ServerURL"),
        (
            (500, MATTERMOST, '{"status": "UNHEALTHY", "database_status": "UNHEALTHY", "filestore_status": "OK"}'),
            "unhealthy: status, database",
            "see the server's log",
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

    assert "the port does not speak TLS" in examination.errors[0].what
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


@pytest.mark.parametrize("whole_head", [True, False])
def test_an_answer_that_trickles_ends_in_time(whole_head: bool) -> None:
    """Each byte comes soon after the one before; the limit is that of the whole call."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n" + (b"\r\n" if whole_head else b"X: "))
                for _ in range(1000):
                    connection.sendall(b"x")
                    time.sleep(0.02)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = ApiServer(settings(url, connection={"request_timeout_seconds": 0.3}).config.connection)
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="timed out"):
            server.call("GET", "/system/ping")
        took = time.monotonic() - began
        server.close()
        thread.join()

    # All that the server sends takes 20 s.
    assert took < 15


def test_a_call_answered_by_a_redirect_names_where_to_and_goes_nowhere() -> None:
    """Where it leads may be anywhere, and would get the password or token."""
    asked = []

    def reply(path: str) -> Reply:
        asked.append(path)
        return 302, {"Location": "https://chat.example/sub/api/v4/users/me?token=secret"}, ""

    with answering(reply) as url:
        server = ApiServer(settings(url).config.connection)
        with pytest.raises(Redirected) as redirected:
            server.call("GET", "/users/me", token="secret")
        session = Session(server, Account(0, "a", "a@x", "p"), Retrying(), Semaphore(1))
        session._token = "secret"
        with pytest.raises(ServerNotReady, match=r"me: the server redirects to https://chat.example/sub .*ServerURL"):
            session.call("GET", "/users/me", step="me")
        server.close()

    assert redirected.value.reason == "the server redirects to https://chat.example/sub (302)"
    assert asked == ["/api/v4/users/me"] * 2


def test_an_old_server_is_told_by_its_version() -> None:
    """It answers as Mattermost does; only too old."""
    ping = json.dumps({"status": "OK", "AndroidLatestVersion": ""})
    config = json.dumps({"Version": "5.31.0", "EnableSignInWithEmail": "true"})

    def reply(path: str) -> Reply:
        return 200, {**MATTERMOST, "X-Version-Id": "5.31.0.5.31.0.x.false"}, ping if "ping" in path else config

    with answering(reply) as url:
        examination = examine_quickly(settings(url), 4)

    assert "Mattermost 5.31.0 is older than 6.7" in [finding.what for finding in examination.errors]


def test_a_log_in_that_a_portal_refuses_is_no_wrong_password() -> None:
    """A Mattermost says with an error id what it refuses; whoever stands in front of it has none."""
    portal = SessionExpired("Unauthorized (401)", status=401)

    assert "proxy or portal in front of Mattermost" in login_refused("a@x", portal)
    assert "wrong password" not in login_refused("a@x", portal)
    assert "wrong password" in login_refused("a@x", SessionExpired("401", status=401, error_id="api.user.login"))
