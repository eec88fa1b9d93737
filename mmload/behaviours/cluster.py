"""The system console: an administrator who watches the server and changes its configuration, second by second."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from locust.env import Environment

from mmload.behaviours.catalogue import Action
from mmload.behaviours.login import enter, open_socket
from mmload.behaviours.page_load import load_account
from mmload.behaviours.person import Person
from mmload.behaviours.tasksets import Behaviour, task_of
from mmload.errors import MmloadError

log = logging.getLogger("mmload.behaviours")

SECTION, SETTING = "ServiceSettings", "EnableDeveloper"
WAIT_SECONDS = 1.0


def enter_console(person: Person) -> None:
    """Log in and load the application. The console needs no team: the administrator may have none."""
    enter(person, lambda start: (partial(load_account, start=start), open_socket, lambda _: person.api.server_config()))


def get_logs(person: Person) -> None:
    """Open the newest page of the server log."""
    person.api.logs()


def get_analytics(person: Person) -> None:
    """Open the site statistics."""
    person.api.analytics()


def get_cluster_status(person: Person) -> None:
    """Open the cluster status."""
    person.api.cluster_status()


def get_plugin_statuses(person: Person) -> None:
    """Open the plugin statuses."""
    person.api.plugin_statuses()


def update_config(person: Person) -> None:
    """Toggle a harmless setting: the server saves its configuration and notifies all clients."""
    config = person.api.whole_config()
    config[SECTION][SETTING] = not config[SECTION][SETTING]
    person.api.replace_config(config)


class ConsoleSetting:
    """The original value of the setting; the last console of this process restores it.

    Consoles in several workers may read each other's change: run one worker, or one console.
    """

    def __init__(self) -> None:
        self.setting: bool | None = None
        self.consoles = 0

    def opened(self, person: Person) -> None:
        self.consoles += 1
        if self.setting is None:
            with suppress(MmloadError):  # What could not be read is not restored.
                self.setting = bool(person.api.whole_config()[SECTION][SETTING])

    def closed(self, person: Person) -> None:
        self.consoles -= 1
        if self.consoles == 0 and self.setting is not None:
            restore_setting(person, self.setting)
            self.setting = None


def restore_setting(person: Person, setting: bool) -> None:
    """Restore the setting. Never raises: the user must be able to stop."""
    try:
        config = person.api.whole_config()
        if config[SECTION][SETTING] != setting:
            config[SECTION][SETTING] = setting
            person.api.replace_config(config)
    except MmloadError as error:
        log.warning("could not restore %s.%s of the server to %s: %s", SECTION, SETTING, setting, error)


CONSOLE = (
    Action("GetLogs", get_logs, 1),
    Action("GetAnalytics", get_analytics, 1),
    Action("GetClusterStatus", get_cluster_status, 1),
    Action("GetPluginStatuses", get_plugin_statuses, 1),
    Action("UpdateConfig", update_config, 1),
)


_found: WeakKeyDictionary[Environment, ConsoleSetting] = WeakKeyDictionary()


class ClusterBehaviour(Behaviour):
    """The console's pages in order, one a second times the person's rate."""

    tasks = [task_of(action) for action in CONSOLE]  # noqa: RUF012 — Locust's own form
    _found: ConsoleSetting | None = None
    _next = 0

    def on_start(self) -> None:
        super().on_start()
        self._found = _found.setdefault(self.user.environment, ConsoleSetting())
        self._found.opened(self.person)

    def on_stop(self) -> None:
        if self._found is not None:
            self._found.closed(self.person)

    def get_next_task(self) -> Any:
        if not self.tasks:
            return super().get_next_task()
        self._next += 1
        return self.tasks[(self._next - 1) % len(self.tasks)]

    def wait_time(self) -> float:
        return WAIT_SECONDS * self.person.rate
