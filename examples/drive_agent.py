"""Drive an agent as scripts of the seed tool do: `mmload agent --server URL`, then `examples/drive_agent.py URL`.

Only that tool's calls are used: create, run, addusers, removeusers, status, stop, delete. After each change the script
waits until the agent has as many users as were asked for, and where an administrator's password is given
(MMLOAD_CONNECTIONCONFIGURATION_ADMINEMAIL and …ADMINPASSWORD), until the server itself counts as many open WebSockets:
nobody else should be on it then. docs/agent-api.md has the calls.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import requests

ADMIN = "MMLOAD_CONNECTIONCONFIGURATION_ADMIN"
PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.25
ROW = "{:<18} {:>9} {:>9} {:>14} {:>10}"


class Agent:
    """One agent, by the seed tool's calls."""

    def __init__(self, url: str, name: str, token: str) -> None:
        self._at = f"{url}/loadagent"
        self._name = name
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def create(self, config: dict[str, Any]) -> None:
        self._call("POST", f"/create?id={self._name}", json=config)

    def post(self, path: str) -> dict[str, Any]:
        return self._call("POST", f"/{self._name}/{path}")

    def users(self) -> int:
        return int(self._call("GET", f"/{self._name}/status")["status"]["NumUsers"])

    def delete(self) -> None:
        self._call("DELETE", f"/{self._name}")

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The rule of the seed tool's own client: an `error` is one, whatever the status code says."""
        answer = self._session.request(method, self._at + path, timeout=120, **options)
        found: dict[str, Any] = answer.json()
        if found.get("error"):
            raise SystemExit(f"{method} {path}: {found['error']}")
        return found


class Sockets:
    """How many WebSockets the server has open, by its own count."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._session = requests.Session()
        login = {"login_id": os.environ[f"{ADMIN}EMAIL"], "password": os.environ[f"{ADMIN}PASSWORD"]}
        answer = self._session.post(f"{server}/api/v4/users/login", json=login, timeout=30)
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.headers['Token']}"

    def open(self) -> int:
        answer = self._session.get(f"{self._server}/api/v4/analytics/old?name=standard", timeout=30)
        answer.raise_for_status()
        return next(int(row["value"]) for row in answer.json() if row["name"] == "total_websocket_connections")


def seed_config(server: str, users: int, most: int) -> dict[str, Any]:
    """A configuration of the seed tool; its keys for data bases and machines are not needed."""
    return {
        "ConnectionConfiguration": {"ServerURL": server, "WebSocketURL": "ws" + server.removeprefix("http")},
        "UsersConfiguration": {"InitialActiveUsers": users, "MaxActiveUsers": most},
    }


def reached(count: Callable[[], int], wanted: int) -> float:
    """Seconds until it is so; the script ends where that takes too long."""
    began = time.monotonic()
    while (found := count()) != wanted:
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit(f"{found} instead of {wanted} after {PATIENCE_SECONDS:g} s")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began


def show(call: str, agent: Agent, sockets: Sockets | None, wanted: int) -> None:
    """One row: what was called, how many users there should be, and when agent and server had them."""
    by_agent = reached(agent.users, wanted)
    at_server = by_agent + reached(sockets.open, wanted) if sockets else None
    server = ["-", "-"] if at_server is None else [str(wanted), f"{at_server:.1f} s"]
    print(ROW.format(call, wanted, f"{by_agent:.1f} s", *server), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Drive an agent by the seed tool's calls.")
    parser.add_argument("server", help="the Mattermost server")
    parser.add_argument("--agent", default="http://localhost:4000", help="default: %(default)s")
    parser.add_argument("--id", default="lt0", help="the agent's name, and its accounts' prefix (default: %(default)s)")
    parser.add_argument("--users", type=int, default=4, help="to begin with (default: %(default)s)")
    parser.add_argument("--steps", default="+6 -3 +5 -8", help='more and fewer users (default: "%(default)s")')
    options = parser.parse_args()
    steps = [int(step) for step in options.steps.split()]
    sockets = Sockets(options.server) if f"{ADMIN}PASSWORD" in os.environ else None
    agent = Agent(options.agent, options.id, os.environ.get("MMLOAD_AGENT_TOKEN", ""))
    agent.create(seed_config(options.server, options.users, options.users + sum(abs(step) for step in steps)))
    try:
        print(ROW.format("call", "users", "agent", "server's count", "after"))
        agent.post("run")
        show("run", agent, sockets, users := options.users)
        for step in steps:
            verb = "addusers" if step > 0 else "removeusers"
            agent.post(f"{verb}?amount={abs(step)}")
            show(f"{verb} {abs(step)}", agent, sockets, users := users + step)
        agent.post("stop")
        show("stop", agent, sockets, 0)
    finally:
        agent.delete()


if __name__ == "__main__":
    main()
