"""The sandbox's own routes, which no real server has: switching on faults, and counts of what it received."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from mmload.sandbox.app import Application
    from mmload.sandbox.world import World


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(document), content_type="application/json")


async def serve(application: Application, request: web.BaseRequest) -> web.Response:
    """`GET /sandbox/counts` and `/sandbox/sockets`, and `GET`, `POST`, `DELETE /sandbox/faults`."""
    match (request.method, request.path):
        case ("GET", "/sandbox/counts"):
            return _json(application.measures.counts(application.world))
        case ("GET", "/sandbox/sockets"):
            return _json(open_sockets(application.world))
        case ("GET", "/sandbox/faults"):
            return _json([*application.faults.documents(), *application.world.hub.faults.documents()])
        case ("POST", "/sandbox/faults"):
            return _switch_on(application, await request.read())
        case ("DELETE", "/sandbox/faults"):
            application.faults.clear()
            application.world.hub.swallow = 0
            application.world.hub.faults.clear()
            return _json({"status": "OK"})
        case _:
            return _json({"error": "the sandbox has /sandbox/counts, /sandbox/sockets and /sandbox/faults"}, 404)


def open_sockets(world: World) -> list[dict[str, str]]:
    """The open sockets with their users: two clients that share an account show up here."""
    return [
        {"username": world.state.users[connection.user_id].username, "connection_id": connection.id}
        for connection in world.hub.all_connections()
        if connection.is_active
    ]


def _switch_on(application: Application, body: bytes) -> web.Response:
    """`{"drop_sockets": true}`, `{"forget_sockets": true}`, `{"swallow_events": n}` and `{"event": …}` act on sockets,
    `{"restart_seconds": s}` on the whole server.

    Everything else is a fault of requests.
    """
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
        if fields.get("drop_sockets") is True:
            return _json({"dropped": application.sockets.drop_all()}, 201)
        if fields.get("forget_sockets") is True:
            return _json({"forgotten": application.sockets.forget_all()}, 201)
        if isinstance(seconds := fields.get("restart_seconds"), int | float) and 0 <= seconds <= 3600:
            application.restart(float(seconds))
            return _json({"restarting": True}, 201)
        if isinstance(number := fields.get("swallow_events"), int):
            application.world.hub.swallow = number
            return _json({"swallow_events": number}, 201)
        if "event" in fields:
            return _json(application.world.hub.faults.add(fields), 201)
        return _json(application.faults.add(fields), 201)
    except (ValueError, TypeError) as error:
        return _json({"error": str(error)}, 400)
