"""Failed, or inconclusive: whose doing a crossed threshold is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mmload.errors import ExitCode
from mmload.metrics.counts import DeliveryCounts, UserGauges
from mmload.metrics.delta import Delta, ProcessHealth
from mmload.metrics.recorder import ActionOutcome as Ended
from mmload.metrics.recorder import Recorder
from mmload.results.folder import RunFolder, read_run
from mmload.results.model import Facts, Note, NoteKind, Run, RunPhase, Server
from mmload.results.timeline import Load, Timeline
from mmload.results.verdict import VerdictKind, exit_code, verdict

START = 1_800_000_000
RAMP, LENGTH, USERS = 5, 65, 20
FINE, LATE = ProcessHealth(cpu=0.3, lag_ms=3.0), ProcessHealth(cpu=0.3, lag_ms=700.0)


class Made:
    """A run of 65 s (5 of them ramp) with 40 requests a second, which a test makes worse here and there."""

    def __init__(self, *thresholds: str, users: int = USERS, **facts: Any) -> None:
        self.slow: set[int] = set()
        self.late: set[int] = set()
        self.away: set[int] = set()
        self.deliveries: dict[int, DeliveryCounts] = {}
        self.notes: list[Note] = []
        self.users = users
        self.facts = Facts(thresholds=thresholds, server=Server("http://mm.example"), started_ms=1, ended_ms=2, **facts)

    def read(self, folder: Path) -> Run:
        """The run, through its folder."""
        files, line = RunFolder(folder), Timeline(float(START))
        for at in range(LENGTH):
            line.add(START + at, "local", self._delta(at))
            line.observe(START + at, Load(USERS, USERS, at >= LENGTH - 1))
        for second, figures in line.closed(START + LENGTH, all_of_them=True):
            files.add_second(second)
            files.add_figures(figures)
        files.write_totals(line.totals)
        files.write_facts(self.facts)
        for note in self.notes:
            files.add_note(note)
        files.close()
        return read_run(folder)

    def _delta(self, at: int) -> Delta:
        recorder = Recorder(clock=lambda: START + at + 0.5)
        for _ in range(40):
            if at in self.away:
                recorder.request("GET /users/me", 10.0, "connection refused")
            else:
                recorder.request("GET /users/me", 4.0 if at in self.slow else 0.02)
                recorder.action("CreatePost", 4.0 if at in self.slow else 0.03, Ended.OK)
        recorder.request("POST /users/login", 9.0 if at in self.slow else 0.2, login=True)
        recorder.deliveries.merge(self.deliveries.get(at, DeliveryCounts()))
        delta = recorder.take()
        here = 0 if at == LENGTH - 1 else self.users if at >= RAMP - 1 else self.users // 2
        gone = USERS - self.users if at >= RAMP - 1 else 0
        delta.users = UserGauges(0 if at >= RAMP - 1 else USERS - here, here, gone)
        delta.health = LATE if at in self.late else FINE
        return delta


def test_thresholds_that_hold_pass(tmp_path: Path) -> None:
    run = Made("p99(requests) < 2s", "p99(CreatePost) < 2s", "errors < 1%", "rate > 10/s").read(tmp_path)

    assert verdict(run).outcome is VerdictKind.PASSED
    assert verdict(run).reasons == ()
    assert exit_code(run) is ExitCode.PASSED


def test_a_crossed_threshold_fails_with_what_came_out(tmp_path: Path) -> None:
    """The others are told as well."""
    made = Made("p99(requests) < 2s", "errors < 1%")
    made.slow = set(range(30, 40))
    run = made.read(tmp_path)
    said = verdict(run)

    assert said.outcome is VerdictKind.FAILED
    assert said.reasons == ("p99(requests) < 2s: crossed: 4.00 s",)
    assert [each.passed for each in said.thresholds] == [False, True]
    assert exit_code(run) is ExitCode.THRESHOLD_FAILED


def test_slow_answers_of_a_generator_that_was_late_are_inconclusive(tmp_path: Path) -> None:
    """They may be its own; the reason names the threshold and who is to blame."""
    made = Made("p99(requests) < 2s")
    made.slow = made.late = set(range(30, 40))
    run = made.read(tmp_path)
    said = verdict(run)

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert any("the load generator was saturated" in reason for reason in said.reasons)
    assert any("had an event-loop lag of up to 700 ms" in reason for reason in said.reasons)
    assert said.warnings == ()
    assert (
        "p99(requests) < 2s: crossed: 4.00 s, but not if the seconds in which the generator was saturated are left out"
        in said.reasons
    )
    assert exit_code(run) is ExitCode.INCONCLUSIVE


def test_a_single_late_second_is_not_blamed_on_the_server_either(tmp_path: Path) -> None:
    """Too little to doubt the whole run, enough to have crossed this threshold."""
    made = Made("max(requests) < 2s")
    made.slow = made.late = {30}
    run = made.read(tmp_path)

    assert verdict(run).outcome is VerdictKind.INCONCLUSIVE
    assert verdict(run).reasons == (
        "max(requests) < 2s: crossed: 4.00 s, but not if the seconds in which the generator was saturated are left out",
    )
    assert any("had an event-loop lag of up to 700 ms" in warning for warning in verdict(run).warnings)


def test_what_began_in_a_late_second_may_end_in_the_next(tmp_path: Path) -> None:
    made = Made("max(requests) < 2s")
    made.late, made.slow = {30}, {31}

    assert verdict(made.read(tmp_path)).outcome is VerdictKind.INCONCLUSIVE


def test_slow_answers_in_other_seconds_fail_however_late_the_generator_was(tmp_path: Path) -> None:
    """A generator in trouble is no excuse for the server; the doubts stay as warnings."""
    made = Made("p99(requests) < 2s")
    made.late, made.slow = set(range(10, 20)), set(range(30, 40))
    said = verdict(made.read(tmp_path))

    assert said.outcome is VerdictKind.FAILED
    assert any("the load generator was saturated" in warning for warning in said.warnings)


def test_too_few_good_seconds_to_tell_are_inconclusive(tmp_path: Path) -> None:
    """A generator that was late nearly all the time leaves nothing to be sure of."""
    made = Made("p99(requests) < 2s")
    made.slow = set(range(LENGTH))
    made.late = set(range(0, LENGTH, 2))

    assert verdict(made.read(tmp_path)).outcome is VerdictKind.INCONCLUSIVE


def test_slow_log_ins_of_a_late_ramp_are_inconclusive(tmp_path: Path) -> None:
    """They are judged over the whole run, and so is the generator."""
    made = Made("p50(logins) < 1s")
    made.slow = made.late = set(range(5, 45))
    late = verdict(made.read(tmp_path))
    made.late = set()
    (tmp_path / "again").mkdir()

    assert late.outcome is VerdictKind.INCONCLUSIVE
    assert verdict(made.read(tmp_path / "again")).outcome is VerdictKind.FAILED


def test_a_server_that_was_away_makes_two_tests_of_one(tmp_path: Path) -> None:
    """Errors of the outage alone are the restart's doing: inconclusive, and it says so."""
    made = Made("errors < 1%")
    made.away = set(range(30, 45))
    said = verdict(made.read(tmp_path))

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert any("the server gave no answer for 15 s" in reason for reason in said.reasons)
    assert any(
        reason.endswith("but not if the seconds in which the server was down are left out") for reason in said.reasons
    )


def test_a_breach_besides_an_outage_is_one(tmp_path: Path) -> None:
    made = Made("p99(requests) < 2s")
    made.away, made.slow = set(range(30, 40)), set(range(45, 55))

    assert verdict(made.read(tmp_path)).outcome is VerdictKind.FAILED


def test_missing_messages_of_a_run_with_an_outage_are_not_held_against_the_server(tmp_path: Path) -> None:
    """Their account can't be taken apart by seconds."""
    made = Made("missing == 0")
    made.deliveries[20] = DeliveryCounts(expected=100, delivered=98, never_came=2)
    (tmp_path / "away").mkdir()
    lossy = verdict(made.read(tmp_path))
    made.away = set(range(30, 45))
    away = verdict(made.read(tmp_path / "away"))

    assert lossy.outcome is VerdictKind.FAILED
    assert away.outcome is VerdictKind.INCONCLUSIVE
    assert "missing == 0: crossed: 2, but the server was down during that time" in away.reasons


def test_too_low_a_rate_of_a_load_that_was_not_there_is_inconclusive(tmp_path: Path) -> None:
    """Half the people ask for half as much, of any server; slow answers to half of them are slow all the same."""
    made = Made("rate > 1000/s", users=USERS // 2)
    (tmp_path / "slow").mkdir()
    low = verdict(made.read(tmp_path))
    made.facts = replace(made.facts, thresholds=("p99(requests) < 1ms",))
    slow = verdict(made.read(tmp_path / "slow"))

    assert low.outcome is VerdictKind.INCONCLUSIVE
    assert any("but the load was below the target" in reason for reason in low.reasons)
    assert slow.outcome is VerdictKind.FAILED


def test_too_low_a_rate_of_the_whole_load_fails(tmp_path: Path) -> None:
    assert verdict(Made("rate > 1000/s").read(tmp_path)).outcome is VerdictKind.FAILED


@pytest.mark.parametrize(
    "threshold", ["p99.9(requests) < 2s", "p99(Nothing) < 2s", "missing == 0", "p99(reconnect) < 9s"]
)
def test_a_threshold_that_can_not_be_told_is_not_passed(tmp_path: Path, threshold: str) -> None:
    """Too few samples, no such action, no message, no reconnect."""
    said = verdict(Made(threshold, "errors < 1%").read(tmp_path))

    assert said.outcome is VerdictKind.INCONCLUSIVE
    assert said.reasons == (said.thresholds[0].said,)
    assert "cannot be determined" in said.reasons[0]


def test_a_nearly_empty_server_proves_no_threshold(tmp_path: Path) -> None:
    """All it holds is in its caches. Without thresholds it is worth a warning."""
    (tmp_path / "bare").mkdir()
    held = verdict(Made("errors < 1%", population={"posts": 12}).read(tmp_path))
    bare = verdict(Made(population={"posts": 12}).read(tmp_path / "bare"))

    assert held.outcome is VerdictKind.INCONCLUSIVE
    assert "only 12 posts" in held.reasons[0]
    assert bare.outcome is VerdictKind.PASSED
    assert "only 12 posts" in bare.warnings[0]


def test_one_person_alone_proves_no_threshold(tmp_path: Path) -> None:
    run = Made("errors < 1%").read(tmp_path)
    alone = replace(
        run,
        totals=replace(run.totals, highest_active=1),
        seconds=tuple(replace(second, target=1, active=min(1, second.active)) for second in run.seconds),
    )

    assert verdict(alone).outcome is VerdictKind.INCONCLUSIVE
    assert "a single user" in verdict(alone).reasons[0]


def test_people_who_went_missing_in_the_middle_are_a_doubt(tmp_path: Path) -> None:
    """The figures would be said to be of twenty users, and are of ten."""
    run = Made().read(tmp_path)
    seconds = tuple(
        replace(second, active=USERS // 2) if 30 <= second.elapsed < 50 else second for second in run.seconds
    )
    short = verdict(replace(run, seconds=seconds))

    assert short.outcome is VerdictKind.INCONCLUSIVE
    assert short.reasons == (
        "users dropped out: at worst, only 10 of 20 were active (more than 10% were missing in 20 of 59 s)",
    )


def test_a_server_restarted_in_between_is_a_doubt(tmp_path: Path) -> None:
    """Though hardly a request noticed."""
    run = Made().read(tmp_path)
    changes: dict[int, dict[str, int]] = {30: {"dropped": 20, "sockets": 0}, 34: {"renewed": 20}}
    seconds = tuple(replace(second, **({"sockets": 20} | changes.get(second.elapsed, {}))) for second in run.seconds)

    assert verdict(replace(run, seconds=seconds)).reasons == (
        "all WebSockets were lost at once after 30 s, and none could be resumed: the server was restarted",
    )


def test_a_lost_worker_is_a_doubt_and_a_breach_is_still_one(tmp_path: Path) -> None:
    made = Made("p99(requests) < 2s")
    made.notes = [Note(1, NoteKind.WORKER_LOST, "worker 1 was lost")]
    (tmp_path / "slow").mkdir()
    fine = verdict(made.read(tmp_path))
    made.slow = set(range(30, 40))
    slow = verdict(made.read(tmp_path / "slow"))

    assert (fine.outcome, fine.reasons) == (VerdictKind.INCONCLUSIVE, ("worker 1 was lost",))
    assert (slow.outcome, slow.warnings) == (VerdictKind.FAILED, ("worker 1 was lost",))


def test_a_verdict_does_not_read_the_seconds_again_where_nothing_was_out_of_order(tmp_path: Path) -> None:
    """A long run's figures are many megabytes."""
    assert Made("errors < 1%").read(tmp_path).undisturbed is None


def test_phases_of_the_made_run_are_what_the_tests_take_them_for(tmp_path: Path) -> None:
    run = Made().read(tmp_path)

    assert [second.phase for second in run.seconds].count(RunPhase.STEADY) == run.totals.steady_seconds == 59
