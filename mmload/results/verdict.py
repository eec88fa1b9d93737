"""What a run says: passed, failed, or inconclusive and why. Pure.

Failed requests by themselves do not fail a run: they are what a load test looks for; thresholds judge them.

- failed: the server did not recover from a storm, or a threshold is crossed, also without the seconds in which the
  generator or the server was out of order;
- inconclusive: the figures can't be trusted, or don't say what was asked: each reason is a sentence;
- passed: neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from mmload.config.threshold_syntax import BROWSER, DELIVERY, DELIVERY_COUNTS, RECOVERY, parse
from mmload.errors import ExitCode
from mmload.results.generator_health import FEWEST_SECONDS, MOST_SHARE, GeneratorTrust, trust_in, untrusted
from mmload.results.model import NoteKind, Run, RunEnding, RunPhase
from mmload.results.outages import Outage, frequent_drops, outages, restarts
from mmload.results.storms import in_storm, lasted, storm_name, storm_sentence, unforeseen
from mmload.results.thresholds import ThresholdResult, ThresholdWindow, judge, window

_DOUBTFUL = (NoteKind.WORKER_LOST, NoteKind.WORKER_LEFT_OUT, NoteKind.FAULT, NoteKind.RECORD)
# One person alone hears no other, waits for nobody, and meets caches that are all its own.
FEWEST_USERS = 2
# On a server with fewer posts than these everything is in its caches.
FEW_POSTS = 100
# A worker's report is 3 s old, and people who log out and in again are away for a moment.
MOST_AWAY_SHARE = 0.1


class VerdictKind(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Verdict(msgspec.Struct, frozen=True):
    """The outcome with its reasons, a sentence each. `warnings` are worth knowing and change nothing."""

    outcome: VerdictKind
    reasons: tuple[str, ...] = ()
    thresholds: tuple[ThresholdResult, ...] = ()
    warnings: tuple[str, ...] = ()


def verdict(run: Run) -> Verdict:
    """What this run says about the server."""
    trust, away = trust_in(run.seconds), unforeseen(outages(run.seconds), run.storms)
    results = tuple(judge(text, window(run)) for text in run.facts.thresholds)
    doubts = tuple(_doubts(run, trust, away))
    sure, unsure = _breaches(run, results, trust, away, doubts)
    if not trust.saturated:
        sure = [*(f"{storm_name(each)}: {storm_sentence(each)}" for each in run.storms if lasted(each)), *sure]
    doubts = (*doubts, *unsure, *(each.said for each in results if each.passed is None))
    warnings = (*_warnings(run, trust), *(doubts if sure else ()))
    if sure:
        return Verdict(VerdictKind.FAILED, tuple(sure), results, warnings)
    outcome = VerdictKind.INCONCLUSIVE if doubts else VerdictKind.PASSED
    return Verdict(outcome, doubts, results, warnings)


def exit_code(run: Run) -> ExitCode:
    """What the command that made this run answers to the shell."""
    if run.facts.ending is RunEnding.INTERRUPTED:
        return ExitCode.INTERRUPTED
    return {
        VerdictKind.PASSED: ExitCode.PASSED,
        VerdictKind.FAILED: ExitCode.THRESHOLD_FAILED,
        VerdictKind.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    }[verdict(run).outcome]


def _breaches(
    run: Run, results: Sequence[ThresholdResult], trust: GeneratorTrust, away: Sequence[Outage], doubts: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The crossed thresholds: those that are crossed for sure, and those that may not be the server's doing."""
    blames = [(each.said, _blame(run, each, trust, away, doubts)) for each in results if each.passed is False]
    unsure = [f"{said}, but {blame}" for said, blame in blames if blame]
    return [said for said, blame in blames if not blame], unsure


def _blame(
    run: Run, result: ThresholdResult, trust: GeneratorTrust, away: Sequence[Outage], doubts: Sequence[str]
) -> str:
    """Who else may have crossed this threshold; "" nobody."""
    threshold = parse(result.text)
    # Too little of something is what a run with too little load has, whatever the server can do.
    if threshold.operator in (">", ">=") and doubts:
        return "the load was below the target"
    counted = (threshold.subject == DELIVERY and threshold.measure in DELIVERY_COUNTS) or threshold.measure == RECOVERY
    # An account of the whole run can't be taken apart by seconds, nor are the sums of a stage.
    if counted or threshold.stage or run.undisturbed is None:
        who = _who(trust.saturated, away)
        return f"{who} during that time" if who else ""
    steady, whole = run.undisturbed.steady, run.undisturbed.whole
    undisturbed = ThresholdWindow(steady.figures, steady.seconds, whole.figures, whole.seconds)
    if judge(threshold, undisturbed).passed is False:
        return ""
    return f"not if the seconds in which {_who(bool(trust.saturated_seconds), away)} are left out"


def _who(saturated: bool, away: Sequence[Outage]) -> str:
    parts = ["the generator was saturated"] if saturated else []
    parts += ["the server was down"] if away else []
    return " and ".join(parts)


def _doubts(run: Run, trust: GeneratorTrust, away: Sequence[Outage]) -> Iterator[str]:
    totals = run.totals
    yield from run.missing
    requests = any(route.count for route in totals.whole.routes.values())
    if not requests:
        yield "no request was made"
    yield from _doubts_about_users(run)
    # A figure of browser users is asked for, and their machine had no room for it.
    asked = any(f"{BROWSER}." in text for text in run.facts.thresholds)
    if asked and (why := untrusted(totals.whole)):
        yield why
    if requests and not totals.steady_seconds:
        yield "there was no steady phase: the run ended before all users had been active for a whole second"
    elif requests and not any(route.count for route in totals.steady.routes.values()):
        yield "no request was made in the steady phase"
    if trust.saturated:
        yield "the load generator was saturated, so the response times may be its own rather than the server's"
        yield from trust.sentences
    yield from map(_away, away)
    yield from _doubts_about_storms(run, trust)
    for ms in restarts(run.seconds):
        if not any(in_storm(ms, storm) for storm in run.storms):
            after = (ms - run.seconds[0].ms) // 1000
            yield (
                f"all WebSockets were lost at once after {after} s, and none could be resumed: the server was restarted"
            )
    if unreadable := totals.whole.sockets.unreadable:
        yield f"{unreadable} WebSocket events could not be read: the server, or a proxy before it, sent malformed data"
    if errors := totals.whole.sockets.listener_errors:
        yield f"{errors} WebSocket events could not be handled: an internal error, or a bug in your own user class"
    for note in run.notes:
        if note.kind in _DOUBTFUL:
            yield note.text


def _away(outage: Outage) -> str:
    why = "something it depends on (such as its database)" if outage.server_errors else "it was restarted or"
    return (
        f"{outage.what} for {outage.seconds} s: {why} could not be reached, so the load before and after are two "
        "different tests"
    )


def _doubts_about_storms(run: Run, trust: GeneratorTrust) -> Iterator[str]:
    if run.facts.storm and not run.storms:
        yield f"the {run.facts.storm} storm was never triggered: the load was not steady for long enough"
    for storm in run.storms:
        if storm.untold:
            yield f"{storm_name(storm)}: its recovery cannot be determined: {storm.untold}"
        elif storm.recovered_seconds is None and (trust.saturated or not lasted(storm)):
            yield f"{storm_name(storm)}: {storm_sentence(storm)}, which may not be the server's fault: " + (
                "the generator was saturated" if trust.saturated else "the load ended early"
            )


def _doubts_about_users(run: Run) -> Iterator[str]:
    target = max((second.target for second in run.seconds), default=0)
    highest = run.totals.highest_active
    gave_up = max((second.gave_up for second in run.seconds), default=0)
    # Who logged in and got no further was kept out by something else.
    whole = run.totals.whole
    got_in = "became active" if whole.kept_out and whole.sessions.logins >= target else "logged in"
    if target and not highest:
        yield f"no user {got_in}" + _main_reason(run)
    elif gave_up:
        yield f"{gave_up} users gave up and never logged in" + _main_reason(run)
    elif highest < target:
        yield f"only {highest} of {target} users {got_in}" + _main_reason(run)
    yield from _doubts_about_dropouts(run)
    if run.facts.thresholds:
        yield from _doubts_about_size(run, highest)


def _main_reason(run: Run) -> str:
    """What most of the tries to get in failed of."""
    reasons = run.totals.whole.kept_out
    if not reasons:
        return ""
    reason = max(reasons, key=lambda each: reasons[each])
    return f": {reason} ({reasons[reason]} of {sum(reasons.values())} failed attempts)"


def _doubts_about_dropouts(run: Run) -> Iterator[str]:
    """Users that were in and went missing: the load was less than the figures are said to be of."""
    steady = [second for second in run.seconds if second.phase is RunPhase.STEADY and second.target]
    short = [second for second in steady if second.active + second.gave_up < second.target * (1 - MOST_AWAY_SHARE)]
    if len(short) >= FEWEST_SECONDS and len(short) > MOST_SHARE * len(steady):
        worst = min(short, key=lambda second: second.active / second.target)
        yield (
            f"users dropped out: at worst, only {worst.active} of {worst.target} were active "
            f"(more than {MOST_AWAY_SHARE:.0%} were missing in {len(short)} of {len(steady)} s)"
        )


def _doubts_about_size(run: Run, highest: int) -> Iterator[str]:
    if 0 < highest < FEWEST_USERS:
        yield "a single user says nothing about many: the load was too small to evaluate the thresholds"
    posts = run.facts.population.get("posts")
    if posts is not None and posts < FEW_POSTS:
        yield (
            f"the server had only {posts} posts before the run, all of them in its caches: thresholds that hold "
            "there say nothing about a server with more content; create some with `mmload init`"
        )


def _warnings(run: Run, trust: GeneratorTrust) -> Iterator[str]:
    """What a reader should know though the verdict stands."""
    posts = run.facts.population.get("posts")
    if posts is not None and posts < FEW_POSTS and not run.facts.thresholds:
        yield f"the server had only {posts} posts before the run: with more it answers more slowly (`mmload init`)"
    if trust.saturated_seconds and not trust.saturated:
        yield from trust.sentences
    if not run.storms and (frequent := frequent_drops(run.seconds)):
        yield frequent
