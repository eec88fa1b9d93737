"""What all simulated people of a process share: the server as they know it, the settings, the counters."""

from __future__ import annotations

import random
import ssl
from dataclasses import dataclass, field

from mmload.client.capabilities import Capabilities, MissingFeatures, capabilities, left_out
from mmload.client.http.client import Transport
from mmload.client.login_queue import Admission
from mmload.client.net import tls_context
from mmload.config import Settings
from mmload.delivery.account import Deliveries
from mmload.metrics.recorder import Recorder
from mmload.store import SharedObjects


@dataclass(slots=True)
class TestContext:
    """One server under test, seen from one process. Nothing in it is shared between processes."""

    settings: Settings
    seed: int
    recorder: Recorder
    transport: Transport
    websocket_url: str
    admission: Admission
    missing: MissingFeatures
    deliveries: Deliveries
    tls_context: ssl.SSLContext | None = None
    shared_objects: SharedObjects = field(default_factory=SharedObjects)
    can: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do; nothing special before the first log-in told us."""
        return self.can if self.can is not None else Capabilities()

    def learn(self, config: dict[str, str], license: dict[str, str]) -> None:
        """Take in the client configuration that the first user got; later ones say the same."""
        if self.can is not None:
            return
        self.can = capabilities(config, license, self.settings.config.controller.server_version)
        for feature, reason in left_out(self.can).items():
            self.recorder.unavailable(feature, reason)


def websocket_url(configured_server: str, configured_websocket: str, server_url: str) -> str:
    """Where the sockets go: as configured, unless the test was sent to another server than the configured one. Pure."""
    if server_url.rstrip("/") == configured_server.rstrip("/"):
        return configured_websocket
    return "ws" + server_url.removeprefix("http")


def new_context(
    settings: Settings, server_url: str, recorder: Recorder, seed: int, *, shared: bool = False
) -> TestContext:
    """The shared parts of a process that drives users on `server_url`. `shared`: other processes do, too."""
    connection = settings.config.connection
    users = settings.config.users
    sockets_at = websocket_url(connection.server_url, connection.websocket_url, server_url)
    secure = server_url.startswith("https") or sockets_at.startswith("wss")
    context = tls_context(connection.verify_tls) if secure else None
    return TestContext(
        settings=settings,
        seed=seed,
        recorder=recorder,
        transport=Transport(
            server_url, connection.connect_timeout_seconds, connection.request_timeout_seconds, context
        ),
        websocket_url=sockets_at,
        admission=Admission(
            users.max_logins_in_flight,
            users.login_retry_min_seconds,
            users.login_retry_max_seconds,
            random.Random(f"{seed}:admission"),
        ),
        missing=MissingFeatures(recorder.unavailable),
        deliveries=deliveries(recorder, settings.config.run.late_delivery_ms / 1000, shared=shared),
        tls_context=context,
    )


def deliveries(recorder: Recorder, late_seconds: float, *, shared: bool) -> Deliveries:
    """The account of this test's messages, which the recorder settles every second."""
    account = recorder.account = Deliveries(recorder, late_seconds, shared=shared)
    return account
