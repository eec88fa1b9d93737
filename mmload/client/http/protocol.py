"""HTTP/1.1 as bytes: a request to be sent, an answer as it comes in. Pure: no socket, no clock.

As much of it as a client of one server needs. A general parser calls back for each header of an answer, and nearly
all of them are read by nobody (measured: 20 µs of CPU an answer; this: 3).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

USER_AGENT: Final = "Mozilla/5.0 (mmload)"
# Far more than any server sends; a stream that is no HTTP is not collected for ever.
LONGEST_HEAD_BYTES: Final = 1 << 16
_LONGEST_CHUNK_LINE_BYTES: Final = 1 << 12
_HAS_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_WITHOUT_BODY: Final = frozenset({204, 304})
# What may stand in a path and query as it is; anything else that is not a letter, digit or `_.-~` is escaped.
_RESERVED: Final = "/?&=%:;,+@!$'()*[]"


class BadAnswer(ValueError):
    """What the server sent is not HTTP, or was cut off."""


def host_header(url: str) -> str:
    """What a URL's host is called in requests to it."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    return f"{host}:{parts.port}" if parts.port and parts.port not in (80, 443) else host


def header_lines(headers: Mapping[str, str]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")


def header_value(head: bytes, lowered: bytes, name: str) -> str:
    """A header's value by its name in lower case, "" if absent; the last one if it came twice. `lowered`: the head."""
    mark = b"\r\n" + name.encode("ascii") + b":"
    at = lowered.rfind(mark)
    if at < 0:
        return ""
    start = at + len(mark)
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip().decode("latin-1")


def request_bytes(method: str, target: str, common: bytes, extra: Mapping[str, str] | None, body: bytes) -> bytes:
    """A whole request; `common` are the header lines that all requests of a user share."""
    line = f"{method} {clean_target(target)} HTTP/1.1\r\n".encode("ascii")
    more = header_lines(extra) if extra else b""
    if body or method in _HAS_BODY:
        return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (line, common, more, len(body), body)
    return b"%b%b%b\r\n" % (line, common, more)


def clean_target(target: str) -> str:
    """The target of a request without anything that would end its line early."""
    if target.isascii() and target.isprintable() and " " not in target:
        return target
    return quote(target, safe=_RESERVED)


class HttpAnswer:
    """One answer as it comes in: `feed` what was received until it says that the answer is whole, or call `end`.

    `begun` tells whether anything came at all, `keeps_open` whether the connection serves for another request. Who
    receives it notes in `ready_at` when the last of it was there (`time.perf_counter`; 0.0: not known).
    """

    __slots__ = (
        "_lowered",
        "_missing",
        "_parts",
        "_without_body",
        "begun",
        "body",
        "head",
        "keeps_open",
        "ready_at",
        "status",
    )

    def __init__(self, method: str = "GET") -> None:
        self.status = 0
        self.head = b""
        self.body = b""
        self.begun = False
        self.keeps_open = False
        self.ready_at = 0.0
        self._lowered = b""
        self._without_body = method == "HEAD"
        self._parts: list[bytes] = []
        # Bytes of the body still to come; None: until the connection ends.
        self._missing: int | Chunks | None = 0

    def feed(self, data: bytes) -> bool:
        """Take in what was received; True when the answer is whole. Raises `BadAnswer`."""
        self.begun = True
        if not self.status:
            return self._feed_head(data)
        return self._feed_body(data)

    def end(self) -> None:
        """The connection has ended: the end of an answer that has no other. Raises `BadAnswer` if it is cut off."""
        if not self.status or self._missing is not None:
            raise BadAnswer("cut off")
        self.body = b"".join(self._parts)

    def header(self, name: str) -> str:
        """A header's value by its name in lower case, "" if absent; the last one if it came twice."""
        return header_value(self.head, self._lowered, name)

    def content(self) -> bytes:
        """The body, decompressed only now that somebody wants it. Raises `zlib.error`."""
        return zlib.decompress(self.body, wbits=31) if self.header("content-encoding") == "gzip" else self.body

    # -- head ------------------------------------------------------------------------------------------------

    def _feed_head(self, data: bytes) -> bool:
        if self._parts:
            data = b"".join([*self._parts, data])
            self._parts.clear()
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > LONGEST_HEAD_BYTES or not data.startswith(b"HTTP/1."[: len(data)]):
                raise BadAnswer("not HTTP")
            self._parts.append(data)
            return False
        status = head_status(data)
        rest = data[end + 4 :]
        if status < 200:
            # On the way to the answer proper (100 Continue, 103 Early Hints).
            return self._feed_head(rest) if rest else False
        self.status = status
        self.head = data[:end]
        self._lowered = self.head.lower()
        self._expect_body()
        return self._feed_body(rest)

    def _expect_body(self) -> None:
        """What the head says of the body and of the connection."""
        self.keeps_open = self.head.startswith(b"HTTP/1.1") and "close" not in self.header("connection").lower()
        if self._without_body or self.status in _WITHOUT_BODY:
            return
        if "chunked" in self.header("transfer-encoding").lower():
            self._missing = Chunks()
        elif length := self.header("content-length"):
            if not (length.isascii() and length.isdigit()):
                raise BadAnswer("no such length")
            self._missing = int(length)
        else:
            self._missing = None
            self.keeps_open = False

    # -- body ------------------------------------------------------------------------------------------------

    def _feed_body(self, data: bytes) -> bool:
        missing = self._missing
        if missing.__class__ is int:
            return self._feed_sized(data, missing)
        if isinstance(missing, Chunks):
            whole = missing.feed(data)
            if whole is None:
                return False
            self.body, extra = whole
            self.keeps_open = self.keeps_open and not extra
            return True
        self._parts.append(data)
        return False

    def _feed_sized(self, data: bytes, missing: int) -> bool:
        size = len(data)
        if size < missing:
            self._missing = missing - size
            self._parts.append(data)
            return False
        if size > missing:
            # More than was announced: nobody knows what the next answer on this connection would be.
            self.keeps_open = False
            data = data[:missing]
        self._missing = 0
        self.body = b"".join([*self._parts, data]) if self._parts else data
        return True


class Chunks:
    """A body in chunks (RFC 9112 §7.1), as it comes in."""

    __slots__ = ("_at", "_buffer", "_done", "_parts")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0
        self._parts: list[bytes] = []
        self._done = False

    def feed(self, data: bytes) -> tuple[bytes, bool] | None:
        """The whole body, and whether bytes came behind it; None while it is not whole. Raises `BadAnswer`."""
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
        while not self._done:
            end = self._buffer.find(b"\r\n", self._at)
            if end < 0:
                self._check_unfinished_line()
                return None
            size = _chunk_size(self._buffer[self._at : end])
            if size == 0:
                self._done, self._at = True, end + 2
                break
            start, after = end + 2, end + 2 + size
            if len(self._buffer) < after + 2:
                return None
            self._parts.append(self._buffer[start:after])
            self._at = after + 2
        return self._after_last()

    def _check_unfinished_line(self) -> None:
        if len(self._buffer) - self._at > _LONGEST_CHUNK_LINE_BYTES:
            raise BadAnswer("no such chunk")

    def _after_last(self) -> tuple[bytes, bool] | None:
        """Trailers, which nobody reads, up to an empty line."""
        while True:
            end = self._buffer.find(b"\r\n", self._at)
            if end < 0:
                self._check_unfinished_line()
                return None
            empty = end == self._at
            self._at = end + 2
            if empty:
                return b"".join(self._parts), self._at < len(self._buffer)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        if not digits or digits.startswith((b"-", b"+")):
            raise ValueError
        return int(digits, 16)
    except ValueError:
        raise BadAnswer("no such chunk") from None


def head_status(head: bytes) -> int:
    """The status of an answer, from its first line `HTTP/1.1 200 OK`."""
    status = head[9:12]
    if not head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or not status.isdigit() or head[12:13] not in (b" ", b"\r"):
        raise BadAnswer("not HTTP")
    return int(status)
