"""The HTTP server: reads requests, applies capacity, rate limit and faults, and sends the answers.

As a process it prints its address on stdout once it listens, and ends on SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
import zlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from mmload.errors import ExitCode, UsageError
from mmload.sandbox import accounts, assets, control, websocket
from mmload.sandbox.capacity import Capacity, RateLimit, use_cpu
from mmload.sandbox.errors import ApiError, no_such_route
from mmload.sandbox.faults import Fault, Faults
from mmload.sandbox.http import ApiAnswer, ApiRoute, Call, Router, Upload, checked_params
from mmload.sandbox.metrics import SandboxMetrics
from mmload.sandbox.options import Options
from mmload.sandbox.routes import all_routes
from mmload.sandbox.state import StoredUser
from mmload.sandbox.websocket import WebSocketServer
from mmload.sandbox.world import World
from mmload.signals import ENDING, ignores_hangup

MAX_BODY_BYTES = 64 * 1024 * 1024
# From which size on the two servers compress (seen in the recordings: 1068 bytes are, 981 are not; 1400 for 6.7).
GZIP_FROM_BYTES, GZIP_FROM_BYTES_OLD = 1024, 1400
# Random service times are the same in every run: only the load varies.
_SERVICE_SEED = 1
# Requests under way are cut off by then.
_SHUTDOWN_SECONDS = 1.0
_WEBSOCKET_ROUTE = f"GET {websocket.PATH}"


class Application:
    """One sandbox: answers any request."""

    def __init__(self, options: Options) -> None:
        self.world = World(options)
        self.measures = SandboxMetrics()
        self.faults = Faults()
        self.sockets = WebSocketServer(self.world, self.measures)
        # Set by the server: be away for so many seconds.
        self.restart: Callable[[float], object] = lambda seconds: None
        self._router = Router(all_routes(options.modern))
        chance = random.Random(_SERVICE_SEED) if options.random_service else None
        self._capacity = Capacity(options.slots, options.service_seconds, chance)
        limit = options.rate_limit_per_second
        self._rate_limit = RateLimit(limit, time.monotonic) if limit else None
        if not options.empty:
            accounts.add_default_admin(self.world)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path == "/metrics":
            page = self.measures.page(self.world, self._capacity.load(asyncio.get_running_loop().time()))
            return web.Response(text=page, content_type="text/plain", charset="utf-8")
        if path.startswith("/sandbox/"):
            return await control.serve(self, request)
        if path == websocket.PATH:
            return await self._serve_socket(request)
        if not path.startswith("/api/"):
            return assets.serve_asset(self.world, path)
        return await self._serve_api(request)

    async def _serve_socket(self, request: web.BaseRequest) -> web.StreamResponse:
        for fault in self.faults.strike(_WEBSOCKET_ROUTE):
            await asyncio.sleep(fault.delay_ms / 1000)
            if fault.hang_up or fault.status:
                return self._broken(request, fault)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            error = ApiError(400, "api.web_socket.connect.upgrade.app_error", "URL Blocked because of CORS. Url: ")
            return self._send(request, self._refusal(error, self.world.new_id()), self.world.new_id())
        return await self.sockets.serve(request, _token(request))

    async def _serve_api(self, request: web.BaseRequest) -> web.StreamResponse:
        started = time.perf_counter()
        found = self._router.find(request.method, unquote(request.path))
        route, params = found if found is not None else (None, {})
        faults = self.faults.strike(route.name if route is not None else "")
        response = await self._limited(request, route, params, faults)
        self.measures.request(route, request.method, response.status, time.perf_counter() - started)
        return response

    async def _limited(
        self, request: web.BaseRequest, route: ApiRoute | None, params: dict[str, str], faults: list[Fault]
    ) -> web.StreamResponse:
        limits: Mapping[str, str] = {}
        if self._rate_limit is not None:
            allowance = self._rate_limit.ask(request.remote or "")
            limits = allowance.headers()
            if allowance.refused:
                return web.Response(
                    status=429, text="limit exceeded\n", headers={**limits, "X-Content-Type-Options": "nosniff"}
                )
        for fault in faults:
            if fault.delay_ms:
                await asyncio.sleep(fault.delay_ms / 1000)
        broken = next((fault for fault in faults if fault.hang_up or fault.status), None)
        if broken is not None and not broken.after:
            return self._broken(request, broken)
        response = await self._answered(request, route, params)
        response.headers.update(limits)
        return response if broken is None else self._broken(request, broken)

    async def _answered(
        self, request: web.BaseRequest, route: ApiRoute | None, params: dict[str, str]
    ) -> web.StreamResponse:
        request_id = self.world.new_id()
        if route is None:
            # The router's own page, without the headers that handlers set.
            refusal = self._refusal(no_such_route(request.path), "")
            kind = "application/json" if self.world.modern else "text/plain; charset=utf-8"
            return web.Response(status=404, body=refusal.payload(), headers={"Content-Type": kind})
        body = b"" if _is_multipart(request) else await request.read()
        uploads, fields = await _multipart(request) if _is_multipart(request) else ([], {})
        hashing = self.world.options.login_seconds if route.hashes else 0.0
        await self._capacity.serve(hashing)
        if route.hashes and self.world.options.login_cpu_seconds:
            await asyncio.to_thread(use_cpu, self.world.options.login_cpu_seconds)
        try:
            token = _token(request)
            user = self._signed_in(route, token)
            found = checked_params(params, user)
            call = Call(self.world, found, request.query, request.headers, body, token, user, uploads, fields)
            answer = route.answer(call)
        except ApiError as error:
            answer = self._refusal(error, request_id)
            if error.status == 401 and token:
                answer.headers["Set-Cookie"] = "MMAUTHTOKEN=; Path=/; Max-Age=0; HttpOnly"
        return self._send(request, answer, request_id)

    def _signed_in(self, route: ApiRoute, token: str) -> StoredUser | None:
        if not route.open_to_all:
            return accounts.user_of_session(self.world, token)
        if not token:
            return None
        user_id = self.world.state.sessions.get(token)
        return self.world.state.users[user_id] if user_id is not None else None

    def _refusal(self, error: ApiError, request_id: str) -> ApiAnswer:
        document: dict[str, object] = {
            "id": error.error_id,
            "message": error.message,
            # 6.7 hides details, except on its page for unknown routes.
            "detailed_error": error.detailed if self.world.modern or not request_id else "",
        }
        if request_id:
            document["request_id"] = request_id
        return ApiAnswer({**document, "status_code": error.status}, error.status)

    def _broken(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
        if fault.hang_up and request.transport is not None:
            request.transport.abort()
        request_id = self.world.new_id()
        status = fault.status or 500
        refusal = self._refusal(ApiError(status, fault.error_id, "A fault injected by the sandbox."), request_id)
        return self._send(request, refusal, request_id)

    def _send(self, request: web.BaseRequest, answer: ApiAnswer, request_id: str) -> web.Response:
        headers = {
            "X-Request-Id": request_id,
            "X-Version-Id": self.world.version_id,
            "Vary": "Accept-Encoding",
            **answer.headers,
        }
        body = answer.payload()
        least = GZIP_FROM_BYTES if self.world.modern else GZIP_FROM_BYTES_OLD
        # JPEGs are not compressed: the newer server does not either.
        taken = "gzip" in request.headers.get("Accept-Encoding", "")
        if taken and len(body) >= least and answer.content_type != "image/jpeg":
            body = gzipped(body)
            headers["Content-Encoding"] = "gzip"
        if answer.content_type:
            headers["Content-Type"] = answer.content_type
        return web.Response(status=answer.status, body=body, headers=headers)


def gzipped(body: bytes) -> bytes:
    """Compressed with gzip's fastest level, to save CPU time."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def _token(request: web.BaseRequest) -> str:
    """The session's token: from the Authorization header, else from the cookie."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() in {"bearer", "token"}:
        return token.strip()
    return request.cookies.get("MMAUTHTOKEN", "")


def _is_multipart(request: web.BaseRequest) -> bool:
    return request.content_type.startswith("multipart/")


async def _multipart(request: web.BaseRequest) -> tuple[list[Upload], dict[str, str]]:
    uploads: list[Upload] = []
    fields: dict[str, str] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        content = bytes(await part.read())
        if part.filename is None:
            fields[part.name] = content.decode("utf-8", "replace")
        else:
            uploads.append(Upload(part.name, part.filename, content))
    return uploads, fields


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


class SandboxServer:
    """The application on a listening socket."""

    def __init__(self, options: Options) -> None:
        self.application = Application(options)
        self.application.restart = self._restart
        self._runner: web.ServerRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    async def start(self, host: str, port: int) -> str:
        """Listen and return the address. Raises OSError if the port is taken."""
        bound = await self._listen(host, port)
        self.address = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
        self._place = host, bound
        self.application.world.site_url = self.address
        self._do(self.application.sockets.tend())
        return self.address

    async def _listen(self, host: str, port: int) -> int:
        handler = web.Server(self.application.serve, request_factory=_request, access_log=None)
        self._runner = web.ServerRunner(handler)
        await self._runner.setup()
        # Thousands of clients may connect at once.
        listener = web.TCPSite(self._runner, host, port, backlog=4096, shutdown_timeout=_SHUTDOWN_SECONDS)
        await listener.start()
        sockets = listener._server.sockets if listener._server is not None else ()  # type: ignore[attr-defined]
        return int(sockets[0].getsockname()[1]) if sockets else port

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _restart(self, seconds: float) -> None:
        """Be away for so long: nobody listens, and all connections are gone. What it holds stays, as in a database."""
        self._do(self._away(seconds))

    async def _away(self, seconds: float) -> None:
        began = time.monotonic()
        await self._close()
        await asyncio.sleep(seconds - (time.monotonic() - began))
        await self._listen(*self._place)

    async def _close(self) -> None:
        self.application.sockets.forget_all()
        if self._runner is not None:
            await self._runner.cleanup()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.application.sockets.drop_all()
        if self._runner is not None:
            await self._runner.cleanup()


async def _serve(options: Options, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ENDING:
        if number is not signal.SIGHUP or not ignores_hangup():
            loop.add_signal_handler(number, stop.set)
    server = SandboxServer(options)
    try:
        address = await server.start(host, port)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; --port 0 takes any free port"
        ) from error
    print(address, flush=True)
    await stop.wait()
    await server.stop()


def run(options: Options, host: str, port: int) -> int:
    """Serve until a signal stops it; returns the exit code."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options, host, port))
    return int(ExitCode.PASSED)
