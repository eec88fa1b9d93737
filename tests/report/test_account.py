"""What the reports say of messages, of the generator and of thresholds: the same words in every form."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from mmload.metrics.counts import DeliveryCounts
from mmload.metrics.delta import Delta, ProcessHealth
from mmload.report.findings import findings, generator_sentences, loss_texts
from mmload.report.markdown import markdown_report
from mmload.report.page import html_report
from mmload.report.tables import tables, why
from mmload.report.terminal import terminal_report
from mmload.results.model import Run, RunPhase, Totals
from mmload.results.thresholds import ThresholdResult
from tests.results.records import run, second


def with_deliveries(delivered: int, missing: int = 0) -> Run:
    """A run with so many deliveries."""
    counts = DeliveryCounts(expected=delivered + missing, delivered=delivered, never_came=missing)
    return run(totals=Totals(whole=Delta(deliveries=counts), seconds=60))


@pytest.mark.parametrize(
    ("delivered", "said"),
    [
        (50, ["none of 50 deliveries is missing: a loss rate below 6.0 % could have gone unnoticed"]),
        (3000, ["none of 3,000 deliveries is missing: a loss rate below 0.1 % could have gone unnoticed"]),
        (3, ["nothing is missing, but too few deliveries were made to say how often one is lost"]),
        (0, []),
    ],
)
def test_an_account_without_a_loss_says_which_losses_it_could_not_have_seen(delivered: int, said: list[str]) -> None:
    """Rule of three: with one lost in n/3, none of n is missing in 5 % of all runs."""
    assert loss_texts(findings(with_deliveries(delivered)).figures.deliveries) == said
    assert delivered <= 3 or (1 - 3 / delivered) ** delivered == pytest.approx(0.05, abs=0.01)


def test_where_something_is_missing_the_reasons_are_told_instead() -> None:
    assert loss_texts(findings(with_deliveries(50, missing=2)).figures.deliveries) == [
        "2 missing: never received, although the socket stayed connected"
    ]


def test_every_form_of_the_report_says_it() -> None:
    found = findings(with_deliveries(50))
    forms = (terminal_report(found.run), markdown_report(found), html_report(found))

    assert all("a loss rate below 6.0 % could have gone unnoticed" in form for form in forms)


def test_seconds_beside_those_that_count_are_not_denied() -> None:
    """The charts shade them, and the table shows their worst figures."""
    late = {"local": ProcessHealth(lag_ms=140.0)}
    steady = [second(at, phase=RunPhase.STEADY, health={"local": ProcessHealth(lag_ms=3.0)}) for at in range(20)]
    farewell = second(20, phase=RunPhase.STOPPING, health=late)
    calm = findings(run(seconds=tuple(steady)))
    shaken = findings(run(seconds=(*steady, farewell)))
    hit = findings(run(seconds=(*steady[:19], replace(steady[19], health=late))))

    assert generator_sentences(calm) == ["The generator kept up: none of its limits was crossed."]
    assert generator_sentences(shaken)[0].endswith("only during ramp-up or while users were stopping (1 s).")
    assert "had an event-loop lag of up to 140 ms" in generator_sentences(hit)[0]


def test_a_threshold_does_not_say_its_outcome_twice() -> None:
    text = "p99(CreatePost) < 2s"
    result = ThresholdResult(text, 1.02, None, f"{text}: cannot be determined: it is 1.02 s, but of 74 samples")

    assert why(result) == "it is 1.02 s, but of 74 samples"


def test_every_form_of_the_report_shows_the_same_rows() -> None:
    """The tables are made once: a route that one form names, the others name with the same counts."""
    found = findings(run())
    forms = (terminal_report(found.run), markdown_report(found), html_report(found).replace("<wbr>", ""))
    for row in tables(found)["actions"].rows:
        name, *counts = map(str, row[:4])
        # Between the cells there is markup, which has no digits.
        pattern = rf"{name}\D+" + r"\D+".join(counts)
        assert all(re.search(pattern, form) for form in forms)
