"""What is known of a run when it begins: versions, settings, machine, server. Never a secret."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import locust
from locust.runners import MasterRunner
from msgspec.structs import replace

from mmload import __version__
from mmload.config import Settings, shown
from mmload.config.stages import most_users
from mmload.plugin.runner.staged_load import shape_of
from mmload.results.model import TRAFFIC, Facts, Machine, timestamp, without_credentials

LIBRARIES = ("gevent", "geventhttpclient", "greenlet", "msgspec", "urllib3", "pyzmq")


def facts_of(environment: Any, settings: Settings, started: float, given: Facts) -> Facts:
    """The facts of a run that begins now. `given` are those that its starter knew (command, name, server)."""
    options = environment.parsed_options
    run = settings.config.run
    shape = shape_of(environment)
    url = without_credentials(environment.host or settings.config.connection.server_url)
    return replace(
        given,
        name=given.name or run.name,
        mmload=__version__,
        traffic=TRAFFIC,
        locust=locust.__version__,
        python=platform.python_version(),
        settings=shown(settings),
        seed=run.seed,
        users=most_users(shape.stages) if shape else getattr(options, "num_users", None) or 0,
        spawn_rate=float(getattr(options, "spawn_rate", None) or 0),
        run_time_seconds=float(shape.seconds if shape else getattr(options, "run_time", None) or 0),
        stages=shape.text if shape else "",
        thresholds=run.thresholds,
        versions=versions(),
        workers=environment.runner.worker_count if isinstance(environment.runner, MasterRunner) else 0,
        server=given.server if given.server.url else replace(given.server, url=url),
        machine=machine(),
        started_ms=int(started * 1000),
        started=timestamp(started),
    )


def versions() -> dict[str, str]:
    """The libraries that a figure may depend on."""
    found = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def machine() -> Machine:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        memory = 0
    return Machine(cores, memory, f"{platform.system()} {platform.release()} {platform.machine()}")
