"""One sandbox: its state, connections, clock and random numbers, and `publish`, which sends events to clients."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from mmload.sandbox.events import Audience, ServerEvent
from mmload.sandbox.hub import Hub
from mmload.sandbox.options import Options, Version
from mmload.sandbox.state import Document, ServerState, StoredChannel, new_id


@cache
def recorded_documents(version: Version) -> Document:
    """The large constant documents of a version: its configuration, the part of it that clients see, its roles."""
    file = resources.files("mmload.sandbox") / "documents" / f"mattermost-{version.value}.json"
    document: Document = msgspec.json.decode(file.read_bytes())
    return document


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class World:
    """What every rule works on. Rules change `state` and `publish` the events that follow from it."""

    def __init__(
        self, options: Options, clock: Callable[[], int] = wall_clock_ms, rng: random.Random | None = None
    ) -> None:
        self.options = options
        self.modern = options.modern
        self.state = ServerState()
        self.documents = recorded_documents(options.version)
        self.now = clock
        self._rng = rng or random.Random()
        self.hub = Hub(self._channel_members, self._team_members, self._is_admin)
        # The address for clients; known once it listens.
        self.site_url = ""

    @property
    def version_id(self) -> str:
        return str(self.documents["version_id"])

    @property
    def version_number(self) -> str:
        return str(self.documents["client_config"]["Version"])

    def setting(self, section: str, key: str) -> Any:
        """What an administrator has changed a setting to; None if it is as it was recorded."""
        return self.state.config_changes.get(section, {}).get(key)

    def new_id(self) -> str:
        return new_id(self._rng)

    def publish(
        self,
        name: str,
        data: dict[str, Any],
        audience: Audience,
        personal: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        """Send an event to the `audience`; `personal` is additional data for some of them (newer servers)."""
        self.hub.publish(ServerEvent(name, data, audience, self.modern, personal or {}))

    def _channel_members(self, channel_id: str) -> Iterable[str]:
        channel = self.state.channels.get(channel_id)
        return channel.members if channel is not None else ()

    def _team_members(self, team_id: str) -> Iterable[str]:
        team = self.state.teams.get(team_id)
        return team.members if team is not None else ()

    def _is_admin(self, user_id: str) -> bool:
        user = self.state.users.get(user_id)
        return user is not None and user.is_admin

    def team_id_of(self, channel: StoredChannel, user_id: str) -> str:
        """The team named in an event of this channel; for a direct or group channel the recipient's first team."""
        if channel.team_id:
            return channel.team_id
        return next(iter(self.state.users[user_id].teams), "")
