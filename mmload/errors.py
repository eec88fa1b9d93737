"""The one error tree of mmload and the exit codes of its commands.

Whatever can go wrong is one of these; a foreign error (a socket's, a library's) is mapped to one of them
once, at the boundary where it appears. `mmload.cli` turns a `MmloadError` into one line on stderr.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
import zlib
from enum import IntEnum
from http.client import HTTPException

import msgspec


class ExitCode(IntEnum):
    """The exit codes of the commands (documented in README.md)."""

    PASSED = 0
    INTERNAL_ERROR = 1
    USAGE = 2
    THRESHOLD_FAILED = 3
    CONFIGURATION_REFUSED = 4
    SERVER_NOT_READY = 5
    INCONCLUSIVE = 6
    INTERRUPTED = 130


class MmloadError(Exception):
    """Something a user can understand and fix: says what, where, and what to do about it."""

    exit_code: ExitCode = ExitCode.INTERNAL_ERROR


class UsageError(MmloadError):
    """The command line asks for something impossible."""

    exit_code = ExitCode.USAGE


class ConfigurationError(MmloadError):
    """A configuration document, or a value in it, is refused.

    `problems` has one sentence per fault, each naming file, path of the key and what was expected.
    """

    exit_code = ExitCode.CONFIGURATION_REFUSED

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ServerNotReady(MmloadError):
    """The server cannot be reached, is not a Mattermost, or is not set up for a load test."""

    exit_code = ExitCode.SERVER_NOT_READY


class RequestFailed(MmloadError):
    """One request got no good answer. The simulated user's action fails; the user lives on.

    `status` is the HTTP status (0: no answer at all), `error_id` Mattermost's error id or "",
    `route` the method and path with its ids replaced, `request_id` the server's X-Request-Id or "". `expected`: a
    real client gets this refusal, too (somebody deleted the post meanwhile), so it is reported apart from failures.
    `message`: the server's own words, "" if it said none.
    """

    expected = False
    message = ""

    def __init__(
        self, reason: str, *, route: str = "", status: int = 0, error_id: str = "", request_id: str = ""
    ) -> None:
        super().__init__(f"{route}: {reason}" if route else reason)
        self.reason = reason
        self.route = route
        self.status = status
        self.error_id = error_id
        self.request_id = request_id


class NoAnswer(RequestFailed):
    """Refused, reset or timed out: the server said nothing."""


class ServerFault(RequestFailed):
    """5xx other than "not implemented"."""


class Redirected(RequestFailed):
    """3xx: what was asked for is elsewhere. Nobody follows: that may be anywhere, and would get our token."""


class RateLimited(RequestFailed):
    """429; `retry_after_seconds` is what the server asked for."""

    def __init__(self, reason: str, *, retry_after_seconds: float, route: str = "", request_id: str = "") -> None:
        super().__init__(reason, route=route, status=429, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds


class SessionExpired(RequestFailed):
    """401: the token is no longer (or never was) good."""


class Refused(RequestFailed):
    """Any other 4xx: the server understood and said no."""


class NotAvailable(Refused):
    """This server lacks the feature (licence, version, setting): leave the action out, it is no failure."""

    expected = True


class WebSocketFailed(MmloadError):
    """The WebSocket could not be opened, or was used while down.

    `status` is the HTTP status of a refused handshake (401: the token is no longer good), else 0.
    """

    def __init__(self, reason: str, *, status: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class BadAnswer(ValueError):
    """What the server sent is not HTTP, or was cut off."""


class AnswerTooLarge(BadAnswer):
    """The answer's body is larger than allowed."""


class NoAccountLeft(MmloadError):
    """This worker owns fewer accounts than it is to run users."""

    exit_code = ExitCode.CONFIGURATION_REFUSED


# What decoding JSON by the standard library, or unpacking, raises: bad UTF-8 is a ValueError, too.
UNREADABLE = (ValueError, RecursionError, zlib.error)
# What decoding JSON by msgspec raises: also for bad UTF-8 and for what is nested too deeply.
UNREADABLE_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
CLOSED_BY_SERVER = "connection closed by the server"
# Failures after which a request surely never reached the server.
NEVER_SENT = ("connection refused", "host name not found", "network unreachable")
# By a part of the system's text.
_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": "the port does not speak TLS",
    "record layer failure": "the port does not speak TLS",
    "self-signed certificate": "the certificate is self-signed",
    "self signed certificate": "the certificate is self-signed",
    "certificate has expired": "the certificate has expired",
    "Hostname mismatch": "the certificate is for another host name",
    "IP address mismatch": "the certificate is for another address",
    "unable to get local issuer": "the certificate's authority is unknown",
    "unable to get issuer": "the certificate's authority is unknown",
    "certificate is not yet valid": "the certificate is not valid yet",
    "verify failed": "the certificate is not trusted",
    "VERIFY_FAILED": "the certificate is not trusted",
}
# What the standard library says, and so our own tunnel.
_TUNNEL_REFUSED = re.compile(r"^Tunnel connection failed: (\d{3})\b")


def transport_reason(error: BaseException) -> str:
    """A transport's error as one of few constant texts: they are keys of tables. The one map from the one to the other.

    What `requests` raises is understood by the error that it began with.
    """
    while not isinstance(error, TimeoutError) and (cause := error.__cause__ or _context(error)):
        error = cause
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "host name not found"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return CLOSED_BY_SERVER
    if isinstance(error, ssl.SSLError):
        known = (reason for sign, reason in _TLS_REASONS.items() if sign in str(error))
        return f"TLS failed: {next(known, 'no valid certificate or protocol')}"
    if refused := _TUNNEL_REFUSED.search(str(error)):
        return f"the proxy answers {refused[1]}"
    if isinstance(error, ConnectionError):
        return "connection lost"
    if isinstance(error, AnswerTooLarge):
        return "answer too large (ConnectionConfiguration.LargestAnswerMB)"
    if isinstance(error, (ValueError, HTTPException, zlib.error)):
        return "answer was not HTTP, or was cut off"
    number = getattr(error, "errno", None)
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "network unreachable"
    return f"network error {number or type(error).__name__}"


def _context(error: BaseException) -> BaseException | None:
    return None if error.__suppress_context__ else error.__context__
