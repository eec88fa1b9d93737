"""A sandbox with options of the test's choice, and a small client for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from tests.conftest import running_sandbox

ADMIN = ("sysadmin@sample.mattermost.com", "Sys@dmin-sample1")
PASSWORD = "testPass123$"
TIMEOUT_SECONDS = 20


class Client:
    """Requests of one person, or of nobody."""

    def __init__(self, address: str, token: str = "", user_id: str = "") -> None:
        self.address, self.token, self.id = address, token, user_id

    def __call__(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        prefix = "" if path.startswith("/sandbox") else "/api/v4"
        url = f"{self.address}{prefix}{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)

    def enter(self, login_id: str, password: str) -> Client:
        answer = self("POST", "/users/login", {"login_id": login_id, "password": password})
        answer.raise_for_status()
        return Client(self.address, answer.headers["Token"], answer.json()["id"])

    def admin(self) -> Client:
        return self.enter(*ADMIN)

    def newcomer(self, name: str) -> Client:
        account = {"email": f"{name}@example.com", "username": name, "password": PASSWORD}
        self("POST", "/users", account).raise_for_status()
        return self.enter(account["email"], PASSWORD)

    def counts(self) -> dict[str, Any]:
        counted: dict[str, Any] = self("GET", "/sandbox/counts").json()
        return counted

    def fault(self, **fields: Any) -> None:
        self("POST", "/sandbox/faults", fields).raise_for_status()


SandboxProcess = Callable[..., Client]


@pytest.fixture
def sandbox_process() -> Iterator[SandboxProcess]:
    """Starts a sandbox with these options; gives a client of nobody."""
    with ExitStack() as running:
        yield lambda *options: Client(running.enter_context(running_sandbox(*options)))


def direct_channel(one: Client, other: Client) -> str:
    """The channel of two people."""
    return str(one("POST", "/channels/direct", [one.id, other.id]).json()["id"])
