"""The history that `mmload init` writes: who wrote what where, what answers what, who reacted. Pure.

Message lengths and the share of emoji are those of the simulated people (`mmload.text`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmload.config import Instance
from mmload.population.plan import ChannelKind, PlannedChannel, PlannedPost, PlannedReaction, spawn, stable_choice
from mmload.text import REACTIONS, message

ROOT_WORDS, REPLY_WORDS = 34, 24
# How busy one channel of a kind is beside another: whole teams write more than two people do.
_BUSY = {ChannelKind.PUBLIC: 8.0, ChannelKind.PRIVATE: 5.0, ChannelKind.DIRECT: 1.0, ChannelKind.GROUP: 1.5}
# Draws for a channel that is busy enough, and for a reaction that is not there yet.
_DRAWS = 16
# The first posts of a channel grow the long threads; other replies go to one of the latest.
LONG_THREADS, RECENT_ROOTS = 2, 12


@dataclass(slots=True)
class _Threads:
    """The root posts of a channel so far."""

    long: list[int] = field(default_factory=list)
    recent: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        if len(self.long) < LONG_THREADS:
            self.long.append(number)
        self.recent = [*self.recent[1 - RECENT_ROOTS :], number]


def text_of(seed: int, post: PlannedPost) -> str:
    """The message of a planned post: the same whenever it is asked for."""
    return message(random.Random(f"{seed}:text:{post.number}"), ROOT_WORDS if post.root is None else REPLY_WORDS)


def writer(rng: random.Random, channel: PlannedChannel) -> int:
    """One of a channel's members. Few write and most read, and each writer is a log-in: the place among the members is
    Pareto distributed (beyond place x with probability (1 + x/4)^-1.5), whatever their number is; drawn again if there
    is no such place. So further members hardly change who wrote what."""
    while True:
        place = 4 * ((1 - rng.random()) ** (-1 / 1.5) - 1)
        if place < len(channel.members):
            return channel.members[int(place)]


def planned_posts(
    instance: Instance, seed: int, channels: Sequence[PlannedChannel], accounts: int
) -> tuple[PlannedPost, ...]:
    """Post by post, each from chance of its own, so that a longer history begins with the shorter one."""
    places = {kind: [i for i, channel in enumerate(channels) if channel.kind is kind] for kind in ChannelKind}
    busy = {kind: _BUSY[kind] * share for kind, share in _shares(instance).items() if places[kind]}
    if not accounts or not any(busy.values()):
        return ()
    threads: defaultdict[int, _Threads] = defaultdict(_Threads)
    posts = []
    for number in range(instance.num_posts):
        rng = random.Random(f"{seed}:post:{number}")
        kind = rng.choices(list(busy), list(busy.values()))[0]
        index = _place(spawn(rng), places[kind], channels)
        author = writer(spawn(rng), channels[index])
        root = _root(spawn(rng), instance, threads[index])
        urgent = root is None and spawn(rng).random() < instance.percent_urgent_posts
        if root is None:
            threads[index].add(number)
        posts.append(PlannedPost(number, index, author, root, urgent))
    return tuple(posts)


def _shares(instance: Instance) -> dict[ChannelKind, float]:
    return {
        ChannelKind.PUBLIC: instance.percent_public_channels,
        ChannelKind.PRIVATE: instance.percent_private_channels,
        ChannelKind.DIRECT: instance.percent_direct_channels,
        ChannelKind.GROUP: instance.percent_group_channels,
    }


def _place(rng: random.Random, places: Sequence[int], channels: Sequence[PlannedChannel]) -> int:
    """One of these channels, roughly as busy as they are: drawn, and drawn again if it is too quiet."""
    for _ in range(_DRAWS):
        index = places[stable_choice(spawn(rng), len(places))]
        if rng.random() < channels[index].busy:
            break
    return index


def _root(rng: random.Random, instance: Instance, threads: _Threads) -> int | None:
    """The post to answer, or None for a new root post."""
    if rng.random() >= instance.percent_replies or not threads.recent:
        return None
    long = rng.random() < instance.percent_replies_in_long_threads
    return rng.choice(threads.long if long else threads.recent)


def planned_reactions(
    instance: Instance, seed: int, channels: Sequence[PlannedChannel], posts: Sequence[PlannedPost]
) -> tuple[PlannedReaction, ...]:
    """Different reactions, each by somebody who writes in the post's channel."""
    taken: set[PlannedReaction] = set()
    reactions: list[PlannedReaction] = []
    for number in range(instance.num_reactions if posts else 0):
        rng = random.Random(f"{seed}:reaction:{number}")
        for _ in range(_DRAWS):
            reaction = _reaction(rng, channels, posts)
            if reaction not in taken:
                taken.add(reaction)
                reactions.append(reaction)
                break
    return tuple(reactions)


def _reaction(rng: random.Random, channels: Sequence[PlannedChannel], posts: Sequence[PlannedPost]) -> PlannedReaction:
    post = posts[stable_choice(spawn(rng), len(posts))]
    return PlannedReaction(post.number, writer(spawn(rng), channels[post.channel]), rng.choice(REACTIONS))
