"""What can be known of a server before a load test, down to the hello of a WebSocket. Nothing is changed.

What it means is judged in `mmload.population.readiness`.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from mmload.client.accounts import accounts, has_file_only
from mmload.client.http.cookies import Cookies, is_one_host
from mmload.client.http.rules import API
from mmload.client.kept_sessions import kept_for
from mmload.client.transport import tls_context
from mmload.client.websocket.client import Timing, WebSocket
from mmload.client.websocket.frames import WebSocketEvent
from mmload.config import ConnectionSettings, Settings, read_credentials
from mmload.config.fields import url as url_check
from mmload.context import socket_route
from mmload.errors import (
    UNREADABLE,
    ConfigurationError,
    Refused,
    RequestFailed,
    ServerNotReady,
    SessionExpired,
    WebSocketFailed,
)
from mmload.metrics.counts import SocketCounts
from mmload.network import trust_advice
from mmload.open_files import allowed_open_files
from mmload.population.accounts import find_accounts
from mmload.population.admin_api import (
    ApiServer,
    JsonAnswer,
    Retrying,
    leads_to_api,
    login_refused,
    redirect_target,
    refusal,
    roles_of,
)
from mmload.population.init_job import in_parallel
from mmload.population.plan import team_prefix

if TYPE_CHECKING:
    from coordinator.observe.sources import SourceFound

T = TypeVar("T")

_PAGE_CHARACTERS = 20_000
_SERVER_URL = url_check("http", "https")
# In the address of a page that asks who one is.
_LOGIN_ADDRESS = re.compile(r"log-?in|sign-?in|oauth|openid|saml|sso\b|\bauth|/cas\b|/cdn-cgi/access", re.I)
_PASSWORD_FIELD = re.compile(r"""<input[^>]*type=["']?password""")


class _Silent:
    """A listener that is told everything and does nothing."""

    def on_event(self, event: WebSocketEvent) -> None: ...

    def on_dropped(self, code: int, reason: str) -> None: ...

    def on_reopened(self) -> None: ...

    def on_connected(self, resumed: bool, renewed: bool) -> None: ...

    def on_unauthorised(self) -> None: ...


def greeted(connection: ConnectionSettings, token: str, cookies: Cookies) -> str:
    """Why the WebSocket cannot be used, opened as a simulated user opens it; "" if the server said hello."""
    socket = WebSocket(
        connection.websocket_url,
        token,
        _Silent(),
        SocketCounts(),
        rng=random.Random(),
        tls_context=tls_context(connection.verify_tls) if connection.websocket_url.startswith("wss") else None,
        route=socket_route(connection, connection.websocket_url),
        timing=Timing(handshake_timeout_seconds=connection.connect_timeout_seconds),
        cookies=cookies if is_one_host(connection.websocket_url, connection.server_url) else None,
    )
    try:
        socket.open()
        return ""
    except WebSocketFailed as error:
        return error.reason
    finally:
        socket.close()


# Of two nodes that answer by chance, one is not noticed in one of 256 cases.
SESSION_LOOKS = 8
# Accounts that are looked at one by one, at most: a few seconds.
MOST_LOOKED_AT = 500
# They are looked up 100 at a time: some 20 s. No server has been tested with so many users.
MOST_ACCOUNTS = 100_000
# One page of channels is enough to tell a filled server from an empty one.
TEAMS_PER_PAGE = CHANNELS_PER_PAGE = 200


@dataclass(frozen=True, slots=True)
class Contact:
    """The answer to the first request. `trouble` is empty if a Mattermost answered."""

    trouble: str = ""
    advice: str = ""
    version_header: str = ""
    clock_ahead_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TeamFacts:
    """One team of the server; `members` is None where it was not asked for."""

    name: str
    open: bool
    members: int | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Kept sessions: of how many users, how many, and how many of those that were looked at still hold.

    `trouble`: why their file cannot be used.
    """

    of_users: int = 0
    kept: int = 0
    looked_at: int = 0
    valid: int = 0
    trouble: str = ""


@dataclass(slots=True)
class ServerProbe:
    """All that was learned. What could not be asked is None or empty."""

    contact: Contact
    client_config: Mapping[str, str] = field(default_factory=dict)
    license: Mapping[str, str] = field(default_factory=dict)
    admin_trouble: str = ""
    admin_roles: str = ""
    admin_config: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    accounts_there: int | None = None
    deactivated: int = 0
    # Those of the users file, where there are no others.
    accounts_in_file: int | None = None
    # Of the `looked_at` accounts that were looked at one by one, where the server's settings make it necessary.
    looked_at: int = 0
    unverified: int = 0
    without_team: int = 0
    teams: tuple[TeamFacts, ...] | None = None
    our_channels: int | None = None
    analytics: Mapping[str, int] = field(default_factory=dict)
    messages: int = 0
    websocket_trouble: str | None = None
    # Of SESSION_LOOKS requests with the session, those that were answered as if there were none.
    sessions_lost: int = 0
    sessions_lost_without_cookies: int = 0
    open_files_limit: int = 0
    # What a capacity search can see of the server.
    sources: tuple[SourceFound, ...] = ()
    # None: not looked at.
    sessions: SessionFacts | None = None

    @property
    def open_teams(self) -> tuple[TeamFacts, ...]:
        return tuple(team for team in self.teams or () if team.open)

    @property
    def most_members(self) -> int:
        """How many the largest open team has, as far as was asked."""
        return max((team.members or 0 for team in self.open_teams), default=0)


def probe(settings: Settings, users_wanted: int, *, quick: bool) -> ServerProbe:
    """Ask everything, or with `quick` only what decides whether a test can run at all."""
    with closing(ApiServer(settings.config.connection)) as server:
        facts = first_facts(server)
        if not facts.contact.trouble:
            try:
                _ask_as_administrator(server, settings, facts, users_wanted, quick=quick)
            except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
                # Good answers of another form: whatever it is, it is no Mattermost.
                facts.contact = Contact(NOT_MATTERMOST.format(error=type(error).__name__), _OTHER_SERVER)
            if not quick and settings.config.users.login_share < 1:
                facts.sessions = _look_at_sessions(server, settings, users_wanted)
        return facts


def first_facts(server: ApiServer) -> ServerProbe:
    """What a server tells everybody."""
    patience = Retrying()
    facts = ServerProbe(contact(server, patience), open_files_limit=allowed_open_files())

    def get(path: str) -> Any:
        return patience.run(path, lambda: server.call("GET", path), only_rate_limits=True).document

    if not facts.contact.trouble:
        try:
            # Without a format servers before 11 answer 501.
            facts.client_config = get("/config/client?format=old")
            facts.license = get("/license/client?format=old")
        except RequestFailed as error:
            facts.contact = Contact(f"its client configuration cannot be read: {error.reason}", "see the server's log")
    return facts


def contact(server: ApiServer, patience: Retrying) -> Contact:
    """The first request: does a server answer, and is it Mattermost?"""

    def ping() -> requests.Response:
        response = server.exchange("GET", f"{API}/system/ping?get_server_status=true")
        if response.status_code == 429:
            raise refusal(response, "GET /system/ping")
        return response

    try:
        response = patience.run("connecting", ping, only_rate_limits=True)
    except RequestFailed as error:
        return Contact(trouble=error.reason, advice=_connecting_advice(error.reason, server.url))
    return recognised(response, time.time())


def _connecting_advice(reason: str, url: str) -> str:
    if reason.startswith("TLS failed"):
        if "speak TLS" in reason:
            return f"use {url.replace('https://', 'http://')} as ConnectionConfiguration.ServerURL (--server)"
        trust = trust_advice(reason, "ConnectionConfiguration.VerifyTLS to false (any certificate is then accepted)")
        return trust or "install the right certificate, or set ConnectionConfiguration.VerifyTLS to false"
    if reason.startswith("the proxy answers"):
        return "see the proxy's log, and the user and password in its variable (HTTP_PROXY, HTTPS_PROXY)"
    if reason == "connection refused":
        return "start the server, or correct the port in ConnectionConfiguration.ServerURL (--server)"
    return "correct ConnectionConfiguration.ServerURL (--server), or fix the network between here and the server"


_OTHER_SERVER = "set ConnectionConfiguration.ServerURL (--server) to a Mattermost server's address, without /api/v4"
NOT_MATTERMOST = "this is not a Mattermost server: its answers have a different format ({error})"


def recognised(response: requests.Response, now: float) -> Contact:
    """Judge the answer to the first request. Pure."""
    status = response.status_code
    version = response.headers.get("X-Version-Id", "")
    if 300 <= status < 400:
        return _redirected(response)
    document = _json_object(response)
    if "status" in document and (version or "AndroidLatestVersion" in document):
        if status != 200:
            unwell = [key.removesuffix("_status") for key in document if document[key] == "UNHEALTHY"]
            return Contact(
                f"Mattermost reports itself unhealthy: {', '.join(unwell) or status}", "see the server's log"
            )
        return Contact("", "", version, _ahead_seconds(response.headers.get("Date", ""), now))
    if version and status in (200, 404):
        return Contact(
            "Mattermost answers at this address, but not below this path", "remove the path from the server's URL"
        )
    if status != 404 and (between := _answered_between(response)):
        return between
    if response.headers.get("Content-Type", "").startswith("text/html"):
        return Contact(f"this is not a Mattermost server: it sent a web page ({status})", _OTHER_SERVER)
    what = f"this is not a Mattermost server: it answered {status} without Mattermost's fields"
    return Contact(what, _OTHER_SERVER)


_LET_PAST = "exempt this machine from it, or send what it requires with ConnectionConfiguration.Headers"


def _redirected(response: requests.Response) -> Contact:
    """Judge a redirect: to where the API is, or to a page where people log in. Pure."""
    if "Location" not in response.headers:
        return Contact(f"the server answers {response.status_code} without a Location", "see its log")
    status, target = response.status_code, redirect_target(response)
    if target == response.url.partition(API)[0] and leads_to_api(response):
        what = f"the server redirects to the same address ({status})"
        return Contact(what, "correct the proxy's redirect rule: the proxy may not know that the client uses TLS")
    if leads_to_api(response):
        if not _SERVER_URL.accepts(target):
            return Contact(f"the server redirects to an address that cannot be used ({status})", _OTHER_SERVER)
        return Contact(f"the server redirects to {target}", f"set ConnectionConfiguration.ServerURL to {target}")
    if _LOGIN_ADDRESS.search(target):
        return Contact(f"a login portal in front of the server redirects to {target} ({status})", _LET_PAST)
    what = f"the server redirects to {target} ({status}), which is not the API's address"
    return Contact(what, f"{_OTHER_SERVER}; if this is a login portal, {_LET_PAST}")


def _answered_between(response: requests.Response) -> Contact | None:
    """What a proxy, or something else before Mattermost, says instead of it; None if it says nothing such. Pure."""
    status, page = response.status_code, response.text[:_PAGE_CHARACTERS].lower()
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    named = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
    if "plain http request was sent to https port" in page:
        fix = "use https:// in ConnectionConfiguration.ServerURL (--server)"
        return Contact(f"the port speaks HTTPS only ({named})", fix)
    if status in (401, 407) or (is_page and _PASSWORD_FIELD.search(page)):
        return Contact(f"something in front of the server requires a login ({named})", _LET_PAST)
    if status in (502, 503, 504):
        what = f"a proxy in front of the server answers {named}: it cannot reach Mattermost"
        return Contact(what, "start Mattermost, or see the proxy's log")
    if status >= 500:
        return Contact(f"the server, or a proxy in front of it, answers {named}", "see its log")
    if status >= 400 and is_page:
        return Contact(f"a proxy in front of the server refuses the request ({named}, a web page)", "see its log")
    return None


def _json_object(response: requests.Response) -> Mapping[str, Any]:
    try:
        document = json.loads(response.content)
    except UNREADABLE:
        return {}
    return document if isinstance(document, dict) else {}


def _ahead_seconds(date: str, now: float) -> float:
    """How far the server's clock is ahead of ours. Its header has whole seconds: within one second is 0. Pure."""
    try:
        server = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return 0.0
    if server <= now < server + 1:
        return 0.0
    return server - now if server > now else server + 1 - now


def _ask_as_administrator(
    server: ApiServer, settings: Settings, facts: ServerProbe, users_wanted: int, *, quick: bool
) -> None:
    """Everything that takes the administrator's rights; stops at the first thing that is refused."""
    admin = _Administrator(server, settings)
    try:
        facts.admin_roles = admin.log_in()
    except ServerNotReady as error:
        facts.admin_trouble = str(error)
        return
    if not quick:
        facts.sessions_lost = sessions_lost(server, admin.token)
        facts.sessions_lost_without_cookies = sum(
            _sessions_lost_elsewhere(settings.config.connection, admin.token) for _ in range(SESSION_LOOKS)
        )
    facts.client_config = admin.get("/config/client?format=old") or facts.client_config
    facts.admin_config = admin.get("/config") or {}
    facts.limits = admin.get("/limits/server") or {}
    facts.analytics = {row["name"]: int(row["value"]) for row in admin.get("/analytics/old?name=standard") or ()}
    facts.messages = admin.messages()
    users = settings.config.users
    facts.accounts_in_file = len(read_credentials(users.users_file_path)) if has_file_only(users) else None
    facts.teams = admin.teams(members=not quick)
    found = admin.accounts(users_wanted)
    if found is not None:
        active = [user["id"] for user in found if not user.get("delete_at")]
        facts.accounts_there, facts.deactivated = len(found), len(found) - len(active)
        _look_at_accounts(admin, facts, evenly(active, MOST_LOOKED_AT))
    facts.websocket_trouble = greeted(settings.config.connection, admin.token, server.cookies)
    if not quick:
        facts.our_channels = admin.channels()


def sessions_lost(server: ApiServer, token: str, looks: int = SESSION_LOOKS) -> int:
    """How many of some requests were answered as if their session did not exist."""
    lost = 0
    for _ in range(looks):
        try:
            server.call("GET", "/users/me", token=token)
        except RequestFailed as error:
            lost += isinstance(error, SessionExpired)
    return lost


def _sessions_lost_elsewhere(connection: ConnectionSettings, token: str) -> int:
    """The same for one request that a load balancer takes for another client's: a new connection, no cookies."""
    with closing(ApiServer(connection)) as stranger:
        return sessions_lost(stranger, token, 1)


def _look_at_sessions(server: ApiServer, settings: Settings, users_wanted: int) -> SessionFacts:
    """Ask the server about those of these users, one by one."""
    try:
        able, tokens = kept_for(settings, users_wanted)
    except ConfigurationError as error:
        return SessionFacts(trouble=str(error))
    looked_at = evenly(tokens, MOST_LOOKED_AT)
    answers: list[bool] = []
    in_parallel(Event(), lambda token: answers.append(_is_valid(server, token)), looked_at)
    return SessionFacts(able, len(tokens), len(looked_at), sum(answers))


def _is_valid(server: ApiServer, token: str) -> bool:
    try:
        Retrying().run("checking kept sessions", lambda: server.call("GET", "/users/me", token=token))
    except (RequestFailed, ServerNotReady):
        return False
    return True


def _look_at_accounts(admin: _Administrator, facts: ServerProbe, user_ids: Sequence[str]) -> None:
    """What decides for each account whether it comes in: asked only where a setting keeps some accounts out."""
    facts.looked_at = len(user_ids)
    if (facts.admin_config.get("EmailSettings") or {}).get("RequireEmailVerification"):
        people = admin.each("/users/{}", user_ids)
        facts.unverified = sum(1 for user in people if user is not None and not user.get("email_verified"))
    most = (facts.admin_config.get("TeamSettings") or {}).get("MaxUsersPerTeam", 0)
    if not facts.open_teams or 0 < most < facts.most_members + len(user_ids):
        facts.without_team = sum(1 for teams in admin.each("/users/{}/teams", user_ids) if teams == [])


def evenly(things: Sequence[T], most: int) -> Sequence[T]:
    """All of them, or `most` of them, evenly spread. Pure."""
    return things if len(things) <= most else [things[i * len(things) // most] for i in range(most)]


class _Administrator:
    """The administrator's questions. One that is refused or not answered is answered None."""

    def __init__(self, server: ApiServer, settings: Settings) -> None:
        self._server = server
        self._patience = Retrying()
        self._settings = settings
        self.token = ""

    def log_in(self) -> str:
        """Our roles. Raises `ServerNotReady` with the reason."""
        connection = self._settings.config.connection
        body = {"login_id": connection.admin_email, "password": connection.admin_password}
        try:
            answer = self._call("POST", "/users/login", body)
            roles = roles_of(answer)
        except RequestFailed as error:
            raise ServerNotReady(login_refused(connection.admin_email, error)) from error
        self.token = answer.headers.get("Token", "")
        return roles

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._call(method, path, body).document
        except RequestFailed:
            return None

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def _call(self, method: str, path: str, body: Any = None) -> JsonAnswer:
        """One call; where the server limits the rate, when it lets us."""
        return self._patience.run(
            path, lambda: self._server.call(method, path, body, self.token), only_rate_limits=True
        )

    def messages(self) -> int:
        """At least this number of posts exists: those of the first channels. The server's statistics are a day old."""
        page = self.get(f"/channels?page=0&per_page={CHANNELS_PER_PAGE}")
        return sum(int(channel.get("total_msg_count", 0)) for channel in (page if isinstance(page, list) else ()))

    def accounts(self, users_wanted: int) -> Sequence[Mapping[str, Any]] | None:
        """The profiles of the accounts for this number of users, those that exist; None if that can't be known soon."""
        users = self._settings.config.users
        if users_wanted > MOST_ACCOUNTS:
            return None
        credentials = read_credentials(users.users_file_path) if users.users_file_path else ()
        wanted = accounts(users, users_wanted, credentials)

        def ask(method: str, path: str, body: Any) -> Any:
            try:
                return self._call(method, path, body).document
            except Refused as error:
                if error.status != 404:
                    raise
                return None

        try:
            found = find_accounts(ask, wanted, Event())
        except RequestFailed:
            return None
        return [found[each.email] for each in wanted if each.email in found]

    def each(self, path: str, ids: Sequence[str]) -> Sequence[Any]:
        """The answers to one question about each of these, a few at a time; in any order."""
        answers: list[Any] = []
        in_parallel(Event(), lambda one: answers.append(self.get(path.format(one))), ids)
        return answers

    def teams(self, *, members: bool) -> tuple[TeamFacts, ...] | None:
        """The server's teams (the first page of them)."""
        found = self.get(f"/teams?page=0&per_page={TEAMS_PER_PAGE}")
        if found is None:
            return None
        return tuple(
            TeamFacts(team["name"], team["allow_open_invite"], self._members(team["id"]) if members else None)
            for team in found
            if not team.get("delete_at")
        )

    def _members(self, team_id: str) -> int | None:
        stats = self.get(f"/teams/{team_id}/stats")
        return stats["active_member_count"] if stats else None

    def channels(self) -> int | None:
        """How many public channels the population of our prefix has."""
        prefix = team_prefix(self._settings.config.users.username_prefix)
        found = self.ask("POST", "/channels/search", {"term": f"{prefix}-public-"})
        return None if found is None else sum(1 for item in found if item["name"].startswith(f"{prefix}-public-"))
