"""What one simulated client remembers, bounded in memory, and random picks from it.

People, teams, channels and posts are kept once per process (`SharedObjects`), and so are their ids; a store holds
references. Every pick takes the caller's `rng`, so that a run with the same seed makes the same choices.
"""

from __future__ import annotations

import random
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from sys import intern
from typing import Protocol, TypeVar

from mmload.collections import Bounded, Numbers, SeenKeys
from mmload.models import (
    DIRECT,
    Bookmark,
    Category,
    Channel,
    Draft,
    Post,
    Preference,
    ScheduledPost,
    Team,
    Thread,
    User,
)

V = TypeVar("V")

POSTS_KEPT = 250
PEOPLE_KEPT = 500
CHANNELS_KEPT = 1000
THREADS_KEPT = 250
REACTIONS_KEPT = 50
DRAFTS_KEPT = 50
PERMALINKS_KEPT = 20
# No more than 65,536: people's numbers take two bytes.
DIRECTORY_KEPT = 50_000
# Of all clients together; what they show at one time are mostly the same newest ones (a quarter of a KB each).
POSTS_SHARED = 20_000

_PERMALINK = re.compile(r"/pl/([a-z0-9]{26})")
_created = attrgetter("create_at")


class SharedObjects:
    """People, teams, channels and posts as seen by anybody of this process: one object each, however many know it.

    Their ids are one object each, too: the keys of all stores are the same few texts. Measured with 500 users: a
    store's 250 posts take 7 KB instead of 160.
    """

    def __init__(self) -> None:
        self.users: Bounded[str, User] = Bounded(DIRECTORY_KEPT)
        self.channels: Bounded[str, Channel] = Bounded(DIRECTORY_KEPT)
        self.teams: Bounded[str, Team] = Bounded(DIRECTORY_KEPT)
        self.posts: Bounded[str, Post] = Bounded(POSTS_SHARED)
        # Messages with one picture and nothing else, and which.
        self.lone_pictures: Bounded[str, str] = Bounded(POSTS_SHARED)
        self.people = Numbers(DIRECTORY_KEPT)
        self.pictures = Numbers(DIRECTORY_KEPT)
        self.places = Numbers(DIRECTORY_KEPT)
        self.threads = Numbers(DIRECTORY_KEPT)
        # Those whom somebody knows, by their numbers among the people.
        self.numbered: dict[int, User] = {}

    def user(self, user: User) -> User:
        known = self.users.get(user.id)
        if known is None or known.last_picture_update < user.last_picture_update or known.username != user.username:
            user.id = intern(user.id)
            self.users[user.id] = self.numbered[self.people.of(user.id)] = known = user
        return known

    def post(self, post: Post) -> Post:
        """The newest version that anybody has seen, without its text and what is attached."""
        known = self.posts.get(post.id)
        if known is None or (known.update_at, known.reply_count) < (post.update_at, post.reply_count):
            self._slim(post, known)
            self.posts[post.id] = known = post
        return known

    def _slim(self, post: Post, known: Post | None) -> None:
        """Drop what nobody reads again, and share what is the same: 245 bytes are left, measured (335 when all ids
        were interned, though of a post's own there is one object anyway, and times were not shared)."""
        root = self.posts.get(post.root_id)
        if known is not None:
            post.id = known.id
        if root is not None:
            post.root_id = root.id
        if post.update_at == post.create_at:
            post.update_at = post.create_at
        post.user_id, post.channel_id, post.type = intern(post.user_id), intern(post.channel_id), intern(post.type)
        post.message = post.pending_post_id = ""
        # Whether one follows its thread is different for everybody.
        post.metadata = post.is_following = None

    def channel(self, channel: Channel) -> Channel:
        known = self.channels.get(channel.id)
        if known is None or known.delete_at != channel.delete_at or known.display_name != channel.display_name:
            channel.id, channel.team_id = intern(channel.id), intern(channel.team_id)
            self.channels[channel.id] = known = channel
        return known

    def team(self, team: Team) -> Team:
        return self.teams.setdefault(team.id, team)


class KnownPeople(SeenKeys):
    """Whom a client knows, in the order in which it met them: the newest `limit`. What there is to know is shared.

    Two bytes each and a bit, 1 KB for 500 people, where a dict of them takes 13 KB (measured).
    """

    __slots__ = ("_limit", "_met", "_shared")

    def __init__(self, shared_objects: SharedObjects, limit: int) -> None:
        super().__init__(shared_objects.people)
        self._limit = limit
        self._shared = shared_objects.numbered
        self._met = array("H")

    def meet(self, user: User) -> None:
        if user.id in self:
            return
        if len(self._met) >= self._limit:
            self.discard_number(self._met.pop(0))
        number = self.add(user.id)
        self._met.append(number)
        self._shared[number] = user

    def __len__(self) -> int:
        return len(self._met)

    def __iter__(self) -> Iterator[str]:
        return (user.id for user in self.values())

    def get(self, user_id: str) -> User | None:
        """Somebody we know; None if we don't."""
        return self._shared[self._numbers.known(user_id, -1)] if user_id in self else None

    def values(self) -> list[User]:
        return list(map(self._shared.__getitem__, self._met))


class Memberships(Protocol):
    """Told of the channels that a client belongs to."""

    def joined(self, channel_id: str) -> None: ...

    def met(self, direct_channel_id: str) -> None: ...

    def left(self, channel_id: str) -> None: ...

    def left_all(self) -> None: ...


class Store:
    """One client's memory. Plain attributes; the methods keep what belongs together together.

    `memberships` is told whenever the channels that we belong to change.
    """

    __slots__ = (
        "attribute_ids",
        "beginnings",
        "bookmarks",
        "categories",
        "channels",
        "collapsed_threads",
        "current_channel_id",
        "current_team_id",
        "drafts",
        "images",
        "last_channels",
        "listed_threads",
        "loaded_threads",
        "me",
        "member_counts",
        "members",
        "memberships",
        "muted",
        "open_thread_id",
        "permalinks",
        "posts",
        "preferences",
        "prefetched",
        "reactions",
        "returns_to_page",
        "scheduled",
        "shared_objects",
        "shows_past",
        "statuses",
        "teams",
        "threads",
        "typed",
        "unread",
        "unshown",
        "urgent_posts",
        "user_count_known",
        "users",
        "viewed_at",
    )

    def __init__(self, shared_objects: SharedObjects) -> None:
        self.shared_objects = shared_objects
        self.me = User(id="")
        self.current_team_id = ""
        self.current_channel_id = ""
        # The channel that was open last in each team, as the browser remembers it.
        self.last_channels: dict[str, str] = {}
        # The thread on the screen beside the channel, or in the list of threads; "" if none is.
        self.open_thread_id = ""
        self.collapsed_threads = False
        self.memberships: Memberships | None = None
        self.clear()

    def clear(self, *, cached: bool = False) -> None:
        """Forget what a page load would fetch anew; who we are and where we look at stays.

        `cached`: the pictures stay, too, in the browser's cache.
        """
        self._forget_channels()
        self._forget_messages()
        self._forget_people()
        if not cached:
            # What pictures are in our cache: (person, time of its last change), or of files (behaviours/pictures.py).
            self.images = SeenKeys(self.shared_objects.pictures)
        self.preferences: dict[tuple[str, str], str] = {}
        # Whether the channel on the screen is shown around a message in its past.
        self.shows_past = False
        # Whether what comes on the screen was there when this browser was closed.
        self.returns_to_page = False

    def _forget_channels(self) -> None:
        self.teams: dict[str, Team] = {}
        self.channels: Bounded[str, Channel] = Bounded(CHANNELS_KEPT)
        self.members: set[str] = set()
        if self.memberships is not None:
            self.memberships.left_all()
        self.member_counts: Bounded[str, int] = Bounded(CHANNELS_KEPT)
        # The channels whose posts this page has, and up to when (ms).
        self.viewed_at: Bounded[str, int] = Bounded(CHANNELS_KEPT)
        # Those whose very first posts this page has: nothing is before them to scroll back to.
        self.beginnings = SeenKeys(self.shared_objects.places)
        # The unread channels, each with its mentions; those that never are.
        self.unread: Bounded[str, int] = Bounded(CHANNELS_KEPT)
        self.muted: frozenset[str] = frozenset()
        # Of those that were fetched ahead and never shown: the threads one follows, the authors, and the pictures of
        # messages with several, among their posts.
        self.unshown: Bounded[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = Bounded(CHANNELS_KEPT)
        self.forget_prefetched()
        self.categories: list[Category] = []
        self.bookmarks: Bounded[str, list[Bookmark]] = Bounded(CHANNELS_KEPT)

    def _forget_messages(self) -> None:
        self.posts: Bounded[str, Post] = Bounded(POSTS_KEPT)
        # It fills up within minutes: what a test will take is taken at its start, not all along.
        self.posts.reserve()
        # Of those that we follow, if this page has listed them.
        self.threads: Bounded[str, Thread] = Bounded(THREADS_KEPT)
        self.listed_threads = False
        # The threads one follows whose full form this page has.
        self.loaded_threads = SeenKeys(self.shared_objects.threads)
        self.reactions: Bounded[tuple[str, str], None] = Bounded(REACTIONS_KEPT)
        self.permalinks: Bounded[str, None] = Bounded(PERMALINKS_KEPT)
        self.urgent_posts: Bounded[str, None] = Bounded(DRAFTS_KEPT)
        self.drafts: Bounded[tuple[str, str], Draft] = Bounded(DRAFTS_KEPT)
        self.scheduled: Bounded[str, ScheduledPost] = Bounded(DRAFTS_KEPT)
        # Message boxes that are open and were typed in, (channel, thread or ""), with what stands in them.
        self.typed: dict[tuple[str, str], str] = {}

    def _forget_people(self) -> None:
        self.users = KnownPeople(self.shared_objects, PEOPLE_KEPT)
        # Whether this page has asked how many people there are.
        self.user_count_known = False
        # Whose status we know: what it is, nobody reads.
        self.statuses = SeenKeys(self.shared_objects.people)
        self.attribute_ids: list[str] = []

    def forget_prefetched(self) -> None:
        """Have no channel count as fetched ahead since it became unread: after a loss, what is new is asked for."""
        self.prefetched = SeenKeys(self.shared_objects.places)

    def has_picture(self, key: tuple[str, int]) -> bool:
        """Whether the browser's cache has a picture that comes on the screen: it has all of a page that was left so."""
        if key not in self.images and self.returns_to_page:
            self.images.add(key)
        return key in self.images

    # -- remembering -----------------------------------------------------------------------------------------

    def remember_users(self, users: Iterable[User]) -> None:
        for user in users:
            self.users.meet(self.shared_objects.user(user))

    def remember_channels(self, channels: Iterable[Channel], *, member: bool) -> None:
        """Channels we have seen; with `member` we belong to them."""
        for channel in channels:
            if channel.delete_at:
                self.forget_channel(channel.id)
                continue
            known = self.shared_objects.channel(channel)
            self.channels[known.id] = known
            if member:
                self._join(known)

    def turn_to(self, channel_id: str, now_ms: int) -> None:
        """A channel comes on the screen: all that came into the one before until now was seen."""
        if self.current_channel_id in self.viewed_at:
            self.viewed_at[self.current_channel_id] = now_ms
        self.current_channel_id = self.last_channels[self.current_team_id] = channel_id

    def forget_channel(self, channel_id: str) -> None:
        self.channels.pop(channel_id, None)
        if channel_id in self.members:
            self.members.discard(channel_id)
            if self.memberships is not None:
                self.memberships.left(channel_id)

    def _join(self, channel: Channel) -> None:
        if channel.id not in self.members:
            self.members.add(channel.id)
            if self.memberships is not None:
                (self.memberships.joined if channel.type != DIRECT else self.memberships.met)(channel.id)

    def remember_teams(self, teams: Iterable[Team]) -> None:
        """Our teams: all of them, in place of what we knew."""
        self.teams = {team.id: self.shared_objects.team(team) for team in teams if not team.delete_at}

    def remember_posts(self, posts: Iterable[Post]) -> None:
        """Posts that our window has shown. Their texts, which nobody reads again, are not kept."""
        for post in posts:
            if post.delete_at:
                self.forget_post(post.id)
                continue
            if "/pl/" in post.message:
                for linked in _PERMALINK.findall(post.message):
                    self.permalinks[linked] = None
            if post.metadata and post.metadata.priority and post.metadata.priority.requested_ack:
                self.urgent_posts[post.id] = None
            known = self.shared_objects.post(post)
            self.posts[known.id] = known

    def forget_post(self, post_id: str) -> None:
        """A deleted message, and what hangs on it: its replies, its thread, our reactions, links to it."""
        gone = {post_id, *(post.id for post in self.posts.values() if post.root_id == post_id)}
        for known in (self.posts, self.threads, self.permalinks, self.urgent_posts):
            for each in gone:
                known.pop(each, None)
        for reaction in [reaction for reaction in self.reactions if reaction[0] in gone]:
            del self.reactions[reaction]

    def remember_preferences(self, preferences: Iterable[Preference]) -> None:
        for preference in preferences:
            self.preferences[intern(preference.category), intern(preference.name)] = intern(preference.value)

    # -- what we know ----------------------------------------------------------------------------------------

    def my_channels(self) -> Iterator[Channel]:
        """The channels we belong to, in the order in which we learned of them."""
        members = self.members
        return (channel for channel in self.channels.values() if channel.id in members)

    def team_channels(self) -> list[Channel]:
        return [channel for channel in self.my_channels() if channel.team_id == self.current_team_id]

    def personal_channels(self) -> list[Channel]:
        return [channel for channel in self.my_channels() if channel.personal]

    def written_posts(self) -> list[Post]:
        """The messages of people (not of the system) in the current channel, oldest first."""
        here = self.current_channel_id
        return sorted((post for post in self.posts.values() if post.channel_id == here and not post.type), key=_created)

    def oldest_post_id(self) -> str:
        """The oldest post we hold of the current channel, "" if none: where scrolling goes on from."""
        here = self.current_channel_id
        return min(
            (post for post in self.posts.values() if post.channel_id == here), key=_created, default=Post(id="")
        ).id

    def direct_partner(self, channel: Channel) -> str:
        """The other person of a direct channel; oneself of the one with oneself."""
        return next((user_id for user_id in channel.direct_user_ids if user_id != self.me.id), self.me.id)

    def shown_partners(self) -> list[str]:
        return [
            name
            for (category, name), value in self.preferences.items()
            if category == "direct_channel_show" and value == "true"
        ]

    def other_people(self) -> list[User]:
        return [user for user in self.users.values() if user.id != self.me.id and not user.delete_at]


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
