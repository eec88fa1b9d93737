"""From the request line of a log to a handler: the client's own routes, told apart by query where that says more.

A handler is a route's name, with a suffix (`?since`) where one route serves different purposes. Nothing of a path that
could name a person, a channel or a text is kept: what no route matches is counted under one of a few fixed names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

API = b"/api/v4/"
# What no route of the client matches: this, or this and a kind.
OTHER = "other"
SITE_PAGE = "GET site page"
SITE_ASSET = "GET site asset"
WEB_SOCKET = "GET /websocket"
PERFORMANCE_REPORT = "POST /client_perf"
LOGIN = "POST /users/login"

# Of one route: which of these patterns the query has, the first that is found.
_PURPOSES = {
    "GET /channels/{channel_id}/posts": ("since=", "before=[^&]", "after=[^&]"),
    "GET /users/{user_id}/teams/{team_id}/threads": ("totalsOnly=true", "unread=true", "before=[^&]", "after=[^&]"),
    "GET /users": ("not_in_channel=", "in_channel=", "in_team="),
    "POST /users/ids": ("since=",),
}
_PURPOSE_PATTERNS = {
    route: [(wanted.partition("=")[0], re.compile(rb"(?:^|&)" + wanted.encode())) for wanted in patterns]
    for route, patterns in _PURPOSES.items()
}
# Routes whose user is the one who asks; elsewhere the id is somebody's whom one looks at.
_OWN = re.compile(r"^\w+ /users/\{user_id\}/(teams|channels|channel_members|preferences|posts|threads)\b")

_SUBJECTS = frozenset(
    """access_control_policies actions agents ai analytics audits bots brand calls channels client_perf cloud cluster
    commands compliance config custom_profile_attributes data_retention database drafts elasticsearch email emoji
    exports files groups hooks image imports integrity interactive jobs ldap license limits logs notifications oauth
    opengraph outgoing_oauth_connections permissions plugins posts preferences reactions redirect_location
    remotecluster reports roles saml schemes server_busy shared_channels sharedchannels site_url system teams
    terms_of_service trial-license trust_policies uploads usage users websocket""".split()
)
_PLUGINS = frozenset(
    """playbooks focalboard boards com.mattermost.calls mattermost-ai github jira zoom com.mattermost.nps
    com.github.manland.mattermost-plugin-gitlab com.mattermost.msteams-sync com.mattermost.apps""".split()
)
_PAGES = re.compile(rb"^/(?:$|login|landing|signup_|select_team|[^/]+/(?:channels|messages|threads|drafts|pl)(?:/|$))")
_ID = re.compile(rb"/[a-z0-9]{26}")
# Names and emojis in paths have no end: what was found is forgotten when there is this much of it.
_MOST_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Handler:
    """What a request is counted as. `api`: a route of the API that the client knows: who asks it is in."""

    name: str
    api: bool
    own: bool = False  # its path names the user who asks
    has_purposes: bool = False


@dataclass(slots=True)
class _Branch:
    literal: dict[bytes, _Branch] = field(default_factory=dict)
    wild: _Branch | None = None
    routes: dict[bytes, str] = field(default_factory=dict)

    def find(self, method: bytes, segments: list[bytes], at: int = 0) -> str | None:
        if at == len(segments):
            return self.routes.get(method)
        found = None
        if (literal := self.literal.get(segments[at])) is not None:
            found = literal.find(method, segments, at + 1)
        if found is None and self.wild is not None:
            found = self.wild.find(method, segments, at + 1)
        return found


def purpose(route: str, query: bytes) -> str:
    """The handler of a route with this query. Pure."""
    for name, pattern in _PURPOSE_PATTERNS.get(route, ()):
        if pattern.search(query):
            return f"{route}?{name}"
    return route


def route_of(handler: str) -> str:
    """The route of a handler, without what tells its purposes apart. Pure."""
    return handler.partition("?")[0]


class HandlerFinder:
    """Finds the handler of a request. Knows the client's routes, and remembers what it found."""

    def __init__(self, routes: Iterable[str], *, queries: bool = True) -> None:
        """`queries`: whether the source has them; without, the purposes of a route are one."""
        self._root = _Branch()
        for route in routes:
            method, _, path = route.partition(" ")
            if path.startswith("/"):
                self._add(method, path)
        self._queries = queries
        self._handlers: dict[str, Handler] = {}
        self._found: dict[tuple[bytes, bytes], Handler] = {}

    def _add(self, method: str, path: str) -> None:
        branch = self._root
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                branch.wild = branch.wild or _Branch()
                branch = branch.wild
            else:
                branch = branch.literal.setdefault(segment.encode(), _Branch())
        branch.routes[method.encode()] = f"{method} {path}"

    def find(self, method: bytes, target: bytes) -> Handler:
        """The handler of a request line's method and target."""
        path, _, query = target.partition(b"?")
        key = (method, _ID.sub(b"/*", path))
        handler = self._found.get(key)
        if handler is None:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            handler = self._found[key] = self._handler(self._name(method, path))
        if handler.has_purposes and query:
            return self._handler(purpose(handler.name, query))
        return handler

    def _handler(self, name: str) -> Handler:
        if name not in self._handlers:
            api = is_served(name) and not name.startswith(OTHER)
            purposes = self._queries and name in _PURPOSE_PATTERNS
            self._handlers[name] = Handler(name, api, _OWN.match(name) is not None, purposes)
        return self._handlers[name]

    def _name(self, method: bytes, path: bytes) -> str:
        at = path.find(API)
        if at < 0:
            return _site(method, path)
        segments = path[at + len(API) :].rstrip(b"/").split(b"/")
        found = self._root.find(method, segments)
        if found is not None:
            return found
        subject = segments[0].decode("ascii", "replace")
        return f"{OTHER} API: {subject}" if subject in _SUBJECTS else f"{OTHER} API"


def _site(method: bytes, path: bytes) -> str:
    if b"://" in path[:8]:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    if b"/static/" in path:
        return SITE_ASSET
    if b"/plugins/" in path:
        plugin = path.partition(b"/plugins/")[2].partition(b"/")[0].decode("ascii", "replace")
        return f"{OTHER} plugin: {plugin}" if plugin in _PLUGINS else f"{OTHER} plugin"
    if b"/hooks/" in path:
        return f"{OTHER} incoming webhook"
    return SITE_PAGE if method == b"GET" and _PAGES.match(path) else OTHER


def is_served(handler: str) -> bool:
    """Whether this is a request to Mattermost's API. Pure."""
    return handler.startswith(f"{OTHER} API") or not (handler.startswith(OTHER) or handler in (SITE_PAGE, SITE_ASSET))


def own_id(target: bytes) -> bytes:
    """The user id in the path of a handler that is `own`; empty for `me`. Pure."""
    start = target.find(b"/users/") + 7
    found = target[start : start + 27]
    return found[:26] if found[26:] == b"/" and b"/" not in found[:26] else b""
