"""`/metrics` for Prometheus: on Locust's web server, and on one of its own where it is asked for.

On the master, or on the only process; workers have none.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import gevent
from flask import Blueprint, Response
from gevent.pywsgi import WSGIServer
from locust.runners import WorkerRunner

from mmload.agent.exported import page
from mmload.agent.refusing import refuse
from mmload.agent.view import view_of
from mmload.config import load_settings
from mmload.errors import UsageError
from mmload.metrics.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    from locust.env import Environment

log = logging.getLogger("mmload.metrics")

PATH = "/metrics"
# Making a page takes no longer than this at a stretch: in between, other greenlets get their turn.
LONGEST_STRETCH_SECONDS = 0.005


def register(events: Any) -> None:
    """Wire this into Locust; called once, where the locustfile is imported."""
    events.init.add_listener(_on_init)


def _on_init(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return
    if environment.web_ui is not None and environment.web_ui.app is not None:
        environment.web_ui.app.register_blueprint(blueprint(environment))
    if address := load_settings()[0].config.run.metrics_address:
        _serve_or_exit(environment, address)


def _serve_or_exit(environment: Any, address: str) -> None:
    """An address that can't be had ends Locust with one message and our exit code, not with a traceback."""
    try:
        serve(environment, address)
    except UsageError as error:
        refuse(environment, error)


def blueprint(environment: Any) -> Blueprint:
    """The route for Locust's web server, below its base path; who may read it, `mmload.agent.access` says."""
    pages = Blueprint("mmload_metrics", __name__, url_prefix=environment.parsed_options.web_base_path or None)

    @pages.get(PATH)
    def metrics() -> Response:
        return Response(in_turns(page(view_of(environment))), content_type=CONTENT_TYPE)

    return pages


def serve(environment: Any, address: str) -> WSGIServer:
    """A small web server of its own, for `/metrics` only. It ends with the process."""
    host, _, port = address.rpartition(":")
    server = WSGIServer((host.strip("[]"), int(port)), _application(environment), log=None, error_log=log)
    try:
        server.start()
    except OSError as error:
        # gevent adds the address to the text of the error.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UsageError(
            f"RunConfiguration.MetricsAddress: {address} can't be served: {reason}; choose another"
        ) from None
    log.info("metrics are on http://%s:%d%s", server.server_host, server.server_port, PATH)
    return server


def _application(environment: Any) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [f"only GET {PATH} is here\n".encode()]
        start_response("200 OK", [("Content-Type", CONTENT_TYPE)])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [in_turns(page(view_of(environment)))]

    return answer


def in_turns(pieces: Iterable[str], clock: Callable[[], float] = time.perf_counter) -> bytes:
    """The pieces as one text, letting others have their turn while it is made."""
    done, began = [], clock()
    for piece in pieces:
        done.append(piece)
        if clock() - began > LONGEST_STRETCH_SECONDS:
            gevent.sleep(0)
            began = clock()
    return "".join(done).encode()
