"""Query strings and forms."""

from __future__ import annotations

from email.parser import BytesParser

from mmload.client.api.calls import multipart, query


def test_a_query_escapes_what_people_type() -> None:
    assert query(name="a b&c", page=0) == "?name=a+b%26c&page=0"


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
