"""`mmload learn LOG…`: a configuration from what the people of a server really do."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmload.cli.common import print_json, say
from mmload.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from mmload.learn.fit import Fit
    from mmload.learn.observed import Observed

_FORMATS = ("nginx-timed", "combined", "common", "haproxy", "caddy", "mattermost", "json")


def add_parser(subparsers: Any) -> None:
    """`mmload learn …`."""
    parser = subparsers.add_parser(
        "learn",
        help="make a configuration from access logs: what your own people do, how often, and how many they are",
        description="Reads access logs of nginx, Apache, HAProxy or Caddy, or Mattermost's own debug log, and writes "
        "simulcontroller.json (frequencies of actions, idle time), profile.json (people over the day) and learned.json "
        "(all figures). No address, name, id or text of a log is written or shown.",
    )
    parser.add_argument("logs", metavar="LOG", nargs="+", type=Path, help="access logs, plain or .gz, in any order")
    parser.add_argument(
        "--format", choices=_FORMATS, help="the format of the logs (default: seen from their first lines)"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("learned"), help="folder for the documents")
    parser.add_argument("--force", action="store_true", help="overwrite documents of that folder")
    parser.add_argument("--anyway", action="store_true", help="learn from less than ten minutes, too")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Read, learn, write, and print."""
    from mmload.learn import output, reading
    from mmload.report.learned import learned_report

    names = (output.SIMULCONTROLLER, output.PROFILE, output.FIGURES)
    _refuse_to_overwrite(args.output, names, force=args.force)
    defaults = _default_mix()
    logs = [reading.examined(path, args.format or "") for path in args.logs]
    observed = reading.counted(logs, _routes(), lambda text: say("learn", text))
    reason = _why_not(observed, anyway=args.anyway)
    fit = None if reason else _fitted(observed, defaults)
    if fit is not None and not any(each.count for each in fit.actions):
        fit, reason = None, "no request is one of an action"
    if args.json:
        print_json(output.everything(observed, fit))
    else:
        print(learned_report(observed, fit, defaults), end="", flush=True)
    if fit is None:
        raise UsageError(f"nothing is written: {reason}")
    curve = {"Points": output.profile(observed.slots, observed.offset)}
    documents = (output.simulcontroller(fit), curve, output.everything(observed, fit))
    _write(args.output, dict(zip(names, documents, strict=True)))
    return int(ExitCode.PASSED)


def _routes() -> tuple[str, ...]:
    from mmload.behaviours.catalogue import routes

    return routes()


def _default_mix() -> dict[str, float]:
    from mmload.behaviours.catalogue import SIMULATIVE

    return {action.name: action.frequency for action in SIMULATIVE}


def _fitted(observed: Observed, defaults: Mapping[str, float]) -> Fit:
    from mmload.learn.fit import edition_of, fit
    from mmload.learn.observed import merged
    from mmload.learn.table import measured_table

    busy = merged(observed.busy_hours())
    table = measured_table(edition_of(busy.handlers))
    return fit(busy, table if observed.queries else table.without_queries(), defaults, observed.service_seconds)


def _why_not(observed: Observed, *, anyway: bool) -> str:
    """Why nothing can be learnt from this; empty if it can."""
    from mmload.learn.reading import LEAST_SECONDS

    if not observed.mark:
        return "no request says who sent it (no own user id in a path, no address), so there is no rate per user"
    if not observed.user_hours:
        return "all requests have the same time"
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
            say("learn", f"written: {folder / name}")
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror}") from None
