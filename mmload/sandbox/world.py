"""One sandbox: its state, its connections, its clock and its dice, and the way to say something to clients."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from mmload.sandbox.events import Audience, Event
from mmload.sandbox.hub import Hub
from mmload.sandbox.ids import new_id
from mmload.sandbox.options import Options, Version
from mmload.sandbox.state import Channel, Document, State


@cache
def recorded_documents(version: Version) -> Document:
    """The long documents of a version that never change: its configuration, what clients see of it, its roles."""
    file = resources.files("mmload.sandbox") / "documents" / f"mattermost-{version.value}.json"
    document: Document = msgspec.json.decode(file.read_bytes())
    return document


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class World:
    """What every rule gets. Rules change `state` and `publish` what clients are told of it."""

    def __init__(
        self, options: Options, clock: Callable[[], int] = wall_clock_ms, rng: random.Random | None = None
    ) -> None:
        self.options = options
        self.modern = options.modern
        self.state = State()
        self.documents = recorded_documents(options.version)
        self.now = clock
        self._rng = rng or random.Random()
        self.hub = Hub(self._channel_members, self._team_members, self._is_admin)
        # Where clients reach it; known once it listens.
        self.site_url = ""

    @property
    def version_id(self) -> str:
        return str(self.documents["version_id"])

    @property
    def version_number(self) -> str:
        return str(self.documents["client_config"]["Version"])

    def new_id(self) -> str:
        return new_id(self._rng)

    def publish(
        self,
        name: str,
        data: dict[str, Any],
        audience: Audience,
        personal: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """Tell the readers named by `audience`; `personal` is what some of them are told besides (newer servers)."""
        self.hub.publish(Event(name, data, audience, self.modern, personal or {}))

    def _channel_members(self, channel_id: str) -> Iterable[str]:
        channel = self.state.channels.get(channel_id)
        return channel.members if channel is not None else ()

    def _team_members(self, team_id: str) -> Iterable[str]:
        team = self.state.teams.get(team_id)
        return team.members if team is not None else ()

    def _is_admin(self, user_id: str) -> bool:
        user = self.state.users.get(user_id)
        return user is not None and user.is_admin

    def team_id_of(self, channel: Channel, user_id: str) -> str:
        """The team that an event of this channel speaks of; a personal channel is in the reader's first team."""
        if channel.team_id:
            return channel.team_id
        return next(iter(self.state.users[user_id].teams), "")
