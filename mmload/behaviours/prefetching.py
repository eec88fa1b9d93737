"""Which channels are unread, and whose posts the application fetches before anybody opens them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import partial

from mmload.behaviours.channel_view import meet_people, prefetch, read_posts
from mmload.behaviours.person import Person, carry_out
from mmload.models import Channel, ChannelMember
from mmload.store import Store

PREFETCH = "Prefetch"
# Clients that hear of the same message do not all ask in the same moment.
LONGEST_DELAY_SECONDS = 1.0
# Above so many unread channels nothing is fetched ahead; from so many on, only channels with mentions, and so many.
MOST_UNREAD, MOST_MENTIONS = 20, 10
# Of so many channels at a time.
PREFETCHED_AT_ONCE = 2


def unread_channels(
    channels: Iterable[Channel], members: Iterable[ChannelMember], *, collapsed: bool
) -> dict[str, int]:
    """The unread channels, each with its mentions. Muted ones don't count, nor replies where threads are collapsed."""
    read = {member.channel_id: member for member in members}
    found: dict[str, int] = {}
    for channel in channels:
        member = read.get(channel.id)
        if member is None or channel.delete_at or is_muted(member):
            continue
        if collapsed:
            unread, mentions = channel.total_msg_count_root - member.msg_count_root, member.mention_count_root
        else:
            unread, mentions = channel.total_msg_count - member.msg_count, member.mention_count
        if unread > 0 or mentions:
            found[channel.id] = mentions
    return found


def is_muted(member: ChannelMember) -> bool:
    return member.notify_props.mark_unread == "mention"


def take_in(store: Store, channels: Iterable[Channel], members: Iterable[ChannelMember]) -> None:
    """What is unread, and what never is, from channels and memberships that the server has just told."""
    members = list(members)
    store.muted = frozenset(member.channel_id for member in members if is_muted(member))
    store.unread.clear()
    store.unread.update(unread_channels(channels, members, collapsed=store.collapsed_threads))


def to_prefetch(unread: Mapping[str, int]) -> list[str]:
    """The channels whose posts are fetched ahead, in this order: those with mentions, then the others."""
    if len(unread) > MOST_UNREAD:
        return []
    mentioned = [channel_id for channel_id, mentions in unread.items() if mentions]
    if len(unread) >= MOST_MENTIONS:
        return mentioned[:MOST_MENTIONS]
    return mentioned + [channel_id for channel_id, mentions in unread.items() if not mentions]


def became_unread(person: Person, channel_id: str, *, mentioned: bool) -> None:
    """A message of somebody else came into a channel that is not being read. Runs in the hub; never waits.

    Each channel is fetched once until the socket is lost or the page loaded anew, also if it was opened before.
    """
    store = person.store
    mentions = store.unread.get(channel_id)
    if mentions or (mentions is not None and not mentioned):
        return
    channel = store.channels.get(channel_id)
    if channel is None or channel_id in store.muted:
        return
    store.unread[channel.id] = int(mentioned)
    wanted = [each for each in to_prefetch(unread_here(person)) if each not in store.prefetched]
    if wanted:
        for each in wanted:
            store.prefetched.add(each)
        person.start_job(partial(_fetch, person, wanted))


def unread_here(person: Person) -> dict[str, int]:
    """The unread channels of the team, and the unread direct and group channels."""
    store = person.store
    return {
        channel_id: mentions
        for channel_id, mentions in store.unread.items()
        if channel_id in store.members
        and (channel := store.channels.get(channel_id)) is not None
        and channel.team_id in ("", store.current_team_id)
    }


def _fetch(person: Person, channel_ids: list[str]) -> None:
    person.together((partial(_fetch_later, person, each) for each in channel_ids), PREFETCHED_AT_ONCE)


def _fetch_later(person: Person, channel_id: str) -> None:
    if channel_id not in person.store.viewed_at:
        person.sleep(delay_seconds(person, channel_id))
    carry_out(person, PREFETCH, partial(fetch_new, person, channel_id))


def delay_seconds(person: Person, channel_id: str) -> float:
    """Not from the person's own random numbers: when others write would change what this one does."""
    chance = random.Random(f"{person.context.seed}:prefetch:{person.account.number}:{channel_id}")
    return chance.uniform(0, LONGEST_DELAY_SECONDS)


def fetch_new(person: Person, channel_id: str) -> None:
    """What is new in a channel since what the page has of it, or all around the first unread post if it has nothing."""
    store, now = person.store, person.now_ms()
    loaded_at = store.viewed_at.get(channel_id)
    if loaded_at is None:
        prefetch(person, channel_id)
        return
    came = (post.create_at for post in store.posts.values() if post.channel_id == channel_id)
    posts = person.api.posts_since(channel_id, max((loaded_at, *came)), store.collapsed_threads).listed()
    store.viewed_at[channel_id] = now
    if channel_id == store.current_channel_id:
        read_posts(person, posts)
        return
    meet_people(person, posts)
    store.remember_posts(posts)
