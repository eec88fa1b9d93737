"""Cookies of a load balancer: each user sends its own back, in requests and in the handshake of its WebSocket."""

from __future__ import annotations

import pytest

from mmload.client.http.cookies import LONGEST_COOKIE, MOST_COOKIES, Cookies


def after(*lines: str) -> Cookies:
    """The cookies after one answer with these headers."""
    cookies = Cookies()
    cookies.take("\r\n".join(["HTTP/1.1 200 OK", *lines]).encode("latin-1"))
    return cookies


def test_a_cookie_is_sent_back_without_its_attributes() -> None:
    cookies = after("Set-Cookie: AWSALB=abc+/==; Expires=Fri, 01 Jan 2100 00:00:00 GMT; Path=/; HttpOnly")

    assert cookies.header == "AWSALB=abc+/=="
    assert cookies.line == b"Cookie: AWSALB=abc+/==\r\n"


def test_each_of_several_cookies_is_kept_and_a_newer_one_takes_the_place_of_an_older() -> None:
    cookies = after("set-cookie: node=a", "X-Other: no=1", "SET-COOKIE:route=r1; Path=/")
    cookies.take(b"HTTP/1.1 200 OK\r\nSet-Cookie: node=b; Max-Age=3600")

    assert cookies.header == "route=r1; node=b"


def test_mattermosts_own_cookies_are_not_sent() -> None:
    """The token is in a header; beside its cookies the server asks for a CSRF token, too."""
    cookies = after(*(f"Set-Cookie: {name}=x; Path=/" for name in ("MMAUTHTOKEN", "MMUSERID", "MMCSRF")))

    assert cookies.line == b""


@pytest.mark.parametrize("over", ["Max-Age=0", "max-age=-1", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_cookie_that_is_over_is_dropped(over: str) -> None:
    cookies = after("Set-Cookie: node=a")
    cookies.take(f"HTTP/1.1 200 OK\r\nSet-Cookie: node=a; {over}".encode())

    assert cookies.line == b""


@pytest.mark.parametrize(
    "line", ["Set-Cookie: ", "Set-Cookie: =x", "Set-Cookie: x", "Set-Cookie: a=b; Expires=nonsense"]
)
def test_what_is_no_cookie_harms_nobody(line: str) -> None:
    assert after(line).header in ("", "a=b")


def test_a_server_that_sends_cookies_without_end_does_not_fill_the_memory() -> None:
    cookies = after(*(f"Set-Cookie: n{number}=x" for number in range(3 * MOST_COOKIES)))
    cookies.take(b"HTTP/1.1 200 OK\r\nSet-Cookie: long=" + b"x" * LONGEST_COOKIE)

    assert len(cookies.header.split("; ")) == MOST_COOKIES
