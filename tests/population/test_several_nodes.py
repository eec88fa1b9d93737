"""Two nodes behind one address: if they share no sessions they are named, with sticky sessions or without."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from mmload.behaviours.login import disconnect
from mmload.context import TestContext
from mmload.metrics.recorder import Recorder
from mmload.population.readiness import Examination, examine
from tests.conftest import running_sandbox
from tests.population.making_settings import settings
from tests.support import Admin, Crowd, settings_for

NODES_APART = "several nodes answer at this address, but do not share sessions"
_PASSED_ON = ("Authorization", "Content-Type")
_PASSED_BACK = ("Content-Type", "Token", "X-Version-Id", "Date")


@contextmanager
def balancing(nodes: tuple[str, ...], *, sticky: bool) -> Iterator[str]:
    """A load balancer: requests go to the nodes in turn, or with a cookie where the client's first one went."""
    turn = itertools.count()

    class Balancing(BaseHTTPRequestHandler):
        def forward(self) -> None:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
            number = int(cookies["node"].value) if "node" in cookies else next(turn) % len(nodes)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            answer = requests.request(
                self.command, nodes[number] + self.path, data=body, headers=headers, allow_redirects=False, timeout=30
            )
            self.send_response_only(answer.status_code)
            for name in _PASSED_BACK:
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            if sticky:
                self.send_header("Set-Cookie", f"node={number}; Path=/; HttpOnly")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = forward  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Balancing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[str, str]]:
    with running_sandbox() as first, running_sandbox() as second:
        yield first, second


def examined(address: str, node: str) -> Examination:
    return examine(settings(address, connection={"websocket_url": node.replace("http", "ws")}), 4)


def levels(examination: Examination) -> list[str]:
    return [finding.level for finding in examination.findings if finding.what == NODES_APART]


def test_nodes_that_do_not_share_sessions_are_an_error(nodes: tuple[str, str]) -> None:
    with balancing(nodes, sticky=False) as address:
        examination = examined(address, nodes[0])

    assert levels(examination) == ["error"]
    assert any("4 of 8 requests of a client that had just logged in" in error.why for error in examination.errors)


def test_with_sticky_sessions_they_are_a_warning_and_everything_else_is_examined(nodes: tuple[str, str]) -> None:
    """The cookie is sent back, as the users do: the administrator's requests are answered by one node."""
    with balancing(nodes, sticky=True) as address:
        examination = examined(address, nodes[0])

    assert levels(examination) == ["warning"], [finding.why for finding in examination.findings]
    assert "there is no team" in [error.what for error in examination.errors]


def test_nodes_with_common_sessions_are_not_told_of(nodes: tuple[str, str]) -> None:
    with balancing((nodes[0], nodes[0]), sticky=False) as address:
        assert levels(examined(address, nodes[0])) == []


def test_a_user_comes_in_where_requests_stay_at_one_node_by_a_cookie(nodes: tuple[str, str]) -> None:
    """With all requests, and with its WebSocket, which has the same host."""
    first = nodes[0]
    with balancing(nodes, sticky=True) as address:
        given = settings_for(address, MMLOAD_CONNECTIONCONFIGURATION_WEBSOCKETURL=first.replace("http", "ws"))
        here = Crowd(address, Admin(first), TestContext(given, address, Recorder()))
        here.admin.team()
        person = here.come()
        try:
            assert here.failed == []
            assert person.socket is not None
            assert person.socket._cookies.header == person.api.rest.cookies.header == "node=0"
        finally:
            disconnect(person)
