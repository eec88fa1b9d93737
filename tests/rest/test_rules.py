"""The pure rules of the REST client: which error an answer is, how long to wait, what failures are called."""

from __future__ import annotations

import socket
import ssl

import pytest

from mmload.client.http.rules import failure_class, rate_limit_wait_seconds
from mmload.errors import BadAnswer, NotAvailable, Refused, ServerFault, SessionExpired, transport_reason


@pytest.mark.parametrize(
    ("status", "error_id"),
    [
        (400, "api.scheduled_posts.license_error"),
        (403, "api.custom_profile_attributes.license_error"),
        (501, "license_error.feature_unavailable"),
        (501, "api.channel.bookmark.channel_bookmark.license.error"),
        (501, "app.plugin.disabled.app_error"),
        (404, "api.context.404.app_error"),
    ],
)
def test_what_a_server_says_it_lacks_is_not_available(status: int, error_id: str) -> None:
    """Recorded answers of servers without a licence, with plugins off, or older than the route."""
    assert failure_class(status, error_id, "a feature") is NotAvailable


def test_a_route_that_every_server_has_is_never_switched_off() -> None:
    """A 501 for a plain post is a fault of the server, not a missing feature."""
    assert failure_class(501, "license_error.feature_unavailable", "") is ServerFault


def test_401_is_an_expired_session_and_other_4xx_are_refusals() -> None:
    assert failure_class(401, "api.context.session_expired.app_error", "") is SessionExpired
    assert failure_class(403, "api.context.permissions.app_error", "drafts") is Refused
    assert failure_class(503, "", "") is ServerFault


def test_a_rate_limit_is_waited_for_as_the_server_says() -> None:
    """Mattermost sends seconds in both headers; some proxies send the time of day instead."""
    assert rate_limit_wait_seconds("3", "7", now=1_795_000_000) == 3
    assert rate_limit_wait_seconds("", "7", now=1_795_000_000) == 7
    assert rate_limit_wait_seconds("", "1795000009", now=1_795_000_000) == 9
    assert rate_limit_wait_seconds("", "1794999999", now=1_795_000_000) == 0
    assert rate_limit_wait_seconds("soon", "", now=1_795_000_000) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError("timed out"), "timed out"),
        (ConnectionRefusedError(111, "refused"), "connection refused"),
        (ConnectionResetError(104, "reset"), "connection lost"),
        (BrokenPipeError(32, "pipe"), "connection lost"),
        (socket.gaierror(-2, "unknown"), "host name not found"),
        (ssl.SSLError("bad certificate of host 10.1.2.3"), "TLS failed: no valid certificate or protocol"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "TLS failed: the port does not speak TLS"),
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), "TLS failed: the certificate is self-signed"),
        (ssl.SSLEOFError(8, "EOF occurred"), "connection closed by the server"),
        (BadAnswer("cut off"), "answer was not HTTP, or was cut off"),
        (OSError(113, "No route to host 10.1.2.3"), "network unreachable"),
        (OSError(24, "Too many open files"), "network error 24"),
    ],
)
def test_failures_have_few_constant_reasons(error: Exception, reason: str) -> None:
    """Reasons are keys of tables: with addresses or ids in them the tables would grow without end."""
    assert transport_reason(error) == reason
