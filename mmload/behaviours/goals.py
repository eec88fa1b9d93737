"""What generative users are to make together: how much of it is made, under way or left. Knows no server and no Locust.

A slot is reserved before something is made and given back when that failed, so that the counts come out exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mmload.behaviours.person import NothingToDo, Person
from mmload.config import GenController
from mmload.models import Channel

log = logging.getLogger("mmload.generate")

TEAMS = "CreateTeam"
PUBLIC_CHANNELS = "CreatePublicChannel"
PRIVATE_CHANNELS = "CreatePrivateChannel"
DIRECT_CHANNELS = "CreateDirectChannel"
GROUP_CHANNELS = "CreateGroupChannel"
POSTS = "CreatePost"
REPLIES = "CreateReply"
LONG_REPLIES = "CreateReplyInLongThread"
REACTIONS = "AddReaction"
REMINDERS = "CreatePostReminder"
CATEGORIES = "CreateSidebarCategory"
FOLLOWED_THREADS = "FollowThread"
# What must be there before the next can be begun: teams, then channels, then what is in them.
PHASES = (
    (TEAMS,),
    (PUBLIC_CHANNELS, PRIVATE_CHANNELS, DIRECT_CHANNELS, GROUP_CHANNELS),
    (POSTS, REPLIES, LONG_REPLIES, REACTIONS, REMINDERS, CATEGORIES, FOLLOWED_THREADS),
)
# Everybody has tried so often in a row, and nobody found anything to make: what is left is impossible.
FRUITLESS_TRIES_EACH = 20
ROOTS_KEPT_PER_CHANNEL = 200
LONG_THREADS_PER_CHANNEL = 2


def targets(generate: GenController, part: int = 0, parts: int = 1) -> dict[str, int]:
    """How much of each is wanted; of `parts` processes this is number `part` (from 0). Pure."""
    replies = round(generate.num_posts * generate.percent_replies)
    long_replies = round(replies * generate.percent_replies_in_long_threads)
    whole = {
        TEAMS: generate.num_teams,
        PUBLIC_CHANNELS: generate.num_channels_public,
        PRIVATE_CHANNELS: generate.num_channels_private,
        DIRECT_CHANNELS: generate.num_channels_dm,
        GROUP_CHANNELS: generate.num_channels_gm,
        POSTS: generate.num_posts - replies,
        REPLIES: replies - long_replies,
        LONG_REPLIES: long_replies,
        REACTIONS: generate.num_reactions,
        REMINDERS: generate.num_post_reminders,
        CATEGORIES: generate.num_sidebar_categories,
        FOLLOWED_THREADS: generate.num_followed_threads,
    }
    return {name: count // parts + (part < count % parts) for name, count in whole.items()}


@dataclass(slots=True)
class Goal:
    """`taken` counts what is made and what is being made."""

    target: int
    made: int = 0
    taken: int = 0
    given_up: bool = False

    @property
    def left(self) -> int:
        return 0 if self.given_up else self.target - self.taken

    @property
    def settled(self) -> bool:
        return self.made >= self.target or (self.given_up and self.taken == self.made)


class Goals:
    """The counters of one process. Not for threads; greenlets may switch only while something is being made."""

    def __init__(self, wanted: dict[str, int]) -> None:
        self.goals = {name: Goal(count) for name, count in wanted.items()}
        self._fruitless = 0
        self._told = False

    def phase(self) -> int:
        """The first phase that is not settled yet; after the last one their number."""
        unsettled = (n for n, names in enumerate(PHASES) if not all(self.goals[name].settled for name in names))
        return next(unsettled, len(PHASES))

    def open(self) -> list[tuple[str, float]]:
        """What can be begun now, weighted by what is wanted of it."""
        phase = self.phase()
        if phase == len(PHASES):
            return []
        return [(name, self.goals[name].target) for name in PHASES[phase] if self.goals[name].left > 0]

    @property
    def finished(self) -> bool:
        return self.phase() == len(PHASES)

    @contextmanager
    def slot(self, name: str) -> Iterator[None]:
        """Reserve one of `name`; it counts as made when the block ends without an exception."""
        goal = self.goals[name]
        if goal.left <= 0:
            raise NothingToDo(f"{name}: the goal has been reached")
        goal.taken += 1
        try:
            yield
        except BaseException:
            # Also when this user is stopped in the middle of it.
            goal.taken -= 1
            raise
        goal.made += 1
        self._fruitless = 0

    def fruitless(self, people: int) -> None:
        """A user found nothing to create. When all have found nothing for long, the rest of this phase is given up."""
        self._fruitless += 1
        if self._fruitless < FRUITLESS_TRIES_EACH * max(1, people):
            return
        self._fruitless = 0
        for name, _ in self.open():
            pairs = f"{people} users form {people * (people - 1) // 2} pairs"
            self.give_up(name, pairs if name == DIRECT_CHANNELS else "there is nothing left to create it for")

    def give_up(self, name: str, reason: str) -> None:
        """This goal cannot be met; the others go on."""
        goal = self.goals[name]
        if not goal.given_up and goal.left > 0:
            goal.given_up = True
            log.warning("%s: %d of %d created, the rest cannot be created: %s", name, goal.made, goal.target, reason)

    def tell_once(self) -> None:
        if self.finished and not self._told:
            self._told = True
            made = ", ".join(f"{name} {goal.made}" for name, goal in self.goals.items() if goal.made)
            unmet = any(goal.given_up for goal in self.goals.values())
            how = "finished, but not all goals could be met" if unmet else "all goals have been met"
            log.info("%s: %s", how, made or "no goals are configured")


@dataclass(slots=True)
class GeneratedChannel:
    """A public or private channel of ours. `number` is its place in the order of making."""

    channel: Channel
    number: int
    members: set[str]


@dataclass(slots=True)
class Generation:
    """What the generative users of a process share: their goals, who they are and what they have made."""

    goals: Goals
    people: dict[str, Person] = field(default_factory=dict)
    channels: list[GeneratedChannel] = field(default_factory=list)
    # The people of each direct and group channel.
    pairs: set[frozenset[str]] = field(default_factory=set)
    # Newest root posts and long threads by channel.
    roots: dict[str, list[str]] = field(default_factory=dict)
    long_threads: dict[str, list[str]] = field(default_factory=dict)
    # What was done to whom already: (action, user id, post id, detail); the server counts a repetition once.
    done: set[tuple[str, ...]] = field(default_factory=set)

    def add_root(self, channel_id: str, post_id: str) -> None:
        roots = self.roots.setdefault(channel_id, [])
        roots.append(post_id)
        if len(roots) > ROOTS_KEPT_PER_CHANNEL:
            del roots[0]

    def long_thread(self, channel_id: str, post_id: str) -> str:
        """The long thread of a channel that a reply goes to: `post_id` becomes one while there are few."""
        threads = self.long_threads.setdefault(channel_id, [])
        if len(threads) < LONG_THREADS_PER_CHANNEL and post_id not in threads:
            threads.append(post_id)
        return threads[hash(post_id) % len(threads)]


def bucket(shares: Sequence[float], index: int, count: int) -> range:
    """The numbers of the channels that belong to the `index`-th share of `count` channels. Pure."""
    start = sum(shares[:index])
    return range(round(start * count), round((start + shares[index]) * count))
