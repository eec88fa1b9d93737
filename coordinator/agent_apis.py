"""An agent driven by Locust's web API: `POST /swarm` says how many users, `GET /stats/requests` how many there are.

An agent driven by the peer's API: `/loadagent/{id}` to create, run, add and remove users, stop and delete.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from coordinator.agents import REQUEST_SECONDS, STOP_SECONDS, AgentStatus
from coordinator.polling import Unanswered, session
from mmload.errors import transport_reason

_RUNNING = ("spawning", "running")
# A worker that is busier reports times that are its own, not the server's (Locust warns from here on, too).
_BUSY_PERCENT = 90.0
# Users leave faster than they come: a retreat must not take longer than the breach it ends.
_LEAVING_PER_SECOND = 20.0


class _HttpAgent:
    """What both have in common: a session, and a page of metrics."""

    def __init__(self, name: str, url: str, token: str) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._session = session(url, token)

    def page(self) -> str:
        answer = self._ask("GET", "/metrics")
        return answer.text if answer.status_code == 200 else ""

    def _ask(self, method: str, path: str, *, seconds: float = REQUEST_SECONDS, **body: Any) -> requests.Response:
        """`body`: `data` or `json`, as requests have it."""
        try:
            return self._session.request(method, self._url + path, timeout=seconds, allow_redirects=False, **body)
        except requests.RequestException as error:
            raise Unanswered(f"{self._url}: {transport_reason(error)}") from None


class SwarmAgent(_HttpAgent):
    """One Locust master, or a single process, with its web UI."""

    def __init__(self, name: str, url: str, spawn_rate: float, users_per_worker: int, token: str = "") -> None:
        super().__init__(name, url, token)
        self._spawn_rate = spawn_rate
        self._users_per_worker = users_per_worker
        self._ordered = 0

    def status(self) -> AgentStatus:
        return status_of(self._json("GET", "/stats/requests"), self._users_per_worker)

    def prepare(self) -> None:
        """Nothing: the first order starts the test."""

    def set_users(self, users: int) -> None:
        rate = max(self._spawn_rate, _LEAVING_PER_SECOND) if users < self._ordered else self._spawn_rate
        # No run_time, no user_classes: they would end the test, or crash the start of users.
        said = self._json("POST", "/swarm", {"user_count": str(users), "spawn_rate": f"{rate:g}"})
        if not said.get("success"):
            raise Unanswered(f"/swarm was refused: {said.get('message', 'no reason given')}")
        self._ordered = users

    def release(self) -> None:
        """Stop the test. Locust before 2.47 wants GET."""
        if self._ask("POST", "/stop", seconds=STOP_SECONDS).status_code == 405:
            self._json("GET", "/stop", seconds=STOP_SECONDS)

    def _json(
        self, method: str, path: str, form: dict[str, str] | None = None, *, seconds: float = REQUEST_SECONDS
    ) -> Any:
        answer = self._ask(method, path, seconds=seconds, data=form)
        if answer.status_code != 200:
            raise Unanswered(refused(path, answer.status_code))
        try:
            said = answer.json()
        except requests.JSONDecodeError:
            raise Unanswered(f"{path} did not return JSON: is this Locust's web UI?") from None
        if not isinstance(said, dict):
            raise Unanswered(f"{path} did not return what Locust returns")
        return said


def refused(path: str, status: int) -> str:
    """Why an agent said no, in words that help. Pure."""
    if status in (301, 302, 401, 403):
        return f"{path} requires a login (HTTP status {status}): set MMLOAD_AGENT_TOKEN to the agent's token"
    return f"{path}: HTTP status {status}"


def status_of(said: dict[str, Any], users_per_worker: int) -> AgentStatus:
    """What `/stats/requests` says. A master has workers, a single process none. Pure."""
    try:
        users, running = int(said["user_count"]), said["state"] in _RUNNING
        workers = [worker for worker in said.get("workers", []) if worker["state"] != "stopped"]
        missing = [str(worker["id"]) for worker in workers if worker["state"] == "missing"]
        busy = [str(worker["id"]) for worker in workers if float(worker.get("cpu_usage") or 0) > _BUSY_PERCENT]
    except (KeyError, TypeError, ValueError):
        raise Unanswered("/stats/requests did not return what Locust returns") from None
    distributed = "workers" in said
    able = len(workers) - len(missing) if distributed else 1
    return AgentStatus(users, running, users_per_worker * able, _trouble(missing, busy, none=distributed and able == 0))


def _trouble(missing: list[str], busy: list[str], *, none: bool) -> str:
    if none:
        return "no worker is connected"
    if missing:
        return f"worker {', '.join(missing)} is missing"
    return f"worker {', '.join(busy)} uses more than {_BUSY_PERCENT:.0f} % of its core" if busy else ""


# The amount of one call is a 16-bit number there.
_MOST_AT_ONCE = 32767


class NoSuchAgent(Unanswered):
    """The API answers, and knows no agent of this name."""


class LoadAgent(_HttpAgent):
    """One agent behind the API. `documents` is what it is created with where it does not exist yet.

    What was created here is deleted in the end; what was there before is only stopped.
    """

    def __init__(self, name: str, url: str, documents: dict[str, Any], most_users: int, token: str = "") -> None:
        super().__init__(name, url, token)
        self._path = quote(name, safe="")
        self._documents = documents
        self._most_users = most_users
        self._created = False

    def status(self) -> AgentStatus:
        """An agent that is not there yet has no users."""
        try:
            return self._status()
        except NoSuchAgent:
            return AgentStatus(0, False, self._most_users)

    def prepare(self) -> None:
        try:
            running = self._status().running
        except NoSuchAgent:
            self._call("POST", "create", self._documents, query=f"?id={self._path}")
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

    def _status(self) -> AgentStatus:
        said = self._call("GET", f"{self._path}/status")
        try:
            status = said["status"]
            return AgentStatus(int(status["NumUsers"]), status["State"] == "running", self._most_users)
        except (KeyError, TypeError, ValueError):
            raise Unanswered("its status is not that of a load-test agent") from None

    def _call(
        self, method: str, path: str, body: Any = None, *, query: str = "", seconds: float = REQUEST_SECONDS
    ) -> dict[str, Any]:
        """One call. An `error` in the answer is a refusal, whatever the status."""
        answer = self._ask(method, f"/loadagent/{path}{query}", seconds=seconds, json=body)
        try:
            said = answer.json()
        except requests.JSONDecodeError:
            raise Unanswered(refused(f"/loadagent/{path}", answer.status_code)) from None
        error = str(said.get("error", "")) if isinstance(said, dict) else "an unexpected response"
        if answer.status_code == 404:
            raise NoSuchAgent(error or f"no agent {self.name}")
        if error or answer.status_code not in (200, 201):
            raise Unanswered(error or refused(f"/loadagent/{path}", answer.status_code))
        assert isinstance(said, dict)
        return said
