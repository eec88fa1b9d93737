"""The worker's side of the record: its figures, second by second, on their way to the master.

Locust's master waits half a second for the last reports of its workers, but users may take longer to leave; so the
master asks for stopping the users by a message of ours and waits for the answer (`mmload.plugin.record.run_recorder`).
"""

from __future__ import annotations

import time
from typing import Any

import gevent

from mmload.metrics.health import Probe
from mmload.metrics.recorder import Recorder
from mmload.plugin.record.post_relay import CLOCK, CLOCK_ANSWER, SENT, announcements, answer, host_id

# The key in Locust's own report, and the names of our messages.
REPORT_KEY = "mmload"
STOP_USERS = "mmload_stop_users"  # master to worker: stop your users, then send what is left
LAST = "mmload_last"  # worker to master: the answer; only what SETTLE asks for will follow
SETTLE = "mmload_settle"  # master to worker: you know of all posts now, close your account of them
SETTLED = "mmload_settled"  # worker to master: the answer; nothing of this test will follow


def seconds_until_next(now: float) -> float:
    """How long until the wall clock shows a new second. Pure."""
    return 1.0 - now % 1.0


class Shipping:
    """The figures of one worker since they were last sent."""

    def __init__(self, environment: Any, recorder: Recorder) -> None:
        self._environment = environment
        self._recorder = recorder
        self._probe = Probe(recorder)
        self._pending: list[list[Any]] = []
        self._number = 0
        self._taken_at = 0.0
        self._ticker: Any = None
        self._stopping = False
        self._listen()

    def _listen(self) -> None:
        events = self._environment.events
        events.test_start.add_listener(self._on_test_start)
        events.test_stopping.add_listener(self._on_test_stopping)
        events.test_stop.add_listener(self._on_test_stop)
        events.report_to_master.add_listener(self._on_report)
        # Added after Locust's own listener, so called before it: the users leave while the master still knows us.
        events.quitting.add_listener(self._on_quitting)
        runner = self._environment.runner
        runner.register_message(STOP_USERS, self._on_stop_users, concurrent=True)
        runner.register_message(SENT, self._on_sent)
        runner.register_message(SETTLE, self._on_settle)
        runner.register_message(CLOCK, self._on_clock)

    def _on_test_start(self, **_: Any) -> None:
        self._recorder.forget()
        self._pending, self._number, self._stopping = [], 0, False
        self._taken_at = time.time()
        self._probe.start()
        self._ticker = gevent.spawn(self._tick_on)

    def _tick_on(self) -> None:
        while True:
            gevent.sleep(seconds_until_next(time.time()))
            self._take()

    def _take(self) -> None:
        second, self._taken_at = int(self._taken_at), time.time()
        delta = self._recorder.take()
        delta.health = self._probe.look()
        self._pending.append([second, delta.to_wire()])

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        if self._ticker is not None:
            data[REPORT_KEY] = self._shipment()

    def _shipment(self) -> dict[str, Any]:
        """All that was not sent yet; numbered, so that the master notices a lost one."""
        self._take()
        pending, self._pending = self._pending, []
        self._number += 1
        account = self._recorder.account
        sent = [list(post) for post in account.take_announcements()] if account is not None else []
        return {"number": self._number, "figures": pending, "sent": sent}

    def _on_sent(self, msg: Any, **_: Any) -> None:
        if self._recorder.account is not None:
            self._recorder.account.announced(announcements(msg.data))

    def _on_settle(self, **_: Any) -> None:
        if self._recorder.account is not None:
            self._recorder.account.finish()
        self._environment.runner.send_message(SETTLED, self._shipment())

    def _on_clock(self, msg: Any, **_: Any) -> None:
        self._environment.runner.send_message(CLOCK_ANSWER, answer(msg.data, time.time(), host_id()))

    def _on_stop_users(self, **_: Any) -> None:
        if self._ticker is None:
            self._environment.runner.send_message(LAST, None)
        elif not self._stopping:
            self._environment.runner.stop()

    def _on_test_stopping(self, **_: Any) -> None:
        self._stopping = True

    def _on_test_stop(self, **_: Any) -> None:
        if self._ticker is None:
            return
        self._ticker.kill()
        last = self._shipment()
        self._probe.stop()
        self._ticker = None
        self._environment.runner.send_message(LAST, last)

    def _on_quitting(self, **_: Any) -> None:
        if self._ticker is not None and not self._stopping:
            self._environment.runner.stop()
