"""An agent driven by the peer's API: `/loadagent/{id}` to create, run, add and remove users, stop and delete."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from coordinator.agents import REQUEST_SECONDS, STOP_SECONDS, Status
from coordinator.questions import Unanswered, session
from coordinator.swarm import refused
from mmload.errors import transport_reason

# The amount of one call is a 16-bit number there.
_MOST_AT_ONCE = 32767


class NoSuchAgent(Unanswered):
    """The API answers, and knows no agent of this name."""


class LoadAgent:
    """One agent behind the API. `documents` is what it is created with where it does not exist yet.

    What was created here is deleted in the end; what was there before is only stopped.
    """

    def __init__(self, name: str, url: str, documents: dict[str, Any], most_users: int, token: str = "") -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._documents = documents
        self._most_users = most_users
        self._session = session(url, token)
        self._created = False

    @property
    def name(self) -> str:
        return self._name

    def status(self) -> Status:
        """An agent that is not there yet has no users."""
        try:
            return self._status()
        except NoSuchAgent:
            return Status(0, False, self._most_users)

    def page(self) -> str:
        answer = self._ask("GET", f"{self._url}/metrics")
        return answer.text if answer.status_code == 200 else ""

    def prepare(self) -> None:
        try:
            running = self._status().running
        except NoSuchAgent:
            self._call("POST", "create", self._documents, query=f"?id={quote(self._name, safe='')}")
            self._created, running = True, False
        if not running:
            self._call("POST", f"{self._path}/run")

    def set_users(self, users: int) -> None:
        """Add or remove the difference. An agent that has stopped or is gone (a restart) is made to run again."""
        try:
            status = self._status()
        except NoSuchAgent:
            status = None
        if status is None or not status.running:
            if users == 0:
                return
            self.prepare()
            status = self._status()
        self._change(users - status.users)

    def _change(self, difference: int) -> None:
        verb = "addusers" if difference > 0 else "removeusers"
        left = abs(difference)
        while left:
            amount = min(left, _MOST_AT_ONCE)
            self._call("POST", f"{self._path}/{verb}", query=f"?amount={amount}")
            left -= amount

    def release(self) -> None:
        """Stop it; one that does not run is well so."""
        try:
            if self._created:
                self._call("DELETE", self._path, seconds=STOP_SECONDS)
            elif self._status().running:
                self._call("POST", f"{self._path}/stop", seconds=STOP_SECONDS)
        except NoSuchAgent:
            return

    @property
    def _path(self) -> str:
        return quote(self._name, safe="")

    def _status(self) -> Status:
        said = self._call("GET", f"{self._path}/status")
        try:
            status = said["status"]
            return Status(int(status["NumUsers"]), status["State"] == "running", self._most_users)
        except (KeyError, TypeError, ValueError):
            raise Unanswered("its status has not the form of a load-test agent's") from None

    def _call(
        self, method: str, path: str, body: Any = None, *, query: str = "", seconds: float = REQUEST_SECONDS
    ) -> dict[str, Any]:
        """One call. An `error` in the answer is a refusal, whatever the status."""
        answer = self._ask(method, f"{self._url}/loadagent/{path}{query}", body, seconds=seconds)
        try:
            said = answer.json()
        except requests.JSONDecodeError:
            raise Unanswered(refused(f"/loadagent/{path}", answer.status_code)) from None
        error = str(said.get("error", "")) if isinstance(said, dict) else "an answer of another form"
        if answer.status_code == 404:
            raise NoSuchAgent(error or f"no agent {self._name}")
        if error or answer.status_code not in (200, 201):
            raise Unanswered(error or refused(f"/loadagent/{path}", answer.status_code))
        assert isinstance(said, dict)
        return said

    def _ask(self, method: str, url: str, body: Any = None, *, seconds: float = REQUEST_SECONDS) -> requests.Response:
        try:
            return self._session.request(method, url, json=body, timeout=seconds, allow_redirects=False)
        except requests.RequestException as error:
            raise Unanswered(f"{self._url}: {transport_reason(error)}") from None
