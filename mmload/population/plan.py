"""What `mmload init` is to create: accounts, teams, channels with their members, posts and reactions. Pure.

Values only; nothing here knows a server. The same seed and settings give the same plan; larger numbers extend it.
"""

from __future__ import annotations

import math
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

from mmload.client.accounts import Account, accounts
from mmload.config import Instance, Settings
from mmload.text import REACTIONS, message, words


def stable_choice(rng: random.Random, count: int) -> int:
    """One of 0 … count - 1, each as likely, such that the same rng mostly chooses the same when `count` has grown.

    The draw is the position of the last record among `count` random numbers: one more number is a new record with
    probability 1/(count + 1), and otherwise changes nothing. Records are jumped to instead of looked for: after a
    record at i the next is beyond m with probability i/m, so it is at floor(i/u) + 1 for a uniform u in (0, 1].
    `rng` is used up by the draw: give each draw one of its own (see `spawn`).
    """
    record = 1
    while True:
        following = int(record / (1.0 - rng.random())) + 1
        if following > count:
            return record - 1
        record = following


def spawn(rng: random.Random) -> random.Random:
    """A new random generator from one draw of another: what is drawn from it does not shift what follows here."""
    return random.Random(rng.getrandbits(64))


def portions(total: int, shares: Sequence[float]) -> tuple[int, ...]:
    """`total` split in proportion to `shares`, whole and adding up to it: the largest remainders get what truncation
    left over (ties: the earlier one). All shares zero: nothing is given out."""
    whole = math.fsum(shares)
    if whole <= 0:
        return (0,) * len(shares)
    exact = [total * share / whole for share in shares]
    # Shares such as 0.29 are not exact: 29.000000000000004 and 28.999999999999996 are both meant to be 29.
    parts = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return tuple(parts)


# Most group messages are small.
_GROUP_SIZES = range(3, 9)
_GROUP_SIZE_WEIGHTS = (40, 25, 15, 10, 6, 4)
# The first conversations are among the first accounts, and each further one lets in a few more: some people have many,
# and more accounts do not change who the first ones were between.
_FIRST_PARTNERS, _FURTHER_PARTNERS = 12, 3
# Draws of a conversation that is not there yet, before the first free one is taken.
_DRAWS = 64
_LEAST_BUSY = 0.05
# Mattermost refuses team names that begin with a word of its own URLs.
_RESERVED = tuple(
    "admin api boards channel claim error files help landing login mfa oauth playbooks plug plugins post signup "
    "shared select_team".split()
)


class ChannelKind(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"
    GROUP = "group"

    @property
    def in_team(self) -> bool:
        """Direct and group messages belong to no team."""
        return self in (ChannelKind.PUBLIC, ChannelKind.PRIVATE)


@dataclass(frozen=True, slots=True)
class PlannedTeam:
    """An open team that everybody joins."""

    name: str
    display_name: str


@dataclass(frozen=True, slots=True)
class PlannedChannel:
    """A channel. `members` are indices into the plan's accounts, ascending; `team` one into its teams.

    Direct and group messages have no team and no name: their members are what makes them the same. `busy` is how much
    is written in it beside others of its kind.
    """

    kind: ChannelKind
    members: tuple[int, ...]
    name: str = ""
    display_name: str = ""
    team: int = 0
    busy: float = 1.0


@dataclass(frozen=True, slots=True)
class PlannedPost:
    """One message of history. Its text follows from seed and number (`text_of`); `root` is the number of the
    post it answers."""

    number: int
    channel: int
    author: int
    root: int | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class PlannedReaction:
    """`account` reacts to the post of that number."""

    post: int
    account: int
    emoji: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to exist. `notices` tell what is configured and impossible."""

    seed: int
    accounts: tuple[Account, ...]
    admins: tuple[Account, ...]
    teams: tuple[PlannedTeam, ...]
    channels: tuple[PlannedChannel, ...]
    posts: tuple[PlannedPost, ...]
    reactions: tuple[PlannedReaction, ...]
    notices: tuple[str, ...] = ()


def plan(settings: Settings, seed: int, credentials: Sequence[tuple[str, str]] = ()) -> Plan:
    instance, users = settings.config.instance, settings.config.users
    people = accounts(users, instance.num_users, credentials)
    slug = team_prefix(users.username_prefix)
    teams = tuple(PlannedTeam(f"{slug}-team-{n}", f"Team {n}") for n in range(1, instance.num_teams + 1))
    admins = (f"{users.username_prefix}-admin-{number}" for number in range(1, instance.num_admins + 1))
    notices: list[str] = []
    if len(people) < instance.num_users:
        notices.append(
            f"{len(people)} accounts instead of {instance.num_users}: there are no more in {users.users_file_path}"
        )
    channels = tuple(_channels(settings, seed, len(people), len(teams), notices.append))
    posts = planned_posts(instance, seed, channels, len(people))
    if instance.num_posts and not posts:
        notices.append("no posts: there are no channels, or no accounts")
    return Plan(
        seed=seed,
        accounts=people,
        admins=tuple(Account(0, name, f"{name}@example.com", users.password) for name in admins),
        teams=teams,
        channels=channels,
        posts=posts,
        reactions=planned_reactions(instance, seed, channels, posts),
        notices=tuple(notices),
    )


def team_prefix(prefix: str) -> str:
    """The prefix of user names as one that teams and channels may have: letters, digits and single dashes."""
    slug = re.sub(r"[^a-z0-9]+", "-", prefix).strip("-")
    return f"mm-{slug}" if slug.startswith(_RESERVED) else slug


def _channels(
    settings: Settings, seed: int, accounts: int, teams: int, tell: Callable[[str], None]
) -> Iterator[PlannedChannel]:
    """All channels, the four kinds one after the other; `tell` is told of those that are impossible."""
    instance, prefix = settings.config.instance, settings.config.users.username_prefix
    shares = _shares(instance)
    wanted = dict(zip(shares, portions(instance.num_channels, list(shares.values())), strict=True))
    for kind in (ChannelKind.PUBLIC, ChannelKind.PRIVATE):
        if wanted[kind] and not teams:
            tell(f"no {kind} channels, as they need a team and InstanceConfiguration.NumTeams is 0")
        for index in range(wanted[kind] if teams else 0):
            yield _team_channel(kind, index, seed, team_prefix(prefix), accounts, teams)
    for kind in (ChannelKind.DIRECT, ChannelKind.GROUP):
        found = list(conversations(kind, seed, wanted[kind], accounts))
        yield from (PlannedChannel(kind, members) for members in found)
        if len(found) < wanted[kind]:
            tell(f"{len(found)} {kind} channels instead of {wanted[kind]}: {accounts} accounts cannot have more")


def _shares(instance: Instance) -> dict[ChannelKind, float]:
    return {
        ChannelKind.PUBLIC: instance.percent_public_channels,
        ChannelKind.PRIVATE: instance.percent_private_channels,
        ChannelKind.DIRECT: instance.percent_direct_channels,
        ChannelKind.GROUP: instance.percent_group_channels,
    }


def _team_channel(kind: ChannelKind, index: int, seed: int, prefix: str, accounts: int, teams: int) -> PlannedChannel:
    first, second = words(random.Random(f"{seed}:{kind}:{index}:name"), 2)
    share = share_of_members(kind, index, seed)
    return PlannedChannel(
        kind=kind,
        members=_members(random.Random(f"{seed}:{kind}:{index}:members"), share, accounts),
        name=f"{prefix}-{kind}-{index + 1}",
        display_name=f"{first} {second} {index + 1}".capitalize(),
        team=index % teams,
        busy=max(_LEAST_BUSY, share),
    )


def share_of_members(kind: ChannelKind, index: int, seed: int) -> float:
    """Which share of the accounts is in a public or private channel: all of them in the first public one, in the others
    a share that is large for few channels and small for most (the third power of a uniform draw)."""
    if kind is ChannelKind.PUBLIC and index == 0:
        return 1.0
    largest = 1.0 if kind is ChannelKind.PUBLIC else 0.4
    share: float = largest * random.Random(f"{seed}:{kind}:{index}:share").random() ** 3
    return share


def _members(rng: random.Random, share: float, accounts: int) -> tuple[int, ...]:
    """That share of the accounts, three at least. Each has its own draw, so that further accounts change nobody's."""
    drawn = [rng.random() for _ in range(accounts)]
    least = sorted(range(accounts), key=drawn.__getitem__)[:3]
    return tuple(sorted({*least, *(i for i, draw in enumerate(drawn) if draw < share)}))


def conversations(kind: ChannelKind, seed: int, wanted: int, accounts: int) -> Iterator[tuple[int, ...]]:
    """Different pairs of accounts, or groups of 3 to 8 (most are small); fewer than wanted where there are no more."""
    sizes = range(2, 3) if kind is ChannelKind.DIRECT else _GROUP_SIZES
    remaining = (members for size in sizes for members in combinations(range(accounts), size))
    taken: set[tuple[int, ...]] = set()
    for index in range(wanted if accounts >= sizes[0] else 0):
        rng = random.Random(f"{seed}:{kind}:{index}")
        partners = min(accounts, _FIRST_PARTNERS + _FURTHER_PARTNERS * index)
        try:
            yield _untaken(rng, kind, partners, taken, remaining)
        except StopIteration:
            return


def _untaken(
    rng: random.Random,
    kind: ChannelKind,
    accounts: int,
    taken: set[tuple[int, ...]],
    remaining: Iterator[tuple[int, ...]],
) -> tuple[int, ...]:
    """Members that no conversation has yet: drawn, or the first of `remaining` when the draws find none."""
    for _ in range(_DRAWS):
        size = 2 if kind is ChannelKind.DIRECT else rng.choices(_GROUP_SIZES, _GROUP_SIZE_WEIGHTS)[0]
        members = _distinct(rng, min(size, accounts), accounts)
        if members not in taken:
            break
    else:
        members = next(members for members in remaining if members not in taken)
    taken.add(members)
    return members


def _distinct(rng: random.Random, size: int, accounts: int) -> tuple[int, ...]:
    chosen: set[int] = set()
    while len(chosen) < size:
        chosen.add(stable_choice(spawn(rng), accounts))
    return tuple(sorted(chosen))


ROOT_WORDS, REPLY_WORDS = 34, 24
# How busy one channel of a kind is beside another: whole teams write more than two people do.
_BUSY = {ChannelKind.PUBLIC: 8.0, ChannelKind.PRIVATE: 5.0, ChannelKind.DIRECT: 1.0, ChannelKind.GROUP: 1.5}
# Draws for a channel that is busy enough, and for a reaction that is not there yet.
_HISTORY_DRAWS = 16
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
    """One of a channel's members. Few write and most read, and each writer costs a login: the place among them is
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


def _place(rng: random.Random, places: Sequence[int], channels: Sequence[PlannedChannel]) -> int:
    """One of these channels, roughly as busy as they are: drawn, and drawn again if it is too quiet."""
    for _ in range(_HISTORY_DRAWS):
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
        for _ in range(_HISTORY_DRAWS):
            post = posts[stable_choice(spawn(rng), len(posts))]
            somebody = writer(spawn(rng), channels[post.channel])
            reaction = PlannedReaction(post.number, somebody, rng.choice(REACTIONS))
            if reaction not in taken:
                taken.add(reaction)
                reactions.append(reaction)
                break
    return tuple(reactions)
