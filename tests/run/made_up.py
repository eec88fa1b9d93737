"""A locustfile whose users make up their figures and open no connection.

Each user writes what it really did to the file named by MADE_UP_TRUTH when it leaves.
"""

from __future__ import annotations

import os
from typing import Any

import gevent
from locust import User, constant, events, task

from mmload.metrics.recorder import ActionOutcome, process_recorder
from mmload.plugin.record import run_recorder
from mmload.plugin.settings import OwnSettings, ProcessSettings

# As a slow farewell: longer than Locust's master waits for the last reports of its workers.
FAREWELL_SECONDS = float(os.environ.get("MADE_UP_FAREWELL_SECONDS", "1.2"))


def _settings_first(environment: Any, **_: Any) -> None:
    environment.mmload_settings = ProcessSettings(environment, OwnSettings())


events.init.add_listener(_settings_first)  # type: ignore[no-untyped-call]
run_recorder.register(events)


class MadeUp(User):
    """Acts about ten times a second; every seventh request of it fails."""

    wait_time = constant(0.1)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.done = 0

    def on_start(self) -> None:
        """Come in, as a real user does: waiting first."""
        recorder = process_recorder()
        recorder.users.waiting += 1
        gevent.sleep(0.2)
        recorder.users.waiting -= 1
        recorder.users.active += 1
        recorder.sessions.logins += 1
        recorder.sockets.opened += 1
        recorder.request("POST /api/v4/users/login", 0.2, login=True)
        recorder.unavailable("bookmarks", "no licence")

    @task
    def act(self) -> None:
        """One request and one action."""
        if os.environ.get("MADE_UP_FAULT"):
            raise KeyError("made up")
        recorder = process_recorder()
        self.done += 1
        recorder.request("GET /api/v4/posts/{id}", 0.01, "" if self.done % 7 else "500 made.up")
        recorder.action("Look", 0.02, ActionOutcome.OK)
        recorder.deliveries.sent += 1
        recorder.events["posted"] += 3

    def on_stop(self) -> None:
        """The last figure of a user is counted when its farewell is over."""
        recorder = process_recorder()
        gevent.sleep(FAREWELL_SECONDS)
        recorder.users.active -= 1
        recorder.sessions.logged_out += 1
        recorder.sockets.closed += 1
        with open(os.environ["MADE_UP_TRUTH"], "a") as file:
            file.write(f"{self.done}\n")
