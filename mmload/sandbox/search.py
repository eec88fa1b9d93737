"""Finding posts by words, as far as a load test needs it: no stemming, no ranking, newest first."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from mmload.sandbox.state import Channel, Post, User
from mmload.sandbox.world import World

MAX_RESULTS = 100
# How far back a search looks in one channel: keeps it bounded in a long run.
MAX_SCANNED = 5000
_PART = re.compile(r'(-?)(?:(from|in|on|before|after):)?("[^"]*"|\S+)')


@dataclass(slots=True)
class Terms:
    """A search as typed: `hello -no "a phrase" from:name in:channel before:2026-01-31`."""

    words: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    authors: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)
    dates: list[tuple[str, int, int]] = field(default_factory=list)


def parse(text: str) -> Terms:
    terms = Terms()
    for match in _PART.finditer(text):
        minus, filter_name, raw = match.groups()
        word = raw.strip('"').lower()
        if filter_name == "from":
            terms.authors.add(word.lstrip("@"))
        elif filter_name == "in":
            terms.channels.add(word.lstrip("~"))
        elif filter_name:
            _add_date(terms, filter_name, word)
        elif word:
            (terms.excluded if minus else terms.words).append(word)
    return terms


def _add_date(terms: Terms, filter_name: str, word: str) -> None:
    try:
        day = datetime.datetime.strptime(word, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        return
    start = int(day.timestamp() * 1000)
    terms.dates.append((filter_name, start, start + 86_400_000))


def _in_time(terms: Terms, moment: int) -> bool:
    tests: dict[str, Callable[[int, int], bool]] = {
        "on": lambda start, end: start <= moment < end,
        "before": lambda start, _end: moment < start,
        "after": lambda _start, end: moment >= end,
    }
    return all(tests[name](start, end) for name, start, end in terms.dates)


def find_posts(world: World, reader: User, text: str, team_id: str, *, any_word: bool) -> list[Post]:
    """The newest posts of the reader's channels that match. `team_id` "": of all teams."""
    terms = parse(text)
    found: list[Post] = []
    for channel_id in reader.channels:
        channel = world.state.channels[channel_id]
        if team_id and channel.team_id not in ("", team_id):
            continue
        if terms.channels and channel.name not in terms.channels:
            continue
        found += _in_channel(world, channel, terms, any_word=any_word)
    found.sort(key=lambda post: post.create_at, reverse=True)
    return found[:MAX_RESULTS]


def _in_channel(world: World, channel: Channel, terms: Terms, *, any_word: bool) -> list[Post]:
    found = []
    combine = any if any_word else all
    for post in islice(reversed(channel.posts), MAX_SCANNED):
        if post.delete_at or post.type or not _in_time(terms, post.create_at):
            continue
        if terms.authors and world.state.users[post.user_id].username not in terms.authors:
            continue
        message = post.message.lower()
        if any(word in message for word in terms.excluded):
            continue
        if not terms.words or combine(word in message for word in terms.words):
            found.append(post)
    return found
