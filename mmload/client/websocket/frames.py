"""Bytes of a WebSocket into frames, and frames into Mattermost's events and replies. Pure: no socket, no clock.

Client side of RFC 6455 without extensions: Mattermost's servers offer no compression.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import msgspec

from mmload.errors import UNREADABLE_JSON

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_FIN: Final = 0x80
_MASKED: Final = 0x80
_RESERVED: Final = 0x70
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
_WHOLE_TEXT: Final = _FIN | TEXT
_LONGEST_CONTROL_BYTES: Final = 125
# No answer of a Mattermost server comes near; a larger length means that we lost the frames' beat.
LONGEST_MESSAGE_BYTES: Final = 16 << 20
# Empty fragments take memory, too.
_MOST_FRAGMENTS: Final = 1 << 16

Frame = tuple[int, bytes]
"""Opcode and payload; of a fragmented message the first opcode and the joined payload."""


class CloseCode(IntEnum):
    """Why a connection ended (RFC 6455 §7.4.1; from 4000 on the web application's own).

    1005, 1006 and the application's never travel in a frame; what it ended with is told at the next handshake.
    """

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    NOTHING_SAID = 1005
    ABNORMAL = 1006
    UNREADABLE = 1007
    TOO_BIG = 1009
    PING_UNANSWERED = 4000
    EVENTS_MISSING = 4001


class ProtocolError(Exception):
    """The peer sent what no WebSocket server may send; `code` is what to close the connection with."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def sole_text(data: bytes) -> bytes | None:
    """The payload, if the bytes are exactly one whole text frame: nearly always, as Mattermost writes one at a time.

    Only right while the reader is `idle`.
    """
    size = len(data)
    if size < 2 or data[0] != _WHOLE_TEXT:
        return None
    length = data[1]
    if length == _LENGTH_16:
        return data[4:] if size > 4 and (data[2] << 8 | data[3]) + 4 == size else None
    return data[2:] if length + 2 == size and length < _LENGTH_16 else None


class FrameReader:
    """What one connection has received but not yet handed on.

    `idle` is True between messages: then a read may be tried with `sole_text` first.
    """

    __slots__ = ("_chunks", "_collected", "_first_opcode", "_fragments", "_missing", "idle")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        # So many bytes must come before another look is worth it: a big frame is joined once, not at every read.
        self._missing = 0
        self._fragments: list[bytes] = []
        self._collected = 0
        self._first_opcode = 0
        self.idle = True

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete, in order; to be exhausted before the next call.

        Raises `ProtocolError` after the good frames before the bad one.
        """
        if self._chunks:
            self._chunks.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._chunks)
            self._chunks = []
        yield from self._frames(data)
        self.idle = not self._chunks and not self._first_opcode

    def _frames(self, data: bytes) -> Iterator[Frame]:
        size = len(data)
        at = 0
        while at < size:
            start, end = _payload_span(data, at, size)
            if end > size:
                self._chunks = [data[at:]]
                self._missing = end - size
                return
            first = data[at]
            at = end
            if first == _WHOLE_TEXT and not self._first_opcode:
                yield TEXT, data[start:end]
            elif (frame := self._other(first, data[start:end])) is not None:
                yield frame

    def _other(self, first: int, payload: bytes) -> Frame | None:
        """Control frames at once; of a message in fragments, nothing until the last."""
        opcode = first & 0x0F
        if first & _RESERVED:
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, "reserved bit without an extension")
        if opcode >= CLOSE:
            return _control(opcode, first, payload)
        if opcode > BINARY or (opcode == CONTINUATION) != bool(self._first_opcode):
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, "frame out of turn")
        self._fragments.append(payload)
        self._collected += len(payload)
        if self._collected > LONGEST_MESSAGE_BYTES or len(self._fragments) > _MOST_FRAGMENTS:
            raise ProtocolError(CloseCode.TOO_BIG, "message too big")
        self._first_opcode = self._first_opcode or opcode
        if not first & _FIN:
            return None
        frame = self._first_opcode, b"".join(self._fragments)
        self._fragments, self._first_opcode, self._collected = [], 0, 0
        return frame


def _payload_span(data: bytes, at: int, size: int) -> tuple[int, int]:
    """Where the payload of the frame at `at` starts and ends; an end beyond `size` says how much must still come."""
    if size - at < 2:
        return at, at + 2
    length = data[at + 1]
    start = at + 2
    if length >= _LENGTH_16:
        if length > _LENGTH_64:
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, "frame masked by the server")
        start = at + (4 if length == _LENGTH_16 else 10)
        if size < start:
            return start, start
        length = int.from_bytes(data[at + 2 : start], "big")
        if length > LONGEST_MESSAGE_BYTES:
            raise ProtocolError(CloseCode.TOO_BIG, "frame too big")
    return start, start + length


def _control(opcode: int, first: int, payload: bytes) -> Frame:
    if opcode > PONG or not first & _FIN or len(payload) > _LONGEST_CONTROL_BYTES:
        raise ProtocolError(CloseCode.PROTOCOL_ERROR, "bad control frame")
    return opcode, payload


def client_frame(opcode: int, payload: bytes, mask_key: bytes) -> bytes:
    """One whole frame as a client must send it: masked with the four bytes of `mask_key`."""
    size = len(payload)
    if size < _LENGTH_16:
        head = bytes((_FIN | opcode, _MASKED | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", _FIN | opcode, _MASKED | _LENGTH_16, size)
    else:
        head = struct.pack("!BBQ", _FIN | opcode, _MASKED | _LENGTH_64, size)
    return head + mask_key + _masked(payload, mask_key)


def _masked(payload: bytes, mask_key: bytes) -> bytes:
    """Exclusive or with the repeated key, as one operation on big integers: a loop over bytes is 100 times slower."""
    size = len(payload)
    key = (mask_key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def close_payload(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; Mattermost sends neither, which is code 1005."""
    if len(payload) < 2:
        return CloseCode.NOTHING_SAID, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")


class Broadcast(msgspec.Struct, gc=False):
    """In which channel an event is; "" where that does not matter. Nobody reads whom else it is for."""

    channel_id: str = ""


class WebSocketEvent(msgspec.Struct, gc=False):
    """Something that happened on the server. `data` stays bytes until somebody needs it."""

    event: str
    seq: int
    data: msgspec.Raw = msgspec.Raw(b"{}")
    broadcast: Broadcast = msgspec.field(default_factory=Broadcast)


class Reply(msgspec.Struct, gc=False):
    """The server's answer to an action, by the number under which that was sent. What else it says is not read."""

    status: str
    seq_reply: int = 0


class HelloData(msgspec.Struct, gc=False):
    connection_id: str = ""


_EVENT = msgspec.json.Decoder(WebSocketEvent)
_REPLY = msgspec.json.Decoder(Reply)
_HELLO = msgspec.json.Decoder(HelloData)


decode_event = _EVENT.decode
"""The event in a text frame; one of `UNREADABLE_JSON` if it is none: a reply, perhaps.

Measured: 0.5 µs, as fast as searching the bytes for the event's name.
"""


def answered_number(payload: bytes) -> int:
    """The number of the action that a text frame answers; raises `ProtocolError` if it is no reply, either."""
    try:
        return _REPLY.decode(payload).seq_reply
    except UNREADABLE_JSON as error:
        raise ProtocolError(CloseCode.UNREADABLE, "neither an event nor a reply") from error


def greeted_as(data: msgspec.Raw) -> str:
    """The connection id in the data of a `hello` event; raises `ProtocolError` if they are no such data."""
    try:
        return _HELLO.decode(data).connection_id
    except UNREADABLE_JSON as error:
        raise ProtocolError(CloseCode.UNREADABLE, "unreadable hello") from error
