"""`mmload report RUN`: the report of a run, from its folder, in the form that is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from mmload.cli.common import add_report_options, runs_folder, wants_colour, write_text
from mmload.errors import ExitCode, UsageError
from mmload.report.findings import findings
from mmload.report.terminal import terminal_report
from mmload.results.folder import is_run, read_run, run_folder
from mmload.results.model import Run

FORMS = {
    "markdown": "as Markdown, for a comment in a CI system",
    "json": "as JSON, for scripts (docs/report.md)",
    "junit": "as JUnit XML: a test for each threshold, and one for the verdict",
    "html": "as one HTML file (default: report.html in the run's folder)",
}
HTML_NAME = "report.html"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "report",
        description="Show the report of a run on the terminal, or write it in another format.",
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, its name among the runs, or `latest`")
    add_report_options(parser, FORMS)


def run(args: argparse.Namespace) -> int:
    """Report; a torn folder is reported as far as it goes."""
    if (compared := _compared_capacities(args)) is not None:
        write_text(compared, args.output)
        return int(ExitCode.PASSED)
    record = read_run(folder_of(args.run, args.runs_folder))
    output = args.output
    if args.form == "html" and output is None:
        output = Path(record.folder) / HTML_NAME
    if args.form is None and output is None:
        print_report(record)
    else:
        write_text(_text(record, args.form), output)
    return int(ExitCode.PASSED)


def _compared_capacities(args: argparse.Namespace) -> str | None:
    """The report of two servers whose capacities were compared; None of a run."""
    from coordinator.capacity_difference import NAME, read  # imports numpy: those who make runs need none of it

    folder = Path(args.run)
    if not is_run(folder) and not (folder / NAME).is_file():
        folder = (args.runs_folder or runs_folder()) / args.run
    if not (folder / NAME).is_file():
        return None
    from mmload.report.capacities import FORMS as CAPACITY_FORMS

    try:
        found = read(folder)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{folder / NAME}: cannot be read: {error}") from None
    if args.form == "html" and args.output is None:
        args.output = folder / "comparison.html"
    return CAPACITY_FORMS[args.form](found)


def folder_of(given: str, runs: Path | None) -> Path:
    """The run's folder; whoever gives its path needs no configuration."""
    return Path(given) if is_run(Path(given)) else run_folder(given, runs or runs_folder())


def _text(record: Run, form: str | None) -> str:
    from mmload.report import document, junit, markdown, page  # imports jinja2 and numpy

    if form is None:
        return terminal_report(record)
    found = findings(record)
    if form == "junit":
        return junit.junit_report(found, terminal_report(record))
    forms = {"json": document.json_report, "markdown": markdown.markdown_report, "html": page.html_of_folder}
    return forms[form](found)


def print_report(run: Run) -> None:
    """The report on stdout, in colour where it is a terminal that wants it."""
    print(terminal_report(run, colour=wants_colour()), end="", flush=True)
