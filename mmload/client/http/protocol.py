"""HTTP/1.1 as bytes: a request to be sent, an answer as it comes in. Pure: no socket, no clock.

As much of it as a client of one server needs. A general parser calls back for each header of an answer, and nearly
all of them are read by nobody (measured: 20 µs of CPU an answer; this: 3).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from typing import Final
from urllib.parse import quote, urlsplit

from mmload.errors import AnswerTooLarge, BadAnswer
from mmload.network import LARGEST_ANSWER_BYTES

USER_AGENT: Final = "Mozilla/5.0 (mmload)"
# Far more than any server sends; a stream that is no HTTP is not collected for ever.
LONGEST_HEAD_BYTES: Final = 1 << 16
_LONGEST_CHUNK_LINE_BYTES: Final = 1 << 12
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_MOST_LENGTH_DIGITS: Final = 18
# Answers 1xx on the way to the one that counts.
_MOST_INTERIM: Final = 100
_HAS_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_WITHOUT_BODY: Final = frozenset({204, 304})
# What may stand in a path and query as it is; anything else that is not a letter, digit or `_.-~` is escaped.
_RESERVED: Final = "/?&=%:;,+@!$'()*[]"


def host_header(url: str) -> str:
    """What a URL's host is called in requests to it."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    return f"{host}:{parts.port}" if parts.port and parts.port not in (80, 443) else host


def header_lines(headers: Mapping[str, str]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")


@cache
def _mark(name: str) -> bytes:
    """How a header begins. Few names are asked for, and all by us."""
    return b"\r\n" + name.encode("ascii") + b":"


def header_value(head: bytes, lowered: bytes, name: str) -> str:
    """A header's value by its name in lower case, "" if absent; the last one if it came twice. `lowered`: the head."""
    mark = _mark(name)
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
    receives it notes in `ready_at` when the last of it was there (`time.perf_counter`; 0.0: not known). Without `keep`
    the body is thrown away as it comes, so that it may have any length; only its size is known.
    """

    __slots__ = (
        "_collected",
        "_interim",
        "_keep",
        "_largest",
        "_lowered",
        "_missing",
        "_without_body",
        "begun",
        "body",
        "head",
        "keeps_open",
        "ready_at",
        "size",
        "status",
    )

    def __init__(self, method: str = "GET", largest_bytes: int = LARGEST_ANSWER_BYTES, *, keep: bool = True) -> None:
        self.status = 0
        self.head = b""
        self.body = b""
        self.begun = False
        self.keeps_open = False
        self.ready_at = 0.0
        self._lowered = b""
        self._without_body = method == "HEAD"
        self._largest = largest_bytes
        self._keep = keep
        # Bytes of the body, as they came.
        self.size = 0
        self._interim = 0
        # Of an unfinished head or body. One object that grows: a list of small pieces would take fifty times as much.
        self._collected = bytearray()
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
        self._whole(bytes(self._collected))

    def header(self, name: str) -> str:
        """A header's value by its name in lower case, "" if absent; the last one if it came twice."""
        return header_value(self.head, self._lowered, name)

    def content(self) -> bytes:
        """The body, decompressed only now that somebody wants it. Raises `BadAnswer`."""
        if self.header("content-encoding") != "gzip":
            return self.body
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(self.body, self._largest)
        except zlib.error:
            raise BadAnswer("not gzip") from None
        if unpacker.unconsumed_tail:
            raise AnswerTooLarge("answer too large")
        if not unpacker.eof:
            raise BadAnswer("cut off")
        return content

    # -- head ------------------------------------------------------------------------------------------------

    def _feed_head(self, data: bytes) -> bool:
        if self._collected:
            self._collected += data
            data = bytes(self._collected)
            self._collected.clear()
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > LONGEST_HEAD_BYTES or not data.startswith(b"HTTP/1."[: len(data)]):
                    raise BadAnswer("not HTTP")
                self._collected += data
                return False
            status = head_status(data)
            if status >= 200:
                break
            # On the way to the answer proper (100 Continue, 103 Early Hints).
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                raise BadAnswer("no end of interim answers")
            data = data[end + 4 :]
        self.status = status
        self.head = data[:end]
        self._lowered = self.head.lower()
        self._expect_body()
        return self._feed_body(data[end + 4 :])

    def _expect_body(self) -> None:
        """What the head says of the body and of the connection."""
        self.keeps_open = self.head.startswith(b"HTTP/1.1") and "close" not in self.header("connection").lower()
        if self._without_body or self.status in _WITHOUT_BODY:
            return
        if "chunked" in self.header("transfer-encoding").lower():
            self._missing = Chunks(self._largest, keep=self._keep)
        elif length := self.header("content-length"):
            if not (length.isascii() and length.isdigit()) or self._lowered.count(b"\r\ncontent-length:") > 1:
                raise BadAnswer("no such length")
            # As text first: a number of many digits takes long to read.
            if len(length) > _MOST_LENGTH_DIGITS or int(length) > self._largest:
                raise AnswerTooLarge("answer too large")
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
            body, extra = whole
            self.size = missing.thrown
            self._whole(body)
            self.keeps_open = self.keeps_open and not extra
            return True
        self._collect(data)
        return False

    def _collect(self, data: bytes) -> None:
        self._collected += data
        if self.size + len(self._collected) > self._largest:
            raise AnswerTooLarge("answer too large")
        self._throw_away()

    def _throw_away(self) -> None:
        """What has come of the body, if nobody wants it."""
        if not self._keep:
            self.size += len(self._collected)
            self._collected.clear()

    def _whole(self, body: bytes) -> None:
        """The last of the body, or all of it, has come."""
        self.size += len(body)
        self.body = body if self._keep else b""

    def _feed_sized(self, data: bytes, missing: int) -> bool:
        size = len(data)
        if size < missing:
            self._missing = missing - size
            self._collected += data
            self._throw_away()
            return False
        if size > missing:
            # More than was announced: nobody knows what the next answer on this connection would be.
            self.keeps_open = False
            data = data[:missing]
        self._missing = 0
        self._whole(bytes(self._collected + data) if self._collected else data)
        return True


class Chunks:
    """A body in chunks (RFC 9112 §7.1), as it comes in. Each byte is looked at once, however it is cut up."""

    __slots__ = ("_body", "_done", "_held", "_keep", "_largest", "_missing", "_trailer_bytes", "thrown")

    def __init__(self, largest_bytes: int = LARGEST_ANSWER_BYTES, *, keep: bool = True) -> None:
        self._largest = largest_bytes
        self._keep = keep
        # Bytes of the body that were thrown away.
        self.thrown = 0
        self._body = bytearray()
        # The beginning of a line whose end has not come.
        self._held = b""
        # Bytes of the present chunk still to come, its line break included.
        self._missing = 0
        self._done = False
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> tuple[bytes, bool] | None:
        """The whole body, and whether bytes came behind it; None while it is not whole. Raises `BadAnswer`."""
        if self._held:
            data, self._held = self._held + data, b""
        at = 0
        while True:
            if self._missing:
                at = self._take(data, at)
                if self._missing:
                    return None
            end = data.find(b"\r\n", at)
            if end < 0:
                self._held = data[at:]
                if len(self._held) > _LONGEST_CHUNK_LINE_BYTES:
                    raise BadAnswer("no such chunk")
                return None
            line, at = data[at:end], end + 2
            if not self._done:
                size = _chunk_size(line)
                self._begin(size)
                after = at + size
                if size and not self._body and data[after : after + 7] == _LAST_CHUNK:
                    # Nearly always: one chunk, and all of it is there.
                    return data[at:after], after + 7 < len(data)
            elif not line:
                return bytes(self._body), at < len(data)
            else:
                self._skip_trailer(line)

    def _take(self, data: bytes, at: int) -> int:
        """What is there of the present chunk; where the rest begins."""
        part = data[at : at + self._missing]
        self._body += part
        self._missing -= len(part)
        if not self._missing:
            if not self._body.endswith(b"\r\n"):
                raise BadAnswer("no such chunk")
            del self._body[-2:]
        if not self._keep:
            # The line break at a chunk's end is still looked at.
            thrown = max(0, len(self._body) - 2) if self._missing else len(self._body)
            self.thrown += thrown
            del self._body[:thrown]
        return at + len(part)

    def _begin(self, size: int) -> None:
        if self.thrown + len(self._body) + size > self._largest:
            raise AnswerTooLarge("answer too large")
        self._done = size == 0
        self._missing = size + 2 if size else 0

    def _skip_trailer(self, line: bytes) -> None:
        """Nobody reads them."""
        self._trailer_bytes += len(line)
        if self._trailer_bytes > LONGEST_HEAD_BYTES:
            raise BadAnswer("no end of trailers")


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    # int() alone would take signs, blanks and underscores, too.
    if not digits or len(digits) > 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise BadAnswer("no such chunk")
    return int(digits, 16)


def head_status(head: bytes) -> int:
    """The status of an answer, from its first line `HTTP/1.1 200 OK`."""
    status = head[9:12]
    if not head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or not status.isdigit() or head[12:13] not in (b" ", b"\r"):
        raise BadAnswer("not HTTP")
    return int(status)
