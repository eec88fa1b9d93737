"""Bytes to frames, whatever way they are cut; frames to events and replies."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.client.websocket.frames import (
    BINARY,
    CONTINUATION,
    LONGEST_MESSAGE_BYTES,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    ProtocolError,
    answered_number,
    client_frame,
    close_payload,
    decode_event,
    greeted_as,
    sole_text,
)
from tests.client.scripted import event_text, server_frame

PAYLOADS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from((125, 126, 127, 65535, 65536, 70_000)).map(lambda size: b"x" * size),
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[list[bytes], list[Frame]]:
    """The frames of one message, perhaps in fragments with control frames between, and what a reader must give."""
    opcode = draw(st.sampled_from((TEXT, BINARY)))
    parts = draw(st.lists(PAYLOADS, min_size=1, max_size=4))
    sent, expected = [], []
    for index, part in enumerate(parts):
        sent.append(server_frame(opcode if index == 0 else CONTINUATION, part, fin=index == len(parts) - 1))
        if index < len(parts) - 1 and draw(st.booleans()):
            control = draw(st.sampled_from((PING, PONG))), draw(st.binary(max_size=125))
            sent.append(server_frame(*control))
            expected.append(control)
    return sent, [*expected, (opcode, b"".join(parts))]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[Frame]]:
    """A stream of messages and control frames in random chunks, and the frames in it."""
    drawn = draw(st.lists(messages(), max_size=5))
    data = b"".join(frame for sent, _ in drawn for frame in sent)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    chunks = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return chunks, [frame for _, expected in drawn for frame in expected]


def read(reader: FrameReader, chunks: list[bytes]) -> list[Frame]:
    return [frame for chunk in chunks for frame in reader.feed(chunk)]


@given(streams())
def test_a_stream_gives_its_frames_however_it_is_cut(stream: tuple[list[bytes], list[Frame]]) -> None:
    """TCP keeps no borders: every cut is possible, also within a header."""
    chunks, expected = stream
    reader = FrameReader()

    assert read(reader, chunks) == expected
    assert reader.idle


@given(st.lists(PAYLOADS, min_size=1, max_size=3), st.integers(1, 9))
def test_a_stream_byte_by_byte_is_the_same_stream(payloads: list[bytes], step: int) -> None:
    """The slowest server there is."""
    small = [payload[:300] for payload in payloads]
    data = b"".join(server_frame(TEXT, payload) for payload in small)

    assert read(FrameReader(), [data[at : at + step] for at in range(0, len(data), step)]) == [(TEXT, p) for p in small]


@given(st.binary(max_size=400))
def test_garbage_gives_frames_or_a_protocol_error(data: bytes) -> None:
    """Nothing that a server sends may raise anything else: it would end up in the hub."""
    with suppress(ProtocolError):
        assert all(isinstance(payload, bytes) for _, payload in read(FrameReader(), [data]))


@given(st.one_of(PAYLOADS, st.binary(max_size=10)))
def test_the_fast_path_agrees_with_the_reader(payload: bytes) -> None:
    """It is a short cut, no second opinion. Frames of 64 KB and more are left to the reader."""
    data = server_frame(TEXT, payload)

    assert sole_text(data) == (payload if len(payload) < 1 << 16 else None)
    assert read(FrameReader(), [data]) == [(TEXT, payload)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        server_frame(TEXT, b"abc")[:-1],
        server_frame(TEXT, b"abc") + b"\x81",
        server_frame(TEXT, b"x" * 200)[:3],
        server_frame(TEXT, b"x" * 200)[:-1],
        server_frame(TEXT, b"abc", fin=False),
        server_frame(BINARY, b"abc"),
        server_frame(PING, b""),
        b"\x81\xff" + b"x" * 200,
    ],
)
def test_the_fast_path_refuses_all_but_one_whole_text_frame(data: bytes) -> None:
    """Part of a frame, two frames, a fragment, another kind, a masked one."""
    assert sole_text(data) is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1\x00", 1002),  # reserved bit
        (b"\x83\x00", 1002),  # unknown opcode
        (b"\x8b\x00", 1002),  # unknown control opcode
        (b"\x81\x80\x00\x00\x00\x00", 1002),  # masked
        (b"\x09\x00", 1002),  # ping in fragments
        (b"\x89\x7e\x00\x7e" + b"x" * 126, 1002),  # ping too long
        (b"\x80\x00", 1002),  # continuation of nothing
        (b"\x01\x01a\x81\x01b", 1002),  # a new message before the old one's end
        (b"\x82\x7f" + (LONGEST_MESSAGE_BYTES + 1).to_bytes(8, "big"), 1009),
    ],
)
def test_what_no_server_may_send_is_named(data: bytes, code: int) -> None:
    """RFC 6455 §5.2, §5.4, §5.5."""
    with pytest.raises(ProtocolError) as caught:
        read(FrameReader(), [data])

    assert caught.value.code == code


def test_fragments_are_no_way_around_the_longest_message() -> None:
    """Memory is bounded, whatever way the bytes come."""
    reader = FrameReader()
    half = b"x" * (LONGEST_MESSAGE_BYTES // 2 + 1)
    read(reader, [server_frame(TEXT, half, fin=False)])

    with pytest.raises(ProtocolError, match="too big"):
        read(reader, [server_frame(CONTINUATION, half, fin=False)])


def test_frames_before_a_bad_one_are_given() -> None:
    """They were good, and came first."""
    frames = FrameReader().feed(server_frame(TEXT, b"good") + b"\x83\x00")

    assert next(frames) == (TEXT, b"good")
    with pytest.raises(ProtocolError):
        next(frames)


@given(PAYLOADS, st.binary(min_size=4, max_size=4))
def test_a_client_frame_unmasks_to_its_payload(payload: bytes, key: bytes) -> None:
    """By the definition of RFC 6455 §5.3, byte by byte."""
    frame = client_frame(TEXT, payload, key)
    header = len(frame) - len(payload)

    assert frame[0] == 0x81 and frame[1] & 0x80
    assert frame[header - 4 : header] == key
    assert bytes(byte ^ key[i % 4] for i, byte in enumerate(frame[header:])) == payload


@pytest.mark.parametrize(
    ("payload", "expected"),
    [(b"", (1005, "")), (b"\x03", (1005, "")), (b"\x03\xe8", (1000, "")), (b"\x03\xe9gone", (1001, "gone"))],
)
def test_a_close_frame_tells_its_code(payload: bytes, expected: tuple[int, str]) -> None:
    """Mattermost's has none."""
    assert close_payload(payload) == expected


def test_an_event_keeps_its_data_undecoded() -> None:
    """Most events are only counted."""
    event = decode_event(event_text("typing", 7, user_id="u1"))

    assert (event.event, event.seq, bytes(event.data)) == ("typing", 7, b'{"user_id":"u1"}')
    assert event.broadcast.channel_id == ""


def test_the_order_of_keys_does_not_matter() -> None:
    """A later server may write its JSON otherwise."""
    event = decode_event(b'{"seq":3,"broadcast":{"channel_id":"c"},"extra":1,"data":{},"event":"x"}')

    assert (event.event, event.seq, event.broadcast.channel_id) == ("x", 3, "c")


def test_replies_are_told_from_events() -> None:
    """As recorded on 11.6."""
    for reply in (
        b'{"status":"OK","seq_reply":5,"data":{"text":"pong"}}',
        b'{"status":"FAIL","seq_reply":6,"error":{"id":"api.bad","message":"m","status_code":500}}',
    ):
        with pytest.raises(msgspec.DecodeError):
            decode_event(reply)
        assert answered_number(reply) in (5, 6)


@pytest.mark.parametrize("payload", [b"", b"no json", b"[]", b"{}", b'{"event":"x"}', b'{"event":1,"seq":2}', b"\xff"])
def test_text_that_is_neither_is_a_protocol_error(payload: bytes) -> None:
    """Code 1007: the connection cannot be trusted further."""
    with pytest.raises(msgspec.DecodeError):
        decode_event(payload)
    with pytest.raises(ProtocolError) as caught:
        answered_number(payload)

    assert caught.value.code == 1007


def test_a_hello_names_the_connection() -> None:
    greeting = decode_event(event_text("hello", 0, connection_id="c1", server_version="11"))

    assert greeted_as(greeting.data) == "c1"
