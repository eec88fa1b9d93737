"""The packaged locustfile, with something beside the users that takes the processor away from them.

It holds the only core that a process can use for most of every second, as too many users would.
"""

from __future__ import annotations

import time
from typing import Any

import gevent
from locust import events

from mmload.locustfile import *  # noqa: F403
from mmload.metrics.recorder import process_recorder

# So short a rest that an answer is never seen in the same one as its question was sent in.
BUSY_SECONDS, REST_SECONDS = 0.3, 0.001


def _take_the_processor(runner: Any) -> None:
    """From the moment in which all users are in until they leave."""
    while process_recorder().users.active < runner.target_user_count:
        gevent.sleep(0.1)
    while runner.state not in ("stopping", "stopped", "cleanup"):
        until = time.perf_counter() + BUSY_SECONDS
        while time.perf_counter() < until:
            pass
        gevent.sleep(REST_SECONDS)


def _starve(environment: Any, **_: Any) -> None:
    gevent.spawn(_take_the_processor, environment.runner)


events.test_start.add_listener(_starve)  # type: ignore[no-untyped-call]
