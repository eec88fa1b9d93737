"""A sandbox with a team, its channels and its people, in one place for all tests of browsers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.browser.support import PASSWORD
from tests.conftest import running_sandbox
from tests.support import Admin

# More than are loaded at once.
LONG = 150


@dataclass
class Place:
    """One team with a long channel, one with pictures, and one with unread messages."""

    url: str
    admin: Admin
    team: dict[str, Any]
    channels: list[dict[str, Any]]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def person(self) -> str:
        """The login of a new person, a member of all channels, with an unread message in each of them."""
        number = next(self._numbers)
        login = f"browser-{number}@example.com"
        made = self.admin.ask("POST", "/users", {"email": login, "username": f"browser-{number}", "password": PASSWORD})
        self.admin.ask("POST", f"/teams/{self.team['id']}/members", {"team_id": self.team["id"], "user_id": made["id"]})
        for channel in self.channels:
            self.admin.ask("POST", f"/channels/{channel['id']}/members", {"user_id": made["id"]})
            self.say(channel, f"welcome, browser-{number}")
        return login

    def say(self, channel: dict[str, Any], message: str, **more: Any) -> None:
        self.admin.ask("POST", "/posts", {"channel_id": channel["id"], "message": message, **more})

    def messages(self) -> list[dict[str, Any]]:
        """What people wrote into the channels."""
        town_square = self.admin.ask("GET", f"/teams/{self.team['id']}/channels/name/town-square")
        return [post for channel in (*self.channels, town_square) for post in self.admin.posts(channel["id"])]


@pytest.fixture(scope="package")
def place() -> Iterator[Place]:
    with running_sandbox() as url:
        admin = Admin(url)
        team = admin.team()
        yield Place(url, admin, team, [_long(admin, team), _with_pictures(admin, team), admin.channel(team["id"])])


def _long(admin: Admin, team: dict[str, Any]) -> dict[str, Any]:
    channel = admin.channel(team["id"])
    for number in range(LONG):
        admin.ask("POST", "/posts", {"channel_id": channel["id"], "message": f"the report of day {number}"})
    return channel


def _with_pictures(admin: Admin, team: dict[str, Any]) -> dict[str, Any]:
    """One picture alone, and two beside a file that is none: the page draws them differently."""
    channel = admin.channel(team["id"])
    picture = admin.session.get(f"{admin.server}/api/v4/users/me/image", timeout=30).content
    attach(admin, channel, ("picture.png", picture))
    attach(admin, channel, ("one.png", picture), ("two.png", picture), ("notes.txt", b"no picture"))
    return channel


def attach(admin: Admin, channel: dict[str, Any], *files: tuple[str, bytes]) -> None:
    """A message with these files."""
    sent = admin.session.post(
        f"{admin.server}/api/v4/files",
        data={"channel_id": channel["id"]},
        files=[("files", each) for each in files],
        timeout=30,
    )
    sent.raise_for_status()
    file_ids = [each["id"] for each in sent.json()["file_infos"]]
    admin.ask("POST", "/posts", {"channel_id": channel["id"], "message": "look", "file_ids": file_ids})


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for something that comes by itself."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 600
        while not holds():
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.1)

    return wait
