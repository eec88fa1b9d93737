"""What the sandbox remembers: accounts, teams, channels, posts, and who belongs to what. No rules, no I/O.

Things are compared by identity: two posts that look alike are two posts.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


@dataclass(slots=True, eq=False)
class TeamMember:
    team_id: str
    user_id: str
    scheme_admin: bool = False
    delete_at: int = 0


@dataclass(slots=True, eq=False)
class ChannelMember:
    channel_id: str
    user_id: str
    joined_at: int
    scheme_admin: bool = False
    last_viewed_at: int = 0
    last_update_at: int = 0
    msg_count: int = 0
    msg_count_root: int = 0
    mention_count: int = 0
    mention_count_root: int = 0
    urgent_mention_count: int = 0


@dataclass(slots=True, eq=False)
class ThreadMember:
    """How one person follows one thread. `since` is where the unread count starts."""

    user_id: str
    following: bool = True
    last_viewed_at: int = 0
    unread_replies: int = 0
    unread_mentions: int = 0


@dataclass(slots=True, eq=False)
class Category:
    id: str
    type: str
    display_name: str
    sort_order: int
    sorting: str = ""
    muted: bool = False
    collapsed: bool = False
    channel_ids: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class User:
    id: str
    create_at: int
    update_at: int
    username: str
    email: str
    password_hash: bytes
    roles: str
    delete_at: int = 0
    nickname: str = ""
    first_name: str = ""
    last_name: str = ""
    position: str = ""
    locale: str = "en"
    props: dict[str, str] = field(default_factory=dict)
    notify_props: dict[str, str] = field(default_factory=dict)
    timezone: dict[str, str] = field(default_factory=dict)
    last_password_update: int = 0
    last_picture_update: int = 0
    last_login: int = 0
    picture: bytes = b""
    status: str = "offline"
    status_manual: bool = False
    last_activity_at: int = 0
    preferences: dict[tuple[str, str], str] = field(default_factory=dict)
    teams: dict[str, TeamMember] = field(default_factory=dict)
    channels: dict[str, ChannelMember] = field(default_factory=dict)
    threads: dict[str, ThreadMember] = field(default_factory=dict)
    drafts: dict[tuple[str, str], Document] = field(default_factory=dict)
    scheduled: dict[str, Document] = field(default_factory=dict)
    categories: dict[str, list[Category]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    # Posts by their pending_post_id: a client that repeats a request gets its first post again.
    pending: dict[str, str] = field(default_factory=dict)

    @property
    def is_admin(self) -> bool:
        return "system_admin" in self.roles


@dataclass(slots=True, eq=False)
class Team:
    id: str
    create_at: int
    update_at: int
    name: str
    display_name: str
    type: str
    allow_open_invite: bool
    email: str
    invite_id: str
    description: str = ""
    members: dict[str, TeamMember] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Post:
    id: str
    create_at: int
    update_at: int
    user_id: str
    channel_id: str
    message: str
    root_id: str = ""
    type: str = ""
    edit_at: int = 0
    delete_at: int = 0
    is_pinned: bool = False
    pending_post_id: str = ""
    hashtags: str = ""
    # The newer server's own posts have none, those of people have an empty one.
    remote_id: str | None = ""
    props: Document = field(default_factory=dict)
    file_ids: list[str] = field(default_factory=list)
    priority: Document | None = None
    acknowledgements: dict[str, int] = field(default_factory=dict)
    mentioned: frozenset[str] = frozenset()
    reactions: dict[tuple[str, str], Document] = field(default_factory=dict)
    replies: list[Post] = field(default_factory=list)
    last_reply_at: int = 0
    followers: dict[str, ThreadMember] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Channel:
    id: str
    create_at: int
    update_at: int
    team_id: str
    type: str
    name: str
    display_name: str
    creator_id: str = ""
    header: str = ""
    purpose: str = ""
    delete_at: int = 0
    shared: bool | None = None
    last_post_at: int = 0
    last_root_post_at: int = 0
    total_msg_count: int = 0
    total_msg_count_root: int = 0
    # The newest change of any of its posts: what an Etag is made of. Behind it all changes, oldest first.
    changed_at: int = 0
    changes: list[tuple[int, Post]] = field(default_factory=list)
    pinned: int = 0
    members: dict[str, ChannelMember] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    bookmarks: dict[str, Document] = field(default_factory=dict)

    def touch(self, post: Post, moment: int) -> None:
        """A post of it changed."""
        post.update_at = self.changed_at = moment
        self.changes.append((moment, post))

    @property
    def is_personal(self) -> bool:
        """A direct or group channel: in no team."""
        return self.type in {"D", "G"}


@dataclass(slots=True, eq=False)
class File:
    id: str
    user_id: str
    channel_id: str
    create_at: int
    name: str
    content: bytes
    mime_type: str
    width: int = 0
    height: int = 0
    post_id: str = ""

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2].lower() if "." in self.name else ""

    @property
    def is_image(self) -> bool:
        return self.mime_type.startswith("image/")


@dataclass(slots=True, eq=False)
class State:
    """Everything, with the look-ups that the routes need."""

    users: dict[str, User] = field(default_factory=dict)
    users_by_name: dict[str, User] = field(default_factory=dict)
    users_by_email: dict[str, User] = field(default_factory=dict)
    sorted_names: list[str] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    teams_by_name: dict[str, Team] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    personal_channels: dict[str, Channel] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    threads_by_channel: defaultdict[str, dict[str, Post]] = field(default_factory=lambda: defaultdict(dict))
    files: dict[str, File] = field(default_factory=dict)
    emoji: dict[str, Document] = field(default_factory=dict)
    profile_fields: dict[str, Document] = field(default_factory=dict)
    logs: deque[str] = field(default_factory=lambda: deque(maxlen=1000))
    config_changes: Document = field(default_factory=dict)

    def add_user(self, user: User) -> None:
        self.users[user.id] = user
        self.users_by_name[user.username] = user
        self.users_by_email[user.email] = user
        insort(self.sorted_names, user.username)

    def users_by_sorted_name(self, page: int, per_page: int) -> list[User]:
        first = page * per_page
        return [self.users_by_name[name] for name in self.sorted_names[first : first + per_page]]

    def add_team(self, team: Team) -> None:
        self.teams[team.id] = team
        self.teams_by_name[team.name] = team

    def add_channel(self, channel: Channel) -> None:
        self.channels[channel.id] = channel
        if channel.is_personal:
            self.personal_channels[channel.name] = channel
        else:
            self.teams[channel.team_id].channels[channel.name] = channel

    def add_post(self, post: Post) -> None:
        self.posts[post.id] = post
        channel = self.channels[post.channel_id]
        channel.posts.append(post)
        channel.touch(post, post.create_at)
