"""The command line of the coordinator, and how its options change the document."""

from __future__ import annotations

import argparse
from pathlib import Path

from msgspec.structs import replace

from mmload import __version__
from mmload.config.coordinator_tables import MODES, Coordinator
from mmload.config.fields import seconds_of
from mmload.errors import ConfigurationError, UsageError


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="mmload-coordinator",
        description="Changes the number of users of the agents until it is known how many people the server holds. "
        "Exit code: 0 a number was found, 4 the configuration is refused, 5 an agent or Prometheus can't be reached, "
        "6 it can't be known (and why), 130 interrupted.",
    )
    made.add_argument("--version", action="version", version=f"mmload-coordinator {__version__}")
    made.add_argument("-c", "--config", metavar="FILE", type=Path, help="coordinator.json (config/coordinator.json)")
    made.add_argument(
        "-l",
        "--agent-config",
        "--ltagent-config",
        metavar="FILE",
        type=Path,
        help="config.json, for agents that are still to be created, and for how many users one carries",
    )
    made.add_argument("--folder", metavar="DIR", type=Path, help="where journal and answer go (a new one in runs/)")
    made.add_argument("--take-up", action="store_true", help="take up agents that run already")
    made.add_argument(
        "--hold", action="store_true", help="in the end keep as many users as the server surely holds (AtEnd)"
    )
    add_search_options(made)
    return made


def add_search_options(made: argparse.ArgumentParser) -> None:
    """The options that `mmload capacity` has as well."""
    add = made.add_argument
    add("--mode", choices=MODES, help="search (climb, retreat, measure), or classic: the peer's rule")
    add("--lowest-users", metavar="N", type=int, help="users at the start (SearchConfiguration.LowestUsers)")
    add("--highest-users", metavar="N", type=int, help="never more than these (ClusterConfig.MaxActiveUsers)")
    add("--spawn-rate", metavar="R", type=float, help="new users per second (SearchConfiguration.SpawnRate)")
    add("--budget", metavar="TIME", help="the answer is due after this time: 900, 15m, 1h (BudgetMinutes)")
    add("--precision", metavar="PERCENT", help="half the width of the interval, such as 2%% (PrecisionPercent)")
    add("--p99", metavar="SEC", type=float, help="the limit of requests' p99; 0: none (RequestP99Sec)")
    add("--failures", metavar="PERCENT", help="the limit of failed requests, such as 1%%; 0: none (FailurePercent)")
    add("--json", action="store_true", help="print the answer as JSON")


def applied(document: Coordinator, args: argparse.Namespace) -> Coordinator:
    """The document with the options in place of its own values. Raises UsageError. Pure."""
    search, measures, cluster = document.search, document.measures, document.cluster
    if args.mode is not None:
        search = replace(search, mode=args.mode)
    if args.lowest_users is not None:
        search = replace(search, lowest_users=_at_least_one("--lowest-users", args.lowest_users))
    if args.highest_users is not None:
        cluster = replace(cluster, max_active_users=_at_least_one("--highest-users", args.highest_users))
    if args.spawn_rate is not None:
        search = replace(search, spawn_rate=_more_than_zero("--spawn-rate", args.spawn_rate))
    if args.budget is not None:
        search = replace(search, budget_minutes=seconds_of("--budget", args.budget) / 60)
    if args.precision is not None:
        search = replace(search, precision_percent=percent("--precision", args.precision, 50))
    if args.p99 is not None:
        measures = replace(measures, request_p99_seconds=_not_negative("--p99", args.p99))
    if args.failures is not None:
        measures = replace(measures, failure_percent=percent("--failures", args.failures, 100))
    if getattr(args, "hold", False):
        search = replace(search, at_end="hold")
    _check_range(search.lowest_users, cluster.max_active_users)
    return replace(document, search=search, measures=measures, cluster=cluster)


def _check_range(lowest: int, highest: int) -> None:
    if lowest > highest:
        raise ConfigurationError(
            f"--lowest-users (SearchConfiguration.LowestUsers): expected at most --highest-users "
            f"(ClusterConfig.MaxActiveUsers, {highest}), found {lowest}"
        )


def percent(option: str, text: str, most: float) -> float:
    """A number of percent, with or without the sign. Pure."""
    try:
        value = float(text.removesuffix("%").strip())
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise UsageError(f"{option} {text!r}: expected 0 to {most:g} percent, such as 2%")
    return value


def _at_least_one(option: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"{option} {value}: expected 1 or more")
    return value


def _more_than_zero(option: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise UsageError(f"{option} {value:g}: expected more than 0")
    return value


def _not_negative(option: str, value: float) -> float:
    if not 0 <= value < float("inf"):
        raise UsageError(f"{option} {value:g}: expected 0 or more")
    return value
