"""`mmload capacity --compare URL`: how many more users does the other server hold?

Each server has an agent and a run's folder of its own; one coordinator lets them take turns.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec.structs import replace

from coordinator.capacity_difference import read as read_difference
from mmload.cli.capacity import (
    COORDINATOR,
    coordinated,
    coordinators,
    demonstrating,
    documents,
    folder_for,
    in_sandbox,
    known,
    ready_to_search,
    sandbox_options,
    search_report,
    told,
)
from mmload.cli.common import overrides, say, server_variables
from mmload.config import load_settings
from mmload.config.coordinator_tables import Coordinator, Observe
from mmload.errors import UsageError
from mmload.report.capacities import FILES
from mmload.results.model import without_credentials

SIDES = ("base", "new")


def run_pair(args: argparse.Namespace) -> int:
    """Two searches that take turns; the outcome is the exit code, that of `mmload compare`."""
    environ = {**os.environ, **overrides(args)}
    if args.sandbox:
        environ = demonstrating(args, environ)
    document, settings = documents(args, environ)
    check(args, document, settings.config.connection.server_url)
    with ExitStack() as stack:
        environs = _servers(stack, args, environ, document)
        folder = folder_for(settings)
        for name, its, at_it in zip(SIDES, (document, of_the_other(document)), environs, strict=True):
            _prepare(stack, args, folder / name, its, at_it)
        first, second = (str(folder / name / COORDINATOR) for name in SIDES)
        code = coordinated(folder, coordinators(environs[0]), ["-c", first, "--compare", second, *told(args)])
    _report(folder)
    return code


def check(args: argparse.Namespace, document: Coordinator, server: str) -> None:
    """Raises UsageError. Pure."""
    if args.fleet is not None:
        raise UsageError(
            "--compare works on this machine only: for other machines, start the agents by hand (`mmload-coordinator`)"
        )
    if args.sandbox and args.compare_slots is None:
        raise UsageError("--compare with --sandbox: use --compare-slots N, the slots of the second sandbox")
    sandbox_options(args, args.compare_slots)
    if args.sandbox:
        return
    server_variables(args.compare)
    if args.compare.rstrip("/") == server.rstrip("/"):
        raise UsageError(f"--compare {without_credentials(args.compare)}: this is the same server")
    if any(query.alert for query in document.monitor.queries):
        raise UsageError(
            "--compare: the queries of MonitorConfig apply to one server only: write a document for each server "
            "(`mmload-coordinator -c ONE.json --compare OTHER.json`)"
        )


def of_the_other(document: Coordinator) -> Coordinator:
    """What is observed by an address is the first server's; what is found of itself is looked for at both. Pure."""
    return replace(document, observe=Observe(processes=document.observe.processes))


def _servers(
    stack: ExitStack, args: argparse.Namespace, environ: dict[str, str], document: Coordinator
) -> tuple[dict[str, str], dict[str, str]]:
    """The environments in which either is the server."""
    if not args.sandbox:
        return environ, {**environ, **server_variables(args.compare)}
    say("capacity", "starting two sandboxes")
    options = (sandbox_options(args), sandbox_options(args, args.compare_slots))
    base, new = (in_sandbox(stack, each, environ, document, ours=not args.config) for each in options)
    return base, new


def _prepare(
    stack: ExitStack, args: argparse.Namespace, folder: Path, document: Coordinator, environ: Mapping[str, str]
) -> None:
    settings, _ = load_settings(environ=environ)
    document, server = known(document, settings, args)
    folder.mkdir()
    say("capacity", f"{folder.name}: {server.url}; results in {folder}")
    ready_to_search(stack, document, settings, environ, server, folder)


def _report(folder: Path) -> None:
    """The page of each search, and the comparison in all forms; what can't be written costs only that."""
    for name in SIDES:
        search_report(folder / name)
    try:
        found = read_difference(folder)
        for name, form in FILES.items():
            (folder / name).write_text(form(found), encoding="utf-8")
    except FileNotFoundError:
        return  # it ended before there was a comparison
    except (OSError, msgspec.MsgspecError) as error:
        say("capacity", f"cannot write the comparison: {error}")
    else:
        say("capacity", f"report of the comparison: {folder / 'comparison.html'}")
