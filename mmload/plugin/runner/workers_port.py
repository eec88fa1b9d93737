"""The master's port for its workers: who gets through, and that nothing which is sent there ends the master.

With a key the connections are ZeroMQ's CURVE: encrypted, and each end proves by the handshake that it knows the key,
which never travels; nobody can record and replay it, or take a connected worker's place. The key is the agent's token,
or one that is drawn for a master and the workers that Locust forks from it. Without one the port is on loopback.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent
import zmq.green as zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from mmload import locust_internals
from mmload.errors import ConfigurationError, ExitCode
from mmload.plugin.web.access import LOOPBACK, TOKEN_VARIABLE, is_loopback, token_of
from mmload.printable import harmless_line

log = logging.getLogger("mmload.workers_port")

# The longest report of a worker has a few megabytes.
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
# In a row, a fraction of a second each.
MOST_FAILED_HANDSHAKES = 10
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
# Trying tokens one after the other is to cost time: about 50 ms each.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}


class WorkersPort:
    """The rule of one process, for its end of the connection. Raises ConfigurationError."""

    def __init__(self, environ: Mapping[str, str], arguments: Sequence[str]) -> None:
        self._token = token_of(environ)
        self._key = self._token or (secrets.token_hex() if forks_its_workers(arguments, environ) else "")
        if self._key and not zmq.has("curve"):
            raise ConfigurationError("this build of pyzmq does not support CURVE: install its wheel from PyPI")
        self._dropped = self._failed_in_a_row = 0

    @property
    def is_encrypted(self) -> bool:
        """Whether passwords may go through it."""
        return bool(self._key)

    def take_over(self, events: Any) -> None:
        """Have this process's sockets go by the rule. Called before Locust makes any, and before it forks."""
        events.init_command_line_parser.add_listener(lambda parser, **_: parser.set_defaults(master_bind_host=LOOPBACK))
        locust_internals.guard_sockets(self._check_host, self._prepare)
        locust_internals.drop_unreadable_messages(self.dropped)

    def host_problem(self, host: str, *, is_master: bool) -> str:
        """Why a master may not listen on this interface, or a worker not go to this machine; "" if it may."""
        if self._token or is_loopback(host):
            return ""
        if is_master:
            return (
                f"--master-bind-host {host}: anybody who reaches this address could join as a worker; set "
                f"{TOKEN_VARIABLE} to a secret, here and for the workers, or omit the option (default: {LOOPBACK})"
            )
        return f"--master-host {host}: a master on another machine needs a token: set {TOKEN_VARIABLE} to the same one"

    def _check_host(self, host: str, is_master: bool) -> None:
        problem = self.host_problem(host, is_master=is_master)
        if problem:
            _end(problem)

    def _prepare(self, socket: Any, is_master: bool) -> None:
        """Before the socket is bound or connected."""
        socket.maxmsgsize = LARGEST_MESSAGE_BYTES
        if self._key and is_master:
            socket.curve_server, socket.curve_secretkey = True, secret_of(self._key)
        elif self._key:
            # The master takes whoever knows its public key: nobody does without the token.
            socket.curve_serverkey = zmq.curve_public(secret_of(self._key))
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        monitor = socket.get_monitor_socket(_FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_MONITOR_STOPPED)
        gevent.spawn(_watch, monitor, self._on_worker if is_master else self._on_master)

    def _on_worker(self, event: int, _address: str) -> None:
        if event & _FAILED:
            self.dropped(f"a connection was refused: it has another {TOKEN_VARIABLE}, or none")

    def _on_master(self, event: int, address: str) -> None:
        self._failed_in_a_row = self._failed_in_a_row + 1 if event & _FAILED else 0
        # A master that is being stopped fails some, but does not break the protocol; ZeroMQ tries no more then.
        if self._failed_in_a_row == MOST_FAILED_HANDSHAKES or event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            _end(
                f"the master at {address.removeprefix('tcp://')} has another {TOKEN_VARIABLE} than this worker, or none"
            )

    def dropped(self, what: str) -> None:
        """Something that came to the port was not for us: counted, and logged ever more rarely."""
        self._dropped += 1
        if str(self._dropped).rstrip("0") == "1":
            log.warning("%s (%d so far on the workers' port)", what, self._dropped)


def _watch(monitor: Any, told: Callable[[int, str], None]) -> None:
    while True:
        event = recv_monitor_message(monitor)
        if event["event"] == zmq.EVENT_MONITOR_STOPPED:
            monitor.close()
            return
        told(event["event"], event["endpoint"].decode(errors="replace"))


def _end(problem: str) -> None:
    """End the process, from whichever greenlet: gevent passes this on to the main one."""
    print(harmless_line(f"mmload: {problem}"), file=sys.stderr, flush=True)
    sys.exit(int(ExitCode.CONFIGURATION_REFUSED))


def secret_of(key: str) -> bytes:
    """The master's secret key of CURVE that follows from a token. Pure."""
    return z85.encode(hashlib.scrypt(key.encode(), salt=b"mmload: the port of the workers", **_SCRYPT))


def forks_its_workers(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether Locust is going to be a master that forks its own workers. Pure."""
    given = {argument.partition("=")[0] for argument in arguments}
    forks = "--processes" in given or "LOCUST_PROCESSES" in environ
    return forks and "--worker" not in given and "LOCUST_MODE_WORKER" not in environ
