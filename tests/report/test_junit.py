"""JUnit XML, read as a CI system reads it."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from msgspec.structs import replace

from mmload.report.findings import findings
from mmload.report.junit import junit_report, writable
from mmload.results.model import Run, Totals
from tests.results.records import figures, run

HOSTILE = "a<b>&\"'\x00\x1b[31m]]>\ud800\uffffé✓"


def suite(record: Run, output: str = "") -> Element:
    return ElementTree.fromstring(junit_report(findings(record), output))


def limited(*thresholds: str) -> Run:
    """A good run of ten seconds with 40 requests of 10 to 49 ms and 40 actions of 0.1 s."""
    return run(facts=replace(run().facts, thresholds=thresholds))


def test_there_is_a_test_for_each_threshold_and_one_for_the_verdict() -> None:
    found = suite(limited("p50(requests) < 1s", "p50(SwitchChannel) < 2s"))

    assert [case.get("name") for case in found.iter("testcase")] == [
        "p50(requests) < 1s",
        "p50(SwitchChannel) < 2s",
        "verdict",
    ]
    assert found.attrib.items() >= {"tests": "3", "failures": "0", "errors": "0", "skipped": "0"}.items()
    assert found.get("time") == "10"
    assert found.get("timestamp") == "2027-01-15T08:00:00"


def test_a_crossed_threshold_is_a_failure_with_what_came_out() -> None:
    """And so is the verdict, with all reasons."""
    found = suite(limited("max(requests) < 20ms", "p50(requests) < 1s"))
    [threshold, verdict] = found.iter("failure")

    assert threshold.get("message") == "max(requests) < 20ms: crossed: 49 ms"
    assert (verdict.get("type"), verdict.text) == ("failed", "max(requests) < 20ms: crossed: 49 ms")
    assert (found.get("failures"), found.get("errors")) == ("2", "0")


def test_an_inconclusive_run_is_an_error_and_must_not_look_like_success() -> None:
    """What cannot be determined is skipped, which CI systems show as no success either."""
    found = suite(limited("p99(requests) < 1s"))
    [error] = found.iter("error")
    [skipped] = found.iter("skipped")

    assert error.get("type") == "inconclusive"
    assert "40 samples; 1,000 are needed" in str(skipped.get("message"))
    assert (found.get("failures"), found.get("errors"), found.get("skipped")) == ("0", "1", "1")


def test_the_report_of_the_terminal_comes_along() -> None:
    [output] = suite(limited(), "what a person reads\n<here>").iter("system-out")

    assert output.text == "what a person reads\n<here>"


def test_names_from_outside_can_not_break_the_file() -> None:
    """Control characters have no form in XML 1.0 at all; a server or an error may send them."""
    facts = replace(run().facts, name=HOSTILE, thresholds=(HOSTILE,))
    server = replace(facts.server, url=f"http://{HOSTILE}", version=HOSTILE)
    found = suite(run(facts=replace(facts, server=server), missing=(HOSTILE,)), HOSTILE)

    assert found.get("name") == f"mmload {writable(HOSTILE)}"
    assert "é✓" in writable(HOSTILE)


def test_a_run_of_which_nothing_is_left_is_a_file_all_the_same() -> None:
    found = suite(run(seconds=(), totals=Totals(), missing=("seconds.jsonl is missing",)))

    assert found.get("errors") == "1"
    assert found.get("time") == "0"


def test_properties_say_what_ran() -> None:
    found = suite(run(totals=Totals(seconds=10, steady_seconds=8, highest_active=10, whole=figures())))
    values = {each.get("name"): each.get("value") for each in found.iter("property")}

    assert values["server"] == "http://mm.example"
    assert (values["seed"], values["users"]) == ("7", "10")
