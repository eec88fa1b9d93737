"""How a worker joins: it says what it is, and is welcome only with the master's version and configuration.

Locust's master hears of a worker when it is welcomed: until then it is sent no settings and no users, and of its
messages only this one is read. One that is refused is named, with the difference, on both sides (the values of the
master in its own log only); it ends with the exit code of a refused configuration.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
import locust
import msgspec
from gevent.event import Event
from locust.rpc import Message
from locust.runners import STATE_MISSING

from mmload import __version__
from mmload.client.accounts import dealt_lines, has_file_only, own_numbers
from mmload.config import Settings, environment_name, read_credentials, shown
from mmload.config.credentials import credentials
from mmload.context import websocket_url
from mmload.errors import ConfigurationError, ExitCode
from mmload.locust_internals import in_turn
from mmload.plugin.settings import OVERRIDE, process_settings
from mmload.plugin.startup_checks import browser_problem
from mmload.printable import harmless_line
from mmload.user_classes import BROWSER_USER
from mmload.users import context_of, forget_context, new_context

log = logging.getLogger("mmload.worker_handshake")

HELLO = "mmload_hello"  # worker to master: what I am
WELCOME = "mmload_welcome"  # master to worker: you may; these are the settings in force
REFUSED = "mmload_refused"  # master to worker: you may not, because
READ_AGAIN = "mmload_read_again"  # master to worker: a new test begins, read your settings again; the seed
READ = "mmload_read"  # worker to master: the answer
LINES = "mmload_lines"  # master to worker: its own lines of the file of users, as a range; None without a file
HELLO_AGAIN_SECONDS = 2.0
READ_SECONDS = 10.0
_POLL_SECONDS = 0.02
# A worker that has not said what it is by then is none of this version.
PATIENCE_SECONDS = 20.0
# What only the master reads, or `mmload init`.
_OF_ONE_MACHINE = ("Users", "ExecutablePath", "Niceness")
_OF_ONE_PROCESS = ("RunConfiguration", "InstanceConfiguration")
_MOST_NAMED = 5
_LONGEST_VALUE = 200
# Whoever knocks at the port is remembered for a while; more than these are not answered.
_MOST_STRANGERS = 1000
# How `mmload deploy` calls this machine.
HOST_NAME = "MMLOAD_HOST_NAME"
_USERS_FILE = "config.UsersConfiguration.UsersFilePath"
_SERVER, _WEBSOCKET = (f"config.ConnectionConfiguration.{name}" for name in ("ServerURL", "WebSocketURL"))


class Hello(msgspec.Struct, frozen=True):
    """What a process is, as far as all of a run must be alike."""

    name: str
    mmload: str
    locust: str
    settings: dict[str, Any]
    # Which passwords it has of its own, by their variables.
    passwords: tuple[str, ...] = ()
    host: str = ""
    has_browser: bool = False


def hello(settings: Settings) -> Hello:
    """This process, by its own settings. Never with a password."""
    host = os.environ.get(HOST_NAME, "")
    name = f"{host or socket.gethostname()} (process {os.getpid()})"
    values = {**alike(settings), _USERS_FILE: _contents(settings.config.users.users_file_path)}
    has_browser = not browser_problem(settings)
    return Hello(name, __version__, locust.__version__, values, tuple(passwords(settings)), host, has_browser)


def _contents(path: str) -> str:
    """What is in a file, told by a few digits: it may be elsewhere on another machine. Its path where there is none."""
    try:
        return f"a file with contents {hashlib.sha256(Path(path).read_bytes()).hexdigest()[:8]}" if path else ""
    except OSError:
        return path


def passwords(settings: Settings) -> Iterator[str]:
    """The variables of the passwords that users of these settings log in with, where they are set. Pure."""
    needed = {"UsersConfiguration.Password"}
    if settings.config.controller.type == "cluster" or settings.config.users.percent_of_users_are_admin:
        needed.add("ConnectionConfiguration.AdminPassword")
    for path in credentials(settings.config):
        if path in needed:
            yield environment_name(*path.split("."))


def alike(settings: Settings) -> dict[str, Any]:
    """The values that all processes of a run must share, by their paths, without secrets. Pure."""
    values = shown(settings)
    for name in _OF_ONE_PROCESS:
        del values["config"][name]
    for name in _OF_ONE_MACHINE:
        del values["config"]["BrowserConfiguration"][name]
    return dict(_flat("", values))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, inner in value.items():
        yield from _flat(f"{path}.{name}" if path else name, inner)


def at(host: str | None, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a process that is told to test this host, whatever its own documents say. Pure."""
    server = values.get(_SERVER, "")
    if not host or not isinstance(server, str):
        return values
    return {**values, _SERVER: host, _WEBSOCKET: websocket_url(server, str(values.get(_WEBSOCKET)), host)}


def differences(ours: Hello, theirs: Hello, host: str | None = None, *, to_worker: bool = False) -> list[str]:
    """What keeps a worker from joining, in words. `host` is what the master tells all workers to test.

    What the worker itself is told has no values of ours: whoever is refused may be a stranger. Pure.
    """
    found = [
        f"it runs {name} {there}, the master {'another version' if to_worker else here}"
        for name, here, there in (("mmload", ours.mmload, theirs.mmload), ("Locust", ours.locust, theirs.locust))
        if here != there
    ]
    if found:
        # Another version may have other keys; naming them all would hide the reason.
        return found
    here, there = at(host, ours.settings), at(host, theirs.settings)
    wrong = [key for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)]
    for key in wrong:
        places = "here, but not on the master (see its log)" if to_worker else f"there, {here.get(key)!r} here"
        found.append(f"{key.partition('.')[2]} is {there.get(key)!r:.{_LONGEST_VALUE}} {places}")
    found = found[:_MOST_NAMED] + ([f"and {len(wrong) - _MOST_NAMED} more"] if len(wrong) > _MOST_NAMED else [])
    lacking = [name for name in ours.passwords if name not in theirs.passwords]
    return found + [f"the worker has no {name}, but the master has: passwords are not passed on" for name in lacking]


def admits(runner: Any, client_id: str, message: Message) -> bool:
    """For masters of this process: before ours is there nobody is admitted; a worker says again what it is."""
    side: MasterSide | None = getattr(runner.environment, "mmload_workers", None)
    return side is not None and side.admits(client_id, message)


class MasterSide:
    """Welcomes workers or refuses them, and has them read their settings again before a new test."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._settings = process_settings(environment)
        self._runner = environment.runner
        # Since when these are connected, without having said what they are.
        self._waiting: dict[str, float] = {}
        self._refused: set[str] = set()
        self._welcomed: set[str] = set()
        self._with_browsers: set[str] = set()
        self._hosts: dict[str, str] = {}
        # What workers answered that were told to read their settings again: why they cannot take part, or "".
        self._answers: dict[str, str] = {}
        # The lines of the file of users that each worker was dealt; None without a file.
        self._lines: dict[str, range] | None = None
        self._runner.register_message(READ, self._on_read)
        environment.events.worker_connect.add_listener(self._on_connect)
        self._runner.greenlet.spawn(self._look_for_silent_ones)

    def admits(self, client_id: str, message: Message) -> bool:
        """Whether Locust may handle a message: it knows of those only who were welcomed."""
        if client_id in self._welcomed:
            if message.type == "quit":
                self._welcomed.discard(client_id)
            return bool(message.type != HELLO)
        if message.type == HELLO and client_id not in self._refused:
            self._on_hello(client_id, message.data)
        elif message.type == "client_ready" and len(self._waiting) < _MOST_STRANGERS:
            self._waiting.setdefault(client_id, time.monotonic())
            # It connects, then says what it is. Its index it gets with the welcome: a stranger must not use one up.
            self._runner.send_message("ack", client_id=client_id)
        return False

    def host_of(self, client_id: str) -> str:
        """On which host of a deployment a worker is; "" for others."""
        return self._hosts.get(client_id, "")

    def takes_users(self, client_id: str) -> bool:
        return self._lines is None or len(self._lines.get(client_id, ())) > 0

    def takes_class(self, client_id: str, user_class: str) -> bool:
        """Whether a worker can have users of this class: those in browsers only where there is one."""
        return user_class != BROWSER_USER or client_id in self._with_browsers

    def numbers_of(self, client_id: str) -> range:
        users = self._settings.in_force.config.users
        if self._lines is not None:
            return self._lines.get(client_id, range(0))[: users.max_active_users]
        return own_numbers(self._runner.get_worker_index(client_id), users.max_active_users)

    def look_for_browsers(self) -> None:
        """A test with browser users begins: somebody has to have a browser."""
        wanted = self._settings.in_force.config.browser.users
        if wanted and not self._with_browsers & self._welcomed:
            log.error(
                "no worker has a browser, so the %d browser users cannot start: install playwright (pip install "
                "'mmload[browser]') and Chromium on a worker's machine",
                wanted,
            )

    def deal_lines(self) -> None:
        """A test begins: deal the lines of the file of users to the workers, in the order in which they get users."""
        users = self._settings.in_force.config.users
        lost = {worker.id for worker in self._runner.clients.all if worker.state == STATE_MISSING}
        # Those that are about to connect once more after the test before, too.
        workers = in_turn(self._welcomed - lost, self._runner.get_worker_index)
        self._lines = None
        if has_file_only(users):
            try:
                number = len(read_credentials(users.users_file_path))
            except ConfigurationError as error:
                log.error("%s", error)
                number = 0
            self._lines = {each: dealt_lines(place, len(workers), number) for place, each in enumerate(workers)}
        for client_id in workers:
            self._tell_lines(client_id)

    def _tell_lines(self, client_id: str) -> None:
        lines = None if self._lines is None else self._lines.get(client_id, range(0))
        if lines is not None and not lines:
            path = self._settings.in_force.config.users.users_file_path
            log.warning(
                "worker %d takes no users: the lines of %s are distributed when a test starts, and none is left for it",
                self._runner.get_worker_index(client_id),
                path,
            )
        told = None if lines is None else [lines.start, lines.stop, lines.step]
        self._runner.send_message(LINES, told, client_id=client_id)

    def have_settings_read(self, ours: Settings) -> None:
        """Each worker reads its documents again. ConfigurationError names those that refuse theirs, or differ."""
        self._answers.clear()
        self._expected = hello(ours)
        asked = {worker.id for worker in self._runner.clients.all if worker.state != STATE_MISSING} & self._welcomed
        for client_id in asked:
            self._runner.send_message(READ_AGAIN, ours.config.run.seed, client_id=client_id)
        with gevent.Timeout(READ_SECONDS, False):  # type: ignore[arg-type]
            while any(client_id in self._runner.clients for client_id in asked - self._answers.keys()):
                gevent.sleep(_POLL_SECONDS)
        told = {each: self._answers.get(each, "it does not answer") for each in asked if each in self._runner.clients}
        refusals = [f"worker {self._runner.get_worker_index(each)}: {why}" for each, why in told.items() if why]
        if refusals:
            raise ConfigurationError(*sorted(refusals))

    def _on_read(self, msg: Any, **_: Any) -> None:
        problem, theirs = msg.data["problem"], msg.data["hello"]
        if not problem:
            problem = "; ".join(differences(self._expected, msgspec.convert(theirs, Hello), self._environment.host))
        self._answers[msg.node_id] = problem

    def _on_connect(self, client_id: str, **_: Any) -> None:
        # After each test, Locust has its workers connect once more; meanwhile they are sent nothing.
        self._runner.send_message(OVERRIDE, self._settings.wire(), client_id=client_id)
        self._tell_lines(client_id)

    def _on_hello(self, client_id: str, data: Any) -> None:
        self._waiting.pop(client_id, None)
        try:
            theirs = msgspec.convert(data, Hello)
        except msgspec.ValidationError:
            self._refuse(client_id, ["it runs another version of mmload"])
            return
        own, host = self._settings.own.settings, self._environment.host
        found = differences(hello(own), theirs, host)
        if found:
            self._refuse(client_id, found, theirs.name, differences(hello(own), theirs, host, to_worker=True))
            return
        self._welcomed.add(client_id)
        if theirs.has_browser:
            self._with_browsers.add(client_id)
        self._hosts[client_id] = harmless_line(theirs.host[:_LONGEST_VALUE])
        # What it said when it connected, and Locust was not to hear.
        ready: Message = Message("client_ready", locust.__version__, client_id)  # type: ignore[no-untyped-call]
        self._runner.handle_message(client_id, ready)
        welcome = {"settings": self._settings.wire(), "seed": own.config.run.seed}
        self._runner.send_message(WELCOME, welcome, client_id=client_id)

    def _refuse(self, client_id: str, why: Sequence[str], name: str = "", told: Sequence[str] = ()) -> None:
        if len(self._refused) < _MOST_STRANGERS:
            self._refused.add(client_id)
            log.error("worker %s is refused: %s", name[:_LONGEST_VALUE] or client_id, "; ".join(why))
        self._runner.send_message(REFUSED, "; ".join(told or why), client_id=client_id)

    def _look_for_silent_ones(self) -> None:
        """A worker that never introduces itself runs no mmload, or an older one: Locust's own message ends it."""
        while True:
            gevent.sleep(1.0)
            for client_id, since in list(self._waiting.items()):
                if time.monotonic() - since > PATIENCE_SECONDS:
                    del self._waiting[client_id]
                    self._refuse(client_id, ["it did not introduce itself: it runs no mmload, or an older version"])
                    self._runner.send_message("quit", client_id=client_id)


class WorkerSide:
    """Introduces itself to the master, starts no users before it is welcome, reads its settings again when told to."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._settings = process_settings(environment)
        self._runner = environment.runner
        self._welcome = Event()
        self._start_worker = self._runner.start_worker
        self._runner.start_worker = self._start_when_welcome
        self._runner.register_message(WELCOME, self._on_welcome)
        self._runner.register_message(REFUSED, self._on_refused)
        self._runner.register_message(READ_AGAIN, self._on_read_again)
        self._runner.register_message(LINES, self._on_lines)
        self._runner.greenlet.spawn(self._introduce)
        # Locust ends a worker whose master is silent for a minute, but begins to look when it was answered once.
        self._runner.last_heartbeat_timestamp = time.time()

    def _introduce(self) -> None:
        """Say it until it is heard: Locust tells its listeners of a connection before it listens to us."""
        while not self._welcome.is_set():
            self._runner.send_message(HELLO, msgspec.to_builtins(hello(self._settings.own.settings)))
            self._welcome.wait(HELLO_AGAIN_SECONDS)

    def _start_when_welcome(self, user_classes_count: dict[str, int], **options: Any) -> None:
        self._welcome.wait()
        self._start_worker(user_classes_count, **options)

    def _on_welcome(self, msg: Any, **_: Any) -> None:
        if self._welcome.is_set():
            return
        self._settings.own.use_seed(msg.data["seed"])
        # A test that began before has no users here yet: nothing of its context is in use, and its seed is another.
        has_begun = context_of(self._environment) is not None
        forget_context(self._environment)
        if msg.data["settings"] is not None:
            self._settings.take(msg.data["settings"])
        if has_begun:
            new_context(self._environment, self._settings.in_force)
        self._welcome.set()

    def _on_lines(self, msg: Any, **_: Any) -> None:
        lines = self._environment.mmload_lines = None if msg.data is None else range(*msg.data)
        if lines is not None and not lines:
            log.warning("this worker takes no users: no line of the users file is left for it")

    def _on_read_again(self, msg: Any, **_: Any) -> None:
        own, problem = self._settings.own, ""
        try:
            self._settings.use_own(own.read_again())
            own.use_seed(msg.data)
        except ConfigurationError as error:
            problem = "; ".join(error.problems)
            log.error("cannot read the settings again: %s", problem)
        answer = {"problem": problem, "hello": msgspec.to_builtins(hello(own.settings))}
        self._runner.send_message(READ, answer)

    def _on_refused(self, msg: Any, **_: Any) -> None:
        print(harmless_line(f"mmload: the master refuses this worker: {msg.data}"), file=sys.stderr, flush=True)
        self._environment.process_exit_code = int(ExitCode.CONFIGURATION_REFUSED)
        # Locust's own way to end a worker: its main greenlet waits for this group.
        gevent.spawn(self._runner.quit)
