"""The REST client against a small scripted server: reports, second chances, features that are switched off."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from gevent.pywsgi import WSGIServer

from mmload.client.capabilities import MissingFeatures
from mmload.client.http.client import Rest, Route, Transport
from mmload.errors import (
    NoAnswer,
    NotAvailable,
    RateLimited,
    Redirected,
    Refused,
    RequestFailed,
    ServerFault,
    SessionExpired,
)

Script = Callable[[dict[str, Any]], tuple[str, list[tuple[str, str]], bytes]]
PLAIN = Route("GET", "/things/{id}")
OPTIONAL = Route("GET", "/extras", "extras")


class Scripted:
    """A server whose answers are given one by one; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, list[tuple[str, str]], bytes]] = []
        self.asked: list[tuple[str, str, str]] = []
        self.cookies: list[str] = []
        self.server = WSGIServer(("127.0.0.1", 0), self._serve, log=None)
        self.server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _serve(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION", "")))
        self.cookies.append(environ.get("HTTP_COOKIE", ""))
        status, headers, body = self.answers.pop(0)
        start_response(status, headers)
        return [body]

    def answer(self, status: str, body: object = None, **headers: str) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.answers.append((status, [(k.replace("_", "-"), v) for k, v in headers.items()], content))


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    for client in Client.made:
        client.rest.close()
    Client.made.clear()
    server.server.stop(timeout=1)


class Client:
    """A `Rest` with its reports and its sleeps on record."""

    made: ClassVar[list[Client]] = []

    def __init__(self, url: str) -> None:
        self.reports: list[tuple[str, str]] = []
        self.expected: list[bool] = []
        self.slept: list[float] = []
        self.missing = MissingFeatures()
        transport = Transport(url, connect_timeout_seconds=2, request_timeout_seconds=2)
        self.made.append(self)
        self.rest = Rest(transport, report=self._report, unavailable=self.missing, sleep=self.slept.append)

    def _report(self, route: Route, start: float, seconds: float, size: int, failure: RequestFailed | None) -> None:
        assert seconds >= 0
        self.reports.append((str(route), failure.reason if failure else ""))
        self.expected.append(failure is not None and failure.expected)


def test_a_good_answer_is_reported_once_under_its_route(scripted: Scripted) -> None:
    scripted.answer("200 OK", {"id": "x"}, X_Request_Id="r1")
    client = Client(scripted.url)
    client.rest.set_token("secret")

    answer = client.rest.call(PLAIN, "/things/4711")

    assert json.loads(answer.content()) == {"id": "x"}
    assert answer.header("x-request-id") == "r1"
    assert scripted.asked == [("GET", "/api/v4/things/4711", "Bearer secret")]
    assert client.reports == [("GET /things/{id}", "")]


def test_a_load_balancers_cookie_is_sent_back_by_the_user_that_got_it(scripted: Scripted) -> None:
    """With sticky sessions it is what keeps a user at one node."""
    scripted.answer("200 OK", {}, Set_Cookie="node=a; Path=/; HttpOnly")
    scripted.answer("403 Forbidden", {}, Set_Cookie="node=b; Path=/")
    for _ in range(2):
        scripted.answer("200 OK", {})
    client, other = Client(scripted.url), Client(scripted.url)

    client.rest.call(PLAIN, "/things/1")
    with pytest.raises(Refused):
        client.rest.call(PLAIN, "/things/2")
    client.rest.set_token("secret")
    client.rest.fetch(Route("GET", "/"), "/")
    other.rest.call(PLAIN, "/things/4")

    assert scripted.cookies == ["", "node=a", "node=b", ""]


def test_a_server_in_a_sub_path_is_asked_there(scripted: Scripted) -> None:
    """Companies run Mattermost under https://intranet/chat."""
    scripted.answer("200 OK", {})
    client = Client(scripted.url + "/chat/")

    client.rest.call(PLAIN, "/things/1")

    assert scripted.asked[0][1] == "/chat/api/v4/things/1"


def test_a_compressed_body_is_read(scripted: Scripted) -> None:
    scripted.answers.append(("200 OK", [("Content-Encoding", "gzip")], gzip.compress(b'{"a":1}')))

    assert Client(scripted.url).rest.call(PLAIN, "/things/1").content() == b'{"a":1}'


def test_a_refusal_names_route_status_error_id_and_request_id(scripted: Scripted) -> None:
    scripted.answer("403 Forbidden", {"id": "api.context.permissions.app_error"}, X_Request_Id="abc")
    client = Client(scripted.url)

    with pytest.raises(Refused) as refused:
        client.rest.call(PLAIN, "/things/1")

    error = refused.value
    assert (error.route, error.status, error.error_id, error.request_id) == (
        "GET /things/{id}",
        403,
        "api.context.permissions.app_error",
        "abc",
    )
    assert client.reports == [("GET /things/{id}", "403 api.context.permissions.app_error")]


GONE = "app.post.get.app_error"
DELETABLE = Route("GET", "/posts/{id}/thread", expected=(404, "api.post.create_post.root_id.app_error"))


@pytest.mark.parametrize(
    ("status", "error_id", "expected"),
    [
        ("404 Not Found", GONE, True),
        ("400 Bad Request", "api.post.create_post.root_id.app_error", True),
        ("400 Bad Request", GONE, False),
        ("404 Not Found", "api.context.404.app_error", False),
        ("404 Not Found", "", False),
        ("500 Internal Server Error", GONE, False),
    ],
)
def test_a_refusal_that_a_real_client_gets_too_is_told_apart(
    scripted: Scripted, status: str, error_id: str, expected: bool
) -> None:
    """By status only where Mattermost says it of an object: not a proxy's page, nor a route that is not there."""
    scripted.answer(status, {"id": error_id})
    client = Client(scripted.url)

    with pytest.raises(RequestFailed) as refused:
        client.rest.call(DELETABLE, "/posts/1/thread")

    assert refused.value.expected is expected
    assert client.expected == [expected]


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "304 Not Modified"])
@pytest.mark.parametrize("outside_the_api", [False, True])
def test_a_redirect_is_a_failure_and_not_followed(scripted: Scripted, status: str, outside_the_api: bool) -> None:
    """Whoever answers with one has not done what was asked, and where it leads nobody may see the token."""
    scripted.answer(status, None, Location="http://elsewhere.example/login?then=secret")
    client = Client(scripted.url)
    client.rest.set_token("secret")

    with pytest.raises(Redirected):
        client.rest.fetch(PLAIN, "/x") if outside_the_api else client.rest.call(PLAIN, "/things/1")

    assert client.reports == [("GET /things/{id}", f"{status[:3]} redirect")]
    assert len(scripted.asked) == 1


def test_a_session_that_ended_is_renewed_once_and_the_request_repeated(scripted: Scripted) -> None:
    scripted.answer("401 Unauthorized", {"id": "api.context.session_expired.app_error"})
    scripted.answer("200 OK", {})
    client = Client(scripted.url)
    client.rest.set_token("old")

    def renew(token: str) -> bool:
        assert token == "old"
        client.rest.set_token("new")
        return True

    client.rest.renew_session = renew
    client.rest.call(PLAIN, "/things/1")

    assert [authorization for _, _, authorization in scripted.asked] == ["Bearer old", "Bearer new"]


def test_a_second_401_is_given_up(scripted: Scripted) -> None:
    """A server that refuses every session must not be asked for ever."""
    scripted.answer("401 Unauthorized", {"id": "x"})
    scripted.answer("401 Unauthorized", {"id": "x"})
    client = Client(scripted.url)
    client.rest.renew_session = lambda token: True

    with pytest.raises(SessionExpired):
        client.rest.call(PLAIN, "/things/1")

    assert len(scripted.asked) == 2


def test_a_rate_limit_is_obeyed_and_the_request_repeated(scripted: Scripted) -> None:
    scripted.answer("429 Too Many Requests", None, Retry_After="4")
    scripted.answer("200 OK", {})
    client = Client(scripted.url)

    client.rest.call(PLAIN, "/things/1")

    assert client.slept == [4]
    assert client.reports == [("GET /things/{id}", "429 rate limited"), ("GET /things/{id}", "")]


def test_a_rate_limit_without_end_fails_the_action(scripted: Scripted) -> None:
    for _ in range(4):
        scripted.answer("429 Too Many Requests", None, X_RateLimit_Reset="1")
    client = Client(scripted.url)

    with pytest.raises(RateLimited):
        client.rest.call(PLAIN, "/things/1")

    assert client.slept == [1, 1, 1]


def test_a_missing_feature_is_asked_for_once_and_never_counted_as_a_failure(scripted: Scripted) -> None:
    scripted.answer("501 Not Implemented", {"id": "license_error.feature_unavailable"})
    client = Client(scripted.url)

    for _ in range(3):
        with pytest.raises(NotAvailable):
            client.rest.call(OPTIONAL, "/extras")

    assert len(scripted.asked) == 1
    assert client.reports == [("GET /extras", "501 license_error.feature_unavailable")]
    assert client.expected == [True]
    assert client.missing.lacks("extras")


def test_a_page_of_a_proxy_is_a_server_fault_like_any_other(scripted: Scripted) -> None:
    scripted.answers.append(("502 Bad Gateway", [("Content-Type", "text/html")], b"<html>bad gateway</html>"))
    client = Client(scripted.url)

    with pytest.raises(ServerFault):
        client.rest.call(PLAIN, "/things/1")

    assert client.reports == [("GET /things/{id}", "502")]


def test_nobody_listening_is_no_answer(scripted: Scripted) -> None:
    url = scripted.url
    scripted.server.stop(timeout=1)
    client = Client(url)

    with pytest.raises(NoAnswer) as failed:
        client.rest.call(PLAIN, "/things/1")

    assert failed.value.reason == "connection refused"
    assert client.reports == [("GET /things/{id}", "connection refused")]
