"""`mmload compare A B`: whether one server is slower than another, from the folders of runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmload.cli.common import add_report_options, write_text
from mmload.cli.report import folder_of
from mmload.errors import ConfigurationError, UsageError
from mmload.report.comparison import Compared, document, html_comparison, markdown_comparison, terminal_comparison
from mmload.results.comparability import comparability, incomplete
from mmload.results.comparison import EXIT_CODES, Judgement, Rules, compare
from mmload.results.folder import read_run
from mmload.results.model import Run
from mmload.results.statistics import SteadyWindow, read_window

FORMS = {
    "markdown": "as Markdown, for a comment in a CI system",
    "json": "as JSON, for scripts (docs/compare.md)",
    "html": "as one HTML file (default: comparison.html in the last run's folder)",
}
HTML_NAME = "comparison.html"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compare",
        description="Compare runs that differ only in the server. Exit code: 0 no difference seen or better, "
        "3 worse, 6 can't tell, 4 the runs are not comparable.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", help="the base run, then runs to compare with it, one by one")
    parser.add_argument("--base", metavar="RUN", nargs="+", help="repeated runs of the base server")
    parser.add_argument("--new", metavar="RUN", nargs="+", help="repeated runs of the server to compare")
    parser.add_argument(
        "--tolerance", metavar="PERCENT", type=_percent, default=0.05, help="tolerate smaller differences (default: 5)"
    )
    parser.add_argument(
        "--between-runs",
        metavar="PERCENT",
        type=_percent,
        help="how much the typical time varies between runs of the same server (default: 1)",
    )
    parser.add_argument("--anyway", action="store_true", help="compare even incomplete, inconclusive or different runs")
    add_report_options(parser, FORMS)


def _percent(text: str) -> float:
    with suppress(ValueError):
        if 0 < (value := float(text.removesuffix("%"))) < 100:
            return value / 100
    raise argparse.ArgumentTypeError(f"{text} is not a percentage between 0 and 100")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run with its steady window."""

    run: Run
    window: SteadyWindow


def run(args: argparse.Namespace) -> int:
    base_names, news_names = sides(args.runs, args.base or (), args.new or ())
    base, *news = _recorded([base_names, *news_names], args.runs_folder)
    notes = _comparability([each for side in (base, *news) for each in side], anyway=args.anyway)
    rules = Rules(args.tolerance, between=args.between_runs, comparisons=len(news))
    all_compared = [_compared(base, new, rules, notes) for new in news]
    outcome = worst([each.comparison.outcome for each in all_compared])
    output = args.output
    if args.form == "html" and output is None:
        output = Path(news[-1][-1].run.folder) / HTML_NAME
    write_text(_text(all_compared, outcome, args.form), output)
    return int(EXIT_CODES[outcome])


def sides(
    runs: Sequence[str], base: Sequence[str], new: Sequence[str]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """The base's runs, and those of each that is compared with it. Pure."""
    if runs and (base or new):
        raise UsageError("give either RUN RUN…, or repeated runs with --base and --new")
    if runs:
        base, news = runs[:1], [runs[at : at + 1] for at in range(1, len(runs))]
    else:
        news = [new] if new else []
    if not base or not news:
        raise UsageError("expected at least two runs: `mmload compare BASE NEW`, or `--base RUN RUN --new RUN RUN`")
    return base, news


def worst(outcomes: Sequence[Judgement]) -> Judgement:
    """Of several comparisons: worse, then can't tell; better only if all are. Pure."""
    order = (Judgement.WORSE, Judgement.UNKNOWN, Judgement.SAME, Judgement.BETTER)
    return min(outcomes, key=order.index)


def _recorded(names: Sequence[Sequence[str]], runs_folder: Path | None) -> list[list[Recorded]]:
    """The runs of all sides; `UsageError` for what is none, or is named twice."""
    folders = [[folder_of(name, runs_folder) for name in side] for side in names]
    flat = [folder.resolve() for side in folders for folder in side]
    for folder in flat:
        if flat.count(folder) > 1:
            raise UsageError(f"{folder}: given twice; a run cannot be compared with itself")
    runs = [[(folder, read_run(folder)) for folder in side] for side in folders]
    return [[Recorded(run, read_window(folder, run.facts.users)) for folder, run in side] for side in runs]


def _comparability(all_recorded: Sequence[Recorded], *, anyway: bool) -> tuple[str, ...]:
    """What is worth knowing; `ConfigurationError` for runs too unlike."""
    found = comparability([each.run for each in all_recorded])
    refusals = (*found.refusals, *(why for each in all_recorded for why in incomplete(each.run, each.window)))
    if refusals and not anyway:
        raise ConfigurationError("these runs are not comparable:", *refusals, "(--anyway compares them nevertheless)")
    return (*(f"compared nevertheless: {refusal}" for refusal in refusals), *found.notes)


def _compared(base: Sequence[Recorded], new: Sequence[Recorded], rules: Rules, notes: tuple[str, ...]) -> Compared:
    comparison = compare([each.window for each in base], [each.window for each in new], rules)
    names = [tuple(Path(each.run.folder).name for each in side) for side in (base, new)]
    return Compared(comparison, names[0], names[1], notes)


def _text(all_compared: Sequence[Compared], outcome: Judgement, form: str | None) -> str:
    if form == "json":
        return json.dumps(document(all_compared, outcome), indent=2, ensure_ascii=False) + "\n"
    if form == "markdown":
        return markdown_comparison(all_compared)
    return html_comparison(all_compared) if form == "html" else terminal_comparison(all_compared)
