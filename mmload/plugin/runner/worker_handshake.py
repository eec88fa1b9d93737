"""How a worker joins: it says what it is, and is welcome only with the master's version and configuration.

A worker starts no users before it was welcomed. One that is refused is named, with the difference, on both sides; it
ends with the exit code of a refused configuration.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import gevent
import locust
import msgspec
from gevent.event import Event

from mmload import __version__
from mmload.config import Settings, load_settings, shown
from mmload.config.loading import adopted
from mmload.context import websocket_url
from mmload.errors import ExitCode
from mmload.plugin.settings_override import MESSAGE, Adoption, wire

log = logging.getLogger("mmload.joining")

HELLO = "mmload_hello"  # worker to master: what I am
WELCOME = "mmload_welcome"  # master to worker: you may; these are the settings in force
REFUSED = "mmload_refused"  # master to worker: you may not, because
HELLO_AGAIN_SECONDS = 2.0
# A worker that has not said what it is by then is none of this version.
PATIENCE_SECONDS = 20.0
# What only the master reads, or `mmload init`.
_OF_ONE_PROCESS = ("RunConfiguration", "InstanceConfiguration")
_MOST_NAMED = 5
_SERVER, _WEBSOCKET = (f"config.ConnectionConfiguration.{name}" for name in ("ServerURL", "WebSocketURL"))
_SEED_VARIABLE = "MMLOAD_RUNCONFIGURATION_SEED"


class Hello(msgspec.Struct, frozen=True):
    """What a process is, as far as all of a run must be alike."""

    name: str
    mmload: str
    locust: str
    settings: dict[str, Any]


def hello() -> Hello:
    """This process, by its own documents and environment. Never with a password."""
    settings, _ = load_settings(environ=dict(os.environ))
    return Hello(f"{socket.gethostname()} (process {os.getpid()})", __version__, locust.__version__, alike(settings))


def alike(settings: Settings) -> dict[str, Any]:
    """The values that all processes of a run must share, by their paths, without secrets. Pure."""
    values = shown(settings)
    for name in _OF_ONE_PROCESS:
        del values["config"][name]
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


def differences(ours: Hello, theirs: Hello, host: str | None = None) -> list[str]:
    """What keeps a worker from joining, in words. `host` is what the master tells all workers to test. Pure."""
    found = [
        f"it runs {name} {there}, the master {here}"
        for name, here, there in (("mmload", ours.mmload, theirs.mmload), ("Locust", ours.locust, theirs.locust))
        if here != there
    ]
    if found:
        # Another version may have other keys; naming them all would hide the reason.
        return found
    here, there = at(host, ours.settings), at(host, theirs.settings)
    wrong = [key for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)]
    found = [f"{key.partition('.')[2]} is {there.get(key)!r} there, {here.get(key)!r} here" for key in wrong]
    return found[:_MOST_NAMED] + ([f"and {len(wrong) - _MOST_NAMED} more"] if len(wrong) > _MOST_NAMED else [])


class Reception:
    """The master's side."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._runner = environment.runner
        self._waiting: dict[str, float] = {}
        self._welcomed: set[str] = set()
        self._runner.register_message(HELLO, self._on_hello)
        environment.events.worker_connect.add_listener(self._on_connect)
        self._runner.greenlet.spawn(self._look_for_silent_ones)

    def _on_connect(self, client_id: str, **_: Any) -> None:
        # After each test, Locust has its workers connect once more; meanwhile they are sent nothing.
        if client_id in self._welcomed:
            self._runner.send_message(MESSAGE, wire(), client_id=client_id)
        else:
            self._waiting[client_id] = time.monotonic()

    def _on_hello(self, msg: Any, **_: Any) -> None:
        self._waiting.pop(msg.node_id, None)
        try:
            theirs = msgspec.convert(msg.data, Hello)
        except msgspec.ValidationError:
            self._refuse(msg.node_id, "it runs another version of mmload")
            return
        found = differences(hello(), theirs, self._environment.host)
        if found:
            self._refuse(msg.node_id, "; ".join(found), theirs.name)
            return
        self._welcomed.add(msg.node_id)
        seed = load_settings()[0].config.run.seed
        self._runner.send_message(WELCOME, {"settings": wire(), "seed": seed}, client_id=msg.node_id)

    def _refuse(self, client_id: str, why: str, name: str = "") -> None:
        index = self._runner.get_worker_index(client_id)
        log.error("worker %d, %s, is refused: %s", index, name or client_id, why)
        self._runner.send_message(REFUSED, why, client_id=client_id)

    def _look_for_silent_ones(self) -> None:
        """What knows no welcome runs no mmload, or an older one: Locust's own message ends it."""
        while True:
            gevent.sleep(1.0)
            for client_id, since in list(self._waiting.items()):
                if time.monotonic() - since > PATIENCE_SECONDS:
                    del self._waiting[client_id]
                    if client_id in self._runner.clients:
                        self._refuse(client_id, "it does not say what it is: it runs no mmload, or an older one")
                        self._runner.send_message("quit", client_id=client_id)


class Guest:
    """The worker's side."""

    def __init__(self, environment: Any, adoption: Adoption) -> None:
        self._environment = environment
        self._adoption = adoption
        self._runner = environment.runner
        self._welcome = Event()
        self._start_worker = self._runner.start_worker
        self._runner.start_worker = self._start_when_welcome
        self._runner.register_message(WELCOME, self._on_welcome)
        self._runner.register_message(REFUSED, self._on_refused)
        self._runner.greenlet.spawn(self._introduce)

    def _introduce(self) -> None:
        """Say it until it is heard: Locust tells its listeners of a connection before it listens to us."""
        while not self._welcome.is_set():
            self._runner.send_message(HELLO, msgspec.to_builtins(hello()))
            self._welcome.wait(HELLO_AGAIN_SECONDS)

    def _start_when_welcome(self, user_classes_count: dict[str, int], **options: Any) -> None:
        self._welcome.wait()
        self._start_worker(user_classes_count, **options)

    def _on_welcome(self, msg: Any, **_: Any) -> None:
        if self._welcome.is_set():
            return
        # What chance decides about a person follows from the seed: one for the whole run.
        os.environ[_SEED_VARIABLE] = str(msg.data["seed"])
        if msg.data["settings"] is not None or adopted() is not None:
            given = msg.data["settings"]
            self._adoption.adopt_here(None if given is None else msgspec.convert(given, Settings))
        self._welcome.set()

    def _on_refused(self, msg: Any, **_: Any) -> None:
        print(f"mmload: the master refuses this worker: {msg.data}", file=sys.stderr, flush=True)
        self._environment.process_exit_code = int(ExitCode.CONFIGURATION_REFUSED)
        # Locust's own way to end a worker: its main greenlet waits for this group.
        gevent.spawn(self._runner.quit)
