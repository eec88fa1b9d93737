"""The history that `mmload init` writes: who wrote what where, what answers what, who reacted. Pure.

Message lengths and the share of emoji are those of the simulated people (`mmload.text`).
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmload.config import Instance
from mmload.population.draws import spawn, stable_choice
from mmload.population.plan import Kind, PlannedChannel, PlannedPost, PlannedReaction
from mmload.text import REACTIONS, message

ROOT_WORDS, REPLY_WORDS = 34, 24
# How busy one channel of a kind is beside another: whole teams write more than two people do.
_BUSY = {Kind.PUBLIC: 8.0, Kind.PRIVATE: 5.0, Kind.DIRECT: 1.0, Kind.GROUP: 1.5}
# Draws for a channel in proportion to its size, and for a reaction that is not there yet.
_DRAWS = 16
_SMALLEST_SHARE = 0.05
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


def writers(channel: PlannedChannel) -> int:
    """How many of a channel's members (the first ones) write: few write, most read, and each writer is a log-in."""
    return min(len(channel.members), 5 + 2 * math.isqrt(len(channel.members)))


def planned_posts(
    instance: Instance, seed: int, channels: Sequence[PlannedChannel], accounts: int
) -> tuple[PlannedPost, ...]:
    """Post by post, each from chance of its own, so that a longer history begins with the shorter one."""
    places = {kind: [i for i, channel in enumerate(channels) if channel.kind is kind] for kind in Kind}
    busy = {kind: _BUSY[kind] * share for kind, share in _shares(instance).items() if places[kind]}
    if not accounts or not any(busy.values()):
        return ()
    threads: defaultdict[int, _Threads] = defaultdict(_Threads)
    posts = []
    for number in range(instance.num_posts):
        rng = random.Random(f"{seed}:post:{number}")
        kind = rng.choices(list(busy), list(busy.values()))[0]
        index = _place(spawn(rng), places[kind], channels, accounts)
        author = channels[index].members[stable_choice(spawn(rng), writers(channels[index]))]
        root = _root(spawn(rng), instance, threads[index])
        urgent = root is None and spawn(rng).random() < instance.percent_urgent_posts
        if root is None:
            threads[index].add(number)
        posts.append(PlannedPost(number, index, author, root, urgent))
    return tuple(posts)


def _shares(instance: Instance) -> dict[Kind, float]:
    return {
        Kind.PUBLIC: instance.percent_public_channels,
        Kind.PRIVATE: instance.percent_private_channels,
        Kind.DIRECT: instance.percent_direct_channels,
        Kind.GROUP: instance.percent_group_channels,
    }


def _place(rng: random.Random, places: Sequence[int], channels: Sequence[PlannedChannel], accounts: int) -> int:
    """One of these channels, roughly in proportion to its members: drawn, and drawn again if it is too small."""
    for _ in range(_DRAWS):
        index = places[stable_choice(spawn(rng), len(places))]
        channel = channels[index]
        if channel.kind in (Kind.DIRECT, Kind.GROUP):
            break
        if rng.random() < max(_SMALLEST_SHARE, len(channel.members) / accounts):
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
    channel = channels[post.channel]
    return PlannedReaction(
        post.number, channel.members[stable_choice(spawn(rng), writers(channel))], rng.choice(REACTIONS)
    )
