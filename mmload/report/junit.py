"""The report as JUnit XML, which CI systems show as tests: one per threshold and storm, one for the verdict. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from mmload.metrics.browser import BrowserStep
from mmload.report.findings import RunFindings, sentence
from mmload.report.wording import milliseconds
from mmload.results.model import StormRecovery
from mmload.results.storms import lasted, storm_sentence
from mmload.results.thresholds import ThresholdResult
from mmload.results.verdict import VerdictKind

SUITE = "mmload"
VERDICT = "verdict"
# What XML 1.0 has no way to write, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_report(found: RunFindings, output: str = "") -> str:
    """The XML with a line break at its end. `output` is a text to be kept with the verdict.

    A crossed threshold is a failure, an undetermined one is skipped; a failed run is a failure, an inconclusive
    one an error: it says nothing about the server, and must not look like success.
    """
    suite = Element("testsuite", _attributes(found))
    _properties(suite, found)
    for storm in found.run.storms:
        _storm(suite, storm)
    for threshold in found.said.thresholds:
        _threshold(suite, threshold)
    for name, step in found.run.totals.whole.browser.items():
        _browser_step(suite, name, step)
    _verdict(suite, found, output)
    for kind in ("failure", "error", "skipped"):
        number = len(suite.findall(f"testcase/{kind}"))
        suite.set({"failure": "failures", "error": "errors"}.get(kind, kind), str(number))
    return xml_of(suite)


def xml_of(suite: Element) -> str:
    """The document, with a line break at its end."""
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def writable(text: str) -> str:
    """The text with a mark in place of each character that XML can't hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def _attributes(found: RunFindings) -> dict[str, str]:
    facts = found.run.facts
    started = datetime.fromtimestamp(facts.started_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "name": writable(f"{SUITE} {facts.name}".rstrip()),
        "tests": str(len(found.run.storms) + len(found.said.thresholds) + len(found.run.totals.whole.browser) + 1),
        "time": str(found.run.totals.seconds),
        "timestamp": started,
    }


def _properties(suite: Element, found: RunFindings) -> None:
    facts = found.run.facts
    values = {
        "folder": found.run.folder,
        "server": facts.server.url,
        "server version": facts.server.version,
        "mmload": facts.mmload,
        "seed": str(facts.seed),
        "users": str(found.figures.users.target),
    }
    properties = SubElement(suite, "properties")
    for name, value in values.items():
        SubElement(properties, "property", name=name, value=writable(value))


def _storm(suite: Element, storm: StormRecovery) -> None:
    case = _case(
        suite, f"{SUITE}.storm", str(storm.storm.kind), round(storm.recovered_seconds or storm.watched_seconds)
    )
    text = writable(storm_sentence(storm))
    if storm.untold or (storm.recovered_seconds is None and not lasted(storm)):
        SubElement(case, "skipped", message=text)
    elif storm.recovered_seconds is None:
        SubElement(case, "failure", message=text, type="storm")
    else:
        SubElement(case, "system-out").text = text


def _browser_step(suite: Element, name: str, step: BrowserStep) -> None:
    """A step of browser users: a failure if it never went well, skipped if nobody could do it."""
    case = _case(suite, f"{SUITE}.browser", name, round(step.times.percentile(95) or 0))
    reasons = "; ".join(f"{reason} ({number})" for reason, number in step.failures.items())
    if step.failed and not step.times.count:
        SubElement(case, "failure", message=writable(reasons), type="browser")
    elif not step.done:
        SubElement(case, "skipped", message="there was nothing to perform it on")
    else:
        times = f"p50 {milliseconds(step.times.percentile(50))} ms, p95 {milliseconds(step.times.percentile(95))} ms"
        failed = f"; {step.failed} failed: {reasons}" if step.failed else ""
        SubElement(case, "system-out").text = writable(f"{step.done} times, {times}{failed}")


def _threshold(suite: Element, threshold: ThresholdResult) -> None:
    case = _case(suite, f"{SUITE}.threshold", threshold.text, 0)
    if threshold.passed is None:
        SubElement(case, "skipped", message=writable(threshold.said))
    elif not threshold.passed:
        SubElement(case, "failure", message=writable(threshold.said), type="threshold")


def _verdict(suite: Element, found: RunFindings, output: str) -> None:
    case = _case(suite, SUITE, VERDICT, found.run.totals.seconds)
    outcome = found.said.outcome
    if outcome is not VerdictKind.PASSED:
        kind = "failure" if outcome is VerdictKind.FAILED else "error"
        told = SubElement(case, kind, message=writable(sentence(found)), type=str(outcome))
        told.text = writable("\n".join(found.said.reasons))
    if output:
        SubElement(case, "system-out").text = writable(output)


def _case(suite: Element, classname: str, name: str, seconds: int) -> Element:
    return SubElement(suite, "testcase", classname=classname, name=writable(name), time=str(seconds))
