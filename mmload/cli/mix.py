"""`mmload mix`: which requests the mix of actions causes, how many per post, and which actions cause them."""

from __future__ import annotations

import argparse
from typing import Any

from mmload.behaviours.catalogue import SIMULATIVE, frequency
from mmload.cli.common import add_document_options, print_json, settings_of
from mmload.errors import ExitCode, UsageError
from mmload.learn.handler_table import measured_table
from mmload.learn.mix import PredictedHandler, predicted

# Causes that are named in a line; the JSON has them all.
_MOST_CAUSES = 4
# What comes less often is left out of the table.
_LEAST = 0.0005
_BY_OTHERS = (
    "Not included: requests at login, once a minute, and when somebody else writes (a view by each user who has the\n"
    "channel on the screen and the focus, unknown authors, channels that become unread), which grow with the number\n"
    "of users."
)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "mix",
        description="For each handler of the server: requests per post, the figure of production servers if there is "
        "one, and the actions that cause the requests, with the ActionFrequencies of simulcontroller.json. What an "
        "action sends was measured on the sandbox.",
    )
    add_document_options(parser, ["simulcontroller"])
    parser.add_argument("--licensed", action="store_true", help="assume a server with a licence")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def run(args: argparse.Namespace) -> int:
    simul = settings_of("mix", args).simul
    frequencies = {action.name: frequency(simul, action) for action in SIMULATIVE}
    rows = predicted(frequencies, measured_table("licensed" if args.licensed else "free"), simul.percent_replies)
    if not rows:
        raise UsageError("no user posts in this mix, so there are no requests per post")
    if args.json:
        print_json({"schema": 1, "handlers": [_document(row) for row in rows]})
    else:
        print("\n".join([*_table(rows), "", _BY_OTHERS]), flush=True)
    return int(ExitCode.PASSED)


def _table(rows: list[PredictedHandler]) -> list[str]:
    shown = [row for row in rows if row.per_post >= _LEAST]
    widest = max(len(row.handler) for row in shown)
    lines = [f"{'handler':<{widest}}{'per post':>10}{'production':>12}  comes from"]
    return [*lines, *(_line(row, widest) for row in shown)]


def _line(row: PredictedHandler, widest: int) -> str:
    causes = ", ".join(f"{name} {share:.3g}" for name, share in row.causes[:_MOST_CAUSES])
    more = len(row.causes) - _MOST_CAUSES
    production = f"{row.production.per_post:.4f}" if row.production else ""
    return (
        f"{row.handler:<{widest}}{row.per_post:>10.4f}{production:>12}  {causes}{f', {more} more' if more > 0 else ''}"
    )


def _document(row: PredictedHandler) -> dict[str, Any]:
    return {
        "handler": row.handler,
        "per_post": round(row.per_post, 5),
        "production": row.production.per_post if row.production else None,
        "by_itself": row.production.action if row.production else None,
        "causes": {name: round(share, 5) for name, share in row.causes},
    }
