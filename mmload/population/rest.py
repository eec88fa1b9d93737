"""Trying again: how long to wait after which failure, and when to give up. `Stopped` ends all waiting at once.

REST calls to Mattermost outside a load test: one call, its answer, and the errors it can end in.

Unlike the simulated users' client (`mmload.client`) this one is `requests`, may be used by several threads, and its
errors carry the server's own words: a person reads them.

Somebody logged in at the server: logs in when first needed, and once more if the session ends in the middle.
"""

from __future__ import annotations

import functools
import random
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from threading import Event, Lock, Semaphore
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter

from mmload import __version__
from mmload.client.accounts import Account
from mmload.config import ConnectionSettings
from mmload.errors import (
    NoAnswer,
    NotAvailable,
    RateLimited,
    Refused,
    RequestFailed,
    ServerFault,
    ServerNotReady,
    SessionExpired,
)

T = TypeVar("T")

# With these waits (times 0.5 to 1 by chance) a server may be away for a minute: a restart takes 5 to 30 seconds.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 12.0
MOST_FAILURES = 12
# A server that says "later" is alive, but one that says nothing else is no use either.
MOST_RATE_LIMITS = 60
LONGEST_ASKED_WAIT_SECONDS = 60.0

CONTINUES = "`mmload init` again continues where this one stopped"


class Stopped(Exception):
    """Somebody asked us to stop while we were waiting."""


def wait_seconds(failures: int, chance: float) -> float:
    """The wait after so many failures in a row (1: the first), doubling each time; `chance` in [0, 1). Pure."""
    longest: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (failures - 1))
    return longest * (0.5 + chance / 2)


class Retrying:
    """Runs attempts until one succeeds. Shared by all threads of a command; `stop` ends them."""

    def __init__(
        self,
        stop: Event | None = None,
        rng: random.Random | None = None,
        pause: Callable[[float], object] | None = None,
        tell: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stop = stop or Event()
        self._rng = rng or random.Random()
        self._pause = pause or self.stop.wait
        self._tell = tell
        self._clock = clock

    def check(self) -> None:
        """Raise `Stopped` if it is time to stop."""
        if self.stop.is_set():
            raise Stopped

    def run(self, step: str, attempt: Callable[[], T], *, only_rate_limits: bool = False) -> T:
        """The result of the first good attempt; `ServerNotReady`, naming `step`, when patience is at its end.

        With `only_rate_limits` other failures go through at once: the server may have done what it was told.
        """
        failures = rate_limits = 0
        start = self._clock()
        while True:
            self.check()
            try:
                return attempt()
            except RateLimited as error:
                rate_limits += 1
                if rate_limits > MOST_RATE_LIMITS:
                    raise self._given_up(step, error.reason, start) from error
                asked = min(error.retry_after_seconds, LONGEST_ASKED_WAIT_SECONDS)
                self._pause(asked + wait_seconds(1, self._rng.random()))
            except (NoAnswer, ServerFault) as error:
                if only_rate_limits:
                    raise
                failures += 1
                if failures > MOST_FAILURES:
                    raise self._given_up(step, error.reason, start) from error
                if failures % 4 == 2:
                    self._tell(f"{step}: {error.reason}; trying again")
                self._pause(wait_seconds(failures, self._rng.random()))

    def _given_up(self, step: str, reason: str, start: float) -> ServerNotReady:
        seconds = self._clock() - start
        return ServerNotReady(f"{step}: {reason}; gave up after {seconds:.0f} seconds. {CONTINUES}.")


API = "/api/v4"
CONNECTIONS = 8
# Numbers above this are points in time (seconds since 1970), below it spans of seconds.
_EPOCH_FROM = 1_000_000_000


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A good answer: its status, its headers (names in any case) and its JSON document."""

    status: int
    headers: Mapping[str, str]
    document: Any


class ApiServer:
    """One Mattermost server. Safe to use from several threads; `close` when done."""

    def __init__(self, connection: ConnectionSettings) -> None:
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

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> JsonAnswer:
        """One request below /api/v4, one attempt. Raises what `mmload.errors.RequestFailed` has below it."""
        response = self.exchange(method, API + path, body, token)
        route = f"{method} {path.partition('?')[0]}"
        if response.status_code >= 400:
            raise refusal(response, route)
        try:
            return JsonAnswer(response.status_code, response.headers, response.json())
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


TOO_MANY_ATTEMPTS = "api.user.check_user_login_attempts.too_many"


class Session:
    """One account's calls. Safe to use from several threads.

    `gate` admits few log-ins at a time: hashing passwords is the dearest thing a server does.
    """

    def __init__(self, server: ApiServer, account: Account, patience: Retrying, gate: Semaphore) -> None:
        self.account = account
        self._server = server
        self._patience = patience
        self._gate = gate
        self._lock = Lock()
        self._token = ""
        self._roles = ""

    def log_in(self) -> str:
        """The session's token; logs in if there is none yet. `ServerNotReady` if the server won't have us."""
        with self._lock:
            if not self._token:
                with self._gate:
                    answer = self._patience.run(f"log-in of {self.account.email}", self._login)
                self._token, self._roles = answer.headers.get("Token", ""), answer.document["roles"]
            return self._token

    def require_administrator(self) -> None:
        """Log in; `ServerNotReady` if this account has no administrator's rights."""
        self.log_in()
        if "system_admin" not in self._roles.split():
            raise ServerNotReady(
                f"{self.account.email} is no system administrator: make it one (System Console > User Management > "
                "Users, or mmctl roles system-admin), or set ConnectionConfiguration.AdminEmail and AdminPassword"
            )

    def _login(self) -> JsonAnswer:
        body = {"login_id": self.account.email, "password": self.account.password}
        try:
            return self._server.call("POST", "/users/login", body)
        except (SessionExpired, Refused) as error:
            raise ServerNotReady(f"{login_refused(self.account.email, error)}{self._made_otherwise(error)}") from error

    def _made_otherwise(self, error: RequestFailed) -> str:
        """What to do when an account of the population is there, but not with our password."""
        if error.status != 401 or not self.account.number:
            return ""
        return ". Set UsersConfiguration.Password to the one it was made with, or choose another UsernamePrefix"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        step: str,
        passes: Collection[str | int] = (),
        repeatable: bool = True,
    ) -> Any:
        """The JSON answer of one call, tried again while the server doesn't answer.

        A refusal is `ServerNotReady`, naming `step`; is its error id or status in `passes`, it is `Refused`. A call
        that must not be made twice is not `repeatable`: `NoAnswer` and `ServerFault` go through at once.
        """
        attempt = functools.partial(self._attempt, method, path, body)
        try:
            return self._patience.run(step, attempt, only_rate_limits=not repeatable).document
        except Refused as error:
            if error.error_id in passes or error.status in passes:
                raise
            raise ServerNotReady(f"{step}: {error.reason}{advice(error.error_id)}") from error
        except SessionExpired as error:
            raise ServerNotReady(f"{step}: {error.reason}") from error

    def _attempt(self, method: str, path: str, body: Any) -> JsonAnswer:
        token = self.log_in()
        try:
            return self._server.call(method, path, body, token)
        except SessionExpired:
            with self._lock:
                if self._token == token:
                    self._token = ""
        return self._server.call(method, path, body, self.log_in())


def advice(error_id: str) -> str:
    """The setting behind a refusal, where there is one. Pure."""
    settings = {
        "max_accounts": "TeamSettings.MaxUsersPerTeam (System Console > Site Configuration > Users and Teams)",
        "max_channels": "TeamSettings.MaxChannelsPerTeam (System Console > Site Configuration > Users and Teams)",
        "user_limits": "the limit of accounts; use fewer, or add a licence",
        "safety_limits": "the limit of accounts; use fewer, or add a licence",
        "pwd_": "PasswordSettings of the server, or change UsersConfiguration.Password",
        "accepted_domain": "TeamSettings.RestrictCreationToDomains (System Console > Authentication > Signup)",
    }
    found = next((setting for sign, setting in settings.items() if sign in error_id.lower()), "")
    return f"; see {found}" if found else ""


def login_refused(email: str, error: RequestFailed) -> str:
    """Why an account can't log in, and what to do. Pure."""
    if error.error_id.startswith(TOO_MANY_ATTEMPTS):
        return (
            f"{email}: locked after too many wrong passwords; reset it in System Console > User Management > Users, "
            "or raise ServiceSettings.MaximumLoginAttempts"
        )
    if "mfa" in error.error_id:
        return f"{email}: needs multi-factor authentication, which a load test can't give; use an account without it"
    if "not_verified" in error.error_id:
        return (
            f"{email}: its address is not verified; switch off System Console > Authentication > Email > Require Email "
            "Verification (EmailSettings.RequireEmailVerification)"
        )
    if error.status == 401:
        return (
            f"{email}: wrong password, or no such account ({error.error_id or error.status}); set "
            "ConnectionConfiguration.AdminPassword for the administrator, UsersConfiguration.Password for users"
        )
    return f"{email}: log-in refused: {error.reason}"


def administrator(server: ApiServer, connection: ConnectionSettings, patience: Retrying, gate: Semaphore) -> Session:
    """The session of the administrator of ConnectionConfiguration."""
    name = connection.admin_email.partition("@")[0]
    return Session(server, Account(0, name, connection.admin_email, connection.admin_password), patience, gate)
