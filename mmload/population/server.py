"""REST calls to Mattermost outside a load test: one call, its answer, and the errors it can end in.

Unlike the simulated users' client (`mmload.client`) this one is `requests`, may be used by several threads, and its
errors carry the server's own words: a person reads them.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from mmload import __version__
from mmload.config import Connection
from mmload.errors import NoAnswer, NotAvailable, RateLimited, Refused, RequestFailed, ServerFault, SessionExpired

API = "/api/v4"
CONNECTIONS = 8
# Numbers above this are points in time (seconds since 1970), below it spans of seconds.
_EPOCH_FROM = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: its status, its headers (names in any case) and its JSON document."""

    status: int
    headers: Mapping[str, str]
    document: Any


class Server:
    """One Mattermost server. Safe to use from several threads; `close` when done."""

    def __init__(self, connection: Connection) -> None:
        self.url = connection.server_url.rstrip("/")
        self._timeouts = (connection.connect_timeout_seconds, connection.request_timeout_seconds)
        self._session = requests.Session()
        # The simulated users know no proxies and no .netrc (which would replace our tokens); nor does this.
        self._session.trust_env = False
        self._session.verify = _trusted(connection.verify_tls)
        # A log-in sets cookies; a cookie beside a token makes Mattermost ask for a CSRF header.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = f"mmload/{__version__}"
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=CONNECTIONS)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> Answer:
        """One request below /api/v4, one attempt. Raises what `mmload.errors.RequestFailed` has below it."""
        response = self.exchange(method, API + path, body, token)
        route = f"{method} {path.partition('?')[0]}"
        if response.status_code >= 400:
            raise refusal(response, route)
        try:
            return Answer(response.status_code, response.headers, response.json())
        except ValueError:
            raise NoAnswer("the answer is no JSON", route=route) from None

    def exchange(self, method: str, path: str, body: Any = None, token: str = "") -> requests.Response:
        """One request, whatever its answer; `NoAnswer` if there is none. Redirects are not followed."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            return self._session.request(
                method, self.url + path, json=body, headers=headers, timeout=self._timeouts, allow_redirects=False
            )
        except requests.RequestException as error:
            raise NoAnswer(unanswered(error), route=f"{method} {path.partition('?')[0]}") from error


def _trusted(verify_tls: bool) -> bool | str:
    """Which certificate authorities count: the system's, as for the simulated users, and not those that `requests`
    brings along."""
    if not verify_tls:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return False
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def unanswered(error: requests.RequestException) -> str:
    """A transport's failure in a few words. Pure."""
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS failed: {_tls_reason(text)}"
    if isinstance(error, requests.ConnectTimeout):
        return "timed out while connecting"
    if isinstance(error, requests.Timeout):
        return "timed out"
    if "NameResolutionError" in text or "Name or service not known" in text or "getaddrinfo" in text:
        return "host name not found"
    if "Connection refused" in text:
        return "connection refused"
    if isinstance(error, requests.ConnectionError):
        return "network unreachable" if "unreachable" in text else "connection lost"
    return f"no valid answer ({type(error).__name__})"


def _tls_reason(text: str) -> str:
    """The one telling part of urllib3's nested message."""
    reasons = {
        "WRONG_VERSION_NUMBER": "the port doesn't speak TLS",
        "record layer failure": "the port doesn't speak TLS",
        "self-signed certificate": "the certificate is self-signed",
        "self signed certificate": "the certificate is self-signed",
        "certificate has expired": "the certificate has expired",
        "Hostname mismatch": "the certificate is for another host name",
        "IP address mismatch": "the certificate is for another address",
        "doesn't match": "the certificate is for another host name",
        "unable to get local issuer": "the certificate's authority is not known here",
    }
    return next((reason for sign, reason in reasons.items() if sign in text), "no valid certificate")


def refusal(response: requests.Response, route: str) -> RequestFailed:
    """The error behind an answer of 400 and above, in the server's words."""
    document = _error_document(response)
    error_id, message = str(document.get("id", "")), str(document.get("message", "")).rstrip(".")
    reason = f"{message or response.reason or 'refused'} ({response.status_code}{error_id and ' ' + error_id})"
    status, request_id = response.status_code, response.headers.get("X-Request-Id", "")
    if status == 429:
        wait = asked_wait_seconds(response.headers, time.time())
        return RateLimited("rate limit exceeded (429)", retry_after_seconds=wait, route=route, request_id=request_id)
    if status == 401:
        kind: type[RequestFailed] = SessionExpired
    elif status == 501 or error_id == "api.context.404.app_error":
        kind = NotAvailable
    else:
        kind = ServerFault if status >= 500 else Refused
    return kind(reason, route=route, status=status, error_id=error_id, request_id=request_id)


def _error_document(response: requests.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def asked_wait_seconds(headers: Mapping[str, str], now: float = 0.0) -> float:
    """How long a 429 asks us to wait: `Retry-After`, else `X-RateLimit-Reset`; 1 s if it says nothing usable. Pure.

    Mattermost sends spans of seconds; what looks like a point in time is one, seen from `now`.
    """
    for name in ("Retry-After", "X-RateLimit-Reset"):
        try:
            value = float(headers.get(name, ""))
        except ValueError:
            continue
        if value >= 0:
            return max(0.0, value - now) if value > _EPOCH_FROM else value
    return 1.0
