"""`mmload learn LOG…`: a configuration from what the people of a server really do."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmload.cli.common import print_json, say
from mmload.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from mmload.config.coordinator_tables import Monitor
    from mmload.learn.fit import Fit
    from mmload.learn.observed import Observed

_FORMATS = (
    *("traefik", "nginx-timed", "combined", "common", "haproxy", "alb", "caddy", "mattermost", "mattermost-text"),
    "json",
)


def add_parser(subparsers: Any) -> None:
    """`mmload learn …`."""
    parser = subparsers.add_parser(
        "learn",
        help="create a configuration from access logs: what your people do, how often, and how many they are",
        description="Reads access logs of a proxy (nginx, Apache, HAProxy, Caddy, Traefik, AWS), or Mattermost's own "
        "debug log, and writes simulcontroller.json (frequencies of actions, idle time), profile.json (number of "
        "people over the day) and learned.json (all figures). No address, name, id or text from a log is written or "
        "shown.",
    )
    parser.add_argument("logs", metavar="LOG", nargs="*", type=Path, help="access logs, plain or .gz, in any order")
    metrics = parser.add_argument_group("from metrics instead of logs")
    metrics.add_argument("--prometheus", metavar="URL", help="a Prometheus that scrapes the server (with a licence)")
    metrics.add_argument(
        "--from", dest="start", metavar="TIME", help="start of the time range: 2026-11-20T08:00 (local time)"
    )
    metrics.add_argument("--to", dest="end", metavar="TIME", default="now", help="end of the time range (default: now)")
    metrics.add_argument("--match", metavar="LABELS", default="", help="labels of the server: 'job=\"mattermost\"'")
    parser.add_argument(
        "--format", choices=_FORMATS, help="format of the logs (default: recognised by their first lines)"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("learned"), help="folder for the documents")
    parser.add_argument("--force", action="store_true", help="overwrite documents in that folder")
    parser.add_argument("--anyway", action="store_true", help="learn even from less than ten minutes")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Read, learn, write, and print."""
    from mmload.learn import output
    from mmload.report.learned import learned_report

    names = (output.SIMULCONTROLLER, output.PROFILE, output.FIGURES)
    _refuse_to_overwrite(args.output, names, force=args.force)
    defaults = _default_mix()
    observed = _from_metrics(args) if args.prometheus else _from_logs(args)
    reason = _why_not(observed, anyway=args.anyway)
    fit = None if reason else _fitted(observed, defaults)
    if fit is not None and not any(each.count for each in fit.actions):
        fit, reason = None, "no request belongs to an action"
    if args.json:
        print_json(output.everything(observed, fit))
    else:
        print(learned_report(observed, fit, defaults), end="", flush=True)
    if fit is None:
        raise UsageError(f"nothing was written: {reason}")
    curve = {"Points": output.profile(observed.slots, observed.offset)}
    documents = (output.simulcontroller(fit), curve, output.everything(observed, fit))
    _write(args.output, dict(zip(names, documents, strict=True)))
    return int(ExitCode.PASSED)


def _from_logs(args: argparse.Namespace) -> Observed:
    from mmload.behaviours.catalogue import routes
    from mmload.learn import reading

    if not args.logs:
        raise UsageError("expected access logs, or --prometheus URL --from TIME")
    logs = [reading.examined(path, args.format or "") for path in args.logs]
    return reading.counted(logs, routes(), lambda text: say("learn", text))


def _from_metrics(args: argparse.Namespace) -> Observed:
    from mmload.learn import metrics

    if args.logs or not args.start:
        raise UsageError("--prometheus: expected --from TIME, and no logs")
    now = time.time()
    start, end = metrics.moment("--from", args.start, now), metrics.moment("--to", args.end, now)
    labels = f"{{{args.match.strip().removeprefix('{').removesuffix('}')}}}" if args.match else ""
    return metrics.observed(metrics.asking(_monitor(args.prometheus)), start, end, labels)


def _monitor(url: str) -> Monitor:
    """How Prometheus is asked: as coordinator.json and its variables say, at this address."""
    from mmload.config.documents import COORDINATOR, load_document
    from mmload.config.environment import environment_name

    environ = {**os.environ, environment_name("MonitorConfig", "PrometheusURL"): url}
    checked = load_document(COORDINATOR, environ, Path("config"))
    monitor: Monitor = checked.value.monitor
    return monitor


def _default_mix() -> dict[str, float]:
    from mmload.behaviours.catalogue import SIMULATIVE

    return {action.name: action.frequency for action in SIMULATIVE}


def _fitted(observed: Observed, defaults: Mapping[str, float]) -> Fit:
    from mmload.learn.fit import edition_of, fit
    from mmload.learn.handler_table import measured_table
    from mmload.learn.observed import merged

    busy = merged(observed.busy_hours())
    table = measured_table(edition_of(busy.handlers))
    return fit(busy, table.counted(observed.as_counted), defaults, observed.service_seconds)


def _why_not(observed: Observed, *, anyway: bool) -> str:
    """Why nothing can be learned from this; empty if it can."""
    from mmload.learn.reading import LEAST_SECONDS

    if not observed.mark:
        return "no request identifies its sender (by a user id in the path or an address), so no rate per user is known"
    if not observed.user_hours:
        return "all requests have the same timestamp"
    if observed.seconds < LEAST_SECONDS and not anyway:
        return (
            f"the log covers {observed.seconds:.0f} s; expected at least {LEAST_SECONDS} s (--anyway learns from less)"
        )
    return ""


def _refuse_to_overwrite(folder: Path, names: tuple[str, ...], *, force: bool) -> None:
    there = [str(folder / name) for name in names if (folder / name).exists()]
    if there and not force:
        raise UsageError(f"already exists: {', '.join(there)} (use --force to overwrite, or another --output)")


def _write(folder: Path, documents: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents.items():
            (folder / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            say("learn", f"wrote {folder / name}")
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror}") from None
