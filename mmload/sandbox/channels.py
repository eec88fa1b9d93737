"""Teams and channels: making them, joining and leaving, looking at them, and the sidebar."""

from __future__ import annotations

import hashlib

from mmload.sandbox import posting
from mmload.sandbox.errors import ApiError, forbidden
from mmload.sandbox.events import Audience, ids_text
from mmload.sandbox.state import (
    StoredCategory,
    StoredChannel,
    StoredChannelMember,
    StoredTeam,
    StoredTeamMember,
    StoredUser,
)
from mmload.sandbox.world import World

TOWN_SQUARE = "town-square"
DEFAULT_CHANNELS = ((TOWN_SQUARE, "Town Square"), ("off-topic", "Off-Topic"))


def create_team(
    world: World, creator: StoredUser, name: str, display_name: str, kind: str, is_open: bool
) -> StoredTeam:
    """A team with its default channels, its creator in it as its admin."""
    if name in world.state.teams_by_name:
        message = "A team with this URL already exists."
        raise ApiError(400, "store.sql_team.save_team.existing.app_error", message, f"name={name}")
    now = world.now()
    team = StoredTeam(
        world.new_id(), now, now, name, display_name, kind, is_open, email=creator.email, invite_id=world.new_id()
    )
    world.state.add_team(team)
    for channel_name, title in DEFAULT_CHANNELS:
        world.state.add_channel(StoredChannel(world.new_id(), now, now, team.id, "O", channel_name, title))
    join_team(world, team, creator, admin=True)
    return team


def join_team(world: World, team: StoredTeam, user: StoredUser, *, admin: bool = False) -> StoredTeamMember:
    """Into the team and its default channels; who is in already is only told again."""
    told = Audience(user_id=user.id)
    about = {"team_id": team.id, "user_id": user.id}
    if user.id in team.members:
        world.publish("added_to_team", about, told)
        return team.members[user.id]
    member = StoredTeamMember(team.id, user.id, scheme_admin=admin)
    team.members[user.id] = member
    user.teams[team.id] = member
    user.update_at = world.now()
    user.categories[team.id] = default_categories(user, team)
    for name, _ in DEFAULT_CHANNELS:
        channel = team.channels[name]
        _enter(world, channel, user, admin=admin)
        _tell_moved(world, channel, user, "team" if name == TOWN_SQUARE else "channel")
        world.publish("user_added", about, Audience(channel_id=channel.id))
    # Twice, as the real server does.
    world.publish("added_to_team", about, told)
    world.publish("added_to_team", about, told)
    return member


def leave_team(world: World, team: StoredTeam, user: StoredUser) -> None:
    for channel in [item for item in team.channels.values() if user.id in item.members]:
        del channel.members[user.id]
        del user.channels[channel.id]
    del team.members[user.id]
    del user.teams[team.id]
    about = {"user_id": user.id, "team_id": team.id}
    world.publish("leave_team", about, Audience(team_id=team.id))
    world.publish("leave_team", about, Audience(user_id=user.id))


def _enter(world: World, channel: StoredChannel, user: StoredUser, *, admin: bool = False) -> StoredChannelMember:
    now = world.now()
    member = StoredChannelMember(channel.id, user.id, joined_at=now, scheme_admin=admin, last_update_at=now)
    channel.members[user.id] = member
    user.channels[channel.id] = member
    return member


def create_channel(
    world: World, creator: StoredUser, team: StoredTeam, kind: str, name: str, display_name: str
) -> StoredChannel:
    if name in team.channels:
        message = "A channel with that name already exists on the same team."
        raise ApiError(400, "store.sql_channel.save_channel.exists.app_error", message, f"name={name}")
    now = world.now()
    channel = StoredChannel(world.new_id(), now, now, team.id, kind, name, display_name, creator_id=creator.id)
    world.state.add_channel(channel)
    _enter(world, channel, creator, admin=True)
    _tell_moved(world, channel, creator)
    about = {"channel_id": channel.id, "team_id": team.id}
    world.publish("channel_created", about, Audience(user_id=creator.id))
    return channel


def add_member(world: World, channel: StoredChannel, user: StoredUser, by: StoredUser) -> StoredChannelMember:
    """Into a channel, by oneself or by somebody else. Permissions are the caller's matter."""
    member = channel.members.get(user.id)
    if member is not None:
        return member
    member = _enter(world, channel, user)
    about = {"team_id": channel.team_id, "user_id": user.id}
    if world.modern:
        world.publish("user_added", about, Audience(channel_id=channel.id, omit_users=(user.id,)))
        world.publish("user_added", about, Audience(user_id=user.id, channel_id=channel.id))
    else:
        world.publish("user_added", about, Audience(channel_id=channel.id))
    if by is user:
        _tell_moved(world, channel, user)
    else:
        message = f"{user.username} added to the channel by {by.username}."
        whom = {"addedUserId": user.id, "addedUsername": user.username}
        props = {**whom, "userId": by.id, "username": by.username}
        posting.system_post(world, channel, by, "system_add_to_channel", message, props, frozenset({user.id}))
    return member


def _tell_moved(
    world: World, channel: StoredChannel, user: StoredUser, what: str = "channel", *, left: bool = False
) -> None:
    """The server's post about somebody who joined or left on their own."""
    kind, moved = ("leave", f"@{user.username} left") if left else ("join", f"{user.username} joined")
    about = {"username": user.username}
    posting.system_post(world, channel, user, f"system_{kind}_{what}", f"{moved} the {what}.", about)


def remove_member(world: World, channel: StoredChannel, user: StoredUser, by: StoredUser) -> None:
    if channel.is_personal:
        message = "Unable to remove user from a channel."
        raise ApiError(400, "api.channel.remove_channel_member.type.app_error", message)
    if channel.name == TOWN_SQUARE:
        message = f"Unable to remove user from the default channel {TOWN_SQUARE}."
        raise ApiError(400, "api.channel.remove.default.app_error", message)
    if channel.members.pop(user.id, None) is None:
        raise ApiError(404, "app.channel.get_member.missing.app_error", "No channel member found for that user ID.")
    user.channels.pop(channel.id, None)
    world.publish("user_removed", {"remover_id": by.id, "user_id": user.id}, Audience(channel_id=channel.id))
    world.publish("user_removed", {"channel_id": channel.id, "remover_id": by.id}, Audience(user_id=user.id))
    if by is user:
        _tell_moved(world, channel, user, left=True)
    else:
        message = f"{user.username} was removed from the channel."
        props = {"removedUserId": user.id, "removedUsername": user.username}
        posting.system_post(world, channel, by, "system_remove_from_channel", message, props)


def direct_channel(world: World, creator: StoredUser, other: StoredUser) -> StoredChannel:
    """The channel of two people, the same one whoever asks."""
    name = "__".join(sorted((creator.id, other.id)))
    channel = world.state.personal_channels.get(name)
    if channel is not None:
        return channel
    channel = _personal_channel(world, "D", name, "", [creator, other], creator.id)
    about = {"creator_id": creator.id, "teammate_id": other.id}
    world.publish("direct_added", about, Audience(channel_id=channel.id))
    return channel


def group_channel(world: World, people: list[StoredUser]) -> StoredChannel:
    """The channel of three to eight people."""
    ids = sorted(user.id for user in people)
    name = hashlib.sha1("".join(ids).encode(), usedforsecurity=False).hexdigest()
    channel = world.state.personal_channels.get(name)
    if channel is not None:
        return channel
    title = ", ".join(sorted(user.username for user in people))
    channel = _personal_channel(world, "G", name, title, people, "")
    about = {"teammate_ids": ids_text(ids)}
    if world.modern:
        for user in people:
            world.publish("group_added", about, Audience(user_id=user.id, channel_id=channel.id))
    else:
        world.publish("group_added", about, Audience(channel_id=channel.id))
    return channel


def _personal_channel(
    world: World, kind: str, name: str, title: str, people: list[StoredUser], creator_id: str
) -> StoredChannel:
    now = world.now()
    channel = StoredChannel(world.new_id(), now, now, "", kind, name, title, creator_id=creator_id)
    # Only the older server leaves it open for groups.
    channel.shared = False if world.modern or kind == "D" else None
    world.state.add_channel(channel)
    for user in people:
        _enter(world, channel, user)
    return channel


def view(world: World, user: StoredUser, channel_ids: list[str], *, threads_apart: bool) -> dict[str, int]:
    """Mark channels as read; gives the time of the last post seen in each.

    `threads_apart`: collapsed threads are on, so threads stay unread; otherwise they are read, too.
    """
    times: dict[str, int] = {}
    unread: dict[str, int] = {}
    for channel_id in channel_ids:
        member = user.channels.get(channel_id)
        channel = world.state.channels.get(channel_id)
        if member is None or channel is None:
            continue
        had_unread = member.msg_count < channel.total_msg_count or member.mention_count > 0
        _mark_viewed(channel, member)
        times[channel_id] = channel.last_post_at
        if had_unread or not world.modern:
            unread[channel_id] = times[channel_id]
    posting.tell_viewed(world, user, unread)
    if not threads_apart and unread and world.modern:
        _read_threads(world, user, unread)
    return times


def _read_threads(world: World, user: StoredUser, channel_ids: dict[str, int]) -> None:
    now = world.now()
    for channel_id in channel_ids:
        for root_id in world.state.threads_by_channel[channel_id]:
            thread = user.threads.get(root_id)
            if thread is not None:
                thread.last_viewed_at, thread.unread_replies, thread.unread_mentions = now, 0, 0
        told = Audience(user_id=user.id, channel_id=channel_id)
        world.publish("thread_read_changed", {"timestamp": now}, told)


def _mark_viewed(channel: StoredChannel, member: StoredChannelMember) -> None:
    """Everything in the channel is read."""
    member.msg_count, member.msg_count_root = channel.total_msg_count, channel.total_msg_count_root
    member.mention_count = member.mention_count_root = member.urgent_mention_count = 0
    member.last_viewed_at = member.last_update_at = channel.last_post_at


def require_readable(world: World, channel: StoredChannel, user: StoredUser, permission: str = "read_channel") -> None:
    """Members may read it; an open channel also everybody in its team; system admins may read everything."""
    if user.id in channel.members or user.is_admin:
        return
    if channel.type == "O" and channel.team_id in user.teams:
        return
    raise forbidden(user.id, permission)


def require_member(channel: StoredChannel, user: StoredUser) -> None:
    """Figures and members of a channel are for its members and system admins alone, also where others may read it."""
    if user.id not in channel.members and not user.is_admin:
        raise forbidden(user.id, "read_channel")


def default_categories(user: StoredUser, team: StoredTeam) -> list[StoredCategory]:
    kinds = (
        ("favorites", "Favorites", ""),
        ("channels", "Channels", ""),
        ("direct_messages", "Direct Messages", "recent"),
    )
    return [
        StoredCategory(f"{kind}_{user.id}_{team.id}", kind, title, sort_order=10 * number, sorting=sorting)
        for number, (kind, title, sorting) in enumerate(kinds)
    ]


def categories(world: World, user: StoredUser, team: StoredTeam) -> list[StoredCategory]:
    """The sidebar's categories; channels that are in none of them are put into the default ones."""
    items = user.categories.setdefault(team.id, default_categories(user, team))
    placed = {channel_id for item in items for channel_id in item.channel_ids}
    by_type = {item.type: item for item in items}
    loose: list[StoredChannel] = []
    for channel_id in user.channels:
        channel = world.state.channels[channel_id]
        if channel_id not in placed and channel.team_id in ("", team.id):
            loose.append(channel)
    for channel in sorted(loose, key=lambda item: item.display_name.lower()):
        by_type["direct_messages" if channel.is_personal else "channels"].channel_ids.append(channel.id)
    for item in items:
        item.channel_ids = [channel_id for channel_id in item.channel_ids if channel_id in user.channels]
    return sorted(items, key=lambda item: item.sort_order)
