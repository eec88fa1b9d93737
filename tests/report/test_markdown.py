"""The report as Markdown: short, and safe to be posted as a comment."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from mmload.report.findings import findings
from mmload.report.markdown import MOST_ROWS, code, markdown_report, plain
from mmload.results.model import Run, Totals
from tests.report.made_up import rich
from tests.report.test_terminal import heavy_run
from tests.results.records import run


def report(record: Run) -> str:
    return markdown_report(findings(record))


@pytest.fixture(scope="module")
def made() -> Run:
    return rich()[0]


def test_it_begins_with_the_verdict_in_a_sentence(made: Run) -> None:
    """What is read first, and often alone."""
    text = report(made)

    assert text.startswith("## ❔ Load test rich: inconclusive\n\nInconclusive: 100 of 100 users active at the end, ")
    assert "- the server gave no answer for 10 s" in text


def test_it_has_thresholds_figures_delivery_actions_routes_failures_and_health(made: Run) -> None:
    headings = re.findall(r"^### (\w+)", report(made), re.MULTILINE)

    assert headings == "Thresholds Key Stages Delivery Actions Routes Failures Outages Generator".split()


def test_every_table_has_as_many_cells_in_each_row(made: Run) -> None:
    """Or it is not shown as one."""
    for record in (made, heavy_run()):
        for block in re.findall(r"(?:^\|.*\n)+", report(record) + "\n", re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_it_is_short_and_says_what_it_leaves_out() -> None:
    text = report(heavy_run())

    assert f"and {60 - MOST_ROWS} more" in text
    assert len(text) < 12_000, "a comment of a CI system takes some 60,000 characters"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("*bold* _it_ [x](y) # `c`", "\\*bold\\* \\_it\\_ \\[x\\](y) \\# \\`c\\`"),
        ("two\nlines\r\n", "two lines"),
        ("@channel", "@\u200bchannel"),
    ],
)
def test_words_from_outside_are_shown_as_they_are(words: str, shown: str) -> None:
    """And call nobody."""
    assert plain(words) == shown


def test_code_can_not_be_left() -> None:
    assert code("a`b|c\nd") == "`a'b\\|c d`"


def test_a_hostile_name_does_not_get_out_of_its_heading() -> None:
    facts = replace(run().facts, name="x\n\n# owned <img src=y>")
    text = report(run(facts=facts))

    assert "\n# owned" not in text
    assert "<img" not in text


def test_a_run_of_which_nothing_is_left_is_reported_all_the_same() -> None:
    text = report(run(seconds=(), totals=Totals(), missing=("seconds.jsonl is missing",)))

    assert "- seconds.jsonl is missing" in text
