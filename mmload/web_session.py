"""`requests` as everything outside the simulated users has it: authorities and proxies by `network`, all bounded.

An answer is bounded in time (the time-out is that of all of it, not of each wait) and in size, as it comes and
unpacked.
"""

from __future__ import annotations

import base64
import io
import ssl
import time
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.exceptions import ContentDecodingError
from urllib3.connection import HTTPConnection, HTTPSConnection

from mmload.config.coordinator_tables import Monitor
from mmload.errors import AnswerTooLarge, BadAnswer
from mmload.network import LARGEST_ANSWER_BYTES, proxy_for, trusting

# Of heads, chunk lines and trailers.
_MARGIN_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 16
_MOST_CONNECTIONS = 8


def bounded_session(
    url: str,
    context: ssl.SSLContext,
    *,
    use_proxy: bool = False,
    largest_bytes: int = LARGEST_ANSWER_BYTES,
) -> requests.Session:
    """A session for the server of this URL. It keeps no cookies and reads no .netrc, which would replace our tokens."""
    session = requests.Session()
    session.trust_env = False
    proxy = proxy_for(url) if use_proxy else ""
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    # A login sets cookies; a cookie beside a token makes Mattermost ask for a CSRF header.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept-Encoding"] = "gzip"
    if context.verify_mode is ssl.CERT_NONE:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    adapter = _BoundedAdapter(context, largest_bytes)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def prometheus_session(monitor: Monitor) -> requests.Session:
    """A session for the Prometheus of the configuration. Raises ConfigurationError."""
    context = trusting(ca_file=monitor.prometheus_ca_file)
    session = bounded_session(monitor.prometheus_url, context, use_proxy=monitor.use_proxy)
    if monitor.prometheus_user:
        pair = f"{monitor.prometheus_user}:{monitor.prometheus_password}".encode()
        session.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    if monitor.prometheus_token:
        session.headers["Authorization"] = f"Bearer {monitor.prometheus_token}"
    if monitor.prometheus_tenant:
        session.headers["X-Scope-OrgID"] = monitor.prometheus_tenant
    return session


class _Bounded(io.RawIOBase):
    """Reads an answer: all reads together take no longer than the socket's time-out allows for one of them."""

    def __init__(self, raw: Any, connected: Any, largest_bytes: int) -> None:
        self._raw = raw
        self._socket = connected
        self._left_bytes = largest_bytes + _MARGIN_BYTES
        self._deadline = time.monotonic() + (connected.gettimeout() or float("inf"))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline != float("inf"):
            left = self._deadline - time.monotonic()
            # Not left to the socket: one that always has something to read never times out.
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._left_bytes -= count or 0
        if self._left_bytes < 0:
            raise AnswerTooLarge("as it comes")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _pools(largest_bytes: int) -> dict[str, Any]:
    """urllib3's connection pools, with answers that are read within their bounds."""

    class _BoundedResponse(HTTPResponse):
        def __init__(self, connected: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(connected, *args, **kwargs)
            self.fp = io.BufferedReader(_Bounded(self.fp.detach(), connected, largest_bytes), _BUFFER_BYTES)

    plain = type("_Plain", (HTTPConnection,), {"response_class": _BoundedResponse})
    secure = type("_Secure", (HTTPSConnection,), {"response_class": _BoundedResponse})
    return {
        "http": type("_PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class _BoundedAdapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext, largest_bytes: int) -> None:
        self._context = context
        self._largest_bytes = largest_bytes
        super().__init__(pool_connections=2, pool_maxsize=_MOST_CONNECTIONS)
        self.poolmanager.pool_classes_by_scheme = _pools(largest_bytes)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _pools(self._largest_bytes)
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Our context, and not the authorities that `requests` brings along."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the context says it all."""

    def send(self, request: Any, stream: bool = False, *args: Any, **options: Any) -> requests.Response:
        """The whole answer. `requests` would collect whatever comes."""
        try:
            response = super().send(request, True, *args, **options)
            try:
                response._content = self._read(response)
            finally:
                response.close()
        except requests.RequestException:
            raise
        except (ValueError, ArithmeticError) as error:
            # Also of http.client, for sizes that are none.
            raise ContentDecodingError(error, request=request) from error
        return response

    def _read(self, response: requests.Response) -> bytes:
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("gzip", "identity"):
            raise BadAnswer("an encoding that was not asked for")
        collected = bytearray()
        for part in response.iter_content(_BUFFER_BYTES):
            collected += part
            if len(collected) > self._largest_bytes:
                raise AnswerTooLarge("decompressed" if encoding == "gzip" else "as it comes")
        return bytes(collected)
