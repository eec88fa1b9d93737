"""Proxies, authorities and headers: one rule for the users' client, the commands' and Prometheus."""

from __future__ import annotations

import base64
import random
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from coordinator.prometheus import Prometheus
from mmload.client.capabilities import MissingFeatures
from mmload.client.http.client import Rest, Route, Transport
from mmload.client.websocket.handshake import Caller, SocketRoute, shake_hands
from mmload.config import ConnectionSettings, load_settings
from mmload.config.coordinator_tables import Monitor, Query
from mmload.config.documents import COORDINATOR, load_document
from mmload.errors import ConfigurationError, NoAnswer, ServerNotReady, WebSocketFailed
from mmload.network import own_headers, proxy_for, trust_advice, trusting, unused_proxy
from mmload.population.admin_api import ApiServer
from tests.hostile.answers import answer

ROUTE = Route("GET", "/users/me")
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxy"),
    [
        ("http://chat.example", "", "http://plain:1"),
        ("https://chat.example", "", "http://secure:2"),
        ("ws://chat.example", "", "http://plain:1"),
        ("wss://chat.example/sub", "", "http://secure:2"),
        ("https://chat.example", "chat.example", ""),
        ("https://chat.example", "other, .example", ""),
        ("https://chat.example", "*.example", ""),
        ("https://chat.example:8443", "chat.example:8443", ""),
        ("https://chat.example:8443", "chat.example:443", "http://secure:2"),
        ("https://chat.example", "hat.example", "http://secure:2"),
        ("https://10.1.2.3", "10.0.0.0/8", ""),
        ("https://11.1.2.3", "10.0.0.0/8", "http://secure:2"),
        ("http://[::1]:8065", "::1", ""),
        ("https://chat.example", "*", ""),
    ],
)
def test_the_proxy_of_a_url_is_that_of_its_scheme_unless_the_host_is_excepted(
    url: str, no_proxy: str, proxy: str
) -> None:
    environ = {"HTTP_PROXY": "http://plain:1", "https_proxy": "secure:2", "NO_PROXY": no_proxy}

    assert proxy_for(url, environ) == proxy


def test_what_serves_all_schemes_comes_last_and_an_empty_variable_is_none() -> None:
    assert proxy_for("https://x", {"ALL_PROXY": "http://all:3"}) == "http://all:3"
    assert proxy_for("https://x", {"ALL_PROXY": "http://all:3", "HTTPS_PROXY": "http://b:1"}) == "http://b:1"
    assert proxy_for("https://x", {"HTTPS_PROXY": ""}) == ""


@pytest.mark.parametrize("proxy", ["socks5://user:secret@proxy:1", "http://", "http://secret:x"])
def test_a_proxy_that_is_none_is_refused_by_its_variable(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY: expected") as refused:
        proxy_for("https://chat.example", {"HTTPS_PROXY": proxy})

    assert "secret" not in str(refused.value)


def test_a_proxy_that_is_not_used_is_named_in_a_notice() -> None:
    environ = {"MMLOAD_CONNECTIONCONFIGURATION_SERVERURL": "https://chat.example", "HTTPS_PROXY": "http://u:secret@p:1"}
    _, notices = load_settings(environ=environ)
    _, quiet = load_settings(environ=environ | {"MMLOAD_CONNECTIONCONFIGURATION_USEPROXY": "true"})

    assert [notice for notice in notices if "HTTPS_PROXY" in notice] == [
        unused_proxy("https://chat.example", "ConnectionConfiguration.UseProxy", environ)
    ]
    assert "secret" not in "".join(notices)
    assert not quiet


def test_a_headers_value_comes_from_the_environment_and_never_into_a_message() -> None:
    assert own_headers(["X-Key: a ${KEY} b"], {"KEY": "secret"}) == {"X-Key": "a secret b"}
    with pytest.raises(ConfigurationError, match="X-Key: the environment variable KEY is not set"):
        own_headers(["X-Key: ${KEY}"], {})
    with pytest.raises(ConfigurationError) as refused:
        own_headers(["X-Key: ${KEY}"], {"KEY": "secret\r\nHost: x"})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "line", ["Host: x", "authorization: x", "no colon", "X: a\r\nY: b", "Content-Length: 5", ": x"]
)
def test_headers_that_are_mmloads_own_or_none_are_refused(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ConnectionConfiguration\.Headers"):
        load_settings(environ={"MMLOAD_CONNECTIONCONFIGURATION_HEADERS": line})


# -- with servers ------------------------------------------------------------------------------------------------------


@contextmanager
def listening(serve: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port that serves each connection in turn."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with suppress(OSError), connection:
                        wrapped = context.wrap_socket(connection, server_side=True) if context else connection
                        with wrapped:
                            serve(wrapped)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]


def head_of(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := connection.recv(65536)):
            break
        head += data
    return head


GOOD = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'


def asked(kind: str, port: int, proxy: str, context: ssl.SSLContext | None = None) -> None:
    """One request by one of the clients to a server on this port, which does not answer to any other name."""
    host = "localhost" if context else "127.0.0.1"
    scheme = "s" if context else ""
    headers = {"X-Staging-Key": "key"}
    if kind == "users":
        url = f"http{scheme}://{host}:{port}/sub"
        transport = Transport(url, tls_context=context, headers=headers, proxy=proxy, request_timeout_seconds=60)
        rest = Rest(transport, report=lambda *_: None, unavailable=MissingFeatures())
        rest.call(ROUTE, "/users/me")
        rest.close()
        return
    caller = Caller("token", context, 60, route=SocketRoute(headers, proxy))
    shake_hands(f"ws{scheme}://{host}:{port}/masked/sub", caller)[0].close()


@pytest.mark.parametrize("kind", ["users", "sockets"])
@pytest.mark.parametrize("secure", [False, True])
def test_requests_and_sockets_go_through_a_proxy(kind: str, secure: bool, certificate: Path) -> None:
    """Plain HTTP is asked of the proxy; the rest goes through a tunnel, where the proxy sees no header of ours."""
    seen: list[bytes] = []
    inner: list[bytes] = []
    context = trusting(ca_file=str(certificate)) if secure else None
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        head = head_of(connection)
        seen.append(head)
        if head.startswith(b"CONNECT"):
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if secure:
                connection = serving.wrap_socket(connection, server_side=True)
            head = head_of(connection)
        inner.append(head)
        path = head.split(b" ")[1].decode()
        connection.sendall(GOOD if kind == "users" else b"".join(answer(path, head)))
        connection.close()

    with listening(serve) as port:
        asked(kind, 9, f"http://name:pa%20ss@127.0.0.1:{port}", context)

    pair = base64.b64encode(b"name:pa ss")
    assert b"Proxy-Authorization: Basic " + pair in seen[0]
    if kind == "users" and not secure:
        assert seen[0].startswith(b"GET http://127.0.0.1:9/sub/api/v4/users/me HTTP/1.1")
    else:
        assert seen[0].startswith(b"CONNECT " + (b"localhost" if secure else b"127.0.0.1") + b":9 HTTP/1.1")
        assert b"X-Staging-Key" not in seen[0] and b"Proxy-Authorization" not in inner[0]
    assert b"X-Staging-Key: key" in inner[0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answers 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nhello", "the proxy answers 502"),
        (b"SSH-2.0\r\n", "answer was not HTTP, or was cut off"),
        (b"HTTP/1.1 200 ", "answer was not HTTP, or was cut off"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "answer was not HTTP, or was cut off"),
    ],
)
def test_a_proxy_that_gives_no_tunnel_is_named(said: bytes, reason: str) -> None:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(said)

    with listening(serve) as port, pytest.raises(WebSocketFailed) as failed:
        asked("sockets", 9, f"http://127.0.0.1:{port}")

    assert failed.value.reason == reason


def api_server(url: str, **more: Any) -> ApiServer:
    return ApiServer(ConnectionSettings(server_url=url, request_timeout_seconds=60.0, **more))


def test_commands_go_through_the_proxy_only_if_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(head_of(connection))
        connection.sendall(GOOD)

    monkeypatch.setenv("STAGING_KEY", "key")
    with listening(serve) as proxy, listening(serve) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        for use_proxy in (False, True):
            server = api_server(
                f"http://127.0.0.1:{port}", use_proxy=use_proxy, headers=("X-Staging-Key: ${STAGING_KEY}",)
            )
            server.call("GET", "/system/ping")
            server.close()

    assert [head.split(b" ")[1] for head in seen] == [
        b"/api/v4/system/ping",
        b"http://127.0.0.1:%d/api/v4/system/ping" % port,
    ]
    assert all(b"X-Staging-Key: key" in head for head in seen)


# -- authorities -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["SSL_CERT_FILE", "SSL_CERT_DIR", "nothing"])
def trust(request: pytest.FixtureRequest, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the certificate of the tests is trusted, by one of the two variables."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    if request.param == "SSL_CERT_DIR":
        command = ["openssl", "x509", "-noout", "-hash", "-in", str(certificate)]
        hashed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        shutil.copy(certificate, tmp_path / f"{hashed}.0")
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    elif request.param == "SSL_CERT_FILE":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return bool(request.param != "nothing")


def serving_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


QUERY = Query(description="CPU", query="up")
UP = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


@pytest.mark.parametrize("kind", ["users", "sockets", "commands", "prometheus"])
def test_authorities_of_the_environment_count_everywhere_alike(kind: str, trust: bool, certificate: Path) -> None:
    def serve(connection: socket.socket) -> None:
        head = head_of(connection)
        path = head.split(b" ")[1].decode()
        prometheus = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(UP), UP)
        if kind == "sockets":
            connection.sendall(b"".join(answer(path, head)))
        else:
            connection.sendall(prometheus if kind == "prometheus" else GOOD)

    with listening(serve, serving_context(certificate)) as port, ExitStack() as expected:
        if not trust:
            failure = expected.enter_context(pytest.raises((NoAnswer, WebSocketFailed, ServerNotReady)))
        if kind == "commands":
            api_server(f"https://localhost:{port}").call("GET", "/system/ping")
        elif kind == "prometheus":
            Prometheus(Monitor(prometheus_url=f"https://localhost:{port}", queries=(QUERY,))).check()
        else:
            asked(kind, port, "", trusting())
    if not trust:
        assert "TLS failed: the certificate is self-signed" in str(failure.value)
        assert kind != "prometheus" or "SSL_CERT_FILE" in str(failure.value)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("TLS failed: the certificate is self-signed", "SSL_CERT_FILE"),
        ("TLS failed: the certificate's authority is unknown", "SSL_CERT_FILE"),
        ("TLS failed: the certificate is for another host name", "use the name"),
        ("TLS failed: the certificate has expired", "renew"),
        ("connection refused", ""),
    ],
)
def test_what_to_do_about_a_certificate_is_said(reason: str, advice: str) -> None:
    said = trust_advice(reason, "X")

    assert advice in said and bool(said) == bool(advice)


# -- a protected Prometheus --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "header"),
    [
        ({"prometheus_user": "me", "prometheus_password": "sesäme"}, b"Authorization: Basic bWU6c2Vzw6RtZQ=="),
        ({"prometheus_token": "abc"}, b"Authorization: Bearer abc"),
        ({"prometheus_tenant": "team-a"}, b"X-Scope-OrgID: team-a"),
    ],
)
def test_prometheus_is_asked_with_what_it_wants(own: dict[str, Any], header: bytes) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(head_of(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(UP), UP))

    with listening(serve) as port:
        Prometheus(Monitor(prometheus_url=f"http://127.0.0.1:{port}", queries=(QUERY,), **own)).check()

    assert header in seen[0]


def test_a_prometheus_that_wants_a_login_says_which_settings() -> None:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    with listening(serve) as port, pytest.raises(ServerNotReady, match="MMLOAD_MONITORCONFIG_PROMETHEUSTOKEN"):
        Prometheus(Monitor(prometheus_url=f"http://127.0.0.1:{port}", queries=(QUERY,))).check()


def test_its_secrets_are_taken_from_the_environment_only(tmp_path: Path) -> None:
    document = tmp_path / "coordinator.json"
    document.write_text('{"MonitorConfig": {"PrometheusPassword": "sesame"}}')
    with pytest.raises(
        ConfigurationError, match="PrometheusPassword: this secret is only accepted from the environment"
    ) as no:
        load_document(COORDINATOR, {}, given=document)
    assert "sesame" not in str(no.value)

    monitor = load_document(COORDINATOR, {"MMLOAD_MONITORCONFIG_PROMETHEUSTOKEN": "abc"}).value.monitor
    assert monitor.prometheus_token == "abc"
    assert "abc" not in repr(monitor)


def test_a_file_of_authorities_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(str(random.random()))
    for name in ("empty", "absent"):
        with pytest.raises(ConfigurationError, match=name):
            trusting(ca_file=str(tmp_path / name))
