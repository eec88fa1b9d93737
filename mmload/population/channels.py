"""The channels of a population: those with names are found by them, direct and group messages by their members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from mmload.errors import Refused
from mmload.population.plan import ChannelKind, PlannedChannel
from mmload.population.teams import members
from mmload.population.work import Work, batches

MEMBERS_PER_CALL = 200
CHANNEL_EXISTS = ("store.sql_channel.save_channel.exists.app_error",)
# How servers before 10 answer `user_ids`: they know only `user_id`.
NO_LISTS = ("api.context.invalid_body_param.app_error", "api.context.invalid_url_param.app_error")


@dataclass(frozen=True, slots=True)
class ServerChannel:
    """A planned channel as it is on the server; `messages` counts those that were in it."""

    id: str
    messages: int


def make_channels(work: Work, team_ids: Sequence[str]) -> list[ServerChannel]:
    """The planned channels as they are on the server, in the plan's order, with their members."""
    known = _known_channels(work, team_ids)
    conversations = _Conversations(work)
    made: dict[int, ServerChannel] = {}

    def make(index: int) -> None:
        channel = work.plan.channels[index]
        if channel.kind in (ChannelKind.PUBLIC, ChannelKind.PRIVATE):
            made[index] = _make_team_channel(work, channel, team_ids[channel.team], known.get(channel.name))
        else:
            made[index] = conversations.make(channel)

    work.each("channels", range(len(work.plan.channels)), make)
    result = [made[index] for index in range(len(work.plan.channels))]
    _fill_channels(work, result)
    return result


def _known_channels(work: Work, team_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The administrator's channels by name: who makes a channel is in it. A channel stays in the team that it was
    made in, also when there are more teams now."""
    step = "looking for channels"
    known = {}
    for team_id in team_ids:
        for channel in _listed(work, f"/users/me/teams/{team_id}/channels", step):
            known[channel["name"]] = channel
    return known


def _listed(work: Work, path: str, step: str) -> list[dict[str, Any]]:
    """Somebody's channels. Who has none is answered 404."""
    try:
        return work.admin.call("GET", path, step=step, passes=(404,)) or []
    except Refused:
        return []


def _make_team_channel(
    work: Work, channel: PlannedChannel, team_id: str, there: dict[str, Any] | None
) -> ServerChannel:
    if there is not None:
        work.tally.found(f"{channel.kind} channels")
        return ServerChannel(there["id"], there["total_msg_count"])
    step = f"channel {channel.name}"
    body = {
        "team_id": team_id,
        "name": channel.name,
        "display_name": channel.display_name,
        "type": "O" if channel.kind is ChannelKind.PUBLIC else "P",
    }
    try:
        made = work.admin.call("POST", "/channels", body, step=step, passes=CHANNEL_EXISTS)
        work.tally.new(f"{channel.kind} channels")
    except Refused:
        made = work.admin.call("GET", f"/teams/{team_id}/channels/name/{channel.name}", step=step)
        work.tally.found(f"{channel.kind} channels")
    return ServerChannel(made["id"], made["total_msg_count"])


class _Conversations:
    """Direct and group messages. The server makes each only once; looking first tells what was there, and spares the
    log-in that making a group takes (an administrator who makes one becomes a member of it)."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._of_member: dict[int, dict[str, dict[str, Any]]] = {}

    def make(self, channel: PlannedChannel) -> ServerChannel:
        ids = [self._work.user_ids[member] for member in channel.members]
        there = self._known_to(channel.members[0]).get(conversation_name(channel.kind, ids))
        if there is None:
            step = f"a {channel.kind} channel"
            direct = channel.kind is ChannelKind.DIRECT
            maker = self._work.admin if direct else self._work.session(channel.members[0])
            made = maker.call("POST", "/channels/direct" if direct else "/channels/group", ids, step=step)
            self._work.tally.new(f"{channel.kind} channels")
        else:
            made = there
            self._work.tally.found(f"{channel.kind} channels")
        return ServerChannel(made["id"], made["total_msg_count"])

    def _known_to(self, member: int) -> dict[str, dict[str, Any]]:
        if member not in self._of_member:
            path = f"/users/{self._work.user_ids[member]}/channels"
            found = _listed(self._work, path, "looking for channels")
            self._of_member[member] = {channel["name"]: channel for channel in found}
        return self._of_member[member]


def conversation_name(kind: ChannelKind, user_ids: Sequence[str]) -> str:
    """The name Mattermost gives a direct or group message: made of its members' ids. Pure."""
    ordered = sorted(user_ids)
    return "__".join(ordered) if kind is ChannelKind.DIRECT else sha1("".join(ordered).encode()).hexdigest()


def _fill_channels(work: Work, made: Sequence[ServerChannel]) -> None:
    with_members = [
        (channel, made[index])
        for index, channel in enumerate(work.plan.channels)
        if channel.kind in (ChannelKind.PUBLIC, ChannelKind.PRIVATE)
    ]
    work.each(
        "channel members",
        with_members,
        lambda pair: _fill_channel(work, [work.user_ids[member] for member in pair[0].members], pair[1].id),
        size=lambda pair: len(pair[0].members),
    )


def _fill_channel(work: Work, everybody: Sequence[str], channel_id: str) -> None:
    step = "channel members"
    there = members(work, f"/channels/{channel_id}/members", step)
    missing = [user_id for user_id in everybody if user_id not in there]
    work.tally.found(step, len(everybody) - len(missing))
    work.progress.advance(len(everybody) - len(missing))
    for batch in batches(missing, MEMBERS_PER_CALL):
        work.patience.check()
        _add_to_channel(work, channel_id, batch, step)
        work.tally.new(step, len(batch))
        work.progress.advance(len(batch))


def _add_to_channel(work: Work, channel_id: str, user_ids: list[str], step: str) -> None:
    path = f"/channels/{channel_id}/members"
    try:
        work.admin.call("POST", path, {"user_ids": user_ids}, step=step, passes=NO_LISTS)
    except Refused:
        for user_id in user_ids:
            work.admin.call("POST", path, {"user_id": user_id}, step=step)
