"""What several test folders use: an administrator of a server, and people who are in."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from mmload.behaviours.login import disconnect, enter
from mmload.behaviours.person import Person
from mmload.client.capabilities import Capabilities
from mmload.client.http.client import Route
from mmload.config import Settings, load_settings
from mmload.context import TestContext
from mmload.errors import RequestFailed
from mmload.metrics.recorder import Recorder
from mmload.users import new_person

ADMIN = {"login_id": "sysadmin@sample.mattermost.com", "password": "Sys@dmin-sample1"}
_letters = "abcdefghijklmnopqrstuvwxyz0123456789"
_unique = itertools.count(random.SystemRandom().randrange(10**6))


class Admin:
    """The system administrator, by plain requests: arranges what a test needs, and counts what arrived."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False
        answer = self.session.post(f"{server}/api/v4/users/login", json=ADMIN, timeout=30)
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.headers['Token']}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(method, f"{self.server}/api/v4{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def team(self) -> dict[str, Any]:
        """A new open team."""
        name = f"team{next(_unique)}"
        body = {"name": name, "display_name": name, "type": "O", "allow_open_invite": True}
        made: dict[str, Any] = self.ask("POST", "/teams", body)
        return made

    def channel(self, team_id: str, kind: str = "O") -> dict[str, Any]:
        name = f"channel{next(_unique)}"
        body = {"team_id": team_id, "name": name, "display_name": name, "type": kind}
        made: dict[str, Any] = self.ask("POST", "/channels", body)
        return made

    def posts(self, channel_id: str) -> list[dict[str, Any]]:
        """The channel's newest 200 posts of people, newest first."""
        page = self.ask("GET", f"/channels/{channel_id}/posts?page=0&per_page=200")
        return [page["posts"][post_id] for post_id in page["order"] if not page["posts"][post_id]["type"]]


@dataclass
class Crowd:
    """Some people on one server, with what they asked."""

    server: str
    admin: Admin
    context: TestContext
    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    refused_as_expected: list[str] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)

    def report(self, route: Route, start: float, seconds: float, size: int, failure: RequestFailed | None) -> None:
        self.asked.append(str(route))
        if failure is not None:
            (self.refused_as_expected if failure.expected else self.failed).append(str(failure))

    def needs(self, what: str, offered: Callable[[Capabilities], bool]) -> None:
        """Skip the test of a real server that does not offer this; the sandbox offers it, or the test fails."""
        can = self.context.capabilities
        if not offered(can) and self.server == os.environ.get("MMLOAD_TEST_SERVER"):
            version = ".".join(map(str, can.version))
            pytest.skip(f"{what}: not offered by the real server, Mattermost {version}")

    def come(self) -> Person:
        """One more person, who is in."""
        return self._entered(new_person(self.context, len(self.people) + 1, self.report))

    def come_as(self, other: Person) -> Person:
        """The same person once more, at another device."""
        return self._entered(new_person(self.context, other.account.number, self.report, device=1))

    def _entered(self, person: Person) -> Person:
        # Tests do not wait for people to read; what they do in the background is asked for by the tests.
        person.sleep = lambda seconds: None
        person.poll_due = float("inf")
        self.people.append(person)
        enter(person)
        self.asked.clear()
        return person


def settings_for(server: str, **environ: str) -> Settings:
    """The defaults, for this server, with accounts that no other test uses."""
    values = {
        "MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": server,
        "MMLOAD_RUNCONFIGURATION_SEED": "7",
        "MMLOAD_USERSCONFIGURATION_USERNAMEPREFIX": f"crowd{next(_unique)}",
    }
    settings, _ = load_settings(environ={**values, **environ})
    return settings


@contextmanager
def crowd(server: str, **environ: str) -> Iterator[Crowd]:
    """People on a server; all of them leave at the end."""
    context = TestContext(settings_for(server, **environ), server, Recorder())
    here = Crowd(server, Admin(server), context)
    try:
        yield here
    finally:
        for person in here.people:
            disconnect(person)


def real_server() -> str:
    return os.environ["MMLOAD_TEST_SERVER"]
