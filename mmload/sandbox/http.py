"""Requests as the routes see them, their answers, and finding the route of a path. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mmload.sandbox.errors import ApiError, bad_body, bad_url_param, forbidden
from mmload.sandbox.state import Document, StoredChannel, StoredPost, StoredTeam, StoredUser, is_id
from mmload.sandbox.world import World

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

    # What the path names, or the error of the real server if it does not exist.

    def self_or_admin(self) -> StoredUser:
        """The user of the path: oneself, or for a system admin anybody."""
        user_id = self.params["user_id"]
        if user_id != self.user.id and not self.user.is_admin:
            raise forbidden(self.user.id, "edit_other_users")
        return self.any_user()

    def any_user(self, user_id: str = "") -> StoredUser:
        wanted = user_id or self.params["user_id"]
        user = self.world.state.users.get(wanted)
        if user is None:
            raise ApiError(
                404,
                "app.user.missing_account.const",
                "Unable to find the user.",
                f'resource "User" not found, id: {wanted}',
            )
        return user

    def team(self) -> StoredTeam:
        wanted = self.params["team_id"]
        team = self.world.state.teams.get(wanted)
        if team is None:
            detailed = f'resource "Team" not found, id: {wanted}'
            raise ApiError(404, "app.team.get.find.app_error", "Unable to find the existing team.", detailed)
        return team

    def channel(self, channel_id: str = "") -> StoredChannel:
        wanted = channel_id or self.params["channel_id"]
        channel = self.world.state.channels.get(wanted)
        if channel is None:
            message = f"Unable to find the existing channel {wanted}."
            if not self.world.modern:
                message = "Unable to find the existing channel."
            detailed = f'resource "Channel" not found, id: {wanted}'
            raise ApiError(404, "app.channel.get.existing.app_error", message, detailed)
        return channel

    def post(self, post_id: str = "") -> StoredPost:
        wanted = post_id or self.params["post_id"]
        post = self.world.state.posts.get(wanted)
        if post is None or post.delete_at:
            detailed = f'resource "Post" not found, id: {wanted}'
            raise ApiError(404, "app.post.get.app_error", "Unable to get the post.", detailed)
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


def unchanged(call: Call, etag: str) -> ApiAnswer | None:
    """304 if the client has this very state already."""
    if etag and call.headers.get("If-None-Match") == etag:
        return ApiAnswer(status=304, content=b"", content_type="", headers={"Etag": etag})
    return None


Route_ = Callable[[Call], ApiAnswer]


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One route of the API. `open_to_all`: needs no session; `hashes`: costs a password hash."""

    method: str
    path: str
    handle: Route_
    open_to_all: bool = False
    hashes: bool = False
    modern_only: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def handler_name(self) -> str:
        """The name in the metrics: as Mattermost's own function is called."""
        head, *rest = self.handle.__name__.split("_")
        return head + "".join(word.capitalize() for word in rest)


class Routes:
    """The routes of one subject, collected by decorators."""

    def __init__(self) -> None:
        self.items: list[ApiRoute] = []

    def add(
        self, method: str, path: str, *, open_to_all: bool = False, hashes: bool = False, modern_only: bool = False
    ) -> Callable[[Route_], Route_]:
        def collect(handle: Route_) -> Route_:
            self.items.append(ApiRoute(method, f"/api/v4{path}", handle, open_to_all, hashes, modern_only))
            return handle

        return collect


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    wild: _Node | None = None
    routes: dict[str, tuple[ApiRoute, tuple[str, ...]]] = field(default_factory=dict)


class Router:
    """Finds the route of a method and path, segment by segment; a literal segment goes before a parameter."""

    def __init__(self, routes: list[ApiRoute]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: ApiRoute) -> None:
        node = self._root
        names = []
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.wild = node.wild or _Node()
                node = node.wild
            else:
                node = node.literal.setdefault(segment, _Node())
        node.routes[route.method] = (route, tuple(names))

    def find(self, method: str, path: str) -> tuple[ApiRoute, dict[str, str]] | None:
        segments = path.strip("/").split("/")
        values: list[str] = []
        found = self._walk(self._root, method, segments, 0, values)
        if found is None:
            return None
        route, names = found
        return route, dict(zip(names, values, strict=True))

    def _walk(
        self, node: _Node, method: str, segments: list[str], at: int, values: list[str]
    ) -> tuple[ApiRoute, tuple[str, ...]] | None:
        if at == len(segments):
            return node.routes.get(method)
        literal = node.literal.get(segments[at])
        if literal is not None:
            found = self._walk(literal, method, segments, at + 1, values)
            if found is not None:
                return found
        if node.wild is None:
            return None
        values.append(segments[at])
        found = self._walk(node.wild, method, segments, at + 1, values)
        if found is None:
            values.pop()
        return found


def checked_params(params: dict[str, str], user: StoredUser | None) -> dict[str, str]:
    """Replaces `me` by the user's id; refuses what is not an id."""
    if user is not None and params.get("user_id") == "me":
        params["user_id"] = user.id
    for name, value in params.items():
        if name.endswith("_id") and not is_id(value):
            raise bad_url_param(name)
    return params
