"""One REST call of one simulated user: token, stable names, constant error texts, the rules for 401, 429 and 5xx.

The transport is our own (`pool`, `protocol`): the library under FastHttpUser costs more than twice the CPU, and from
the 1024th open file on it opens a new connection for each request. Every call is reported once, to Locust and to our
own recorder. Its time is that of the whole call: waiting for a connection and connecting are in it.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import gevent
import msgspec

from mmload.client.capabilities import MissingFeatures
from mmload.client.http.cookies import Cookies
from mmload.client.http.pool import CallTimer, ConnectionPool
from mmload.client.http.protocol import USER_AGENT, HttpAnswer, header_lines, host_header, request_bytes
from mmload.client.http.rules import API, is_expected, refusal
from mmload.client.transport import ByteChannel, byte_channel, connect, time_limit
from mmload.errors import (
    UNREADABLE_JSON,
    BadAnswer,
    NoAnswer,
    NotAvailable,
    RateLimited,
    RequestFailed,
    SessionExpired,
    transport_reason,
)
from mmload.network import LARGEST_ANSWER_BYTES, proxy_headers

# A browser opens at most six connections to a host.
CONNECTIONS_PER_USER = 6
# A server that asks for more patience than this is not waited for: the action fails instead.
LONGEST_RATE_LIMIT_WAIT_SECONDS = 60.0
RATE_LIMIT_RETRIES = 3

_COMMON_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", "X-Requested-With": "XMLHttpRequest"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path with its ids replaced; `feature` names what a server may lack ("" = every server has it).

    `expected`: statuses and error ids of refusals that a real client gets, too. They are still raised, but with
    `RequestFailed.expected`, and reported apart from failures.
    """

    method: str
    path: str
    feature: str = ""
    expected: tuple[int | str, ...] = field(default=(), compare=False)
    name: str = field(init=False, compare=False)
    _form: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Made once, not at every request.
        object.__setattr__(self, "name", f"{self.method} {self.path}")
        object.__setattr__(self, "_form", re.sub(r"\{[a-z_]+\}", "%s", self.path))

    def at(self, ids: tuple[str | int, ...], query: Mapping[str, str | int]) -> str:
        """Its path with these ids, and the query if there is one; names and values of that are escaped."""
        path = self._form % ids
        return f"{path}?{urlencode(query)}" if query else path

    def __str__(self) -> str:
        return self.name


Report = Callable[[Route, float, float, int, RequestFailed | None], None]
"""Called once a request: (route, start as Unix seconds, seconds it took, bytes of the answer, refusal or None)."""


@dataclass(frozen=True)
class Transport:
    """How connections are made: shared by all users of a process."""

    server_url: str
    connect_timeout_seconds: float = 10.0
    request_timeout_seconds: float = 30.0
    tls_context: ssl.SSLContext | None = None
    largest_answer_bytes: int = LARGEST_ANSWER_BYTES
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str = field(default="", repr=False)
    _timer: CallTimer = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_timer", CallTimer(self.request_timeout_seconds))

    def connections(self) -> ConnectionPool:
        """Those of one user; nothing is opened yet."""
        return ConnectionPool(self._dial, self._timer, CONNECTIONS_PER_USER, largest_bytes=self.largest_answer_bytes)

    def _dial(self) -> ByteChannel:
        with ExitStack() as opened, time_limit(self.connect_timeout_seconds):
            channel = byte_channel(connect(self.server_url, self.tls_context, opened, self.proxy))
            opened.pop_all()
            return channel

    @property
    def prefix(self) -> str:
        """The path of the server's URL, without a slash at the end (a server may live in a sub-path).

        The whole URL where a proxy is asked for it.
        """
        asks_proxy = self.proxy and self.server_url.startswith("http:")
        return (self.server_url if asks_proxy else urlsplit(self.server_url).path).rstrip("/")

    @property
    def common_headers(self) -> bytes:
        by_proxy = proxy_headers(self.proxy) if self.proxy and self.server_url.startswith("http:") else {}
        return header_lines({"Host": host_header(self.server_url), **_COMMON_HEADERS, **self.headers, **by_proxy})


class Rest:
    """The REST side of one user. Any of the user's greenlets may call it at once.

    `renew_session` is called after a 401 with the token that was refused; it logs in again and sets `token`.
    It returns whether there is a new one. Its own requests pass `login=True` and are never renewed.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        report: Report,
        unavailable: MissingFeatures,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self._connections = transport.connections()
        self._everybodys_headers = self._headers = transport.common_headers
        self.cookies = Cookies()
        self._prefix = transport.prefix
        self._report = report
        self._unavailable = unavailable
        self._sleep = sleep
        self.token = ""
        self.renew_session: Callable[[str], bool] = lambda token: False
        self.rate_limited: Callable[[], None] = lambda: None

    def set_token(self, token: str) -> None:
        """All further requests act with this token ("" = nobody's)."""
        self.token = token
        own = header_lines({"Authorization": f"Bearer {token}"}) if token else b""
        self._headers = self._everybodys_headers + own

    def close(self) -> None:
        """Close the idle connections; a request in flight ends as it may."""
        self._connections.close()

    def call(
        self,
        route: Route,
        path: str,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        login: bool = False,
    ) -> HttpAnswer:
        """Send one request under `/api/v4`; a good answer, or a `RequestFailed`.

        It has second chances: one after a renewed session, few after waits that the server asked for.
        """
        if route.feature and self._unavailable.lacks(route.feature):
            raise NotAvailable("not on this server", route=str(route))
        renewed, waits = login, 0
        while True:
            token = self.token
            try:
                return self._once(route, API + path, body, headers)
            except SessionExpired:
                if renewed or not (self.token != token or self.renew_session(token)):
                    raise
                renewed = True
            except RateLimited as limited:
                waits += 1
                if waits > RATE_LIMIT_RETRIES or limited.retry_after_seconds > LONGEST_RATE_LIMIT_WAIT_SECONDS:
                    raise
                self.rate_limited()
                self._sleep(limited.retry_after_seconds)

    def fetch(self, route: Route, path: str, *, keep: bool = True) -> HttpAnswer:
        """GET a path outside the API (the site's page and its static parts), without the token's rules.

        A path may have that of the server's URL before it, as pages name them. Without `keep` the body of the answer is
        thrown away.
        """
        return self._once(route, path.removeprefix(self._prefix), b"", None, keep=keep)

    def _once(
        self, route: Route, path: str, body: bytes, headers: dict[str, str] | None, *, keep: bool = True
    ) -> HttpAnswer:
        start = time.time()
        began = time.perf_counter()
        try:
            request = request_bytes(route.method, self._prefix + path, self._headers + self.cookies.line, headers, body)
            answer = self._connections.ask(route.method, request, keep=keep)
        except (OSError, BadAnswer) as error:
            failure: RequestFailed = NoAnswer(transport_reason(error), route=str(route))
            self._report(route, start, time.perf_counter() - began, 0, failure)
            raise failure from error
        seconds = (answer.ready_at or time.perf_counter()) - began
        if answer.header("set-cookie"):
            self.cookies.take(answer.head)
        if answer.status < 300:
            self._report(route, start, seconds, answer.size, None)
            return answer
        failure = refusal(answer.status, answer.header, answer.content, str(route), route.feature, start)
        failure.expected = failure.expected or is_expected(route.expected, failure, bodyless=route.method == "HEAD")
        if isinstance(failure, NotAvailable):
            self._unavailable.learn(route.feature, failure.reason)
        self._report(route, start, seconds, answer.size, failure)
        raise failure


def content_of(answer: HttpAnswer, route: Route) -> bytes:
    """The answer's body, decompressed; one that cannot be fails the action, never the user."""
    try:
        return answer.content()
    except BadAnswer as error:
        raise _unreadable(answer, route, transport_reason(error)) from error


def decoded(answer: HttpAnswer, decoder: msgspec.json.Decoder[T], route: Route) -> T:
    """The answer's body as a typed value; an unreadable one fails the action, never the user."""
    try:
        return decoder.decode(content_of(answer, route))
    except UNREADABLE_JSON as error:
        raise _unreadable(answer, route, "answer could not be read") from error


def _unreadable(answer: HttpAnswer, route: Route, reason: str) -> RequestFailed:
    return RequestFailed(reason, route=str(route), status=answer.status, request_id=answer.header("x-request-id"))
