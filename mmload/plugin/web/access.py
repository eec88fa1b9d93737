"""Who may drive an agent: everybody on its own machine, elsewhere those who know the token or have logged in.

Web pages of others can drive nothing, even from a browser on the same machine: requests that come from another site,
or under a host name that is not ours (DNS rebinding), are refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import flask
import flask_login  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from mmload.errors import ConfigurationError

log = logging.getLogger("mmload.access")

TOKEN_VARIABLE = "MMLOAD_AGENT_TOKEN"
LOOPBACK = "127.0.0.1"
# Fewer characters can be guessed by trying.
SHORTEST_TOKEN = 16
_LARGEST_BODY_BYTES = 10 * 1024 * 1024
# Where a page of ours, or a person's own typing, asks; the empty one is no browser, or an old one.
_OWN_SITES = ("", "same-origin", "none")


@dataclass(frozen=True, slots=True)
class Access:
    """The rule of one agent. Without a token and without a log-in it is open, to its own machine only."""

    host: str
    token: str = ""
    web_login: bool = False

    @property
    def is_open(self) -> bool:
        return not self.token and not self.web_login


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is turned away."""

    status: int
    reason: str


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine. Pure."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def token_of(environ: Mapping[str, str]) -> str:
    """The token that the environment gives, or ""; `ConfigurationError` where it is none."""
    token = environ.get(TOKEN_VARIABLE, "")
    if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ConfigurationError(f"{TOKEN_VARIABLE}: expected at least {SHORTEST_TOKEN} printable ASCII characters")
    return token


def access_for(given_host: str, token: str, *, web_login: bool) -> Access:
    """The rule for an agent on this interface ("" where none was named); `ConfigurationError` where it can't be."""
    host = given_host or LOOPBACK
    if not is_loopback(host) and not token and not web_login:
        raise ConfigurationError(
            f"--web-host {host} (--host of mmload agent): anybody who reaches this address could run load tests from "
            f"here; set {TOKEN_VARIABLE} to a secret, use --web-login, or omit --web-host (default: {LOOPBACK})"
        )
    return Access(host, token, web_login)


def refusal(access: Access, headers: Mapping[str, str], method: str) -> Refusal | None:
    """Why this request may not pass, as far as its headers tell; None if it may. Log-ins are not looked at. Pure."""
    host = headers.get("Host", "")
    unreadable = [name for name in ("Host", "Origin", "Referer") if not _is_readable(headers.get(name, ""), name)]
    if unreadable:
        return Refusal(400, f"{unreadable[0]}: this header is not an address")
    if not _is_our_site(headers, host, method):
        return Refusal(403, "requests from other sites are refused")
    if access.token and has_token(access.token, headers.get("Authorization", "")):
        return None
    if access.is_open and not is_our_name(access, host):
        return Refusal(403, f"this agent accepts only names of its own machine (to use others, set {TOKEN_VARIABLE})")
    if access.token and not access.web_login:
        return Refusal(401, f"expected the agent's token ({TOKEN_VARIABLE}): Authorization: Bearer …")
    return None


def _is_readable(value: str, name: str) -> bool:
    try:
        urlsplit(f"//{value}" if name == "Host" else value)
    except ValueError:
        return False
    return True


def _is_our_site(headers: Mapping[str, str], host: str, method: str) -> bool:
    """False for what a page of another site asks a browser to do; following a link to us is allowed."""
    site = headers.get("Sec-Fetch-Site", "")
    if method in ("GET", "HEAD") and headers.get("Sec-Fetch-Mode") == "navigate":
        return True
    source = headers.get("Origin") or (headers.get("Referer") if method not in ("GET", "HEAD") else None)
    return site in _OWN_SITES and (source is None or urlsplit(source).netloc.lower() == host.lower())


def is_our_name(access: Access, host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return is_loopback(name) or name == access.host.strip("[]").lower()


def has_token(token: str, authorization: str) -> bool:
    """Whether the header carries the token: as Bearer, or as the password that a browser asks for. Pure."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    # Bytes: compare_digest refuses texts that are not ASCII.
    return hmac.compare_digest(given.strip().encode(), token.encode())


def guard(web_ui: Any, options: Any, environ: Mapping[str, str] = os.environ) -> Access:
    """Set the rule of this web server before it starts. Locust's default, all interfaces, becomes loopback."""
    given = getattr(options, "web_host", "") or ""
    access = access_for(given, token_of(environ), web_login=web_ui.web_login)
    if not given:
        web_ui.host = access.host
        log.info("the web interface is on http://%s:%s only (see --web-host)", access.host, web_ui.port)
    web_ui.app.before_request(lambda: _answer(access))
    web_ui.app.after_request(_unframed)
    if access.token and access.web_login:
        # Locust's log-in needs a session; a locustfile that sets its own key does so later.
        web_ui.app.secret_key = web_ui.app.secret_key or secrets.token_hex(32)
        _token_logs_in(web_ui.login_manager, access.token)
    return access


def _unframed(response: flask.Response) -> flask.Response:
    """A page of others must not show ours in a frame and have people click on it."""
    response.headers.setdefault("X-Frame-Options", "DENY")
    return response


def _answer(access: Access) -> flask.Response | None:
    """The answer to a request that is turned away; None lets it pass."""
    request = flask.request
    wrong = refusal(access, dict(request.headers), request.method)
    if wrong is None and access.web_login and _needs_login(access, request):
        wrong = Refusal(401, "log in first")
    if wrong is None:
        wrong = _body_problem(request)
    if wrong is None:
        return None
    answer = flask.jsonify({"error": wrong.reason})
    answer.status_code = wrong.status
    if wrong.status == 401 and not access.web_login:
        answer.headers["WWW-Authenticate"] = 'Basic realm="mmload agent", charset="UTF-8"'
    return answer


def _body_problem(request: flask.Request) -> Refusal | None:
    """Reads the body before anybody looks at it: whoever read it first would answer 500, with a traceback."""
    request.max_content_length = _LARGEST_BODY_BYTES
    try:
        # Of a body without a length, Flask reads so much and leaves the rest.
        is_whole = len(request.get_data(cache=True, parse_form_data=False)) < _LARGEST_BODY_BYTES
    except RequestEntityTooLarge:
        is_whole = False
    except (OSError, ClientDisconnected):
        return Refusal(400, "the body cannot be read: it is incomplete, or its chunks are malformed")
    return None if is_whole else Refusal(413, f"the body is larger than {_LARGEST_BODY_BYTES // 1024**2} MB")


def _needs_login(access: Access, request: flask.Request) -> bool:
    """Locust asks for a log-in at its own routes; at all others it is asked for here."""
    if request.blueprint == "locust" or request.endpoint in (None, "static"):
        return False
    if access.token and has_token(access.token, request.headers.get("Authorization", "")):
        return False
    if request.blueprint is None:
        # The locustfile's own log-in routes are how one gets in.
        return False
    manager: Any = flask.current_app.extensions.get("login_manager", getattr(flask.current_app, "login_manager", None))
    knows_somebody = manager._user_callback is not None or manager._request_callback is not None
    return not (knows_somebody and flask_login.current_user.is_authenticated)


def _token_logs_in(login_manager: Any, token: str) -> None:
    """Scripts pass Locust's log-in with the token, unless the locustfile has a rule of its own."""
    if login_manager._request_callback is not None:
        return

    def from_request(request: flask.Request) -> flask_login.UserMixin | None:
        if not has_token(token, request.headers.get("Authorization", "")):
            return None
        user = flask_login.UserMixin()
        user.id = "token"
        return user

    login_manager.request_loader(from_request)
