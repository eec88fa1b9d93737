"""`mmload fidelity`: hold what a simulated person sends against recordings of the real web application."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmload.cli.common import (
    OPTION_VARIABLES,
    add_document_options,
    add_server_option,
    say,
    server_variables,
    settings_of,
    write_text,
)
from mmload.errors import ExitCode, UsageError
from mmload.printable import harmless

if TYPE_CHECKING:
    from mmload.fidelity.compare import StepComparison
    from mmload.fidelity.playing import JudgedStep
    from mmload.fidelity.scenario_stage import ScenarioStage

# Few people and messages: the scenarios make what they need.
_PEOPLE, _POSTS = 6, 60


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "fidelity",
        description="A simulated user repeats each step of a recording of Mattermost's web application (11.6, in a "
        "browser). Requests and WebSocket frames are compared by method, route, query, fields of the body and order. "
        "Exit code: 0 equal, or only accepted differences; 3 other differences; 2 wrong command line or file; 5 the "
        "server is not ready.",
    )
    where = parser.add_mutually_exclusive_group()
    add_server_option(where)
    where.add_argument(
        "--sandbox",
        action="store_true",
        help="use a sandbox of its own (the default). On a server, accounts 1 to 3 of `mmload init` are used, and new "
        "channels and messages remain there",
    )
    add_document_options(parser, ["config"])
    parser.add_argument("--step", metavar="NAME", action="append", default=[], help="only this step; repeatable")
    _add_other_sides(parser)
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="write the result as JSON to this file (-: to stdout)"
    )
    parser.add_argument("--list", action="store_true", help="list the steps of the recording, and what is done in them")


def _add_other_sides(parser: argparse.ArgumentParser) -> None:
    """What takes the recording's place."""
    parser.add_argument(
        "--har",
        metavar="FILE",
        type=Path,
        help="instead of the recording: what your browser sent in one --step, saved by its developer tools. The output "
        "also says how it differs from 11.6. No secrets in the file are shown or written",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="instead of the recording: what the server's own web application sends. It is driven in an installed "
        "Chromium through all steps that are possible there (about 20 minutes), then the simulated user does them. "
        "Needs mmload[browser]",
    )
    parser.add_argument(
        "--write",
        metavar="FILE",
        type=Path,
        help="with --live: save what the web application sent as a recording (JSON lines, without names, texts, ids or "
        "secrets)",
    )


def run(args: argparse.Namespace) -> int:
    """Play and compare; the answer is the exit code."""
    import locust  # noqa: F401 — it patches the standard library, before anything else uses that
    from gevent.hub import Hub

    # What ends us may come while all greenlets wait: the hub hands it on to us, and need not print it.
    Hub.NOT_ERROR = (*Hub.NOT_ERROR, KeyboardInterrupt)
    from mmload.fidelity.playing import scenarios_of
    from mmload.fidelity.recording import recording

    if args.list:
        for step in recording().values():
            print(harmless(f"{step.name:<36}{step.how}"))
        return int(ExitCode.PASSED)
    if args.har is not None:
        return _compare_har(args)
    if args.live:
        return _compare_live(args)
    if args.write is not None:
        raise UsageError("--write FILE needs --live: there is nothing else to record")
    scenarios_of(args.step, args.server is None)
    with _stage(args) as stage:
        judged = judged_steps(stage, args.step, _telling("simulated user"))
    return _tell(judged, args)


def _compare_har(args: argparse.Namespace) -> int:
    """A HAR file beside the recording of 11.6, and our person beside the file."""
    from mmload.fidelity.compare import compare
    from mmload.fidelity.har import har_step
    from mmload.fidelity.playing import judge, play, recorded_for, scenarios_of, unplayed_reason

    if args.live:
        raise UsageError("--har FILE and --live exclude each other, since each replaces the recording")
    if len(args.step) != 1:
        raise UsageError("--har FILE: name the recorded step with one --step; `mmload fidelity --list` lists them")
    step = args.step[0]
    recorded = recorded_for(step)
    seen = har_step(args.har, recorded.name, args.server or "")
    judged: list[JudgedStep] = []
    if not unplayed_reason(step, args.server is None):
        with _stage(args) as stage:
            played = play(stage, scenarios_of([step], stage.on_sandbox), _telling("simulated user"))
            judged = [judge(replace(each, recorded=seen)) for each in played if each.recorded.name == recorded.name]
    return _tell(judged, args, [compare(recorded, seen)])


def _compare_live(args: argparse.Namespace) -> int:
    """The server's own web application beside our person, step by step."""
    from mmload.fidelity.compare import compare
    from mmload.fidelity.live.playing import beside, driven, live_scenarios_of, live_stage, play_live
    from mmload.fidelity.playing import judge, play, scenarios_of

    wanted = live_scenarios_of(args.step)
    with _stage(args) as stage, live_stage(stage) as live:
        made = play_live(live, wanted, _telling("browser"))
    if args.write is not None:
        write_text(made.text(), args.write)
    traffic = made.traffic()
    with _stage(args) as stage:
        scenarios = [each for each in scenarios_of(args.step, stage.on_sandbox) if driven(each.steps)]
        ours = play(stage, scenarios, _telling("simulated user"))
        played = [(each, beside(each, traffic, made.problems)) for each in ours]
    news = [compare(each.recorded, seen.recorded) for each, seen in played if not seen.problem]
    return _tell([judge(seen) for _, seen in played], args, news)


def judged_steps(
    stage: ScenarioStage, steps: list[str], progress: Callable[[str], object] = lambda told: None
) -> list[JudgedStep]:
    """Play these steps (all, if none is named) and judge them; tests use it, too."""
    from mmload.fidelity.playing import judge, play, scenarios_of, whole_run

    played = list(play(stage, scenarios_of(steps, stage.on_sandbox), progress))
    judged = [judge(each) for each in played]
    return judged if steps else [*judged, whole_run(played)]


def _telling(who: str) -> Callable[[str], None]:
    """What tells on stderr of the step that is done now: a line each, on a terminal one that changes."""

    def tell(step: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{who}: {step}", end="", file=sys.stderr, flush=True)
        else:
            say("fidelity", f"{who}: {step}")

    return tell


def _tell(judged: list[JudgedStep], args: argparse.Namespace, news: Sequence[StepComparison] = ()) -> int:
    from mmload.fidelity.live.playing import undriven_reason
    from mmload.fidelity.playing import unplayed_reason
    from mmload.fidelity.printing import document, live_news_of, news_of, text_of
    from mmload.fidelity.recording import recording

    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    asked = args.step or recording()
    why = {
        name: unplayed_reason(name, args.server is None) or (undriven_reason(name) if args.live else "")
        for name in asked
    }
    not_played = {name: reason for name, reason in why.items() if reason}
    if args.json is None or str(args.json) != "-":
        of = "the file" if args.har else "the web application" if args.live else "the recording"
        told = live_news_of(news) if args.live else "".join(map(news_of, news))
        parts = [text_of(judged, not_played, of), *([told] if told else [])]
        print(harmless("\n".join(parts)), end="", flush=True)
    if args.json is not None:
        write_text(json.dumps(document(judged, not_played, news), indent=2, ensure_ascii=False) + "\n", args.json)
    passed = all(each.good for each in judged)
    return int(ExitCode.PASSED if passed else ExitCode.THRESHOLD_FAILED)


@contextmanager
def _stage(args: argparse.Namespace) -> Iterator[ScenarioStage]:
    from mmload.fidelity.scenario_stage import stage_on

    if args.server is None:
        with sandbox_stage() as stage:
            yield stage
        return
    settings = settings_of("fidelity", args)
    with stage_on(settings.config.connection.server_url, settings) as stage:
        yield stage


@contextmanager
def sandbox_stage() -> Iterator[ScenarioStage]:
    """A stage on a sandbox of its own, for the time of the context."""
    from mmload.cli.sandbox import populate, population, sandbox
    from mmload.config import load_settings
    from mmload.fidelity.scenario_stage import stage_on

    with sandbox() as url:
        here = {**os.environ, **population(1, _PEOPLE), OPTION_VARIABLES["posts"]: str(_POSTS), **server_variables(url)}
        populate(url, here)
        with stage_on(url, load_settings(environ=here)[0], on_sandbox=True) as stage:
            yield stage
