"""REST calls over TLS: large answers, connections that are kept, certificates that nobody trusts."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gevent.server import StreamServer

from mmload.client.capabilities import MissingFeatures
from mmload.client.http.client import Rest, Route, Transport
from mmload.errors import NoAnswer

ROUTE = Route("GET", "/things")
# Several TLS records, most of which are decrypted before anybody asks for them.
BODY = b"x" * 300_000


@contextmanager
def serving(certificate: Path) -> Iterator[tuple[str, list[Any]]]:
    seen: list[Any] = []

    def serve(connection: Any, _address: Any) -> None:
        seen.append(connection)
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = StreamServer(("127.0.0.1", 0), serve, ssl_context=context)
    server.start()
    try:
        yield f"https://localhost:{server.server_port}", seen
    finally:
        server.stop(timeout=1)


def rest(url: str, context: ssl.SSLContext | None) -> Rest:
    transport = Transport(url, connect_timeout_seconds=5, request_timeout_seconds=5, tls_context=context)
    return Rest(transport, report=lambda *_: None, unavailable=MissingFeatures())


def test_large_answers_are_read_whole_on_one_connection(certificate: Path) -> None:
    with serving(certificate) as (url, seen):
        client = rest(url, ssl.create_default_context(cafile=str(certificate)))
        for _ in range(3):
            assert client.call(ROUTE, "/things").content() == BODY
        client.close()

        assert len(seen) == 1


def test_a_certificate_that_nobody_trusts_is_no_answer(certificate: Path) -> None:
    with serving(certificate) as (url, _seen), pytest.raises(NoAnswer) as failed:
        rest(url, None).call(ROUTE, "/things")

    assert failed.value.reason == "TLS failed: the certificate is self-signed"


def test_a_server_that_speaks_no_tls_is_no_answer() -> None:
    def serve(connection: Any, _address: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    try:
        with pytest.raises(NoAnswer) as failed:
            rest(f"https://localhost:{server.server_port}", None).call(ROUTE, "/things")
    finally:
        server.stop(timeout=1)

    assert failed.value.reason == "TLS failed: the port does not speak TLS"
