"""Query strings and forms."""

from __future__ import annotations

from email.parser import BytesParser

import pytest

from mmload.client.api.calls import Endpoint, multipart
from mmload.client.http.client import Route
from mmload.client.http.protocol import HttpAnswer
from mmload.errors import RequestFailed
from mmload.models import Team


def test_a_query_escapes_what_people_type() -> None:
    route = Route("GET", "/teams/{team_id}/x/{user_id}")

    assert route.at(("t", "u"), {}) == "/teams/t/x/u"
    assert route.at(("t", "u"), {"name": "a b&c", "page": 0}) == "/teams/t/x/u?name=a+b%26c&page=0"


def test_an_empty_list_may_come_as_null_and_nothing_else() -> None:
    """Go's encoder writes a nil slice so."""
    assert Endpoint("GET", "/x", answer=list[Team]).read(answered(b"null")) == []
    with pytest.raises(RequestFailed):
        Endpoint("GET", "/x", answer=Team).read(answered(b"null"))


def answered(body: bytes) -> HttpAnswer:
    incoming = HttpAnswer()
    incoming.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return incoming


def test_a_form_carries_its_fields_and_its_file_unchanged() -> None:
    """Read back by the standard library's parser, not by our own idea of the format."""
    content = bytes(range(256)) * 3
    body, headers = multipart({"channel_id": "c1"}, "files", "picture.png", content)

    message = BytesParser().parsebytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    parts = {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.walk()
        if not part.is_multipart()
    }
    assert parts == {"channel_id": b"c1", "files": content}
