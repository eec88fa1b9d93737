"""What all typed calls share: sending JSON, reading typed answers, query strings, multipart bodies."""

from __future__ import annotations

import mimetypes
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from mmload.client.http.client import HttpAnswer, Rest, Route, decoded

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json"}
# `Route.expected` where somebody may have deleted the object in the meantime.
DELETED = (404,)
# Any fixed text that no uploaded content contains.
_BOUNDARY = "mmload-part-7f3a91c2"


def query(**values: str | int) -> str:
    """A query string with its question mark; names and values are escaped. Pure."""
    return "?" + urlencode(values)


def flag(value: bool) -> str:
    """A boolean as Mattermost's query strings have it."""
    return "true" if value else "false"


def multipart(fields: dict[str, str], name: str, file_name: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with one file: body and headers. Pure."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    parts.append(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        f"Content-Type: {mimetypes.guess_type(file_name)[0] or 'application/octet-stream'}\r\n\r\n"
    )
    body = "".join(parts).encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


class Calls:
    """The base of the calls of one subject: all of one user's calls share one `Rest`."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def _get(self, route: Route, path: str, decoder: msgspec.json.Decoder[T]) -> T:
        return decoded(self.rest.call(route, path), decoder, route)

    def _send(
        self,
        route: Route,
        path: str,
        body: Any,
        decoder: msgspec.json.Decoder[T],
        *,
        login: bool = False,
    ) -> T:
        """Send a JSON body and read a typed answer."""
        answer = self.rest.call(route, path, _encode(body), headers=_JSON, login=login)
        return decoded(answer, decoder, route)

    def _do(self, route: Route, path: str, body: Any = None) -> HttpAnswer:
        """Send (with a JSON body, if any); nobody reads what is in the answer."""
        if body is None:
            return self.rest.call(route, path)
        return self.rest.call(route, path, _encode(body), headers=_JSON)
