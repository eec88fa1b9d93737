"""The workers of one run on the hosts of a deployment: connected, started, watched, ended."""

from __future__ import annotations

import json
import queue
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from mmload.config.coordinator_tables import DOCUMENTS
from mmload.config.documents import DEFAULTS, load
from mmload.config.environment import DOCUMENT_VARIABLES, environment_name
from mmload.config.files import read_document, read_text
from mmload.deploy.checks import server_address, shortcomings, too_few_files
from mmload.deploy.expected import LOOPBACK, TOKEN
from mmload.deploy.ssh import HostFailed, SshSession
from mmload.deploy.state import DeployedHost, Deployment
from mmload.errors import ConfigurationError, MmloadError
from mmload.report.wording import plural

# By this a worker is called in logs and in the run's record: the name that its user gave, not the machine's own.
HOST_NAME = "MMLOAD_HOST_NAME"
USERS_FILE = environment_name("UsersConfiguration", "UsersFilePath")
AUTHORITIES = "SSL_CERT_FILE"
MASTER_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10
LOOK_SECONDS = 0.25
# What belongs to this machine, or is told in another way.
_OURS = frozenset(
    {"MMLOAD_CHECKED", "MMLOAD_RUN_FOLDER", "MMLOAD_SANDBOX", TOKEN, USERS_FILE, *DOCUMENT_VARIABLES.values()}
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Tell = Callable[[str], None]


def needs(environ: Mapping[str, str], token: str) -> tuple[dict[str, str], dict[str, str]]:
    """The settings in force here as a host's workers need them: variables, and files by the variables that name them.

    They have all secrets. Raises ConfigurationError.
    """
    loaded = load(environ)
    config = loaded.settings.config
    variables = {name: value for name, value in environ.items() if name.startswith("MMLOAD_") and name not in _OURS}
    for name in _VARIABLE.findall("\n".join(config.connection.headers)):
        variables |= {name: environ[name]} if name in environ else {}
    files = {
        DOCUMENT_VARIABLES[name]: json.dumps(read_document(Path(source)))
        for name, source in loaded.sources.items()
        if name in DOCUMENTS and source != DEFAULTS
    }
    if config.users.users_file_path:
        files[USERS_FILE] = read_text(Path(config.users.users_file_path))
    if environ.get(AUTHORITIES):
        files[AUTHORITIES] = read_text(Path(environ[AUTHORITIES]))
    return {**variables, TOKEN: token}, files


def arguments(port: int, workers: int, user_classes: Iterable[str] = ()) -> list[str]:
    """Locust's options for so many workers whose master is at the end of the tunnel. Pure."""
    return [
        *("--stop-timeout", str(STOP_TIMEOUT_SECONDS), "--worker"),
        *("--master-host", LOOPBACK, "--master-port", str(port)),
        *(("--processes", str(workers)) if workers > 1 else ()),
        *user_classes,
    ]


def session_with(deployment: Deployment, host: DeployedHost, tunnel_to: int = 0) -> SshSession:
    folder = deployment.folder(host.name)
    return SshSession(host.name, folder, config=deployment.ssh_config, python=deployment.python, tunnel_to=tunnel_to)


def examined(session: SshSession, server: tuple[str, int] | None) -> dict[str, Any]:
    """What a connected host is like, and how far `server` is from it. Raises HostFailed: it is not fit."""
    session.wait_for_tunnel()
    found: dict[str, Any] = session.ask("examine", server=server)
    session.measure_clock()
    if problem := "; ".join(shortcomings(found, session.offset_seconds)):
        raise HostFailed(session.name, problem)
    return found


class Fleet:
    """All of it. A host that is lost is told of, once; the others go on.

    `connect` before anything is begun, `start` when the master listens, `look` again and again, `close` at the end.
    """

    # For those that were started to come to the master; and a run may give them ranges of accounts.
    wait_seconds = 60
    sets_accounts = True

    def __init__(self, deployment: Deployment, port: int, tell: Tell) -> None:
        self.host, self.port = LOOPBACK, port
        self.token = secrets.token_hex(16)
        self._deployment, self._tell = deployment, tell
        self._stack = ExitStack()
        self._sessions: dict[str, SshSession] = {}
        self._done: set[str] = set()
        self._ended = threading.Event()

    @property
    def workers(self) -> int:
        return sum(host.workers for host in self._deployment.hosts)

    @property
    def variables(self) -> dict[str, str]:
        """For the master's environment: with the token nobody else on the hosts can join by the tunnel."""
        return {TOKEN: self.token}

    def check(self, users_each: int) -> None:
        """ConfigurationError: a host can't have so many users."""
        if problems := too_few_files(self._deployment.hosts, users_each):
            raise ConfigurationError(*problems)

    def connect(self, server_url: str) -> None:
        """Reach all hosts, with a tunnel from each to our port, and see that they reach the server. Raises HostFailed.

        A server behind a proxy ("" here) is not looked for.
        """
        for host in self._deployment.hosts:
            session = session_with(self._deployment, host, self.port)
            self._sessions[host.name] = self._stack.enter_context(session)
        server = server_address(server_url) if server_url else None
        for host in self._deployment.hosts:
            session = self._sessions[host.name]
            found = examined(session, server)
            away = f", {found['server']['seconds'] * 1000:.1f} ms from the server" if found["server"] else ""
            self._tell(f"{host.name}: {plural(host.workers, 'worker')}{away}")

    def start(
        self, master: subprocess.Popen[bytes], environ: Mapping[str, str], user_classes: Sequence[str] = ()
    ) -> None:
        """Start all workers, when the master listens. Raises MmloadError."""
        wait_for_port(master, self.port)
        variables, files = needs(environ, self.token)
        for host in self._deployment.hosts:
            session = self._sessions[host.name]
            session.ask(
                "start",
                environment=host.environment,
                arguments=arguments(session.tunnel_port, host.workers, user_classes),
                variables={**variables, HOST_NAME: host.name},
                files=files,
            )

    def look(self, tell: Tell | None = None, *, has_begun: bool = True) -> None:
        """Tell of hosts that were lost, and of workers that ended by themselves.

        Raises HostFailed where the load has not begun: it would wait for them.
        """
        for name, session in self._sessions.items():
            if name not in self._done and (why := _end_of(session)) is not None:
                self._done.add(name)
                if not why:
                    continue
                if not has_begun:
                    raise HostFailed(name, why)
                left = len(self._done) < len(self._sessions)
                (tell or self._tell)(
                    f"{name}: {why}; {'the other workers take over its users' if left else 'no host is left'}"
                )

    def watch(self) -> None:
        """Look in a thread of its own, for commands that are busy waiting."""

        def keep_looking() -> None:
            while not self._ended.wait(LOOK_SECONDS):
                self.look()

        threading.Thread(target=keep_looking, daemon=True).start()

    def close(self) -> None:
        """No worker is left. A host that is lost ends its own."""
        self._ended.set()
        alive = [each for name, each in self._sessions.items() if name not in self._done and not each.is_lost]
        with ThreadPoolExecutor(max_workers=max(1, len(alive))) as pool:
            list(pool.map(_stop, alive))
        self._stack.close()


def _end_of(session: SshSession) -> str | None:
    """Why a host has no workers any more: "" where their master told them to end; None where it still has some."""
    with suppress(queue.Empty):
        event = session.events.get_nowait()
        said = "".join(f"\n  {line}" for line in event["said"])
        return f"its workers exited unexpectedly (exit code {event['code']}):{said}\n" if event["code"] else ""
    return f"the host was lost: {session.failure()}" if session.is_lost else None


def _stop(session: SshSession) -> None:
    with suppress(HostFailed):
        session.ask("stop")


def wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    """Until the process listens there, or has ended. Raises MmloadError.

    Nobody knocks: a connection that says nothing would be a stranger to the master.
    """
    deadline = time.monotonic() + MASTER_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(psutil.Error):
            if any(
                each.laddr.port == port for each in psutil.Process(process.pid).net_connections("tcp") if each.laddr
            ):
                return
        time.sleep(LOOK_SECONDS)
    if process.poll() is None:
        raise MmloadError(f"the master did not listen for workers on port {port} within {MASTER_SECONDS:.0f} s")
