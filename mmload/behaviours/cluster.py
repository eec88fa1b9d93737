"""The system console: an administrator who watches the server and changes its configuration, second by second."""

from __future__ import annotations

import logging
from contextlib import suppress

from mmload.behaviours.catalogue import Action
from mmload.behaviours.entering import greet, log_in, open_socket
from mmload.behaviours.loading import fetch_site
from mmload.behaviours.person import Person
from mmload.behaviours.simulative import Behaviour, task_of
from mmload.errors import MmloadError

log = logging.getLogger("mmload.behaviours")

SECTION, SETTING = "ServiceSettings", "EnableDeveloper"
WAIT_SECONDS = 1.0


def enter_console(person: Person) -> None:
    """Log in and load the application. The console needs no team: the administrator may have none."""
    if not person.api.rest.token:
        log_in(person)
    fetch_site(person)
    greet(person)
    open_socket(person)
    person.api.server_config()


def get_logs(person: Person) -> None:
    """Read the newest page of the server's log."""
    person.api.logs()


def get_analytics(person: Person) -> None:
    """Look at the figures of the whole site."""
    person.api.analytics()


def get_cluster_status(person: Person) -> None:
    """Look at the servers of the cluster."""
    person.api.cluster_status()


def get_plugin_statuses(person: Person) -> None:
    """Look at the plugins."""
    person.api.plugin_statuses()


def update_config(person: Person) -> None:
    """Change a setting of little consequence: the server saves its configuration and tells all clients."""
    config = person.api.whole_config()
    config[SECTION][SETTING] = not config[SECTION][SETTING]
    person.api.replace_config(config)


def put_back(person: Person, setting: bool) -> None:
    """Leave the setting as it was found. Never raises: a farewell goes on."""
    try:
        config = person.api.whole_config()
        if config[SECTION][SETTING] != setting:
            config[SECTION][SETTING] = setting
            person.api.replace_config(config)
    except MmloadError as error:
        log.warning("%s.%s of the server could not be put back to %s: %s", SECTION, SETTING, setting, error)


CONSOLE = (
    Action("GetLogs", get_logs, 1),
    Action("GetAnalytics", get_analytics, 1),
    Action("GetClusterStatus", get_cluster_status, 1),
    Action("GetPluginStatuses", get_plugin_statuses, 1),
    Action("UpdateConfig", update_config, 1),
)


class ClusterBehaviour(Behaviour):
    """The console's pages in order, one a second times the person's rate."""

    tasks = [task_of(action) for action in CONSOLE]  # noqa: RUF012 — Locust's own form
    _found: bool | None = None
    _next = 0

    def on_start(self) -> None:
        """Remember the setting that will be changed. What could not be read is not put back."""
        super().on_start()
        with suppress(MmloadError):
            self._found = bool(self.person.api.whole_config()[SECTION][SETTING])

    def on_stop(self) -> None:
        if self._found is not None and self.person.api.rest.token:
            put_back(self.person, self._found)

    def get_next_task(self):  # type: ignore[no-untyped-def] # noqa: ANN201 — as the base
        ...
