"""Teams and their members."""

from __future__ import annotations

from typing import Any

from mmload.sandbox import channels, shapes
from mmload.sandbox.errors import ApiError, bad_body, not_found
from mmload.sandbox.http import OK, ApiAnswer, Call, Routes
from mmload.sandbox.state import StoredTeam

api = Routes()
_NO_MEMBER = "app.team.get_member.missing.app_error"
_NO_MEMBER_MESSAGE = "No team member found for that user ID and team ID."


@api.add("POST", "/teams")
def create_team(call: Call) -> ApiAnswer:
    body = call.document("team")
    name, kind = str(body.get("name", "")), str(body.get("type", ""))
    if not name or kind not in {"O", "I"}:
        raise bad_body("team")
    is_open = bool(body.get("allow_open_invite", False))
    title = str(body.get("display_name", "")) or name
    team = channels.create_team(call.world, call.user, name, title, kind, is_open)
    return ApiAnswer(shapes.team(team, call.world.modern, with_email=True), 201)


def _shown(call: Call, team: StoredTeam) -> dict[str, object]:
    member = call.user.teams.get(team.id)
    manages = call.user.is_admin or (member is not None and member.scheme_admin)
    return shapes.team(team, call.world.modern, with_email=manages)


@api.add("GET", "/teams")
def get_all_teams(call: Call) -> ApiAnswer:
    visible = [
        team
        for team in call.world.state.teams.values()
        if call.user.is_admin or team.allow_open_invite or team.id in call.user.teams
    ]
    visible.sort(key=lambda team: team.display_name)
    return ApiAnswer([_shown(call, team) for team in call.paged(visible)])


def _readable(call: Call) -> StoredTeam:
    team = call.team()
    call.require(team.id in call.user.teams or team.allow_open_invite, "view_team")
    return team


@api.add("GET", "/teams/{team_id}")
def get_team(call: Call) -> ApiAnswer:
    return ApiAnswer(_shown(call, _readable(call)))


@api.add("PUT", "/teams/{team_id}/patch")
def patch_team(call: Call) -> ApiAnswer:
    team = call.team()
    member = team.members.get(call.user.id)
    call.require(member is not None and member.scheme_admin, "manage_team")
    body = call.document("team")
    team.display_name = str(body.get("display_name", team.display_name))
    team.description = str(body.get("description", team.description))
    return ApiAnswer(_shown(call, team))


@api.add("GET", "/teams/name/{team_name}")
def get_team_by_name(call: Call) -> ApiAnswer:
    call.params["team_id"] = call.team_named().id
    return ApiAnswer(_shown(call, _readable(call)))


@api.add("GET", "/users/{user_id}/teams")
def get_teams_for_user(call: Call) -> ApiAnswer:
    teams = call.world.state.teams
    return ApiAnswer([_shown(call, teams[team_id]) for team_id in call.self_or_admin().teams])


@api.add("GET", "/users/{user_id}/teams/members")
def get_team_members_for_user(call: Call) -> ApiAnswer:
    return ApiAnswer([shapes.team_member(member) for member in call.self_or_admin().teams.values()])


@api.add("GET", "/users/{user_id}/teams/unread")
def get_teams_unread_for_user(call: Call) -> ApiAnswer:
    user, state = call.self_or_admin(), call.world.state
    with_threads = call.flag("include_collapsed_threads")
    answers = []
    for team_id in user.teams:
        entry: dict[str, Any] = {
            "team_id": team_id,
            "msg_count": 0,
            "mention_count": 0,
            "mention_count_root": 0,
            "msg_count_root": 0,
            "thread_count": 0,
            "thread_mention_count": 0,
        }
        if call.world.modern:
            entry["thread_urgent_mention_count"] = 0
        for member in user.channels.values():
            channel = state.channels[member.channel_id]
            if channel.team_id == team_id:
                entry["msg_count"] += max(0, channel.total_msg_count - member.msg_count)
                entry["msg_count_root"] += max(0, channel.total_msg_count_root - member.msg_count_root)
                entry["mention_count"] += member.mention_count
                entry["mention_count_root"] += member.mention_count_root
        if with_threads:
            followed = [
                thread
                for root_id, thread in user.threads.items()
                if thread.following and state.channels[state.posts[root_id].channel_id].team_id == team_id
            ]
            entry["thread_count"] = sum(1 for thread in followed if thread.unread_replies)
            entry["thread_mention_count"] = sum(thread.unread_mentions for thread in followed)
        answers.append(entry)
    return ApiAnswer(answers)


@api.add("POST", "/teams/{team_id}/members")
def add_team_member(call: Call) -> ApiAnswer:
    team = call.team()
    body = call.document("team member")
    if body.get("team_id") != team.id:
        raise bad_body("team_id")
    user = call.any_user(str(body.get("user_id", "")) or "-")
    by_member = call.user.id in team.members
    if user is call.user:
        call.require(by_member or team.allow_open_invite, "join_private_teams")
    else:
        call.require(by_member, "add_user_to_team")
    return ApiAnswer(shapes.team_member(channels.join_team(call.world, team, user)), 201)


@api.add("GET", "/teams/{team_id}/members/{user_id}")
def get_team_member(call: Call) -> ApiAnswer:
    team = call.own_team("view_team")
    member = team.members.get(call.params["user_id"])
    if member is None:
        wanted = f"teamId={team.id}, userId={call.params['user_id']}"
        raise not_found("TeamMember", _NO_MEMBER, _NO_MEMBER_MESSAGE, wanted)
    return ApiAnswer(shapes.team_member(member))


@api.add("GET", "/teams/{team_id}/members")
def get_team_members(call: Call) -> ApiAnswer:
    members = call.paged(list(call.own_team("view_team").members.values()))
    return ApiAnswer([shapes.team_member(member) for member in members])


@api.add("DELETE", "/teams/{team_id}/members/{user_id}")
def remove_team_member(call: Call) -> ApiAnswer:
    team, user = call.team(), call.any_user()
    call.require(user is call.user, "remove_user_from_team")
    if user.id not in team.members:
        raise ApiError(404, _NO_MEMBER, _NO_MEMBER_MESSAGE)
    channels.leave_team(call.world, team, user)
    return ApiAnswer(OK)


@api.add("GET", "/teams/{team_id}/stats")
def get_team_stats(call: Call) -> ApiAnswer:
    team = _readable(call)
    count = len(team.members)
    return ApiAnswer({"team_id": team.id, "total_member_count": count, "active_member_count": count})
