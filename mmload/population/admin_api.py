"""REST calls to Mattermost outside a load test: one call, trying it again, and somebody's session.

Unlike the simulated users' client (`mmload.client`) this one is `requests`, may be used by several threads, and its
errors carry the server's own words: a person reads them. What a refusal is, both know from `mmload.client.http.rules`.
"""

from __future__ import annotations

import functools
import json
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from threading import Event, Lock, Semaphore
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from mmload import __version__
from mmload.client.accounts import Account
from mmload.client.http import rules
from mmload.client.http.cookies import Cookies
from mmload.client.http.rules import API, retry_seconds
from mmload.config import ConnectionSettings
from mmload.errors import (
    UNREADABLE,
    NoAnswer,
    RateLimited,
    Redirected,
    Refused,
    RequestFailed,
    ServerFault,
    ServerNotReady,
    SessionExpired,
    transport_reason,
)
from mmload.network import own_headers, trusting
from mmload.web_session import bounded_session

T = TypeVar("T")

# With these waits (times 0.5 to 1 by chance) a server may be away for a minute: a restart takes 5 to 30 seconds.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 12.0
MOST_FAILURES = 12
# A server that says "later" is alive, but one that says nothing else is no use either.
MOST_RATE_LIMITS = 60
LONGEST_ASKED_WAIT_SECONDS = 60.0
# What requests and the libraries below it raise of an answer that is none: not all of it is translated by requests.
_NO_ANSWER = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError)
# Any name: `rules` then tells "this server lacks it" from other refusals.
_FEATURE = "population"


class Stopped(Exception):
    """Somebody asked us to stop while we were waiting."""


class Retrying:
    """Runs attempts until one succeeds. Shared by all threads of a command; `stop` ends them."""

    def __init__(
        self,
        stop: Event | None = None,
        rng: random.Random | None = None,
        pause: Callable[[float], object] | None = None,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.stop = stop or Event()
        self._rng = rng or random.Random()
        self._pause = pause or self.stop.wait
        self._tell = tell

    def check(self) -> None:
        """Raise `Stopped` if it is time to stop."""
        if self.stop.is_set():
            raise Stopped

    def run(self, step: str, attempt: Callable[[], T], *, only_rate_limits: bool = False) -> T:
        """The result of the first good attempt; `ServerNotReady`, naming `step`, after too many failed ones.

        With `only_rate_limits` other failures go through at once: the server may have done what it was told.
        """
        failures = rate_limits = 0
        start = time.monotonic()
        while True:
            self.check()
            try:
                return attempt()
            except RateLimited as error:
                rate_limits += 1
                last: RequestFailed = error
                wait = min(error.retry_after_seconds, LONGEST_ASKED_WAIT_SECONDS) + self._wait(1)
            except (NoAnswer, ServerFault) as error:
                if only_rate_limits:
                    raise
                failures += 1
                last, wait = error, self._wait(failures)
                if failures % 4 == 2:
                    self._tell(f"{step}: {error.reason}; trying again")
            if failures > MOST_FAILURES or rate_limits > MOST_RATE_LIMITS:
                raise ServerNotReady(
                    f"{step}: {last.reason}; gave up after {time.monotonic() - start:.0f} seconds. Run `mmload init` "
                    "again to continue where this one stopped."
                ) from last
            self._pause(wait)

    def _wait(self, failures: int) -> float:
        return retry_seconds(failures, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, self._rng)


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A good answer: its headers (names in any case) and its JSON document."""

    headers: Mapping[str, str]
    document: Any


class ApiServer:
    """One Mattermost server. Safe to use from several threads; `close` when done."""

    def __init__(self, connection: ConnectionSettings) -> None:
        self.url = connection.server_url.rstrip("/")
        # Of the whole call; where it says `read`, requests and urllib3 mean each wait: `bounded_session` makes it one.
        self._timeout = urllib3.Timeout(
            connect=connection.connect_timeout_seconds, total=connection.request_timeout_seconds
        )
        # As for the simulated users: the same authorities, and a proxy only if it is asked for.
        self._session = bounded_session(
            self.url,
            trusting(connection.verify_tls),
            use_proxy=connection.use_proxy,
            largest_bytes=connection.largest_answer_mb << 20,
        )
        # Ours are kept as the simulated users keep theirs.
        self.cookies = Cookies()
        self._session.headers["User-Agent"] = f"mmload/{__version__}"
        self._session.headers.update(own_headers(connection.headers))

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> JsonAnswer:
        """One request below /api/v4, one attempt. Raises what `mmload.errors.RequestFailed` has below it."""
        response = self.exchange(method, API + path, body, token)
        route = f"{method} {path.partition('?')[0]}"
        if response.status_code >= 300:
            raise refusal(response, route)
        try:
            # Not by `requests`, which guesses at bytes that are no UTF-8.
            return JsonAnswer(response.headers, json.loads(response.content))
        except UNREADABLE:
            raise NoAnswer("the answer is not JSON", route=route) from None

    def exchange(self, method: str, path: str, body: Any = None, token: str = "") -> requests.Response:
        """One request, whatever its answer; `NoAnswer` if there is none. Redirects are not followed."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if cookies := self.cookies.header:
            headers["Cookie"] = cookies
        try:
            response = self._session.request(
                method,
                self.url + path,
                json=body,
                headers=headers,
                timeout=self._timeout,  # type: ignore[arg-type] # requests hands it on as it is
                allow_redirects=False,
            )
        except _NO_ANSWER as error:
            raise NoAnswer(transport_reason(error), route=f"{method} {path.partition('?')[0]}") from error
        self.cookies.keep(response.raw.headers.getlist("Set-Cookie"))
        return response


def refusal(response: requests.Response, route: str) -> RequestFailed:
    """The error behind an answer of 300 and above, in the server's words."""
    headers = response.headers
    error = rules.refusal(
        response.status_code,
        lambda name: headers.get(name, ""),
        lambda: response.content,
        route,
        _FEATURE,
        time.time(),
    )
    if isinstance(error, Redirected):
        error.reason = f"the server redirects to {redirect_target(response)} ({error.status})"
    elif not error.error_id and headers.get("Content-Type", "").startswith("text/html"):
        error.reason = f"a web page instead of Mattermost's answer, possibly from a proxy ({error.reason})"
    elif words := error.message.rstrip(".") or ("" if isinstance(error, RateLimited) else response.reason):
        error.reason = f"{words} ({error.reason})"
    return error


def redirect_target(response: requests.Response) -> str:
    """Where an answer of 3xx leads, as a value for ServerURL: a whole URL without the API's path, or what a query may
    tell."""
    location = urljoin(response.url, response.headers.get("Location", "")).partition("?")[0].partition("#")[0]
    return location.partition(API)[0].rstrip("/")


def leads_to_api(response: requests.Response) -> bool:
    """Whether a redirect leads to the same API elsewhere, or at least to another server: not to a page for people."""
    here, there = urlsplit(response.url), urlsplit(urljoin(response.url, response.headers.get("Location", "")))
    if there.path.rstrip("/").endswith(here.path[here.path.find(API) :].rstrip("/")):
        return True
    return there.path in ("", "/") and (here.scheme, here.netloc) != (there.scheme, there.netloc)


def roles_of(login: JsonAnswer) -> str:
    """The roles of who has logged in. `NoAnswer` if the answer is no user."""
    roles = login.document.get("roles") if isinstance(login.document, dict) else None
    if not isinstance(roles, str):
        raise NoAnswer("the answer to the login is not a user", route="POST /users/login")
    return roles


class Session:
    """One account's calls. Safe to use from several threads.

    `gate` admits few logins at a time: hashing passwords is the most expensive thing a server does.
    """

    def __init__(self, server: ApiServer, account: Account, retrying: Retrying, gate: Semaphore) -> None:
        self.account = account
        self._server = server
        self._retrying = retrying
        self._gate = gate
        self._lock = Lock()
        self._token = ""
        self._roles = ""
        self.user_id = ""  # known after a login

    def log_in(self) -> str:
        """The session's token; logs in if there is none yet. `ServerNotReady` if the server refuses the account."""
        with self._lock:
            if not self._token:
                with self._gate:
                    answer = self._retrying.run(f"login of {self.account.email}", self._login)
                self._token, self._roles = answer.headers.get("Token", ""), roles_of(answer)
                self.user_id = str(answer.document.get("id", ""))
            return self._token

    def require_administrator(self) -> None:
        """Log in; `ServerNotReady` if this account has no administrator's rights."""
        self.log_in()
        if "system_admin" not in self._roles.split():
            raise ServerNotReady(
                f"{self.account.email} is not a system administrator: make it one (System Console > User Management > "
                "Users, or mmctl roles system-admin), or set ConnectionConfiguration.AdminEmail and AdminPassword"
            )

    def _login(self) -> JsonAnswer:
        body = {"login_id": self.account.email, "password": self.account.password}
        try:
            return self._server.call("POST", "/users/login", body)
        except (SessionExpired, Refused, Redirected) as error:
            told = login_refused(self.account.email, error)
            # An account of the population is there, but not with our password.
            if error.status == 401 and error.error_id and self.account.number:
                told += (
                    ". Set UsersConfiguration.Password to the one it was created with, or choose another UsernamePrefix"
                )
            raise ServerNotReady(told) from error

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
            return self._retrying.run(step, attempt, only_rate_limits=not repeatable).document
        except (Refused, SessionExpired, Redirected) as error:
            if isinstance(error, Refused) and (error.error_id in passes or error.status in passes):
                raise
            raise ServerNotReady(f"{step}: {error.reason}{advice(error)}") from error

    def _attempt(self, method: str, path: str, body: Any) -> JsonAnswer:
        token = self.log_in()
        try:
            return self._server.call(method, path, body, token)
        except SessionExpired:
            with self._lock:
                if self._token == token:
                    self._token = ""
        return self._server.call(method, path, body, self.log_in())


TOO_MANY_ATTEMPTS = "api.user.check_user_login_attempts.too_many"


def advice(error: RequestFailed) -> str:
    """The setting behind a refusal, where there is one. Pure."""
    if isinstance(error, Redirected):
        return "; set ConnectionConfiguration.ServerURL (--server) to the address of the API"
    settings = {
        "max_accounts": "TeamSettings.MaxUsersPerTeam (System Console > Site Configuration > Users and Teams)",
        "max_channels": "TeamSettings.MaxChannelsPerTeam (System Console > Site Configuration > Users and Teams)",
        "user_limits": "the server's limit of accounts; use fewer, or add a licence",
        "safety_limits": "the server's limit of accounts; use fewer, or add a licence",
        "pwd_": "PasswordSettings of the server, or change UsersConfiguration.Password",
        "accepted_domain": "TeamSettings.RestrictCreationToDomains (System Console > Authentication > Signup)",
    }
    found = next((setting for sign, setting in settings.items() if sign in error.error_id.lower()), "")
    return f"; see {found}" if found else ""


def login_refused(email: str, error: RequestFailed) -> str:
    """Why an account cannot log in, and what to do. Pure."""
    if error.error_id.startswith(TOO_MANY_ATTEMPTS):
        return (
            f"{email}: locked after too many wrong passwords; unlock it in System Console > User Management > Users, "
            "or raise ServiceSettings.MaximumLoginAttempts"
        )
    if "mfa" in error.error_id:
        return f"{email}: needs multi-factor authentication, which mmload does not support; use an account without it"
    if "not_verified" in error.error_id:
        return (
            f"{email}: its address is not verified; switch off System Console > Authentication > Email > Require Email "
            "Verification (EmailSettings.RequireEmailVerification)"
        )
    if error.status == 401 and not error.error_id:
        return f"{email}: the login was refused by a proxy or portal in front of Mattermost: {error.reason}"
    if error.status == 401:
        return (
            f"{email}: wrong password, or no such account ({error.error_id}); set "
            "ConnectionConfiguration.AdminPassword for the administrator, UsersConfiguration.Password for users"
        )
    return f"{email}: login refused: {error.reason}{advice(error)}"


def administrator(server: ApiServer, connection: ConnectionSettings, retrying: Retrying, gate: Semaphore) -> Session:
    """The session of the administrator of ConnectionConfiguration."""
    name = connection.admin_email.partition("@")[0]
    return Session(server, Account(0, name, connection.admin_email, connection.admin_password), retrying, gate)
