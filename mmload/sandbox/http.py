"""Requests as the routes see them, their answers, and finding the route of a path. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from mmload.sandbox.errors import ApiError, bad_body, bad_url_param, forbidden, not_found
from mmload.sandbox.state import Document, StoredChannel, StoredPost, StoredTeam, StoredUser, is_id
from mmload.sandbox.world import World

T = TypeVar("T")
MAX_PER_PAGE = 200
DEFAULT_PER_PAGE = 60


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a multipart body."""

    field: str
    name: str
    content: bytes


@dataclass(slots=True)
class Call:
    """One request with its session resolved and its body read."""

    world: World
    params: dict[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    token: str
    signed_in: StoredUser | None
    uploads: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def user(self) -> StoredUser:
        """The user who sent it. Routes that need no session may be called without one and do not use this."""
        assert self.signed_in is not None
        return self.signed_in

    def json(self, what: str) -> Any:
        """The body; `what` is what the error message calls it."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise bad_body(what, "unexpected EOF") from error

    def document(self, what: str) -> Document:
        body = self.json(what)
        if not isinstance(body, dict):
            raise bad_body(what, f"json: cannot unmarshal {type(body).__name__}")
        return body

    def texts(self, what: str) -> list[str]:
        body = self.json(what)
        if not isinstance(body, list) or not all(isinstance(item, str) for item in body):
            raise bad_body(what)
        return body

    def flag(self, name: str) -> bool:
        return self.query.get(name) == "true"

    def number(self, name: str, default: int = 0) -> int:
        """A number from the query; anything else counts as the default, as in the real server."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else default

    def page(self) -> tuple[int, int]:
        return self.number("page"), min(self.number("per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE)

    def paged(self, items: Sequence[T]) -> Sequence[T]:
        """The page that is asked for."""
        number, size = self.page()
        return items[number * size : (number + 1) * size]

    def require(self, allowed: bool, permission: str) -> None:
        """403 unless it is allowed, or the caller is a system admin."""
        if not allowed and not self.user.is_admin:
            raise forbidden(self.user.id, permission)

    # What the path names, or the error of the real server if it does not exist.

    def self_or_admin(self) -> StoredUser:
        """The user of the path: oneself, or for a system admin anybody."""
        self.require(self.params["user_id"] == self.user.id, "edit_other_users")
        return self.any_user()

    def any_user(self, user_id: str = "") -> StoredUser:
        wanted = user_id or self.params["user_id"]
        user = self.world.state.users.get(wanted)
        if user is None:
            raise not_found("User", "app.user.missing_account.const", "Unable to find the user.", wanted)
        return user

    def team(self) -> StoredTeam:
        wanted = self.params["team_id"]
        team = self.world.state.teams.get(wanted)
        if team is None:
            raise not_found("Team", "app.team.get.find.app_error", "Unable to find the existing team.", wanted)
        return team

    def team_named(self) -> StoredTeam:
        team = self.world.state.teams_by_name.get(self.params["team_name"])
        if team is None:
            raise ApiError(404, "app.team.get_by_name.missing.app_error", "Unable to find the existing team.")
        return team

    def own_team(self, permission: str) -> StoredTeam:
        """The team of the path, if the caller is in it."""
        team = self.team()
        self.require(team.id in self.user.teams, permission)
        return team

    def channel(self, channel_id: str = "") -> StoredChannel:
        wanted = channel_id or self.params["channel_id"]
        channel = self.world.state.channels.get(wanted)
        if channel is None:
            which = f" {wanted}" if self.world.modern else ""
            message = f"Unable to find the existing channel{which}."
            raise not_found("Channel", "app.channel.get.existing.app_error", message, wanted)
        return channel

    def post(self, post_id: str = "") -> StoredPost:
        wanted = post_id or self.params["post_id"]
        post = self.world.state.posts.get(wanted)
        if post is None or post.delete_at:
            raise not_found("Post", "app.post.get.app_error", "Unable to get the post.", wanted)
        return post


@dataclass(slots=True)
class ApiAnswer:
    """A response. `document` is sent as JSON unless raw `content` is given."""

    document: Any = None
    status: int = 200
    content: bytes | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        return msgspec.json.encode(self.document) if self.content is None else self.content


OK: Document = {"status": "OK"}
NEVER_STORED = {"Cache-Control": "no-cache, no-store, must-revalidate"}


def unchanged(call: Call, etag: str) -> ApiAnswer | None:
    """304 if the client has this very state already."""
    if etag and call.headers.get("If-None-Match") == etag:
        return ApiAnswer(status=304, content=b"", content_type="", headers={"Etag": etag})
    return None


Route_ = Callable[[Call], ApiAnswer]
Refusal = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One route of the API. `open_to_all`: needs no session; `hashes`: costs a password hash.

    `permission`: what a system admin has and nobody else; `unlicensed`: status, id and text of the refusal by a server
    without a licence (empty: it takes none).
    """

    method: str
    path: str
    handle: Route_
    open_to_all: bool = False
    hashes: bool = False
    modern_only: bool = False
    permission: str = ""
    unlicensed: Refusal | None = None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def answer(self, call: Call) -> ApiAnswer:
        """Raises ApiError."""
        if self.unlicensed is not None and not call.world.options.licensed:
            raise ApiError(*self.unlicensed)
        if self.permission:
            call.require(False, self.permission)
        return self.handle(call)

    @property
    def handler_name(self) -> str:
        """The name in the metrics: as Mattermost's own function is called."""
        head, *rest = self.handle.__name__.split("_")
        return head + "".join(word.capitalize() for word in rest)


class Routes:
    """The routes of one subject, collected by decorators. `common`: fields of `ApiRoute` that all of them have."""

    def __init__(self, **common: Any) -> None:
        self._common = common
        self.items: list[ApiRoute] = []

    def add(self, method: str, path: str, **fields: Any) -> Callable[[Route_], Route_]:
        """`fields` are those of `ApiRoute`."""

        def collect(handle: Route_) -> Route_:
            self.items.append(ApiRoute(method, f"/api/v4{path}", handle, **self._common, **fields))
            return handle

        return collect


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    wild: _Node | None = None
    routes: dict[str, ApiRoute] = field(default_factory=dict)

    def find(self, method: str, segments: list[str], at: int) -> ApiRoute | None:
        if at == len(segments):
            return self.routes.get(method)
        for node in (self.literal.get(segments[at]), self.wild):
            if node is not None and (found := node.find(method, segments, at + 1)) is not None:
                return found
        return None


class Router:
    """Finds the route of a method and path, segment by segment; a literal segment goes before a parameter."""

    def __init__(self, routes: list[ApiRoute]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in _segments(route.path):
                if segment.startswith("{"):
                    node.wild = node.wild or _Node()
                    node = node.wild
                else:
                    node = node.literal.setdefault(segment, _Node())
            node.routes[route.method] = route

    def find(self, method: str, path: str) -> tuple[ApiRoute, dict[str, str]] | None:
        """The route, and what stands in the path for its parameters."""
        segments = _segments(path)
        route = self._root.find(method, segments, 0)
        if route is None:
            return None
        pairs = zip(_segments(route.path), segments, strict=True)
        return route, {name[1:-1]: value for name, value in pairs if name.startswith("{")}


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def checked_params(params: dict[str, str], user: StoredUser | None) -> dict[str, str]:
    """Replaces `me` by the user's id; refuses what is not an id."""
    if user is not None and params.get("user_id") == "me":
        params["user_id"] = user.id
    for name, value in params.items():
        if name.endswith("_id") and not is_id(value):
            raise bad_url_param(name)
    return params
