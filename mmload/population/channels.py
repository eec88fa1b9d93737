"""Teams and channels with their members: found by name, direct and group messages by their members, else created."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from typing import Any

from mmload.errors import Refused, ServerNotReady
from mmload.population.init_job import NO_ROUTE, InitJob, in_parallel
from mmload.population.plan import ChannelKind, PlannedChannel, PlannedTeam

TEAM_MEMBERS_PER_CALL, CHANNEL_MEMBERS_PER_CALL = 25, 200
TEAM_EXISTS = ("store.sql_team.save_team.existing.app_error", "app.team.save.existing.app_error")
CHANNEL_EXISTS = ("store.sql_channel.save_channel.exists.app_error",)
# How servers before 10 answer `user_ids`: they know only `user_id`.
NO_LISTS = ("api.context.invalid_body_param.app_error", "api.context.invalid_url_param.app_error")


def create_teams(job: InitJob) -> list[str]:
    """The ids of the planned teams, with all accounts in them."""
    job.progress.start("teams", len(job.plan.teams))
    ids = []
    for team in job.plan.teams:
        ids.append(_team_id(job, team))
        job.progress.advance()
    everybody = [*job.user_ids, *job.admin_ids]
    job.progress.start("team members", len(everybody) * len(ids))
    for team_id in ids:
        path = f"/teams/{team_id}/members"
        add = _adding(job, f"{path}/batch", path, "team members", NO_ROUTE, team_id)
        calls = job.add_members("team members", path, everybody, TEAM_MEMBERS_PER_CALL, add)
        in_parallel(job.patience.stop, lambda call: call(), calls)
    return ids


def _team_id(job: InitJob, team: PlannedTeam) -> str:
    step = f"team {team.name}"

    def find(**passes: Any) -> Any:
        return job.admin.call("GET", f"/teams/name/{team.name}", step=step, **passes)

    try:
        there = find(passes=(404,))
    except Refused:
        body = {"name": team.name, "display_name": team.display_name, "type": "O", "allow_open_invite": True}
        return str(job.create("teams", "/teams", body, step=step, exists=TEAM_EXISTS, find=find)["id"])
    if there.get("delete_at"):
        raise ServerNotReady(f"{step} is archived: restore it, or set another UsersConfiguration.UsernamePrefix")
    job.tally.found("teams")
    return str(there["id"])


def _adding(
    job: InitJob, batch_path: str, path: str, step: str, passes: Sequence[str], team_id: str = ""
) -> Callable[[list[str]], None]:
    """A function that adds users to a team or channel, all in one call where the server can do that."""

    def add(user_ids: list[str]) -> None:
        single = [{"team_id": team_id, "user_id": each} if team_id else {"user_id": each} for each in user_ids]
        try:
            job.admin.call("POST", batch_path, single if team_id else {"user_ids": user_ids}, step=step, passes=passes)
        except Refused:
            for body in single:
                job.admin.call("POST", path, body, step=step)

    return add


@dataclass(frozen=True, slots=True)
class ServerChannel:
    """A planned channel as it is on the server; `messages` counts the posts it had before."""

    id: str
    messages: int


def create_channels(job: InitJob, team_ids: Sequence[str]) -> list[ServerChannel]:
    """The planned channels as they are on the server, in the plan's order, with their members."""
    known = _known_channels(job, team_ids)
    made: dict[int, ServerChannel] = {}

    @cache
    def known_to(member: int) -> dict[str, dict[str, Any]]:
        listed = _listed(job, f"/users/{job.user_ids[member]}/channels")
        return {channel["name"]: channel for channel in listed}

    def create(index: int) -> None:
        channel = job.plan.channels[index]
        if channel.kind.in_team:
            found = _team_channel(job, channel, team_ids[channel.team], known.get(channel.name))
        else:
            found = _conversation(job, channel, known_to(channel.members[0]))
        made[index] = ServerChannel(found["id"], found["total_msg_count"])

    job.each("channels", range(len(job.plan.channels)), create)
    result = [made[index] for index in range(len(job.plan.channels))]
    pairs = [pair for pair in zip(job.plan.channels, result, strict=True) if pair[0].kind.in_team]
    job.each("channel members", pairs, lambda pair: _fill_channel(job, *pair), size=lambda pair: len(pair[0].members))
    return result


def _known_channels(job: InitJob, team_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The administrator's channels by name: who creates a channel is in it. A channel stays in the team that it was
    created in, also when there are more teams now."""
    return {
        channel["name"]: channel
        for team_id in team_ids
        for channel in _listed(job, f"/users/me/teams/{team_id}/channels")
    }


def _listed(job: InitJob, path: str) -> list[dict[str, Any]]:
    """A user's channels. The answer to users without channels is 404."""
    try:
        return job.admin.call("GET", path, step="looking for channels", passes=(404,)) or []
    except Refused:
        return []


def _team_channel(job: InitJob, channel: PlannedChannel, team_id: str, there: dict[str, Any] | None) -> dict[str, Any]:
    sort, step = f"{channel.kind} channels", f"channel {channel.name}"
    if there is not None:
        job.tally.found(sort)
        return there
    type_ = "O" if channel.kind is ChannelKind.PUBLIC else "P"
    body = {"team_id": team_id, "name": channel.name, "display_name": channel.display_name, "type": type_}
    path = f"/teams/{team_id}/channels/name/{channel.name}"
    made: dict[str, Any] = job.create(
        sort, "/channels", body, step=step, exists=CHANNEL_EXISTS, find=lambda: job.admin.call("GET", path, step=step)
    )
    return made


def _conversation(job: InitJob, channel: PlannedChannel, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A direct or group message. The server creates each only once; looking first tells what existed, and spares the
    login that creating a group takes (an administrator who creates one becomes a member of it)."""
    sort = f"{channel.kind} channels"
    ids = [job.user_ids[member] for member in channel.members]
    there = known.get(conversation_name(channel.kind, ids))
    if there is not None:
        job.tally.found(sort)
        return there
    direct = channel.kind is ChannelKind.DIRECT
    creator = job.admin if direct else job.session(channel.members[0])
    path = "/channels/direct" if direct else "/channels/group"
    made: dict[str, Any] = creator.call("POST", path, ids, step=f"a {channel.kind} channel")
    job.tally.new(sort)
    return made


def conversation_name(kind: ChannelKind, user_ids: Sequence[str]) -> str:
    """The name Mattermost gives a direct or group message: derived from its members' ids. Pure."""
    ordered = sorted(user_ids)
    return "__".join(ordered) if kind is ChannelKind.DIRECT else sha1("".join(ordered).encode()).hexdigest()


def _fill_channel(job: InitJob, channel: PlannedChannel, made: ServerChannel) -> None:
    path, sort = f"/channels/{made.id}/members", "channel members"
    everybody = [job.user_ids[member] for member in channel.members]
    add = _adding(job, path, path, sort, NO_LISTS)
    for call in job.add_members(sort, path, everybody, CHANNEL_MEMBERS_PER_CALL, add):
        call()
