"""Which channels are unread, and whose posts the application fetches before anybody opens them. Nothing here waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mmload.models import Channel, ChannelMember
from mmload.store import Store

# Above so many unread channels nothing is fetched ahead; from so many on, only channels with mentions, and so many.
MOST_UNREAD, MOST_MENTIONS = 20, 10
# Of so many channels at a time.
PREFETCHED_AT_ONCE = 2
# So many messages fill the window of a laptop (768 pixels).
FILLING = 10
_BY_SYSTEM = "system_"


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


def fills_window(types: Iterable[str]) -> bool:
    """Whether posts of these types fill the window: who joined and left in a row is told in one line."""
    lines, told = 0, False
    for kind in types:
        by_system = kind.startswith(_BY_SYSTEM)
        lines += not (by_system and told)
        told = by_system
    return lines >= FILLING
