"""The cookies of one user: those by which something in front of the server keeps a client at one node, say."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

# Mattermost's own: our session is the token, and beside a cookie of its own the server asks for a CSRF header, too.
MATTERMOSTS = frozenset({"MMAUTHTOKEN", "MMUSERID", "MMCSRF"})
# Of one host; a server that never ends sending new ones does not fill the memory.
MOST_COOKIES, LONGEST_COOKIE = 50, 4096


class Cookies:
    """One user's cookies for one host, whatever their paths; sent back as they came, but for Mattermost's own."""

    __slots__ = ("_values", "line")

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        # As a header line of a request; nothing where there are none.
        self.line = b""

    @property
    def header(self) -> str:
        """The value of the `Cookie` header; "" where there are none."""
        return "; ".join(f"{name}={value}" for name, value in self._values.items())

    def take(self, head: bytes) -> None:
        """Keep what an answer with this head sets, and drop what it deletes."""
        self.keep(set_cookie_lines(head))

    def keep(self, set_cookies: Iterable[str]) -> None:
        """As `take`, of the values of `Set-Cookie` headers."""
        values = dict(self._values)
        for text in set_cookies:
            pair, _, attributes = text.partition(";")
            name, equals, value = (part.strip() for part in pair.partition("="))
            if not (name and equals) or name in MATTERMOSTS or len(pair) > LONGEST_COOKIE:
                continue
            values.pop(name, None)
            if len(values) < MOST_COOKIES and not is_over(attributes, time.time()):
                values[name] = value
        # At once: `mmload doctor` and `mmload init` share one between threads.
        self._values = values
        self.line = f"Cookie: {self.header}\r\n".encode("latin-1") if values else b""


def set_cookie_lines(head: bytes) -> Iterator[str]:
    """The values of the `Set-Cookie` headers of an answer. Pure."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"set-cookie":
            yield value.decode("latin-1")


def is_over(attributes: str, now: float) -> bool:
    """Whether a cookie with these attributes is one to be deleted (RFC 6265 §5.3: `Max-Age` goes first). Pure."""
    pairs = (attribute.partition("=") for attribute in attributes.split(";"))
    given = {name.strip().lower(): value.strip() for name, _, value in pairs}
    try:
        if "max-age" in given:
            return int(given["max-age"]) <= 0
        return "expires" in given and parsedate_to_datetime(given["expires"]).timestamp() <= now
    except (ValueError, OverflowError):
        return False


def is_one_host(url: str, other: str) -> bool:
    """Whether what one sets is for the other, too: ports and schemes do not count (RFC 6265 §8.5). Pure."""
    return urlsplit(url).hostname == urlsplit(other).hostname
