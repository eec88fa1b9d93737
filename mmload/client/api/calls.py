"""What all typed calls share: sending JSON, reading typed answers, multipart bodies."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_origin

import msgspec

from mmload.client.http.client import Rest, Route, decoded
from mmload.client.http.protocol import HttpAnswer

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json"}
# How a path names oneself.
ME = "me"
# `Route.expected` where somebody may have deleted the object in the meantime.
DELETED = (404,)
# Any fixed text that no uploaded content contains.
_BOUNDARY = "mmload-part-7f3a91c2"


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


@dataclass(frozen=True, slots=True)
class Endpoint(Route, Generic[T]):
    """A route whose answer somebody reads, as an `answer`."""

    answer: type[T] = field(kw_only=True, compare=False)
    _decoder: msgspec.json.Decoder[T | None] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        Route.__post_init__(self)
        # Go's empty list is null.
        kind: Any = self.answer | None if get_origin(self.answer) is list else self.answer
        object.__setattr__(self, "_decoder", msgspec.json.Decoder(kind))

    def read(self, answer: HttpAnswer) -> T:
        """The answer as a typed value. Raises `RequestFailed`."""
        found = decoded(answer, self._decoder, self)
        return self.answer() if found is None else found


class Calls:
    """The base of the calls of one subject: all of one user's calls share one `Rest`.

    `ids` are those in the route's path, in their order.
    """

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def _get(self, endpoint: Endpoint[T], /, *ids: str | int, **query: str | int | bool | None) -> T:
        return endpoint.read(self.rest.call(endpoint, endpoint.at(ids, _texts(query))))

    def _send(
        self, endpoint: Endpoint[T], body: Any, /, *ids: str, login: bool = False, **query: str | int | bool | None
    ) -> T:
        path = endpoint.at(ids, _texts(query))
        return endpoint.read(self.rest.call(endpoint, path, _encode(body), headers=_JSON, login=login))

    def _do(self, route: Route, /, *ids: str, body: Any = None, **query: str | int | bool | None) -> HttpAnswer:
        """Send (with a JSON body, if any); nobody reads what is in the answer."""
        path = route.at(ids, _texts(query))
        if body is None:
            return self.rest.call(route, path)
        return self.rest.call(route, path, _encode(body), headers=_JSON)


def _texts(query: dict[str, str | int | bool | None]) -> dict[str, str | int]:
    """Booleans as Mattermost's query strings have them; None is left out. Pure."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in query.items()
        if value is not None
    }
