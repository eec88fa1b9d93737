"""Keeps Locust's tables from growing with time: they count the requests of every second, for each name, for ever.

Measured: 0.3 MB an hour for each name. Only the last twelve seconds are ever read (the current rate). And for each name
they copy the table of response times once a second and keep the last twenty: 4 MB with forty names, for the current
percentiles, which only those of all names together and `--csv-full-history` are ever asked for. And they keep what the
charts of the web page and of `--html` show, every five seconds (0.6 MB an hour), where there is neither of them, too.

Has the garbage collector leave alone what is there before the first user: modules and settings, which stay. A
collection of everything stops all users while it lasts, and half of it went through them (120,000 objects with 200
users).

Gives memory that is free back to the system: the C library keeps it, in pieces between what is in use. Measured with
500 users: 3 of 93 MB. Where the C library has no such call (it is glibc's), nothing is done.
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from typing import Any

import gevent

from mmload.locust_internals import copy_no_more, forget_before

KEPT_SECONDS = 60
_PRUNE_EVERY_SECONDS = 15.0
_TRIM_EVERY_SECONDS = 60.0


def register(events: Any) -> None:
    """Wire this into Locust; called once, where the locustfile is imported."""
    events.init.add_listener(_on_init)
    events.test_start.add_listener(_leave_alone_what_is_there)


def _on_init(environment: Any, **_: Any) -> None:
    keep_copies = bool(getattr(environment.parsed_options, "stats_history_enabled", False))
    charts = environment.web_ui is not None or bool(getattr(environment.parsed_options, "html_file", None))
    gevent.spawn(_prune, environment.stats, keep_copies=keep_copies, charts=charts)
    give_back_free_memory()


def _leave_alone_what_is_there(**_: Any) -> None:
    """What is in no cycle is freed all the same when nobody refers to it any more. No user is there yet."""
    gc.collect()
    gc.freeze()


def _prune(stats: Any, *, keep_copies: bool, charts: bool) -> None:
    while True:
        gevent.sleep(_PRUNE_EVERY_SECONDS)
        if not charts:
            stats.history.clear()
        forget_before([stats.total, *stats.entries.values()], int(time.time()) - KEPT_SECONDS)
        if not keep_copies:
            copy_no_more(stats.entries.values())


def give_back_free_memory() -> None:
    """From now on, once a minute; nothing is done where the C library has no such call."""
    trim = malloc_trim()
    if trim is not None:
        gevent.spawn(_trim, trim)


def _trim(trim: Callable[[int], int]) -> None:
    while True:
        gevent.sleep(_TRIM_EVERY_SECONDS)
        trim(0)


def malloc_trim() -> Callable[[int], int] | None:
    """The call of the C library; None if it has none. Give it the bytes to be kept at the top."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return found
