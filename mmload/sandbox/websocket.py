"""WebSockets: handshake, resuming, the actions that clients send, and the pings that detect dead connections.

Frames out are written by hand to the transport: thousands of events a second are the sandbox's main work.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from mmload.sandbox import accounts
from mmload.sandbox.errors import ApiError
from mmload.sandbox.events import Audience, hello
from mmload.sandbox.hub import ClientConnection
from mmload.sandbox.metrics import SandboxMetrics
from mmload.sandbox.state import Document, is_id
from mmload.sandbox.world import World

PATH = "/api/v4/websocket"
PING_EVERY_SECONDS = 60.0
DEAD_AFTER_SECONDS = 100.0
# A client that has not authenticated by then is disconnected without a close frame (seen on 11.6).
AUTHENTICATE_WITHIN_SECONDS = 5.0
# A client with that much unread data is slow: its events wait in the hub's queue.
SLOW_READER_BYTES = 256 * 1024
FLUSH_SECONDS = 0.02
_TEXT_FRAME, _PING_FRAME = 0x81, b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """A server's frame: whole, unmasked, uncompressed."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT_FRAME, size)) + payload
    if size < 65536:
        return bytes((_TEXT_FRAME, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT_FRAME, 127)) + size.to_bytes(8, "big") + payload


class SocketWire:
    """Writes the hub's frames to one socket."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.heard_at = time.monotonic()
        self.pinged_at = self.heard_at

    def send_text(self, payload: bytes) -> bool:
        transport = self._transport
        if transport.is_closing() or transport.get_write_buffer_size() > SLOW_READER_BYTES:
            return False
        transport.write(text_frame(payload))
        return True

    def ping(self) -> None:
        self.pinged_at = time.monotonic()
        if not self._transport.is_closing():
            self._transport.write(_PING_FRAME)

    def close(self) -> None:
        self._transport.abort()


class WebSocketServer:
    """Opens and serves sockets; `tend` flushes, pings and expires them."""

    def __init__(self, world: World, measures: SandboxMetrics) -> None:
        self._world = world
        self._measures = measures

    async def serve(self, request: web.BaseRequest, token: str) -> web.StreamResponse:
        """One socket from handshake to close."""
        socket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        wire = SocketWire(request.transport)
        if not _resumes_well(request):
            wire.close()
            return socket
        user_id = self._world.state.sessions.get(token)
        connection = None if user_id is None else self._open(user_id, token, wire, request)
        deadline = AUTHENTICATE_WITHIN_SECONDS if connection is None else None
        try:
            async with asyncio.timeout(deadline) as timer:
                await self._read(socket, wire, connection, request, timer)
        except TimeoutError:
            wire.close()
        return socket

    async def _read(
        self,
        socket: web.WebSocketResponse,
        wire: SocketWire,
        connection: ClientConnection | None,
        request: web.BaseRequest,
        timer: asyncio.Timeout,
    ) -> None:
        try:
            async for message in socket:
                wire.heard_at = time.monotonic()
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    action = _action(message.data)
                    if action is None:
                        wire.close()
                        break
                    if connection is None:
                        connection = self._challenged(action, wire, request)
                        timer.reschedule(None if connection is not None else timer.when())
                    else:
                        self._answer(connection, wire, action)
        finally:
            if connection is not None:
                self._left(connection, wire)

    def _challenged(self, action: Document, wire: SocketWire, request: web.BaseRequest) -> ClientConnection | None:
        """Before authentication only the challenge is accepted; a wrong token ends the socket."""
        if action.get("action") != "authentication_challenge":
            return None
        token = str((action.get("data") or {}).get("token", ""))
        user_id = self._world.state.sessions.get(token)
        if user_id is None:
            wire.close()
            return None
        connection = self._open(user_id, token, wire, request)
        wire.send_text(msgspec.json.encode({"status": "OK", "seq_reply": action["seq"]}) + b"\n")
        return connection

    def _open(self, user_id: str, token: str, wire: SocketWire, request: web.BaseRequest) -> ClientConnection:
        """Register the socket; resume the connection it names if that is still kept."""
        wanted = request.query.get("connection_id", "")
        old = self._world.hub.take_absent(user_id, wanted) if wanted else None
        self._measures.sockets_opened += 1
        if code := request.query.get("disconnect_err_code"):
            self._measures.close_codes[code] += 1
        connection = old or ClientConnection(self._world.new_id(), user_id, token, None)
        connection.token, connection.wire, connection.muted = token, wire, False
        connection.wants_acks = request.query.get("posted_ack") == "true"
        connection.forget_presence()
        if old is None:
            self._measures.sockets_renewed += bool(wanted)
            self._greet(connection)
        else:
            self._resume(connection, int(request.query["sequence_number"]))
        self._world.hub.add(connection)
        self._world.hub.flush(connection)
        accounts.come_online(self._world, self._world.state.users[user_id])
        return connection

    def _greet(self, connection: ClientConnection) -> None:
        world = self._world
        event = hello(connection.user_id, connection.id, world.version_id, world.modern)
        world.hub.offer_first(connection, event)

    def _resume(self, connection: ClientConnection, number: int) -> None:
        """Send again from that number on. If that is lost: a new id, and numbers from 0; what waited still comes."""
        sent = {sequence for sequence, _ in connection.sent}
        if number in sent:
            self._measures.sockets_resumed += 1
            self._world.hub.send_again(connection, number)
        elif number == connection.sequence:
            self._measures.sockets_resumed += 1
        elif number == 0:
            connection.sequence = 0
        else:
            self._measures.sockets_renewed += 1
            connection.id = self._world.new_id()
            connection.sequence = 0
            connection.sent.clear()
            self._greet(connection)

    def _left(self, connection: ClientConnection, wire: SocketWire) -> None:
        if connection.wire is not wire:
            return
        if self._world.hub.absent(connection, time.monotonic()):
            accounts.go_offline(self._world, self._world.state.users[connection.user_id])

    def _answer(self, connection: ClientConnection, wire: SocketWire, action: Document) -> None:
        """Do what the client asks and reply under its number."""
        if connection.muted:
            return
        reply: Document
        try:
            data = self._perform(connection, str(action.get("action")), action.get("data") or {})
            reply = {"status": "OK", "seq_reply": action["seq"]}
            if data is not None:
                reply["data"] = data
        except ApiError as error:
            about = {"id": error.error_id, "message": error.message, "detailed_error": "", "status_code": error.status}
            reply = {"status": "FAIL", "seq_reply": action["seq"], "error": about}
        wire.send_text(msgspec.json.encode(reply) + b"\n")

    def _perform(self, connection: ClientConnection, action: str, data: Document) -> Document | None:
        world = self._world
        users = world.state.users
        match action:
            case "user_typing":
                self._typing(connection, data)
                return None
            case "ping":
                now = world.now()
                return {"node_id": "", "server_time": now, "text": "pong", "version": world.version_number}
            case "get_statuses":
                return {user.id: user.status for user in users.values() if user.status != "offline"}
            case "get_statuses_by_ids":
                wanted = data.get("user_ids")
                if not isinstance(wanted, list) or not wanted:
                    raise _bad_parameter("user_ids")
                return {user_id: users[user_id].status for user_id in wanted if user_id in users}
            case "user_update_active_status":
                accounts.come_online(world, users[connection.user_id])
                return None
            case "presence" if world.modern:
                _note_presence(connection, data)
                return None
            case "posted_notify_ack" if world.modern:
                self._measures.posts_acknowledged += 1
                return None
            case _:
                raise ApiError(500, "api.web_socket_router.bad_action.app_error", "Unknown WebSocket action.")

    def _typing(self, connection: ClientConnection, data: Document) -> None:
        channel = self._world.state.channels.get(str(data.get("channel_id", "")))
        if channel is None or connection.user_id not in channel.members:
            raise _bad_parameter("channel_id")
        about = {"parent_id": str(data.get("parent_id") or ""), "user_id": connection.user_id}
        told = Audience(channel_id=channel.id, omit_users=(connection.user_id,))
        self._world.publish("typing", about, told)

    async def tend(self) -> None:
        """Until cancelled: flush slow clients, ping all, drop dead and expired connections."""
        hub = self._world.hub
        looked_at = 0.0
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            hub.flush_slow()
            now = time.monotonic()
            if now - looked_at >= 1.0:
                looked_at = now
                self._look_after(now)

    def _look_after(self, now: float) -> None:
        for connection in self._world.hub.all_connections():
            wire = connection.wire
            if not isinstance(wire, SocketWire):
                continue
            if now - wire.heard_at > DEAD_AFTER_SECONDS:
                wire.close()
            elif now - wire.pinged_at > PING_EVERY_SECONDS:
                wire.ping()
        self._world.hub.forget_absent(now)

    def drop_all(self) -> int:
        """A fault: every socket is dropped, as if a proxy had been restarted."""
        wires = [connection.wire for connection in self._world.hub.all_connections() if connection.wire is not None]
        for wire in wires:
            wire.close()
        return len(wires)

    def forget_all(self) -> int:
        """A fault: every connection ends for good, dropped ones too, as if the server had been restarted."""
        connections = self._world.hub.all_connections()
        for connection in connections:
            self._world.hub.cut(connection)
        return len(connections)


def _resumes_well(request: web.BaseRequest) -> bool:
    """A resume needs a valid connection id and sequence number, else the socket is dropped (seen on 11.6)."""
    wanted, number = request.query.get("connection_id", ""), request.query.get("sequence_number", "")
    return not wanted or (is_id(wanted) and number.isascii() and number.isdigit())


def _note_presence(connection: ClientConnection, data: Document) -> None:
    """Where the client's page is now; each message names the channel, the team or a thread's channel."""
    if isinstance(channel_id := data.get("channel_id"), str):
        connection.channel_id = channel_id
    if isinstance(channel_id := data.get("thread_channel_id"), str):
        if data.get("is_thread_view") is True:
            connection.listed_thread_channel_id = channel_id
        else:
            connection.thread_channel_id = channel_id


def _action(text: str) -> Document | None:
    """What a client sent; None if it is not of the protocol (the real server hangs up then)."""
    try:
        action: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(action, dict) or not isinstance(action.get("seq"), int):
        return None
    return action


def _bad_parameter(name: str) -> ApiError:
    return ApiError(400, "api.websocket_handler.invalid_param.app_error", f"Invalid {name} parameter.")
