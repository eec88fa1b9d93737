"""Bytes of requests and answers: whole, in pieces, in chunks, without a length, cut off, not HTTP at all."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmload.client.http.protocol import LONGEST_HEAD_BYTES, Chunks, HttpAnswer, request_bytes
from mmload.errors import AnswerTooLarge, BadAnswer

COMMON = b"Host: chat.example\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Request-Id: AbC\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"


def read(*pieces: bytes, method: str = "GET") -> HttpAnswer:
    """An answer that came in these pieces; it must be whole with the last and not before."""
    incoming = HttpAnswer(method)
    whole = [incoming.feed(piece) for piece in pieces]
    assert whole == [False] * (len(pieces) - 1) + [True]
    return incoming


def test_a_request_has_its_line_its_headers_and_an_end() -> None:
    assert request_bytes("GET", "/api/v4/me", COMMON, None, b"") == b"GET /api/v4/me HTTP/1.1\r\n" + COMMON + b"\r\n"


def test_a_body_is_announced_with_its_length() -> None:
    request = request_bytes("PUT", "/x", COMMON, {"Content-Type": "application/json"}, b"{}")

    assert request.endswith(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


def test_a_post_without_a_body_says_so() -> None:
    assert b"Content-Length: 0\r\n" in request_bytes("POST", "/x", COMMON, None, b"")


@given(st.text())
def test_nothing_in_a_path_adds_a_line_to_the_request(path: str) -> None:
    """Names of channels and files come from the server and end up in paths."""
    head = request_bytes("GET", "/" + path.encode("utf-8", "replace").decode(), COMMON, None, b"")

    assert head.count(b"\r\n") == 3
    assert len(head.partition(b"\r\n")[0].split(b" ")) == 3


def test_an_answer_with_a_length_is_whole_when_that_has_come() -> None:
    incoming = read(SIZED)

    assert (incoming.status, incoming.body, incoming.keeps_open) == (200, b"hello", True)


def test_a_header_is_found_by_its_lower_case_name_and_keeps_its_own_case() -> None:
    incoming = read(SIZED)

    assert incoming.header("x-request-id") == "AbC"
    assert incoming.header("request-id") == ""
    assert incoming.header("token") == ""


def test_of_a_header_that_came_twice_the_last_one_counts() -> None:
    assert read(b"HTTP/1.1 204 No\r\nToken: a\r\nToken: b\r\n\r\n").header("token") == "b"


@pytest.mark.parametrize("answer", [SIZED, CHUNKED])
@given(data=st.data())
def test_an_answer_may_come_in_any_pieces(answer: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(answer) - 1), max_size=8)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]

    assert read(*pieces).body == b"hello"


def test_a_chunked_answer_leaves_the_connection_open() -> None:
    assert read(CHUNKED).keeps_open


@pytest.mark.parametrize("answer", [SIZED, CHUNKED])
def test_bytes_behind_an_answer_spoil_the_connection(answer: bytes) -> None:
    incoming = read(answer + b"HTTP/1.1 200 OK\r\n")

    assert (incoming.body, incoming.keeps_open) == (b"hello", False)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_these_answers_have_no_body(status: bytes) -> None:
    incoming = read(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n")

    assert (incoming.body, incoming.keeps_open) == (b"", True)


def test_the_answer_to_head_has_no_body() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD").body == b""


def test_an_answer_on_the_way_is_passed_over() -> None:
    assert read(b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED).status == 200
    assert read(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", SIZED).body == b"hello"


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    incoming = HttpAnswer()

    assert not incoming.feed(b"HTTP/1.0 200 OK\r\n\r\nhel")
    assert not incoming.feed(b"lo")
    incoming.end()

    assert (incoming.body, incoming.keeps_open) == (b"hello", False)


@pytest.mark.parametrize(
    "line", [b"HTTP/1.0 200 OK\r\nContent-Length: 0", b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0"]
)
def test_some_answers_end_their_connection(line: bytes) -> None:
    assert not read(line + b"\r\n\r\n").keeps_open


@pytest.mark.parametrize("cut", [10, 40, len(SIZED) - 1])
def test_an_answer_cut_off_is_bad(cut: int) -> None:
    incoming = HttpAnswer()
    incoming.feed(SIZED[:cut])

    with pytest.raises(BadAnswer):
        incoming.end()


@pytest.mark.parametrize(
    "bytes_",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\x15\x03\x01\x00\x02",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * LONGEST_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\n" + b"x" * 16 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello, more\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: trailer\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    ],
)
def test_what_is_not_http_is_refused(bytes_: bytes) -> None:
    with pytest.raises(BadAnswer):
        HttpAnswer().feed(bytes_)


IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGEST = 1000


@pytest.mark.parametrize(
    "bytes_",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        IN_CHUNKS + b"3e9\r\n",
        IN_CHUNKS + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n",
        IN_CHUNKS + b"fffffffffffffff\r\n",
    ],
)
def test_an_answer_larger_than_allowed_is_refused_before_it_is_kept(bytes_: bytes) -> None:
    with pytest.raises(AnswerTooLarge):
        HttpAnswer("GET", LARGEST).feed(bytes_)


def test_an_answer_as_large_as_allowed_is_read() -> None:
    incoming = HttpAnswer("GET", LARGEST)

    assert incoming.feed(IN_CHUNKS + b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n")
    assert len(incoming.body) == LARGEST


def gzipped(content: bytes) -> HttpAnswer:
    body = gzip.compress(content)
    incoming = HttpAnswer("GET", LARGEST)
    assert incoming.feed(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    return incoming


def test_a_bomb_is_not_unpacked() -> None:
    assert gzipped(b"x" * LARGEST).content() == b"x" * LARGEST
    with pytest.raises(AnswerTooLarge):
        gzipped(b"x" * (LARGEST + 1)).content()


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_cost_of_chunks_is_linear_however_they_are_cut(size: int) -> None:
    """Each byte is copied a fixed number of times: counted, as a time would depend on the machine."""
    copied = 0

    class Counted(bytearray):
        def __iadd__(self, other: Any) -> Counted:  # type: ignore[misc]
            nonlocal copied
            copied += len(other)
            return super().__iadd__(other)

    chunks = Chunks()
    chunks._body = Counted()
    body = b"%x\r\n%b\r\n" % (200_000, b"x" * 200_000) * 2 + b"0\r\n\r\n"
    whole = [found for at in range(0, len(body), size) if (found := chunks.feed(body[at : at + size]))]

    assert whole == [(b"x" * 400_000, False)]
    assert copied < 1.01 * len(body)


@pytest.mark.parametrize("size", [1, 7, 4096, 10**6])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_nobody_wants_is_counted_and_not_kept(chunked: bool, size: int) -> None:
    """However it is cut up, and more of it than an answer that is kept may have at one time in memory."""
    part = b"%x\r\n%b\r\n" % (5000, b"x" * 5000)
    head, body = (
        (b"Transfer-Encoding: chunked", part * 3 + b"0\r\n\r\n") if chunked else (b"Content-Length: 9000", b"x" * 9000)
    )
    sent = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body
    incoming = HttpAnswer("GET", keep=False)

    whole = [incoming.feed(sent[at : at + size]) for at in range(0, len(sent), size)]

    assert whole == [False] * (len(whole) - 1) + [True]
    assert (incoming.size, incoming.body, incoming.keeps_open) == (15000 if chunked else 9000, b"", True)
    assert not incoming._collected


def test_the_size_of_a_body_is_bounded_whether_it_is_kept_or_not() -> None:
    part = b"%x\r\n%b\r\n" % (600, b"x" * 600)
    incoming = HttpAnswer("GET", 1000, keep=False)

    with pytest.raises(AnswerTooLarge):
        incoming.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + part * 2)


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_wait_or_be_refused(data: bytes) -> None:
    incoming = HttpAnswer()
    try:
        for start in range(0, len(data), 7):
            if incoming.feed(data[start : start + 7]):
                return
    except BadAnswer:
        return
    assert not incoming.status or incoming.status >= 200
