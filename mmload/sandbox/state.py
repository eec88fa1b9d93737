"""What the sandbox stores: accounts, teams, channels, posts, memberships, and Mattermost's ids. No rules, no I/O.

Objects are compared by identity: two posts that look alike are two posts.
"""

from __future__ import annotations

import random
import string
from bisect import insort
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


@dataclass(slots=True, eq=False)
class StoredTeamMember:
    team_id: str
    user_id: str
    scheme_admin: bool = False
    delete_at: int = 0


@dataclass(slots=True, eq=False)
class StoredChannelMember:
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
    """How one user follows one thread. `since` is where the unread count starts."""

    user_id: str
    following: bool = True
    last_viewed_at: int = 0
    unread_replies: int = 0
    unread_mentions: int = 0


@dataclass(slots=True, eq=False)
class StoredCategory:
    id: str
    type: str
    display_name: str
    sort_order: int
    sorting: str = ""
    muted: bool = False
    collapsed: bool = False
    channel_ids: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class StoredUser:
    id: str
    create_at: int
    update_at: int
    username: str
    email: str
    password_hash: bytes
    roles: str
    delete_at: int = 0
    email_verified: bool = False
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
    teams: dict[str, StoredTeamMember] = field(default_factory=dict)
    channels: dict[str, StoredChannelMember] = field(default_factory=dict)
    threads: dict[str, ThreadMember] = field(default_factory=dict)
    drafts: dict[tuple[str, str], Document] = field(default_factory=dict)
    scheduled: dict[str, Document] = field(default_factory=dict)
    categories: dict[str, list[StoredCategory]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    # Posts by their pending_post_id: a client that repeats a request gets its first post again.
    pending: dict[str, str] = field(default_factory=dict)

    @property
    def is_admin(self) -> bool:
        return "system_admin" in self.roles


@dataclass(slots=True, eq=False)
class StoredTeam:
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
    members: dict[str, StoredTeamMember] = field(default_factory=dict)
    channels: dict[str, StoredChannel] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class StoredPost:
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
    # The newer server's own posts have none, those of users an empty one.
    remote_id: str | None = ""
    props: Document = field(default_factory=dict)
    file_ids: list[str] = field(default_factory=list)
    priority: Document | None = None
    acknowledgements: dict[str, int] = field(default_factory=dict)
    mentioned: frozenset[str] = frozenset()
    reactions: dict[tuple[str, str], Document] = field(default_factory=dict)
    replies: list[StoredPost] = field(default_factory=list)
    last_reply_at: int = 0
    followers: dict[str, ThreadMember] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class StoredChannel:
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
    # The latest change of any of its posts (for the ETag), and all changes, oldest first.
    changed_at: int = 0
    changes: list[tuple[int, StoredPost]] = field(default_factory=list)
    pinned: int = 0
    members: dict[str, StoredChannelMember] = field(default_factory=dict)
    posts: list[StoredPost] = field(default_factory=list)
    bookmarks: dict[str, Document] = field(default_factory=dict)

    def touch(self, post: StoredPost, moment: int) -> None:
        """Record that one of its posts changed."""
        post.update_at = self.changed_at = moment
        self.changes.append((moment, post))

    @property
    def is_personal(self) -> bool:
        """A direct or group channel: in no team."""
        return self.type in {"D", "G"}


@dataclass(slots=True, eq=False)
class StoredFile:
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

    @property
    def has_preview(self) -> bool:
        """Small copies are made of pictures that can be read."""
        return self.width > 0


@dataclass(slots=True, eq=False)
class ServerState:
    """All state, with the indexes that the routes need."""

    users: dict[str, StoredUser] = field(default_factory=dict)
    users_by_name: dict[str, StoredUser] = field(default_factory=dict)
    users_by_email: dict[str, StoredUser] = field(default_factory=dict)
    sorted_names: list[str] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    teams: dict[str, StoredTeam] = field(default_factory=dict)
    teams_by_name: dict[str, StoredTeam] = field(default_factory=dict)
    channels: dict[str, StoredChannel] = field(default_factory=dict)
    personal_channels: dict[str, StoredChannel] = field(default_factory=dict)
    posts: dict[str, StoredPost] = field(default_factory=dict)
    threads_by_channel: defaultdict[str, dict[str, StoredPost]] = field(default_factory=lambda: defaultdict(dict))
    files: dict[str, StoredFile] = field(default_factory=dict)
    emoji: dict[str, Document] = field(default_factory=dict)
    profile_fields: dict[str, Document] = field(default_factory=dict)
    logs: deque[str] = field(default_factory=lambda: deque(maxlen=1000))
    config_changes: Document = field(default_factory=dict)

    def add_user(self, user: StoredUser) -> None:
        self.users[user.id] = user
        self.users_by_name[user.username] = user
        self.users_by_email[user.email] = user
        insort(self.sorted_names, user.username)

    def add_team(self, team: StoredTeam) -> None:
        self.teams[team.id] = team
        self.teams_by_name[team.name] = team

    def add_channel(self, channel: StoredChannel) -> None:
        self.channels[channel.id] = channel
        if channel.is_personal:
            self.personal_channels[channel.name] = channel
        else:
            self.teams[channel.team_id].channels[channel.name] = channel

    def add_post(self, post: StoredPost) -> None:
        self.posts[post.id] = post
        channel = self.channels[post.channel_id]
        channel.posts.append(post)
        channel.touch(post, post.create_at)


_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
_ALLOWED = frozenset(string.ascii_lowercase + string.digits)
ID_LENGTH = 26


def new_id(rng: random.Random) -> str:
    """A new id: 26 characters of 5 bits each."""
    bits = rng.getrandbits(130)
    return "".join([_ALPHABET[(bits >> shift) & 31] for shift in range(0, 130, 5)])


def is_id(text: object) -> bool:
    """Whether the server would accept this as an id."""
    return isinstance(text, str) and len(text) == ID_LENGTH and _ALLOWED.issuperset(text)
