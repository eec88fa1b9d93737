"""Channels of all four types: create, join, leave, view, search."""

from __future__ import annotations

import msgspec

from mmload.sandbox import channels, shapes
from mmload.sandbox.errors import ApiError, bad_body, forbidden, not_found
from mmload.sandbox.http import OK, ApiAnswer, Call, Routes, unchanged
from mmload.sandbox.state import Document, StoredChannel, StoredChannelMember, StoredUser, is_id

api = Routes()
MIN_GROUP, MAX_GROUP = 3, 8
MAX_FOUND = 50


def _shown(call: Call, found: list[StoredChannel], *, with_team: bool = False) -> list[Document]:
    """A list of channels in the order of their display names."""
    teams = call.world.state.teams
    ordered = sorted(found, key=lambda channel: channel.display_name.lower())
    return [
        shapes.channel(item, call.world.modern, team_of=teams.get(item.team_id) if with_team else None)
        for item in ordered
    ]


@api.add("POST", "/channels")
def create_channel(call: Call) -> ApiAnswer:
    body = call.document("channel")
    team = call.world.state.teams.get(str(body.get("team_id", "")))
    name, kind = str(body.get("name", "")), str(body.get("type", ""))
    if kind not in {"O", "P"}:
        raise ApiError(400, "model.channel.is_valid.type.app_error", "Invalid type.")
    if not name:
        message = "Name must be 1 or more lowercase alphanumeric character."
        raise ApiError(400, "model.channel.is_valid.1_or_more.app_error", message)
    permission = "create_public_channel" if kind == "O" else "create_private_channel"
    if team is None:
        raise forbidden(call.user.id, permission)
    call.require(team.id in call.user.teams, permission)
    channel = channels.create_channel(call.world, call.user, team, kind, name, str(body.get("display_name") or name))
    document = shapes.channel(channel, call.world.modern)
    # As recorded: the answer is the channel as it was before its first post.
    return ApiAnswer(document | {"last_post_at": 0, "last_root_post_at": 0}, 201)


@api.add("POST", "/channels/direct")
def create_direct_channel(call: Call) -> ApiAnswer:
    ids = call.texts("user_ids")
    if len(ids) != 2 and not (call.world.modern and len(ids) == 1):
        raise bad_body("user_ids")
    call.require(call.user.id in ids, "manage_system")
    users = call.world.state.users
    if any(user_id not in users for user_id in ids):
        message = "Invalid user ID for direct channel creation."
        raise ApiError(400, "api.channel.create_direct_channel.invalid_user.app_error", message)
    # A single id: a direct channel with oneself.
    first, second = users[ids[0]], users[ids[-1]]
    channel = channels.direct_channel(call.world, first, second)
    return ApiAnswer(shapes.channel(channel, call.world.modern), 201)


@api.add("POST", "/channels/group")
def create_group_channel(call: Call) -> ApiAnswer:
    ids = dict.fromkeys([*call.texts("user_ids"), call.user.id])
    if not MIN_GROUP <= len(ids) <= MAX_GROUP:
        message = "Group message channels must contain at least 3 and no more than 8 users."
        raise ApiError(400, "api.channel.create_group.bad_size.app_error", message)
    users = call.world.state.users
    if any(user_id not in users for user_id in ids):
        message = "One of the provided users does not exist."
        raise ApiError(400, "api.channel.create_group.bad_user.app_error", message)
    channel = channels.group_channel(call.world, [users[user_id] for user_id in ids])
    return ApiAnswer(shapes.channel(channel, call.world.modern), 201)


@api.add("GET", "/channels/{channel_id}")
def get_channel(call: Call) -> ApiAnswer:
    channel = call.channel()
    channels.require_readable(call.world, channel, call.user)
    return ApiAnswer(shapes.channel(channel, call.world.modern))


@api.add("GET", "/teams/{team_id}/channels/name/{channel_name}")
def get_channel_by_name(call: Call) -> ApiAnswer:
    channel = call.team().channels.get(call.params["channel_name"])
    if channel is None:
        message = "Channel does not exist."
        raise ApiError(404, "app.channel.get_by_name.missing.app_error", message)
    channels.require_readable(call.world, channel, call.user)
    return ApiAnswer(shapes.channel(channel, call.world.modern))


@api.add("DELETE", "/channels/{channel_id}")
def delete_channel(call: Call) -> ApiAnswer:
    channel = call.channel()
    call.require(call.user.id in channel.members, "delete_public_channel")
    channel.delete_at = channel.update_at = call.world.now()
    return ApiAnswer(OK)


@api.add("GET", "/channels/{channel_id}/stats")
def get_channel_stats(call: Call) -> ApiAnswer:
    channel = call.channel()
    channels.require_member(channel, call.user)
    files = -1
    if not call.flag("exclude_files_count"):
        files = sum(len(post.file_ids) for post in channel.posts if not post.delete_at)
    return ApiAnswer(
        {
            "channel_id": channel.id,
            "member_count": len(channel.members),
            "guest_count": 0,
            "pinnedpost_count": channel.pinned,
            "files_count": files,
        }
    )


@api.add("GET", "/channels/{channel_id}/members")
def get_channel_members(call: Call) -> ApiAnswer:
    channel = call.channel()
    channels.require_member(channel, call.user)
    return ApiAnswer([_member(call, channel.members[user_id]) for user_id in call.paged(sorted(channel.members))])


def _member(call: Call, member: StoredChannelMember) -> Document:
    return shapes.channel_member(member, call.world.modern, mine=member.user_id == call.user.id)


@api.add("GET", "/channels/{channel_id}/members/{user_id}")
def get_channel_member(call: Call) -> ApiAnswer:
    channel = call.channel()
    channels.require_member(channel, call.user)
    member = channel.members.get(call.params["user_id"])
    if member is None:
        message, wanted = "No channel member found for that user ID.", f"{channel.id}, {call.params['user_id']}"
        raise not_found("ChannelMember", "app.channel.get_member.missing.app_error", message, wanted)
    return ApiAnswer(_member(call, member))


@api.add("POST", "/channels/{channel_id}/members")
def add_channel_member(call: Call) -> ApiAnswer:
    channel = call.channel()
    body = call.document("channel_member")
    listed = body.get("user_ids")
    ids = listed if isinstance(listed, list) else [body.get("user_id")]
    if not all(is_id(user_id) for user_id in ids):
        raise bad_body("user_id or user_ids")
    users = [call.any_user(str(user_id)) for user_id in ids]
    if channel.is_personal:
        message = "Can not add user to this channel type."
        raise ApiError(400, "api.channel.add_user_to_channel.type.app_error", message)
    added = []
    for user in users:
        _require_may_add(call, channel, user)
        added.append(_member(call, channels.add_member(call.world, channel, user, call.user)))
    return ApiAnswer(added if isinstance(listed, list) else added[0], 201)


def _require_may_add(call: Call, channel: StoredChannel, user: StoredUser) -> None:
    if call.user.is_admin and channel.team_id in user.teams:
        return
    if user is call.user and channel.team_id not in user.teams:
        raise forbidden(user.id, "join_public_channels")
    if channel.team_id not in user.teams:
        message = "No team member found for that user ID and team ID."
        raise ApiError(404, "app.team.get_member.missing.app_error", message)
    if channel.type == "P" and call.user.id not in channel.members:
        raise forbidden(call.user.id, "manage_private_channel_members")
    if channel.type == "O" and user is not call.user and call.user.id not in channel.members:
        raise forbidden(call.user.id, "manage_public_channel_members")


@api.add("DELETE", "/channels/{channel_id}/members/{user_id}")
def remove_channel_member(call: Call) -> ApiAnswer:
    channel, user = call.channel(), call.any_user()
    kind = "public" if channel.type == "O" else "private"
    call.require(user is call.user or call.user.id in channel.members, f"manage_{kind}_channel_members")
    channels.remove_member(call.world, channel, user, call.user)
    return ApiAnswer(OK)


@api.add("POST", "/channels/members/{user_id}/view")
def view_channel(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    body = call.document("channel_view")
    wanted = [str(body[key]) for key in ("channel_id", "prev_channel_id") if body.get(key)]
    if not all(is_id(channel_id) for channel_id in wanted):
        raise bad_body("channel_view.channel_id")
    apart = bool(body.get("collapsed_threads_supported", False))
    times = channels.view(call.world, user, wanted, threads_apart=apart)
    return ApiAnswer({"status": "OK", "last_viewed_at_times": times})


@api.add("GET", "/users/{user_id}/channels/{channel_id}/unread")
def get_channel_unread(call: Call) -> ApiAnswer:
    user, channel = call.self_or_admin(), call.channel()
    member = channel.members.get(user.id)
    if member is None:
        raise forbidden(call.user.id, "read_channel")
    document: Document = {
        "team_id": channel.team_id,
        "channel_id": channel.id,
        "msg_count": max(0, channel.total_msg_count - member.msg_count),
        "mention_count": member.mention_count,
        "mention_count_root": member.mention_count_root,
    }
    if call.world.modern:
        document["urgent_mention_count"] = member.urgent_mention_count
    document["msg_count_root"] = max(0, channel.total_msg_count_root - member.msg_count_root)
    return ApiAnswer(document)


def _own_team(user: StoredUser, team_id: str) -> str:
    if team_id not in user.teams:
        error_id = "app.channel.get_channels.not_found.app_error"
        raise not_found("Channel", error_id, "No channels were found.", f"userId={user.id}")
    return team_id


def _of_user(call: Call, user: StoredUser, team_id: str, *, deleted: bool) -> list[StoredChannel]:
    """A user's channels in a team; direct and group channels are in every team."""
    mine = (call.world.state.channels[channel_id] for channel_id in user.channels)
    return [item for item in mine if item.team_id in ("", team_id) and (deleted or not item.delete_at)]


@api.add("GET", "/users/{user_id}/teams/{team_id}/channels")
def get_channels_for_team_for_user(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    found = _of_user(call, user, _own_team(user, call.params["team_id"]), deleted=call.flag("include_deleted"))
    etag = f"{call.world.version_number}.{max((channel.last_post_at for channel in found), default=0)}.{len(found)}"
    return unchanged(call, etag) or ApiAnswer(_shown(call, found), headers={"Etag": etag})


@api.add("GET", "/users/{user_id}/teams/{team_id}/channels/members")
def get_channel_members_for_team_for_user(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    found = _of_user(call, user, _own_team(user, call.params["team_id"]), deleted=True)
    return ApiAnswer([_member(call, item.members[user.id]) for item in found])


@api.add("GET", "/users/{user_id}/channels")
def get_channels_for_user(call: Call) -> ApiAnswer:
    user = call.self_or_admin()
    return ApiAnswer(_shown(call, [call.world.state.channels[channel_id] for channel_id in user.channels]))


@api.add("GET", "/users/{user_id}/channel_members")
def get_channel_members_for_user(call: Call) -> ApiAnswer:
    """A page of memberships; page -1 of a newer server is all of them, one a line."""
    user, state = call.self_or_admin(), call.world.state
    members = list(user.channels.values())
    in_lines = call.world.modern and call.query.get("page") == "-1"
    answers = []
    for member in members if in_lines else call.paged(members):
        team = state.teams.get(state.channels[member.channel_id].team_id)
        document = shapes.channel_member(member, call.world.modern, mine=True)
        in_no_team = {"team_display_name": "", "team_name": "", "team_update_at": 0}
        answers.append(document | (shapes.team_fields(team) if team is not None else in_no_team))
    if in_lines:
        lines = msgspec.json.Encoder().encode_lines(answers)
        return ApiAnswer(content=lines, content_type="application/x-ndjson")
    return ApiAnswer(answers)


@api.add("GET", "/channels", permission="get_all_channels")
def get_all_channels(call: Call) -> ApiAnswer:
    """Public and private channels of all teams, without the archived."""
    found = [item for item in call.world.state.channels.values() if item.type in "OP" and not item.delete_at]
    return ApiAnswer(call.paged(_shown(call, found, with_team=True)))


@api.add("GET", "/teams/{team_id}/channels")
def get_public_channels_for_team(call: Call) -> ApiAnswer:
    team = call.own_team("list_team_channels")
    public = [channel for channel in team.channels.values() if channel.type == "O" and not channel.delete_at]
    return ApiAnswer(call.paged(_shown(call, public)))


@api.add("GET", "/teams/{team_id}/channels/deleted")
def get_deleted_channels_for_team(call: Call) -> ApiAnswer:
    """Archived channels of one's own, and all public ones."""
    gone = [
        channel
        for channel in call.own_team("list_team_channels").channels.values()
        if channel.delete_at and (channel.type == "O" or call.user.id in channel.members)
    ]
    return ApiAnswer(call.paged(_shown(call, gone)))


@api.add("GET", "/teams/name/{team_name}/channels/name/{channel_name}")
def get_channel_by_name_for_team_name(call: Call) -> ApiAnswer:
    name, team = call.params["channel_name"], call.team_named()
    channel = team.channels.get(name)
    if channel is None or (channel.delete_at and not call.flag("include_deleted")):
        error_id, wanted = "app.channel.get_by_name.missing.app_error", f"TeamId={team.id}, Name={name}"
        raise not_found("Channel", error_id, "Channel does not exist.", wanted)
    channels.require_readable(call.world, channel, call.user)
    return ApiAnswer(_shown(call, [channel])[0])


@api.add("POST", "/channels/stats/member_count", modern_only=True)
def get_channels_member_count(call: Call) -> ApiAnswer:
    state = call.world.state
    wanted = [state.channels[channel_id] for channel_id in call.texts("channel_ids") if channel_id in state.channels]
    return ApiAnswer({channel.id: len(channel.members) for channel in wanted})


def _matching(call: Call, candidates: list[StoredChannel], term: str, *, deleted: bool = False) -> list[StoredChannel]:
    """Channels visible to the user whose names contain the term; with `deleted`, archived ones among them."""
    wanted = term.lower()
    found = []
    for channel in candidates:
        visible = channel.type == "O" or call.user.id in channel.members
        if channel.delete_at and not deleted:
            continue
        if visible and (wanted in channel.name or wanted in channel.display_name.lower()):
            found.append(channel)
            if len(found) >= MAX_FOUND:
                break
    return found


@api.add("POST", "/channels/search")
def search_all_channels(call: Call) -> ApiAnswer:
    body = call.document("channel search")
    term = str(body.get("term", ""))
    call.require(call.query.get("system_console") == "false", "sysconsole_read_user_management_channels")
    teams = [team_id for team_id in call.user.teams if team_id in (body.get("team_ids") or call.user.teams)]
    candidates = [channel for team_id in teams for channel in call.world.state.teams[team_id].channels.values()]
    found = _matching(call, candidates, term, deleted=bool(body.get("include_deleted")))
    return ApiAnswer(_shown(call, found, with_team=True))


@api.add("POST", "/teams/{team_id}/channels/search")
def search_channels_for_team(call: Call) -> ApiAnswer:
    team = call.own_team("list_team_channels")
    term = str(call.document("channel search").get("term", ""))
    public = [channel for channel in team.channels.values() if channel.type == "O"]
    return ApiAnswer(_shown(call, _matching(call, public, term)))


@api.add("GET", "/teams/{team_id}/channels/search_autocomplete")
def autocomplete_channels_for_team_for_search(call: Call) -> ApiAnswer:
    candidates = list(call.team().channels.values())
    return ApiAnswer(_shown(call, _matching(call, candidates, call.query.get("name", ""))))


@api.add("POST", "/channels/group/search")
def search_group_channels(call: Call) -> ApiAnswer:
    term = str(call.document("channel search").get("term", "")).lower()
    state = call.world.state
    mine = (state.channels[channel_id] for channel_id in call.user.channels)
    found = [
        channel
        for channel in mine
        if channel.type == "G" and any(term in state.users[user_id].username for user_id in channel.members)
    ]
    return ApiAnswer(_shown(call, found))
