"""Files of any client: what the real server makes of them."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator

import pytest
import requests

from tests.conftest import running_sandbox
from tests.sandbox.conftest import ADMIN, Client


def png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def jpeg(width: int, height: int) -> bytes:
    """With segments before the frame header, as a camera writes it."""
    exif = b"\xff\xe1" + struct.pack(">H", 40) + bytes(38)
    tables = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65) + b"\xff\xc4" + struct.pack(">H", 31) + bytes(29)
    return b"\xff\xd8" + exif + tables + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(10)


GIF = base64.b64decode("R0lGODlhAwACAIAAAAAAAP///yH5BAAAAAAALAAAAAADAAIAAAIChFEAOw==")


@pytest.fixture(scope="module")
def writer() -> Iterator[tuple[Client, str]]:
    """Somebody who may write in a channel."""
    with running_sandbox() as address:
        admin = Client(address).enter(*ADMIN)
        team = admin("POST", "/teams", {"name": "team1", "display_name": "T", "type": "O"}).json()["id"]
        yield admin, admin("GET", f"/teams/{team}/channels/name/town-square").json()["id"]


def uploaded(
    writer: tuple[Client, str], name: str, content: bytes, kind: str | None
) -> tuple[Client, dict[str, object]]:
    client, channel = writer
    part = (name, content, kind) if kind else (name, content)
    answer = requests.post(
        f"{client.address}/api/v4/files",
        data={"channel_id": channel},
        files={"files": part},
        headers={"Authorization": f"Bearer {client.token}"},
        timeout=20,
    )
    assert answer.status_code == 201
    return client, answer.json()["file_infos"][0]


@pytest.mark.parametrize("declared", ["application/octet-stream", "image/x", None], ids=["Go", "other", "none"])
@pytest.mark.parametrize(
    ("name", "content", "kind", "size"),
    [
        ("a.jpg", jpeg(640, 480), "image/jpeg", (640, 480)),
        ("a.JPEG", jpeg(1, 5000), "image/jpeg", (1, 5000)),
        ("a.gif", GIF, "image/gif", (3, 2)),
        ("a.png", png(64, 32), "image/png", (64, 32)),
    ],
)
def test_a_picture_has_its_size_a_thumbnail_and_a_preview_whatever_its_client_declares(
    writer: tuple[Client, str], name: str, content: bytes, kind: str, size: tuple[int, int], declared: str | None
) -> None:
    client, info = uploaded(writer, name, content, declared)

    assert (info["mime_type"], info["width"], info["height"]) == (kind, *size)
    assert info["has_preview_image"] is True
    for what in ("thumbnail", "preview"):
        answer = client("GET", f"/files/{info['id']}/{what}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert client("GET", f"/files/{info['id']}").headers["Content-Type"] == kind


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", b"text"), ("a.jpg", b"no picture"), ("a.jpg", b"\xff\xd8\xff\xe0\x00"), ("a", GIF)]
)
def test_what_is_no_picture_has_neither(writer: tuple[Client, str], name: str, content: bytes) -> None:
    client, info = uploaded(writer, name, content, "image/jpeg")

    assert "has_preview_image" not in info
    answer = client("GET", f"/files/{info['id']}/thumbnail")
    assert (answer.status_code, answer.json()["id"]) == (400, "api.file.get_file_thumbnail.no_thumbnail.app_error")
