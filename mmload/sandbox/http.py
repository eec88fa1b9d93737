"""A request as the routes see it, their answers, and which route a path belongs to. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mmload.sandbox.errors import ApiError, bad_body, bad_url_param, forbidden
from mmload.sandbox.ids import is_id
from mmload.sandbox.state import Channel, Document, Post, Team, User
from mmload.sandbox.world import World

MAX_PER_PAGE = 200
DEFAULT_PER_PAGE = 60


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a multipart body."""

    field: str
    name: str
    content_type: str
    content: bytes


@dataclass(slots=True)
class Call:
    """One request, its session known, its body read."""

    world: World
    params: dict[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    token: str
    signed_in: User | None
    uploads: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def user(self) -> User:
        """Who asks. Only routes open to all may be called by nobody, and those do not look here."""
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
        """A number from the query; what is none counts as the default, as in the real server."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else default

    def page(self) -> tuple[int, int]:
        return self.number("page"), min(self.number("per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE)

    # What the path names, or the refusal that the real server gives for its absence.

    def self_or_admin(self) -> User:
        """The user of the path: oneself, or for a system admin anybody."""
        user_id = self.params["user_id"]
        if user_id != self.user.id and not self.user.is_admin:
            raise forbidden(self.user.id, "edit_other_users")
        return self.any_user()

    def any_user(self, user_id: str = "") -> User:
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

    def team(self) -> Team:
        wanted = self.params["team_id"]
        team = self.world.state.teams.get(wanted)
        if team is None:
            detailed = f'resource "Team" not found, id: {wanted}'
            raise ApiError(404, "app.team.get.find.app_error", "Unable to find the existing team.", detailed)
        return team

    def channel(self, channel_id: str = "") -> Channel:
        wanted = channel_id or self.params["channel_id"]
        channel = self.world.state.channels.get(wanted)
        if channel is None:
            message = f"Unable to find the existing channel {wanted}."
            if not self.world.modern:
                message = "Unable to find the existing channel."
            detailed = f'resource "Channel" not found, id: {wanted}'
            raise ApiError(404, "app.channel.get.existing.app_error", message, detailed)
        return channel

    def post(self, post_id: str = "") -> Post:
        wanted = post_id or self.params["post_id"]
        post = self.world.state.posts.get(wanted)
        if post is None or post.delete_at:
            detailed = f'resource "Post" not found, id: {wanted}'
            raise ApiError(404, "app.post.get.app_error", "Unable to get the post.", detailed)
        return post


@dataclass(slots=True)
class Answer:
    """What goes back. `document` is sent as JSON unless raw `content` is given."""

    document: Any = None
    status: int = 200
    content: bytes | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        return msgspec.json.encode(self.document) if self.content is None else self.content


OK: Document = {"status": "OK"}


def unchanged(call: Call, etag: str) -> Answer | None:
    """304 if the client has this very state already."""
    if etag and call.headers.get("If-None-Match") == etag:
        return Answer(status=304, content=b"", content_type="", headers={"Etag": etag})
    return None


Route_ = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the API. `open_to_all`: without a session; `hashes`: costs a password hash."""

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
        self.items: list[Route] = []

    def add(
        self, method: str, path: str, *, open_to_all: bool = False, hashes: bool = False, modern_only: bool = False
    ) -> Callable[[Route_], Route_]:
        def collect(handle: Route_) -> Route_:
            self.items.append(Route(method, f"/api/v4{path}", handle, open_to_all, hashes, modern_only))
            return handle

        return collect


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    wild: _Node | None = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


class Router:
    """Finds the route of a method and path, segment by segment; a literal segment goes before a parameter."""

    def __init__(self, routes: list[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
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

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        segments = path.strip("/").split("/")
        values: list[str] = []
        found = self._walk(self._root, method, segments, 0, values)
        if found is None:
            return None
        route, names = found
        return route, dict(zip(names, values, strict=True))

    def _walk(
        self, node: _Node, method: str, segments: list[str], at: int, values: list[str]
    ) -> tuple[Route, tuple[str, ...]] | None:
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


def checked_params(params: dict[str, str], user: User | None) -> dict[str, str]:
    """`me` replaced by the user; what is no id refused."""
    if user is not None and params.get("user_id") == "me":
        params["user_id"] = user.id
    for name, value in params.items():
        if name.endswith("_id") and not is_id(value):
            raise bad_url_param(name)
    return params
