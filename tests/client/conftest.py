"""Servers and clients of the WebSocket tests: plain and TLS."""

from __future__ import annotations

import random
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import pytest

from mmload.client.websocket.client import Timing, WebSocket
from mmload.client.websocket.epoll import NestedEpoll
from mmload.metrics.counts import SocketCounts
from tests.client.scripted import Ear, Peer, Server, serving

# A second of the real thing is some ten milliseconds here.
QUICK = Timing(
    handshake_timeout_seconds=1.0,
    ping_interval_seconds=30.0,
    first_retry_seconds=0.02,
    jitter_seconds=0.02,
    longest_retry_seconds=0.2,
    good_after_seconds=30.0,
    refused_from_seconds=0.05,
    refused_until_seconds=30.0,
)


@dataclass
class Clients:
    """Makes WebSockets to a server, and closes them after the test."""

    server: Server
    readiness: NestedEpoll
    tls_context: ssl.SSLContext | None
    made: list[WebSocket] = field(default_factory=list)

    def new(self, ear: Ear, timing: Timing = QUICK, url: str = "") -> tuple[WebSocket, SocketCounts]:
        counts = SocketCounts()
        client = WebSocket(
            url or self.server.url,
            "token-1",
            ear,
            counts,
            rng=random.Random(1),
            watcher=self.readiness,
            tls_context=self.tls_context,
            timing=timing,
        )
        self.made.append(client)
        return client, counts

    def opened(self, ear: Ear, timing: Timing = QUICK) -> tuple[WebSocket, Peer, SocketCounts]:
        """One that was greeted with the connection id "c1"."""
        client, counts = self.new(ear, timing)
        opening = gevent.spawn(client.open)
        peer = self.server.accept()
        peer.upgrade()
        peer.greet("c1")
        opening.get(timeout=5)
        return client, peer, counts


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    both, key = folder / "both.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*command, *names, "-keyout", key, "-out", both], check=True, capture_output=True)
    both.write_bytes(both.read_bytes() + key.read_bytes())
    return both


@pytest.fixture
def readiness() -> NestedEpoll:
    return NestedEpoll(0.01)


@pytest.fixture(params=["ws", "wss"])
def clients(request: pytest.FixtureRequest, readiness: NestedEpoll) -> Iterator[Clients]:
    """Clients of a fresh server, over plain TCP and over TLS."""
    server_context = client_context = None
    if request.param == "wss":
        path = request.getfixturevalue("certificate")
        server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_context.load_cert_chain(path)
        client_context = ssl.create_default_context(cafile=path)
    with serving(server_context) as server:
        made = Clients(server, readiness, client_context)
        yield made
        for client in made.made:
            client.close()
