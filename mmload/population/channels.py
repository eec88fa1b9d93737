"""Teams and channels with their members: found by name, direct and group messages by their members, else created."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from mmload.errors import Refused, ServerNotReady
from mmload.population.plan import ChannelKind, PlannedChannel, PlannedTeam
from mmload.population.work import NO_ROUTE, Work, in_parallel

TEAM_MEMBERS_PER_CALL, CHANNEL_MEMBERS_PER_CALL = 25, 200
TEAM_EXISTS = ("store.sql_team.save_team.existing.app_error", "app.team.save.existing.app_error")
CHANNEL_EXISTS = ("store.sql_channel.save_channel.exists.app_error",)
# How servers before 10 answer `user_ids`: they know only `user_id`.
NO_LISTS = ("api.context.invalid_body_param.app_error", "api.context.invalid_url_param.app_error")


def create_teams(work: Work) -> list[str]:
    """The ids of the planned teams, with all accounts in them."""
    work.progress.start("teams", len(work.plan.teams))
    ids = []
    for team in work.plan.teams:
        ids.append(_team_id(work, team))
        work.progress.advance()
    everybody = [*work.user_ids, *work.admin_ids]
    work.progress.start("team members", len(everybody) * len(ids))
    for team_id in ids:
        path = f"/teams/{team_id}/members"
        add = _adding(work, f"{path}/batch", path, "team members", NO_ROUTE, team_id)
        calls = work.add_members("team members", path, everybody, TEAM_MEMBERS_PER_CALL, add)
        in_parallel(work.patience.stop, lambda call: call(), calls)
    return ids


def _team_id(work: Work, team: PlannedTeam) -> str:
    step = f"team {team.name}"

    def find(**passes: Any) -> Any:
        return work.admin.call("GET", f"/teams/name/{team.name}", step=step, **passes)

    try:
        there = find(passes=(404,))
    except Refused:
        body = {"name": team.name, "display_name": team.display_name, "type": "O", "allow_open_invite": True}
        return str(work.create("teams", "/teams", body, step=step, exists=TEAM_EXISTS, find=find)["id"])
    if there.get("delete_at"):
        raise ServerNotReady(f"{step} is archived: restore it, or set another UsersConfiguration.UsernamePrefix")
    work.tally.found("teams")
    return str(there["id"])


def _adding(
    work: Work, batch_path: str, path: str, step: str, passes: Sequence[str], team_id: str = ""
) -> Callable[[list[str]], None]:
    """A function that adds users to a team or channel, all in one call where the server can do that."""

    def add(user_ids: list[str]) -> None:
        single = [{"team_id": team_id, "user_id": each} if team_id else {"user_id": each} for each in user_ids]
        try:
            work.admin.call("POST", batch_path, single if team_id else {"user_ids": user_ids}, step=step, passes=passes)
        except Refused:
            for body in single:
                work.admin.call("POST", path, body, step=step)

    return add


@dataclass(frozen=True, slots=True)
class ServerChannel:
    """A planned channel as it is on the server; `messages` counts the posts it had before."""

    id: str
    messages: int


def create_channels(work: Work, team_ids: Sequence[str]) -> list[ServerChannel]:
    """The planned channels as they are on the server, in the plan's order, with their members."""
    known = _known_channels(work, team_ids)
    conversations = _Conversations(work)
    made: dict[int, ServerChannel] = {}

    def create(index: int) -> None:
        channel = work.plan.channels[index]
        if channel.kind.in_team:
            found = _team_channel(work, channel, team_ids[channel.team], known.get(channel.name))
        else:
            found = conversations.create(channel)
        made[index] = ServerChannel(found["id"], found["total_msg_count"])

    work.each("channels", range(len(work.plan.channels)), create)
    result = [made[index] for index in range(len(work.plan.channels))]
    pairs = [pair for pair in zip(work.plan.channels, result, strict=True) if pair[0].kind.in_team]
    work.each("channel members", pairs, lambda pair: _fill_channel(work, *pair), size=lambda pair: len(pair[0].members))
    return result


def _known_channels(work: Work, team_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The administrator's channels by name: who creates a channel is in it. A channel stays in the team that it was
    created in, also when there are more teams now."""
    return {
        channel["name"]: channel
        for team_id in team_ids
        for channel in _listed(work, f"/users/me/teams/{team_id}/channels")
    }


def _listed(work: Work, path: str) -> list[dict[str, Any]]:
    """A user's channels. The answer to users without channels is 404."""
    try:
        return work.admin.call("GET", path, step="looking for channels", passes=(404,)) or []
    except Refused:
        return []


def _team_channel(work: Work, channel: PlannedChannel, team_id: str, there: dict[str, Any] | None) -> dict[str, Any]:
    sort, step = f"{channel.kind} channels", f"channel {channel.name}"
    if there is not None:
        work.tally.found(sort)
        return there
    type_ = "O" if channel.kind is ChannelKind.PUBLIC else "P"
    body = {"team_id": team_id, "name": channel.name, "display_name": channel.display_name, "type": type_}
    path = f"/teams/{team_id}/channels/name/{channel.name}"
    made: dict[str, Any] = work.create(
        sort, "/channels", body, step=step, exists=CHANNEL_EXISTS, find=lambda: work.admin.call("GET", path, step=step)
    )
    return made


class _Conversations:
    """Direct and group messages. The server creates each only once; looking first tells what existed, and spares the
    login that creating a group takes (an administrator who creates one becomes a member of it)."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._of_member: dict[int, dict[str, dict[str, Any]]] = {}

    def create(self, channel: PlannedChannel) -> dict[str, Any]:
        work, sort = self._work, f"{channel.kind} channels"
        ids = [work.user_ids[member] for member in channel.members]
        there = self._known_to(channel.members[0]).get(conversation_name(channel.kind, ids))
        if there is not None:
            work.tally.found(sort)
            return there
        direct = channel.kind is ChannelKind.DIRECT
        creator = work.admin if direct else work.session(channel.members[0])
        path = "/channels/direct" if direct else "/channels/group"
        made: dict[str, Any] = creator.call("POST", path, ids, step=f"a {channel.kind} channel")
        work.tally.new(sort)
        return made

    def _known_to(self, member: int) -> dict[str, dict[str, Any]]:
        if member not in self._of_member:
            found = _listed(self._work, f"/users/{self._work.user_ids[member]}/channels")
            self._of_member[member] = {channel["name"]: channel for channel in found}
        return self._of_member[member]


def conversation_name(kind: ChannelKind, user_ids: Sequence[str]) -> str:
    """The name Mattermost gives a direct or group message: derived from its members' ids. Pure."""
    ordered = sorted(user_ids)
    return "__".join(ordered) if kind is ChannelKind.DIRECT else sha1("".join(ordered).encode()).hexdigest()


def _fill_channel(work: Work, channel: PlannedChannel, made: ServerChannel) -> None:
    path, sort = f"/channels/{made.id}/members", "channel members"
    everybody = [work.user_ids[member] for member in channel.members]
    add = _adding(work, path, path, sort, NO_LISTS)
    for call in work.add_members(sort, path, everybody, CHANNEL_MEMBERS_PER_CALL, add):
        call()
