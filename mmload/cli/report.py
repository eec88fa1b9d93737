"""`mmload report RUN`: the report of a run, from its folder, in the form that is asked for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mmload.cli.common import wants_colour, write_text
from mmload.errors import ExitCode
from mmload.results.model import Run

FORMS = {
    "markdown": "as Markdown, for a comment of a CI system",
    "json": "as JSON, for scripts (docs/report.md)",
    "junit": "as JUnit XML: a test per threshold, and one for the verdict",
    "html": "as one HTML file (default: report.html in the run's folder)",
}
HTML_NAME = "report.html"


def add_parser(subparsers: Any) -> None:
    """`mmload report …`."""
    parser = subparsers.add_parser(
        "report",
        help="report a run again, from its folder",
        description="Report a run from its folder: on the terminal, or in another form.",
    )
    parser.add_argument("run", metavar="RUN", help="its folder, the folder's name below the runs, or `latest`")
    form = parser.add_mutually_exclusive_group()
    for name, meaning in FORMS.items():
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=meaning)
    parser.add_argument("--output", metavar="FILE", type=Path, help="write to this file (-: to the terminal)")
    parser.add_argument("--runs-folder", metavar="DIR", type=Path, help="where the runs are (default: as configured)")


def run(args: argparse.Namespace) -> int:
    """Report; a torn folder is reported as far as it goes."""
    from mmload.results.folder import read_run

    record = read_run(folder_of(args.run, args.runs_folder))
    output = args.output
    if args.form == "html" and output is None:
        output = Path(record.folder) / HTML_NAME
    if args.form is None and output is None:
        print_report(record)
    else:
        write_text(_text(record, args.form), output)
    return int(ExitCode.PASSED)


def folder_of(given: str, runs: Path | None) -> Path:
    """The run's folder; whoever gives its path needs no configuration."""
    from mmload.results.folder import is_run, run_folder

    return Path(given) if is_run(Path(given)) else run_folder(given, runs or _runs_folder())


def _runs_folder() -> Path:
    """Where the configuration puts runs."""
    from mmload.config import load_settings

    return Path(load_settings(environ=os.environ)[0].config.run.runs_folder)


def _text(record: Run, form: str | None) -> str:
    """The report in one of its forms. Imports only what that form needs."""
    from mmload.report.findings import findings
    from mmload.report.terminal import terminal_report

    if form is None:
        return terminal_report(record)
    found = findings(record)
    if form == "json":
        from mmload.report.document import json_report

        return json_report(found)
    if form == "markdown":
        from mmload.report.markdown import markdown_report

        return markdown_report(found)
    if form == "junit":
        from mmload.report.junit import junit_report

        return junit_report(found, terminal_report(record))
    from mmload.report.page import html_of_folder

    return html_of_folder(found)


def print_report(run: Run) -> None:
    """The report on stdout, in colour where it is a terminal that wants it."""
    from mmload.report.terminal import terminal_report

    print(terminal_report(run, colour=wants_colour()), end="", flush=True)
