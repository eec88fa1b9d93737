"""The record of a run, written while it goes on: on the master, or on the only process.

One `Recording` per process, a new folder per test. Workers send their figures (`mmload.plugin.record.worker_reports`).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import log as locust_log
from locust.runners import MasterRunner, WorkerRunner
from msgspec.structs import replace

from mmload.errors import ExitCode
from mmload.metrics.browser import BrowserFailure
from mmload.metrics.delta import Delta
from mmload.metrics.health import Probe
from mmload.metrics.recorder import Recorder, process_recorder
from mmload.plugin.record.post_relay import CLOCK_ANSWER, Relay
from mmload.plugin.record.run_info import facts_of
from mmload.plugin.record.server_metrics import keep_server_figures
from mmload.plugin.record.worker_reports import (
    LAST,
    REPORT_KEY,
    SETTLE,
    SETTLED,
    STOP_USERS,
    Shipping,
    seconds_until_next,
)
from mmload.plugin.runner.staged_load import shape_of
from mmload.plugin.runner.workers import Workers, host_of
from mmload.plugin.settings import settings_of
from mmload.results.folder import RunFolder, make_folder, read_facts, read_run
from mmload.results.model import (
    Facts,
    Note,
    NoteKind,
    RunEnding,
    RunPhase,
    Second,
    Storm,
    Totals,
    command,
    ending,
    timestamp,
)
from mmload.results.timeline import Load, Timeline
from mmload.results.verdict import exit_code

log = logging.getLogger("mmload.recording")

# `mmload run` makes the folder, names it here, and prints the report itself.
FOLDER_VARIABLE = "MMLOAD_RUN_FOLDER"
# Workers report every 3 s; a second is kept open for two reports.
WORKER_DELAY_SECONDS = 6
# Encoding them takes 10 ms for 60 routes with 200 buckets each (measured), in parts between which others have a turn.
TOTALS_EVERY_SECONDS = 10
LONGEST_TURN_SECONDS = 0.001
# Beyond Locust's own stop-timeout: time for the users' log-outs, which that does not bound.
LONGEST_LOGOUT_SECONDS = 30.0
SETTLING_SECONDS = 5.0
MOST_FAULTS = 10
# Ten minutes for the pages that show how it goes.
RECENT_SECONDS = 600
_LOCAL = "local"


def register(events: Any) -> None:
    """Wire the record into Locust; called once, where the locustfile is imported."""
    events.init.add_listener(_on_init)
    # At module level, not in init: so it is called when the master has collected the last figures.
    events.quitting.add_listener(_on_quitting)


def recording_of(environment: Any) -> Recording | None:
    """The recording of a master or an only process."""
    recording: Recording | None = getattr(environment, "mmload_recording", None)
    return recording


def _on_init(environment: Any, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        environment.mmload_shipping = Shipping(environment, process_recorder())
    else:
        environment.mmload_recording = Recording(environment, process_recorder())
    freshen_timers()


def freshen_timers() -> None:
    """Let timers set from now on count from now.

    The event loop's clock stands still until it first turns, so Locust's timer for the run time, set when all imports
    are done, would go off earlier by as long as these took (measured: 0.4 s on an idle machine, 1 s on a busy one).
    """
    gevent.get_hub().loop.update_now()


def _on_quitting(environment: Any, **_: Any) -> None:
    """The process ends: close the record, tell what came out, answer with our exit code."""
    recording = recording_of(environment)
    if recording is None:
        return
    if recording.running:
        environment.runner.quit()
    if recording.folder is None:
        return
    run = read_run(recording.folder)
    if not os.environ.get(FOLDER_VARIABLE):
        from mmload.report.terminal import terminal_report  # workers never need it

        print(terminal_report(run, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")), end="", flush=True)
    if environment.process_exit_code is None:
        code = exit_code(run)
        # A greenlet of ours that died is our bug, whatever the figures say.
        is_bug = code is ExitCode.PASSED and locust_log.unhandled_greenlet_exception
        environment.process_exit_code = int(ExitCode.INTERNAL_ERROR if is_bug else code)


class Recording:
    """Writes the record of one test after the other. `folder` is that of the last one."""

    def __init__(self, environment: Any, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self.folder: Path | None = None
        self.running = False
        # Set by whoever ends the test for a reason of its own.
        self.ending: RunEnding | None = None
        self.storms: list[Storm] = []
        # What is told of the test while it goes on, and until the next one begins.
        self.facts, self.recent = Facts(), deque[Second](maxlen=RECENT_SECONDS)
        self._timeline = Timeline(0)
        self._environment = environment
        self._recorder = recorder
        self._clock = clock
        is_master = isinstance(environment.runner, MasterRunner)
        self._workers = Workers(environment.runner, host_of(environment)) if is_master else None
        # A master makes no load: its lateness is in no latency.
        self._probe = Probe(recorder if self._workers is None else None)
        self._listen()

    def _listen(self) -> None:
        events = self._environment.events
        events.test_start.add_listener(self._on_test_start)
        events.test_stopping.add_listener(self._on_test_stopping)
        events.test_stop.add_listener(self._on_test_stop)
        if self._workers is not None:
            events.worker_report.add_listener(self._on_worker_report)
            runner = self._environment.runner
            self._relay = Relay(lambda message, data, client_id: runner.send_message(message, data, client_id))
            runner.register_message(LAST, self._on_last)
            runner.register_message(SETTLED, self._on_settled)
            runner.register_message(CLOCK_ANSWER, lambda msg, **_: self._relay.on_answer(msg.node_id, msg.data))

    def _on_test_start(self, **_: Any) -> None:
        # An exit code is there already when a check refused the server: then there is no run to record.
        if self.running or self._environment.process_exit_code is not None:
            return
        now = self._clock()
        settings = settings_of(self._environment)
        self.folder = _folder(settings.config.run.runs_folder, settings.config.run.name, now, again=bool(self.folder))
        self._files = RunFolder(self.folder)
        given = read_facts(self.folder)
        if server := getattr(self._environment, "mmload_server", None):
            given = replace(given, server=server.record, population=server.population)
        if not given.command:
            given = replace(given, command=command(sys.argv))
        self.facts = facts_of(self._environment, settings, now, given)
        self._files.write_facts(self.facts)
        self.recent.clear()
        self.ending, self.storms = None, []
        self._timeline = Timeline(now, WORKER_DELAY_SECONDS if self._workers else 0)
        self._taken_at, self._stopping, self._target, self._stage = now, False, 0, ""
        self._since_totals = TOTALS_EVERY_SECONDS - 1
        self._recorder.forget()
        if self._workers is not None:
            self._workers.start_over()
        self.running = True
        self._probe.start()
        self._ticker = gevent.spawn(self._tick_on)
        log.info("this run is recorded in %s", self.folder)

    @property
    def totals(self) -> Totals:
        """The sums of the recorded seconds; they go on growing while the test does."""
        return self._timeline.totals

    def add_browser_failure(self, failure: BrowserFailure, screenshot: bytes, name: str) -> None:
        """Put a failed step of a browser user on record, with its picture under this name."""
        if self.running:
            try:
                self._files.add_browser_failure(failure, screenshot, name)
            except OSError as error:
                log.error("cannot write the record of the run: %s", error)

    def _tick_on(self) -> None:
        while True:
            gevent.sleep(seconds_until_next(self._clock()))
            before = self._files.trouble
            try:
                self._tick()
            except OSError as error:
                log.error("cannot write the record of the run: %s", error)
            if self._files.trouble != before:
                log.error("%s", self._files.trouble)

    def _tick(self, *, last: bool = False) -> None:
        """Take our own figures, look around, close the seconds that are over."""
        now = self._clock()
        second, self._taken_at = int(self._taken_at), now
        delta = self._recorder.take()
        delta.health = self._probe.look()
        self._timeline.add(second, _LOCAL, delta)
        self._look_at_load(second)
        if self._workers is not None and not self._stopping:
            self._look_at_workers(self._workers)
            self._relay.measure(self._workers.alive())
        self._write_seconds(now, last=last)

    def _look_at_load(self, second: int) -> None:
        runner = self._environment.runner
        target = runner.target_user_count
        shape = shape_of(self._environment)
        stage = shape.now() if shape is not None else None
        if stage is not None and stage.name != self._stage and not self._stopping:
            self.note(NoteKind.USERS, f"stage {stage.name}: {stage}")
        elif self._target and target != self._target and not (self._stopping or (stage and stage.is_ramp)):
            self.note(NoteKind.USERS, f"target changed from {self._target} to {target} users")
        self._stage = stage.name if stage is not None else ""
        # While users are leaving, the target stays on the record.
        self._target = self._target if self._stopping else target
        is_ramp = stage is not None and stage.is_ramp
        self._timeline.observe(
            second, Load(self._target, runner.user_count, self._stopping, self._stage, is_ramp=is_ramp)
        )

    def _look_at_workers(self, workers: Workers) -> None:
        came, lost = workers.changes()
        for worker in came:
            self.note(NoteKind.WORKER_CAME, f"{worker} connected")
        for worker in lost:
            self._timeline.forget(worker)
            self.note(NoteKind.WORKER_LOST, f"{worker} was lost, with its users and the figures of its last seconds")

    def _write_seconds(self, now: float, *, last: bool) -> None:
        before, late = self._timeline.phase, self._timeline.late
        for second, figures in self._timeline.closed(now, all_of_them=last):
            self.recent.append(second)
            self._files.add_second(second)
            self._files.add_figures(figures)
            if second.phase is not before:
                before = second.phase
                self.note(NoteKind.PHASE, _phase_text(before, second.active, second.target), second.ms)
            self._since_totals += 1
        if last or self._since_totals >= TOTALS_EVERY_SECONDS:
            # At the end of a test there is nobody to let run.
            self._files.write_totals(self._timeline.totals, *(() if last else (_turns(),)))
            self._since_totals = 0
        if late == 0 and self._timeline.late:
            self.note(NoteKind.LATE, "figures of a worker arrived late: they count in a later second than their own")

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        shipment = data.pop(REPORT_KEY, None)
        if shipment is not None and self.running:
            self._take_in(client_id, shipment)

    def _take_in(self, client_id: str, shipment: dict[str, Any]) -> None:
        assert self._workers is not None
        skipped = self._workers.skipped(client_id, shipment["number"])
        if skipped:
            self.note(NoteKind.WORKER_LEFT_OUT, f"{self._workers.name(client_id)}: {skipped} reports never arrived")
        self._relay.pass_on(client_id, shipment.get("sent", ()), self._workers.alive())
        self._timeline.clock_error_ms = self._relay.clocks.error_ms()
        now, worker = int(self._clock()), self._workers.name(client_id)
        for second, wire in shipment["figures"]:
            try:
                # A worker whose clock is ahead can't report the future.
                self._timeline.add(min(second, now), worker, Delta.from_wire(wire))
            except msgspec.ValidationError as error:
                self.note(NoteKind.WORKER_LEFT_OUT, f"{worker}: cannot read its figures (another version?): {error}")

    def _on_last(self, msg: Any, **_: Any) -> None:
        if self.running and self._workers is not None:
            if msg.data is not None:
                self._take_in(msg.node_id, msg.data)
            self._workers.finished.add(msg.node_id)

    def _on_settled(self, msg: Any, **_: Any) -> None:
        if self.running and self._workers is not None:
            self._take_in(msg.node_id, msg.data)
            self._workers.settled.add(msg.node_id)

    def _on_test_stopping(self, **_: Any) -> None:
        """The load ends: on a master, wait for the users' log-outs and the workers' last figures."""
        if not self.running or self._stopping:
            return
        self._stopping = True
        if self._workers is None:
            return
        self._environment.runner.send_message(STOP_USERS)
        patience = (self._environment.stop_timeout or 0) + LONGEST_LOGOUT_SECONDS
        for worker in self._workers.wait_for(self._workers.finished, patience):
            self.note(NoteKind.WORKER_LEFT_OUT, f"{worker}: its last figures never arrived")
        # Only now has each of them been told of the others' last posts.
        self._environment.runner.send_message(SETTLE)
        for worker in self._workers.wait_for(self._workers.settled, SETTLING_SECONDS):
            self.note(NoteKind.WORKER_LEFT_OUT, f"{worker}: it did not report its last deliveries")

    def _on_test_stop(self, **_: Any) -> None:
        if not self.running:
            return
        self.running = False
        self._stopping = True
        self._ticker.kill()
        try:
            self._finish()
        except OSError as error:
            log.error("cannot write the record of the run: %s", error)
        self._files.close()

    def _finish(self) -> None:
        if self._recorder.account is not None:
            self._recorder.account.finish()
        self._tick(last=True)
        self._probe.stop()
        self._note_faults()
        now = self._clock()
        options = self._environment.parsed_options
        why = self.ending or ending(
            self.facts.run_time_seconds,
            now - self.facts.started_ms / 1000,
            headless=bool(getattr(options, "headless", False)),
            workers_left=self._workers is None or bool(self._workers.finished),
        )
        self.note(NoteKind.END, str(why))
        self._files.write_facts(replace(self.facts, ended_ms=int(now * 1000), ended=timestamp(now), ending=why))
        keep_server_figures(
            self.facts.started_ms / 1000, now, self._files.write_server, lambda text: self.note(NoteKind.SERVER, text)
        )

    def _note_faults(self) -> None:
        """Exceptions that ended a task of a simulated user: nobody foresaw them."""
        for fault in list(self._environment.runner.exceptions.values())[:MOST_FAULTS]:
            self.note(NoteKind.FAULT, f"a simulated user raised {fault['msg']} ({fault['count']} times)")

    def add_storm(self, storm: Storm) -> None:
        """A storm was raised in this test, or is over."""
        began = all(each.ms != storm.ms for each in self.storms)
        self.storms = [*(each for each in self.storms if each.ms != storm.ms), storm]
        self._files.add_storm(storm)
        if began:
            self.note(NoteKind.STORM, f"{storm.kind} storm", storm.ms)
        elif storm.problem:
            self.note(NoteKind.STORM, storm.problem)

    def note(self, kind: NoteKind, text: str, ms: int = 0) -> None:
        """Something that happened to this test, at a moment or now."""
        self._files.add_note(Note(ms or int(self._clock() * 1000), kind, text))


def _turns() -> Callable[[], None]:
    """To be called again and again in the middle of long work: others have a turn when it is time."""
    since = time.perf_counter()

    def breathe() -> None:
        nonlocal since
        if time.perf_counter() - since > LONGEST_TURN_SECONDS:
            # Not 0: that would let those run who are ready, but not ask which sockets are.
            gevent.sleep(0.001)
            since = time.perf_counter()

    return breathe


def _folder(runs_folder: str, name: str, now: float, *, again: bool) -> Path:
    """The folder given by our starter, for its one test; else a new one."""
    given = os.environ.get(FOLDER_VARIABLE, "")
    if given and not again:
        Path(given).mkdir(parents=True, exist_ok=True)
        return Path(given)
    return make_folder(Path(runs_folder), datetime.fromtimestamp(now), name)


def _phase_text(phase: RunPhase, active: int, target: int) -> str:
    return {
        RunPhase.RAMP: "ramp-up: users are logging in",
        RunPhase.STEADY: f"steady state: {active} of {target} users are active",
        RunPhase.STOPPING: "stopping: users log out",
    }[phase]
