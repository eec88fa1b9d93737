"""Kept sessions in a Locust process: read before a test, shared out among the workers, kept up to date.

The file is read and written by the master, or by a process that is alone. A worker is told the sessions of its own
account numbers, and tells what became of them, where the connection is encrypted; else its users log in by password.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from locust.runners import MasterRunner

from mmload.client.accounts import account, sessions_each
from mmload.client.kept_sessions import Destination, KeptSessions
from mmload.config import read_credentials
from mmload.config.credentials import origin
from mmload.context import websocket_url
from mmload.errors import ConfigurationError
from mmload.plugin.settings import process_settings
from mmload.session_file import KeptAccount, SessionChange, SessionFile, make_changes, session_file, told

log = logging.getLogger("mmload.sessions")

SESSIONS = "mmload_sessions"  # master to worker: sessions of its accounts
SESSION_CHANGE = "mmload_session_change"  # worker to master: one of them began or ended
# Changes are written together.
WRITE_SECONDS = 2.0


def destination(environment: Any) -> Destination:
    connection = process_settings(environment).in_force.config.connection
    url = (environment.host or connection.server_url).rstrip("/")
    return Destination(url, websocket_url(connection.server_url, connection.websocket_url, url))


def file_of_test(environment: Any) -> SessionFile | None:
    """The file of the next test's sessions; None if it uses none. Raises ConfigurationError.

    Settings that came over the agent's API choose no files here, and send the sessions of a server nowhere else.
    """
    settings = process_settings(environment)
    own, there = settings.own.settings.config, destination(environment)
    own_websocket = websocket_url(own.connection.server_url, own.connection.websocket_url, there.server_url)
    if settings.in_force.config.users.login_share >= 1:
        return None
    if there.websocket_url != own_websocket and origin(there.websocket_url) != origin(there.server_url):
        return None
    return session_file(own, there.server_url)


def file_problem(environment: Any) -> ConfigurationError | None:
    """Why kept sessions cannot be used: their file is not safe, or damaged."""
    try:
        if file := file_of_test(environment):
            file.read()
    except ConfigurationError as error:
        return error
    return None


class SessionKeeper:
    """In a master, or in a process that is alone."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._settings = process_settings(environment)
        self._runner = environment.runner
        self._file: SessionFile | None = None
        self._there = Destination("", "")
        self._accounts: dict[str, KeptAccount] = {}
        self._changes: list[SessionChange] = []
        self._news = Event()
        environment.events.test_stop.add_listener(lambda **_: self.write())
        environment.events.quitting.add_listener(lambda **_: self.write())
        self._runner.greenlet.spawn(self._keep_writing)
        self._is_master = isinstance(self._runner, MasterRunner)
        if self._is_master:
            self._runner.register_message(SESSION_CHANGE, self._on_change)
            environment.events.worker_connect.add_listener(lambda client_id, **_: self.share_out([client_id]))

    def begin(self) -> None:
        """A test begins: read the file. Where there is none, nothing is kept."""
        self.write()
        self._accounts, self._there = {}, destination(self._environment)
        try:
            self._file = file_of_test(self._environment)
            if self._file is not None and not self._file.exists():
                self._file = None
            if self._file is not None:
                self._accounts = self._file.read()
        except ConfigurationError as error:
            log.error("%s", error)
            self._file = None
        users = self._settings.in_force.config.users
        log.info("%s", told(len(self._accounts), users.login_share))
        if self._is_master:
            self.share_out(worker.id for worker in self._runner.clients.all)
            return
        kept = None if self._file is None else KeptSessions(self._there, self._accounts, self._note, self._most)
        self._environment.mmload_kept_sessions = kept

    @property
    def _most(self) -> int:
        return sessions_each(self._settings.in_force.config.users)

    def share_out(self, client_ids: Iterable[str]) -> None:
        """Tell these workers the sessions of their own accounts."""
        for client_id in client_ids:
            if self._settings.is_encrypted:
                self._tell(client_id, self._environment.mmload_workers.numbers_of(client_id), more=False)
            elif self._accounts:
                log.warning(
                    "worker %s gets no kept sessions, as the connection to it is not encrypted: its users log in by "
                    "password. Start the master and its workers with the same MMLOAD_AGENT_TOKEN",
                    client_id,
                )

    def take_over(self, client_id: str, numbers: Iterable[int]) -> None:
        """A worker has further account numbers, those of a lost one."""
        if self._settings.is_encrypted:
            self._tell(client_id, numbers, more=True)

    def _tell(self, client_id: str, numbers: Iterable[int], *, more: bool) -> None:
        share = None
        if self._file is not None:
            logins = self._logins(numbers)
            share = {login: self._accounts[login] for login in logins if login in self._accounts}
        content = {"destination": list(self._there), "accounts": msgspec.to_builtins(share), "more": more}
        self._runner.send_message(SESSIONS, content, client_id=client_id)

    def _logins(self, numbers: Iterable[int]) -> Iterable[str]:
        users = self._settings.in_force.config.users
        credentials = read_credentials(users.users_file_path) if users.users_file_path else ()
        for number in numbers:
            yield account(number, users.username_prefix, "", users.number_offset, credentials).email

    def _on_change(self, msg: Any, **_: Any) -> None:
        self._note(msgspec.convert(msg.data, SessionChange))

    def _note(self, change: SessionChange) -> None:
        make_changes(self._accounts, [change], self._most)
        self._changes.append(change)
        self._news.set()

    def _keep_writing(self) -> None:
        while True:
            self._news.wait()
            gevent.sleep(WRITE_SECONDS)
            self.write()

    def write(self) -> None:
        self._news.clear()
        changes, self._changes = self._changes, []
        if self._file is None or not changes:
            return
        try:
            self._file.change(changes, self._most)
        except ConfigurationError as error:
            log.error("sessions are not kept: %s", error)


def use_sessions_when_told(environment: Any) -> None:
    """On a worker: its users come in with the sessions that the master has for them."""
    runner = environment.runner

    def tell(change: SessionChange) -> None:
        runner.send_message(SESSION_CHANGE, msgspec.to_builtins(change))

    def on_sessions(msg: Any, **_: Any) -> None:
        there, accounts = Destination(*msg.data["destination"]), msg.data["accounts"]
        kept: KeptSessions | None = getattr(environment, "mmload_kept_sessions", None)
        given = None if accounts is None else msgspec.convert(accounts, dict[str, KeptAccount])
        if msg.data["more"] and kept is not None and given is not None and kept.destination == there:
            kept.add(given)
        elif not msg.data["more"]:
            most = sessions_each(process_settings(environment).in_force.config.users)
            environment.mmload_kept_sessions = None if given is None else KeptSessions(there, given, tell, most)

    runner.register_message(SESSIONS, on_sessions)
