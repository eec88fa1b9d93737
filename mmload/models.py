"""The slim objects we keep of what Mattermost answers: only the fields that somebody reads.

Fields that a server leaves out (older versions, `omitempty`) have defaults; unknown fields are skipped unread.
Times are milliseconds since 1970, as Mattermost has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

PUBLIC: Final = "O"
PRIVATE: Final = "P"
DIRECT: Final = "D"
GROUP: Final = "G"


class User(msgspec.Struct, gc=False):
    """An account as other people see it. `roles` is a list separated by spaces."""

    id: str
    username: str = ""
    first_name: str = ""
    last_name: str = ""
    roles: str = ""
    last_picture_update: int = 0
    delete_at: int = 0


class Team(msgspec.Struct, gc=False):
    id: str
    name: str = ""
    allow_open_invite: bool = False
    delete_at: int = 0


class TeamMember(msgspec.Struct, gc=False):
    team_id: str
    roles: str = ""
    delete_at: int = 0


class Channel(msgspec.Struct, gc=False):
    """`team_id` is "" for direct and group channels."""

    id: str
    type: str = PUBLIC
    team_id: str = ""
    name: str = ""
    display_name: str = ""
    delete_at: int = 0
    total_msg_count: int = 0
    total_msg_count_root: int = 0

    @property
    def personal(self) -> bool:
        """A direct or group channel: of no team."""
        return self.type in (DIRECT, GROUP)

    @property
    def direct_user_ids(self) -> Sequence[str]:
        """The two whose direct channel it is, by its name `{id}__{id}`; nobody for other channels."""
        return self.name.split("__") if self.type == DIRECT else ()


class ChannelNotifications(msgspec.Struct, frozen=True, gc=False):
    """What a member wants to hear of a channel; "mention" mutes it."""

    mark_unread: str = "all"


class ChannelMember(msgspec.Struct, gc=False):
    """What somebody has read of a channel. The counts `…_root` leave out replies: for who sees threads collapsed."""

    channel_id: str
    user_id: str = ""
    msg_count: int = 0
    msg_count_root: int = 0
    mention_count: int = 0
    mention_count_root: int = 0
    notify_props: ChannelNotifications = ChannelNotifications()


class ChannelStats(msgspec.Struct, gc=False):
    channel_id: str
    member_count: int = 0


class FileInfo(msgspec.Struct, gc=False):
    id: str
    extension: str = ""
    has_preview_image: bool = False


class Reaction(msgspec.Struct, gc=False):
    user_id: str
    post_id: str
    emoji_name: str


class Priority(msgspec.Struct, gc=False):
    requested_ack: bool | None = None


class PostMetadata(msgspec.Struct, gc=False):
    files: list[FileInfo] | None = None
    priority: Priority | None = None


class Post(msgspec.Struct, gc=False):
    """A message. `type` is "" for what people write, `system_…` otherwise; `root_id` is "" for root posts.

    `is_following`: whether the one who asks follows its thread; None where the server does not say so.
    """

    id: str
    create_at: int = 0
    update_at: int = 0
    delete_at: int = 0
    user_id: str = ""
    channel_id: str = ""
    root_id: str = ""
    type: str = ""
    message: str = ""
    pending_post_id: str = ""
    reply_count: int = 0
    is_following: bool | None = None
    metadata: PostMetadata | None = None


class PostList(msgspec.Struct):
    """Posts by id, and the order in which to show them, newest first."""

    order: list[str] | None = None
    posts: dict[str, Post] | None = None
    has_next: bool = False
    # The next older post, "" if the list begins with the channel's first.
    prev_post_id: str = ""

    def listed(self) -> list[Post]:
        """The posts named in `order` (others are roots and replies sent along)."""
        posts = self.posts or {}
        return [posts[post_id] for post_id in self.order or () if post_id in posts]


class PostInfo(msgspec.Struct, gc=False):
    """Where a linked message is."""

    channel_id: str = ""


class Status(msgspec.Struct, gc=False):
    """Whose status it is; what it is, nobody reads."""

    user_id: str


class Preference(msgspec.Struct, gc=False):
    user_id: str
    category: str
    name: str
    value: str


class Autocompletion(msgspec.Struct):
    users: list[User] | None = None
    out_of_channel: list[User] | None = None

    def everyone(self) -> list[User]:
        return [*(self.users or ()), *(self.out_of_channel or ())]


class Thread(msgspec.Struct):
    """A followed thread; `id` is its root post's."""

    id: str
    reply_count: int = 0
    last_reply_at: int = 0
    unread_replies: int = 0
    post: Post | None = None


class ThreadList(msgspec.Struct):
    threads: list[Thread] | None = None


class Category(msgspec.Struct):
    """A section of the sidebar."""

    id: str
    user_id: str = ""
    team_id: str = ""
    sort_order: int = 0
    sorting: str = ""
    type: str = ""
    display_name: str = ""
    muted: bool = False
    collapsed: bool = False
    channel_ids: list[str] | None = None


class Categories(msgspec.Struct):
    categories: list[Category] | None = None


class Draft(msgspec.Struct):
    user_id: str = ""
    channel_id: str = ""
    root_id: str = ""
    message: str = ""
    create_at: int = 0
    update_at: int = 0


class UploadedFiles(msgspec.Struct):
    file_infos: list[FileInfo] | None = None


class Bookmark(msgspec.Struct):
    id: str


class ScheduledPost(msgspec.Struct):
    id: str
    channel_id: str = ""
    root_id: str = ""


class AttributeField(msgspec.Struct):
    """A custom profile attribute that administrators have defined."""

    id: str
    type: str = "text"


class ReportedUser(msgspec.Struct):
    id: str
    username: str = ""
