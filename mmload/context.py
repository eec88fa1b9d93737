"""What all simulated people of a process share: the server as they know it, the settings, the counters."""

from __future__ import annotations

import random
import ssl
from collections import deque
from typing import Any

from mmload.client.accounts import AccountPool, has_file_only, own_numbers
from mmload.client.capabilities import Capabilities, MissingFeatures, capabilities, left_out
from mmload.client.http.client import Transport
from mmload.client.kept_sessions import Destination, KeptSessions
from mmload.client.login_queue import Admission
from mmload.client.transport import tls_context
from mmload.client.websocket.handshake import SocketRoute
from mmload.config import ConnectionSettings, Settings, Users, read_credentials
from mmload.delivery.account import Deliveries
from mmload.metrics.recorder import Recorder
from mmload.network import own_headers, proxy_for
from mmload.store import SharedObjects


class TestContext:
    """The test of one process: the settings, the server as its users know it, the accounts, the counters.

    Made when a test begins. `before` is the context whose place it takes in the middle of a test, when an agent is
    given other settings: active users keep theirs, and both share the accounts (no number is taken twice) and the
    delivery account (they write to each other). `shared`: other processes drive users on this server, too; `lines` of
    the users file are then those that the master dealt to this one. `kept`: sessions, which go to their own server
    only.
    """

    __test__ = False  # for pytest: no class of tests

    def __init__(
        self,
        settings: Settings,
        server_url: str,
        recorder: Recorder,
        worker_index: int = 0,
        workers: int = 1,
        *,
        shared: bool = False,
        before: TestContext | None = None,
        lines: range | None = None,
        kept: KeptSessions | None = None,
    ) -> None:
        connection, users, run = settings.config.connection, settings.config.users, settings.config.run
        self.settings = settings
        self.seed = run.seed
        self.recorder = recorder
        # Which of how many equal parts of a common goal is this process's.
        self.part, self.parts = (worker_index, workers) if worker_index < workers else (0, 1)
        self.websocket_url = websocket_url(connection.server_url, connection.websocket_url, server_url)
        goes_there = kept is not None and kept.destination == Destination(server_url, self.websocket_url)
        self.kept = kept if goes_there and users.login_share < 1 else None
        secure = server_url.startswith("https") or self.websocket_url.startswith("wss")
        self.tls_context = tls_context(connection.verify_tls) if secure else None
        self.transport = _transport(connection, server_url, self.tls_context)
        self.socket_route = socket_route(connection, self.websocket_url)
        self.admission = _admission(users, self.seed)
        self.missing = MissingFeatures(recorder.unavailable)
        self.shared_objects = SharedObjects()
        self.credentials = read_credentials(users.users_file_path) if users.users_file_path else ()
        has_same_file = before and before.settings.config.users.users_file_path == users.users_file_path
        if lines is None:
            lines = range(0) if shared else range(1, len(self.credentials) + 1)
        self.accounts: AccountPool = before.accounts if before and has_same_file else _pool(users, worker_index, lines)
        self.deliveries: Deliveries = (
            before.deliveries if before else Deliveries(recorder, run.late_delivery_ms / 1000, shared=shared)
        )
        # The recorder settles it every second.
        recorder.account = self.deliveries
        self._begin()

    def _begin(self) -> None:
        """Before the first user: what they find out about the server, and leave for one another."""
        self.can: Capabilities | None = None
        # What it says of itself before anybody has logged in.
        self._foreseen = Capabilities()
        # What generative users make together; the first of them begins it.
        self.generation: Any = None
        # Actions that the people who drew them had nothing to do on, and how many have tried: the next ones do them.
        self.left_undone: deque[tuple[Any, int]] = deque()
        # How many pages those would have read who came to the beginning of a channel when they scrolled back.
        self.pages_left_unread = 0
        # The static files that a page of the application names, and all that a browser without a cache fetches.
        self.site_files: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do, as far as it has told us: the whole of it after the first login."""
        return self.can if self.can is not None else self._foreseen

    def foresee(self, config: dict[str, str], license: dict[str, str]) -> None:
        """Take in the little of the configuration that the login page gets: the version is in it."""
        if self.can is None:
            self._foreseen = capabilities(config, license, self.settings.config.controller.server_version)

    def learn(self, config: dict[str, str], license: dict[str, str]) -> None:
        """Take in the client configuration that the first user got; later ones say the same."""
        if self.can is not None:
            return
        self.can = capabilities(config, license, self.settings.config.controller.server_version)
        for feature, reason in left_out(self.can).items():
            self.recorder.unavailable(feature, reason)


def _transport(connection: ConnectionSettings, server_url: str, tls: ssl.SSLContext | None) -> Transport:
    return Transport(
        server_url,
        connection.connect_timeout_seconds,
        connection.request_timeout_seconds,
        tls,
        connection.largest_answer_mb << 20,
        own_headers(connection.headers),
        proxy_for(server_url) if connection.use_proxy else "",
    )


def _admission(users: Users, seed: int) -> Admission:
    rng = random.Random(f"{seed}:admission")
    return Admission(users.max_logins_in_flight, users.login_retry_min_seconds, users.login_retry_max_seconds, rng)


def _pool(users: Users, worker_index: int, lines: range) -> AccountPool:
    """The accounts of a process; `lines` are its own of the users file, if there is one."""
    if has_file_only(users):
        return AccountPool(lines[: users.max_active_users], f"add lines to {users.users_file_path}, or use fewer users")
    return AccountPool(own_numbers(worker_index, users.max_active_users))


def socket_route(connection: ConnectionSettings, url: str) -> SocketRoute:
    return SocketRoute(own_headers(connection.headers), proxy_for(url) if connection.use_proxy else "")


def websocket_url(configured_server: str, configured_websocket: str, server_url: str) -> str:
    """Where the sockets go: as configured, unless the test was sent to another server than the configured one. Pure."""
    if server_url.rstrip("/") == configured_server.rstrip("/"):
        return configured_websocket
    return "ws" + server_url.removeprefix("http")
