"""The sandbox's own routes, which no real server has: faults on demand and what really arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from mmload.sandbox.app import Application


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(document), content_type="application/json")


async def serve(application: Application, request: web.BaseRequest) -> web.Response:
    """`GET /sandbox/counts`, and `GET`, `POST`, `DELETE /sandbox/faults`."""
    match (request.method, request.path):
        case ("GET", "/sandbox/counts"):
            return _json(application.measures.counts(application.world))
        case ("GET", "/sandbox/faults"):
            return _json(application.faults.documents())
        case ("POST", "/sandbox/faults"):
            return _switch_on(application, await request.read())
        case ("DELETE", "/sandbox/faults"):
            application.faults.clear()
            application.world.hub.swallow = 0
            return _json({"status": "OK"})
        case _:
            return _json({"error": "the sandbox has /sandbox/counts and /sandbox/faults"}, 404)


def _switch_on(application: Application, body: bytes) -> web.Response:
    """`{"drop_sockets": true}` and `{"swallow_events": n}` act on the sockets; all else is a fault of requests."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
        if fields.get("drop_sockets") is True:
            return _json({"dropped": application.sockets.drop_all()}, 201)
        if isinstance(number := fields.get("swallow_events"), int):
            application.world.hub.swallow = number
            return _json({"swallow_events": number}, 201)
        return _json(application.faults.add(fields).document(), 201)
    except (ValueError, TypeError) as error:
        return _json({"error": str(error)}, 400)
