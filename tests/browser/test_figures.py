"""What is made of the steps of browser users: figures that add up, thresholds, and what the reports say of them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mmload.browser.messages import PageMeasures, StepDone
from mmload.config.threshold_syntax import ThresholdRefused, parse
from mmload.metrics.browser import BrowserFailure
from mmload.metrics.delta import Delta
from mmload.metrics.recorder import Recorder
from mmload.report.document import json_report
from mmload.report.findings import RunFindings, findings
from mmload.report.junit import junit_report
from mmload.report.markdown import markdown_report
from mmload.report.page import html_of_folder
from mmload.report.terminal import terminal_report
from mmload.results.folder import RunFolder, read_run
from mmload.results.model import Facts, Run, Totals
from mmload.results.thresholds import evaluate
from mmload.results.verdict import verdict

JPEG = b"\xff\xd8 a picture"


def _switched(ms: float, cpu: float = 0.2) -> StepDone:
    page = PageMeasures(inp=40.0, cls=0.1, requests=3, bytes=2000, long_tasks=1, long_task_ms=60, heap_bytes=5_000_000)
    return StepDone("SwitchChannel", usable_ms=ms, measures=page, host_cpu=cpu)


def _figures(*steps: StepDone) -> Delta:
    recorder = Recorder()
    for step in steps:
        recorder.browser_step(step, "host-1")
    return recorder.take()


def _run(figures: Delta, *thresholds: str) -> Run:
    totals = Totals(seconds=60, steady_seconds=60, whole=figures, steady=figures)
    return Run("", Facts(thresholds=thresholds), totals)


def test_steps_of_workers_add_up_and_survive_the_way_to_the_master() -> None:
    whole = _figures(_switched(100), StepDone("SwitchChannel", failure="not in time"))
    whole.merge(Delta.from_wire(_figures(_switched(300), StepDone("React", skipped="nothing")).to_wire()))
    whole.pack()

    step = whole.browser["SwitchChannel"]
    assert (step.done, step.failed, step.failures) == (3, 1, {"not in time": 1})
    assert step.times.minimum == 0.1 and step.times.maximum == 0.3
    assert (step.requests, step.bytes, step.long_tasks, step.heap_bytes) == (6, 4000, 2, 5_000_000)
    assert step.vitals["inp"].maximum == 0.04 and "lcp" not in step.vitals
    assert whole.browser["React"].skipped == 1 and whole.browser_hosts["host-1"].steps == 3


def test_a_threshold_is_about_a_step_or_a_vital_of_its_page() -> None:
    run = _run(_figures(*[_switched(100)] * 30))

    assert evaluate("p50(browser.SwitchChannel) < 200ms", run).passed is True
    assert evaluate("p50(browser.Switch*) < 50ms", run).passed is False
    assert evaluate("p50(browser.SwitchChannel.INP) < 50ms", run).passed is True
    assert evaluate("errors(browser.SwitchChannel) < 1%", run).passed is True
    assert "no such step" in evaluate("p50(browser.React) < 1s", run).said


def test_a_threshold_on_an_unknown_step_is_refused_with_the_nearest() -> None:
    with pytest.raises(ThresholdRefused, match=r"did you mean browser\.SwitchChannel"):
        parse("p95(browser.SwitchChanel) < 1s", ["browser.SwitchChannel"])
    assert parse("p95(browser.Open.LCP) < 1.5s", ["browser.Open"]).subject == "browser.Open.LCP"


def test_times_of_a_busy_host_are_worth_nothing_and_the_run_says_so() -> None:
    run = _run(_figures(*[_switched(100)] * 20, *[_switched(100, cpu=0.95)] * 10), "p50(browser.SwitchChannel) < 1s")
    said = verdict(run)

    assert said.thresholds[0].passed is None and "busy in 10 of 30 steps" in said.thresholds[0].said
    assert any("their host was busy" in reason and "host-1" in reason for reason in said.reasons)


def test_a_few_busy_moments_are_no_reason_to_doubt() -> None:
    run = _run(_figures(*[_switched(100)] * 29, _switched(100, cpu=0.95)), "p50(browser.SwitchChannel) < 1s")

    assert verdict(run).thresholds[0].passed is True


@pytest.fixture
def found(tmp_path: Path) -> RunFindings:
    """A run in its folder, with a failed step and its picture."""
    folder = RunFolder(tmp_path)
    figures = _figures(_switched(120), StepDone("Search", failure="not in time: the search results"))
    folder.write_facts(Facts())
    folder.write_totals(Totals(seconds=60, steady_seconds=60, whole=figures, steady=figures))
    failure = BrowserFailure(1_700_000_000_000, "Search", "not in time: the search results", "host-1", ("<b>500</b>",))
    folder.add_browser_failure(failure, JPEG, "01.jpg")
    folder.close()
    return findings(read_run(tmp_path))


def test_all_forms_of_the_report_have_the_steps(found: RunFindings) -> None:
    forms = [terminal_report(found.run), markdown_report(found), html_of_folder(found), junit_report(found)]

    assert all("SwitchChannel" in form and "Search" in form for form in map(str, forms[:1]))
    assert all("the search results" in form for form in forms)
    document = json.loads(json_report(found))["browser"]
    assert [step["name"] for step in document["steps"]] == ["SwitchChannel", "Search"] and document["trusted"]
    assert document["steps"][0]["times"]["p50_ms"] == pytest.approx(120, rel=0.01)
    assert document["failures"][0]["screenshot"] == "browser/01.jpg"


def test_the_page_shows_the_picture_of_a_failure_and_its_console_as_text(found: RunFindings) -> None:
    page = html_of_folder(found)

    assert 'src="data:image/jpeg;base64,' in page and "img-src data:" in page
    assert "&lt;b&gt;500&lt;/b&gt;" in page and "<b>500</b>" not in page


def test_a_step_that_never_went_well_is_a_failed_test(found: RunFindings) -> None:
    cases = {case.get("name"): case for case in ElementTree.fromstring(junit_report(found)).iter("testcase")}

    assert cases["Search"].find("failure") is not None and cases["SwitchChannel"].find("failure") is None
    suite = ElementTree.fromstring(junit_report(found))
    assert int(suite.get("tests", "0")) == len(list(suite.iter("testcase")))


def test_a_picture_named_by_a_torn_record_is_read_from_its_own_folder_only(found: RunFindings, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.jpg").write_bytes(JPEG)
    line = '{"ms":1,"step":"Search","reason":"x","screenshot":"../secret.jpg"}\n'
    (tmp_path / "browser.jsonl").write_text(line)

    assert "data:image/jpeg" not in html_of_folder(findings(read_run(tmp_path)))
