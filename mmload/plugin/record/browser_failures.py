"""Steps of browser users that failed, with their pictures: from the workers to the record, few and small."""

from __future__ import annotations

from typing import Any

import msgspec
from locust.runners import MasterRunner, WorkerRunner

from mmload.metrics.browser import BrowserFailure
from mmload.plugin.record.run_recorder import Recording, recording_of

# Worker to master: a step that failed, and its picture.
FAILED = "mmload_browser_failed"
MOST_FAILURES = 20
LARGEST_SCREENSHOT_BYTES = 500_000


class BrowserFailures:
    """What a process does with the failures of its browser users."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._left = MOST_FAILURES
        environment.mmload_browser_failed = self.take
        environment.events.test_start.add_listener(self._start_over)
        if isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(FAILED, self._on_failed)

    def _start_over(self, **_: Any) -> None:
        self._left = MOST_FAILURES

    def take(self, failure: BrowserFailure, screenshot: bytes) -> None:
        """Put it on record, here or at the master, unless there are enough of them."""
        if self._left <= 0:
            return
        self._left -= 1
        picture = screenshot if len(screenshot) <= LARGEST_SCREENSHOT_BYTES else b""
        if isinstance(self._environment.runner, WorkerRunner):
            told = {"failure": msgspec.to_builtins(failure), "screenshot": picture}
            self._environment.runner.send_message(FAILED, told)
            return
        recording: Recording | None = recording_of(self._environment)
        if recording is not None:
            recording.add_browser_failure(failure, picture, f"{MOST_FAILURES - self._left:02}.jpg")

    def _on_failed(self, msg: Any, **_: Any) -> None:
        self.take(msgspec.convert(msg.data["failure"], BrowserFailure), bytes(msg.data["screenshot"]))
