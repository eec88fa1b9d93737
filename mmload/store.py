"""What one simulated client remembers, bounded in memory, and random picks from it.

People, teams and channels are kept once per process (`Directory`); a store holds references. Every pick takes the
caller's `rng`, so that a run with the same seed makes the same choices.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from mmload.models import Bookmark, Category, Channel, Draft, Post, Preference, ScheduledPost, Team, Thread, User

K = TypeVar("K")
V = TypeVar("V")

POSTS_KEPT = 250
PEOPLE_KEPT = 500
CHANNELS_KEPT = 1000
THREADS_KEPT = 250
REACTIONS_KEPT = 50
IMAGES_KEPT = 500
DRAFTS_KEPT = 50
PERMALINKS_KEPT = 20
DIRECTORY_KEPT = 50_000

_PERMALINK = re.compile(r"/pl/([a-z0-9]{26})")


class Bounded(dict[K, V], Generic[K, V]):
    """A dict of at most `limit` entries: a new key beyond that pushes the oldest out. Updating moves nothing."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self and len(self) >= self.limit:
            del self[next(iter(self))]
        super().__setitem__(key, value)


class Directory:
    """People, teams and channels as seen by anybody of this process: one object each, however many know it."""

    def __init__(self) -> None:
        self.users: Bounded[str, User] = Bounded(DIRECTORY_KEPT)
        self.channels: Bounded[str, Channel] = Bounded(DIRECTORY_KEPT)
        self.teams: Bounded[str, Team] = Bounded(DIRECTORY_KEPT)

    def user(self, user: User) -> User:
        known = self.users.get(user.id)
        if known is None or known.last_picture_update < user.last_picture_update or known.username != user.username:
            self.users[user.id] = known = user
        return known

    def channel(self, channel: Channel) -> Channel:
        known = self.channels.get(channel.id)
        if known is None or known.delete_at != channel.delete_at or known.display_name != channel.display_name:
            self.channels[channel.id] = known = channel
        return known

    def team(self, team: Team) -> Team:
        return self.teams.setdefault(team.id, team)


class Store:
    """One client's memory. Plain attributes; the methods keep what belongs together together."""

    __slots__ = (
        "attribute_ids",
        "bookmarks",
        "categories",
        "channels",
        "collapsed_threads",
        "current_channel_id",
        "current_team_id",
        "directory",
        "drafts",
        "images",
        "me",
        "member_counts",
        "members",
        "permalinks",
        "posts",
        "preferences",
        "reactions",
        "scheduled",
        "statuses",
        "teams",
        "threads",
        "urgent_posts",
        "users",
        "viewed_at",
    )

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.me = User(id="")
        self.current_team_id = ""
        self.current_channel_id = ""
        self.collapsed_threads = False
        self.clear()

    def clear(self) -> None:
        """Forget what a page load would fetch anew; who we are and where we look at stays."""
        self.teams: dict[str, Team] = {}
        self.channels: Bounded[str, Channel] = Bounded(CHANNELS_KEPT)
        self.members: set[str] = set()
        self.member_counts: Bounded[str, int] = Bounded(CHANNELS_KEPT)
        self.viewed_at: Bounded[str, int] = Bounded(CHANNELS_KEPT)
        self.posts: Bounded[str, Post] = Bounded(POSTS_KEPT)
        self.users: Bounded[str, User] = Bounded(PEOPLE_KEPT)
        self.statuses: Bounded[str, str] = Bounded(PEOPLE_KEPT)
        self.images: Bounded[str, int] = Bounded(IMAGES_KEPT)
        self.threads: Bounded[str, Thread] = Bounded(THREADS_KEPT)
        self.reactions: Bounded[tuple[str, str], None] = Bounded(REACTIONS_KEPT)
        self.drafts: Bounded[tuple[str, str], Draft] = Bounded(DRAFTS_KEPT)
        self.permalinks: Bounded[str, None] = Bounded(PERMALINKS_KEPT)
        self.preferences: dict[tuple[str, str], str] = {}
        self.categories: list[Category] = []
        self.bookmarks: Bounded[str, list[Bookmark]] = Bounded(CHANNELS_KEPT)
        self.scheduled: Bounded[str, ScheduledPost] = Bounded(DRAFTS_KEPT)
        self.urgent_posts: Bounded[str, None] = Bounded(DRAFTS_KEPT)
        self.attribute_ids: list[str] = []

    # -- remembering -----------------------------------------------------------------------------------------

    def remember_users(self, users: Iterable[User]) -> None:
        for user in users:
            self.users[user.id] = self.directory.user(user)

    def remember_channels(self, channels: Iterable[Channel], *, member: bool) -> None:
        """Channels we have seen; with `member` we belong to them."""
        for channel in channels:
            if channel.delete_at:
                self.forget_channel(channel.id)
                continue
            self.channels[channel.id] = self.directory.channel(channel)
            if member:
                self.members.add(channel.id)

    def forget_channel(self, channel_id: str) -> None:
        self.channels.pop(channel_id, None)
        self.members.discard(channel_id)

    def remember_teams(self, teams: Iterable[Team]) -> None:
        """Our teams: all of them, in place of what we knew."""
        self.teams = {team.id: self.directory.team(team) for team in teams if not team.delete_at}

    def remember_posts(self, posts: Iterable[Post]) -> None:
        """Posts that our window has shown. Their texts, which nobody reads again, are not kept."""
        for post in posts:
            if post.delete_at:
                self.posts.pop(post.id, None)
                continue
            for linked in _PERMALINK.findall(post.message):
                self.permalinks[linked] = None
            if post.metadata and post.metadata.priority and post.metadata.priority.requested_ack:
                self.urgent_posts[post.id] = None
            post.message = ""
            post.metadata = None
            self.posts[post.id] = post

    def remember_preferences(self, preferences: Iterable[Preference]) -> None:
        for preference in preferences:
            self.preferences[preference.category, preference.name] = preference.value

    def look_at(self, channel_id: str) -> str:
        """Make a channel the current one; the id of the one before."""
        previous = self.current_channel_id
        self.current_channel_id = channel_id
        return previous

    # -- what we know ----------------------------------------------------------------------------------------

    def my_channels(self) -> Iterator[Channel]:
        """The channels we belong to, in the order in which we learnt of them."""
        members = self.members
        return (channel for channel in self.channels.values() if channel.id in members)

    def team_channels(self) -> list[Channel]:
        """Our public and private channels of the current team."""
        return [channel for channel in self.my_channels() if channel.team_id == self.current_team_id]

    def personal_channels(self) -> list[Channel]:
        """Our direct and group channels."""
        return [channel for channel in self.my_channels() if channel.personal]

    def written_posts(self) -> list[Post]:
        """The messages of people (not of the system) in the current channel, oldest first."""
        here = self.current_channel_id
        posts = [post for post in self.posts.values() if post.channel_id == here and not post.type]
        posts.sort(key=_created)
        return posts

    def oldest_post_id(self) -> str:
        """The oldest post we hold of the current channel, "" if none: where scrolling goes on from."""
        here = self.current_channel_id
        return min(
            (post for post in self.posts.values() if post.channel_id == here), key=_created, default=Post(id="")
        ).id

    def direct_partner(self, channel: Channel) -> str:
        """The other person of a direct channel: its name is `{id}__{id}`."""
        first, _, second = channel.name.partition("__")
        return second if first == self.me.id else first

    def shown_partners(self) -> list[str]:
        """People whose direct channels are in our sidebar."""
        return [
            name
            for (category, name), value in self.preferences.items()
            if category == "direct_channel_show" and value == "true"
        ]

    def pick_person(self, rng: random.Random) -> User | None:
        """Somebody we know who is not us; None if there is nobody."""
        return pick(rng, [user for user in self.users.values() if user.id != self.me.id and not user.delete_at])


def _created(post: Post) -> int:
    return post.create_at


def pick(rng: random.Random, choices: list[V]) -> V | None:
    """One of them, each as likely; None if there are none."""
    return rng.choice(choices) if choices else None


def pick_skewed(rng: random.Random, choices: list[V], exponent: float, rank: Callable[[V], str]) -> V | None:
    """One of them by Zipf's law: the k-th in order of `rank` is chosen with weight k^-exponent (0 = all alike).

    People read few channels much and many a little; ranked by something that all clients share (the id), the same
    channels are busy for everybody.
    """
    if not choices or exponent <= 0:
        return pick(rng, choices)
    ranked = sorted(choices, key=rank)
    weights = [position**-exponent for position in range(1, len(ranked) + 1)]
    return rng.choices(ranked, weights)[0]
