"""`mmload learn LOG…`: a configuration from what the people of a server really do."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmload.behaviours.catalogue import SIMULATIVE, routes
from mmload.cli.common import print_json, refuse_existing, say, write_files
from mmload.config.coordinator_tables import Monitor
from mmload.config.documents import COORDINATOR, load_document
from mmload.config.environment import environment_name
from mmload.errors import ExitCode, UsageError
from mmload.learn import metrics, output, reading
from mmload.learn.fit import Fit, edition_of, fit
from mmload.learn.formats import SHORT_NAMES
from mmload.learn.handler_table import measured_table
from mmload.learn.observed import Observed, merged
from mmload.learn.reading import LEAST_SECONDS
from mmload.report.learned import learned_report


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "learn",
        description="Reads access logs of a proxy (nginx, Apache, HAProxy, Caddy, Traefik, AWS), or Mattermost's own "
        "debug log, and writes simulcontroller.json (frequencies of actions, idle time), profile.json (number of "
        "people over the day) and learned.json (all figures). No address, name, id or text from a log is written or "
        "shown.",
    )
    parser.add_argument("logs", metavar="LOG", nargs="*", type=Path, help="access logs, plain or .gz, in any order")
    queried = parser.add_argument_group("from metrics instead of logs")
    queried.add_argument("--prometheus", metavar="URL", help="a Prometheus that scrapes the server (with a licence)")
    queried.add_argument(
        "--from", dest="start", metavar="TIME", help="start of the time range: 2026-11-20T08:00 (local time)"
    )
    queried.add_argument("--to", dest="end", metavar="TIME", default="now", help="end of the time range (default: now)")
    queried.add_argument("--match", metavar="LABELS", default="", help="labels of the server: 'job=\"mattermost\"'")
    parser.add_argument(
        "--format", choices=SHORT_NAMES, help="format of the logs (default: recognised by their first lines)"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("learned"), help="folder for the documents")
    parser.add_argument("--force", action="store_true", help="overwrite documents in that folder")
    parser.add_argument("--anyway", action="store_true", help="learn even from less than ten minutes")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    names = (output.SIMULCONTROLLER, output.PROFILE, output.FIGURES)
    refuse_existing([args.output / name for name in names], force=args.force, otherwise=", or another --output")
    defaults = {action.name: action.frequency for action in SIMULATIVE}
    observed = _from_metrics(args) if args.prometheus else _from_logs(args)
    reason = _why_not(observed, anyway=args.anyway)
    learned = None if reason else _fitted(observed, defaults)
    if learned is not None and not any(each.count for each in learned.actions):
        learned, reason = None, "no request belongs to an action"
    if args.json:
        print_json(output.everything(observed, learned))
    else:
        print(learned_report(observed, learned, defaults), end="", flush=True)
    if learned is None:
        raise UsageError(f"nothing was written: {reason}")
    curve = {"Points": output.profile(observed.slots, observed.offset)}
    documents = (output.simulcontroller(learned), curve, output.everything(observed, learned))
    contents = [f"{json.dumps(document, indent=2)}\n".encode() for document in documents]
    write_files(args.output, dict(zip(names, contents, strict=True)), lambda path: say("learn", f"wrote {path}"))
    return int(ExitCode.PASSED)


def _from_logs(args: argparse.Namespace) -> Observed:
    if not args.logs:
        raise UsageError("expected access logs, or --prometheus URL --from TIME")
    logs = [reading.examined(path, args.format or "") for path in args.logs]
    return reading.counted(logs, routes(), lambda text: say("learn", text))


def _from_metrics(args: argparse.Namespace) -> Observed:
    if args.logs or not args.start:
        raise UsageError("--prometheus: expected --from TIME, and no logs")
    now = time.time()
    start, end = metrics.moment("--from", args.start, now), metrics.moment("--to", args.end, now)
    labels = f"{{{args.match.strip().removeprefix('{').removesuffix('}')}}}" if args.match else ""
    return metrics.observed(metrics.asking(_monitor(args.prometheus)), start, end, labels)


def _monitor(url: str) -> Monitor:
    """How Prometheus is asked: as coordinator.json and its variables say, at this address."""
    environ = {**os.environ, environment_name("MonitorConfig", "PrometheusURL"): url}
    monitor: Monitor = load_document(COORDINATOR, environ).value.monitor
    return monitor


def _fitted(observed: Observed, defaults: Mapping[str, float]) -> Fit:
    busy = merged(observed.busy_hours())
    table = measured_table(edition_of(busy.handlers))
    return fit(busy, table.counted(observed.as_counted), defaults, observed.service_seconds)


def _why_not(observed: Observed, *, anyway: bool) -> str:
    """Why nothing can be learned from this; empty if it can."""
    if not observed.mark:
        return "no request identifies its sender (by a user id in the path or an address), so no rate per user is known"
    if not observed.user_hours:
        return "all requests have the same timestamp"
    if observed.seconds < LEAST_SECONDS and not anyway:
        return (
            f"the log covers {observed.seconds:.0f} s; expected at least {LEAST_SECONDS} s (--anyway learns from less)"
        )
    return ""
