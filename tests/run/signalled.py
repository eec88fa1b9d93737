"""The made-up users in a Locust whose signals mmload handles, as in its own locustfile."""

from __future__ import annotations

from locust import events

from mmload import locust_internals
from mmload.plugin import shutdown
from tests.run.made_up import *  # noqa: F403

shutdown.heed_signals()
locust_internals.leave_signals_to_us()
events.init.add_listener(lambda **_: shutdown.let_users_leave())  # type: ignore[no-untyped-call]
