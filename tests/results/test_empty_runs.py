"""A run with nothing in it: every threshold and every form of the report say so, and none of them fails."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mmload.metrics.delta import Delta
from mmload.report.document import json_report
from mmload.report.findings import findings
from mmload.report.junit import junit_report
from mmload.report.markdown import markdown_report
from mmload.report.page import html_of_folder
from mmload.report.terminal import terminal_report
from mmload.results.folder import RunFolder, read_run
from mmload.results.model import Facts, Run, RunPhase, Totals
from mmload.results.thresholds import evaluate
from mmload.results.verdict import VerdictKind, verdict
from tests.results.records import START, figures, run, second

MEASURES = ("p50({}) < 2s", "p99.9({}) < 2s", "min({}) < 2s", "avg({}) < 2s", "max({}) < 2s")
COUNTS = ("count({}) > 5", "rate({}) > 5/s", "errors({}) < 1%", "errors({}) < 5")
SUBJECTS = ("requests", "actions", "logins", "CreatePost", "Create*", "GET /users/me", "POST /api/v4/users/login")
SPANS = ("delivery", "reconnect", "schedule_lag")
DELIVERIES = ("missing", "delivery.late", "delivery.duplicated", "delivery.extra", "delivery.out_of_order")
THRESHOLDS = (
    *(text.format(subject) for text in (*MEASURES, *COUNTS) for subject in SUBJECTS),
    *(text.format(span) for text in (*MEASURES, COUNTS[0]) for span in SPANS),
    *(f"{name} {limit}" for name in DELIVERIES for limit in ("== 0", "< 1%")),
    *(f"delivery.{name} > 5" for name in ("sent", "uncertain", "expected", "delivered")),
    *("rate > 5/s", "rate < 5/s", "count > 5", "errors < 1%"),
)
_QUIET = {"phase": RunPhase.RAMP, "requests": 0, "actions": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}
_FACTS = Facts(users=10, started_ms=START * 1000, ended_ms=START * 1000, thresholds=THRESHOLDS)
EMPTY = {
    "no seconds and no figures": run(facts=_FACTS, seconds=(), totals=Totals()),
    "figures but no seconds": run(facts=_FACTS, seconds=(), totals=Totals(whole=figures(), steady=figures())),
    "seconds without requests": run(
        facts=_FACTS, seconds=(second(0, **_QUIET), second(1, **_QUIET)), totals=Totals(seconds=2)
    ),
    "steady seconds without requests": run(
        facts=_FACTS,
        seconds=tuple(second(at, **_QUIET | {"phase": RunPhase.STEADY}) for at in range(2)),
        totals=Totals(seconds=2, steady_seconds=2, whole=Delta(), steady=Delta()),
    ),
    "nobody was wanted": run(facts=Facts(thresholds=THRESHOLDS), seconds=(second(0, target=0, active=0),)),
}


@pytest.mark.parametrize("text", THRESHOLDS)
@pytest.mark.parametrize("name", EMPTY)
def test_every_threshold_has_an_answer(name: str, text: str) -> None:
    """A rate or a share of nothing cannot be told, and says so."""
    found = evaluate(text, EMPTY[name])

    assert text in found.said
    assert found.passed is not None or found.value is None or "cannot" in found.said or "can't" in found.said


@pytest.mark.parametrize("name", EMPTY)
def test_every_form_of_the_report_can_be_made(name: str, tmp_path: Path) -> None:
    """Also from the folder of such a run, with and without its files."""
    given = EMPTY[name]
    files = RunFolder(tmp_path)
    files.write_facts(given.facts)
    files.write_totals(given.totals)
    for each in given.seconds:
        files.add_second(each)
    files.close()
    for record in (given, read_run(tmp_path)):
        _all_forms(record)


def _all_forms(record: Run) -> None:
    found = findings(record)

    assert verdict(record).outcome is not VerdictKind.PASSED
    assert "Verdict: " in terminal_report(record)
    assert json.loads(json_report(found))["verdict"]["outcome"] != "passed"
    assert markdown_report(found).startswith("## ")
    assert ElementTree.fromstring(junit_report(found)).tag == "testsuite"
    assert html_of_folder(found).endswith("</html>\n")
