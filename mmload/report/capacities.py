"""How many more users one server holds than another: on the terminal, as a page, Markdown, JSON and JUnit. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element, SubElement

import msgspec

from coordinator.answer import capacity_text, minutes
from coordinator.capacity_difference import CapacityDifference, facts, text
from mmload.report.comparison import KINDS
from mmload.report.html import PageTable, rendered
from mmload.report.junit import SUITE, writable, xml_of
from mmload.report.markdown import code, plain, rows
from mmload.report.wording import SIGNS
from mmload.results.comparison import Judgement

HEADINGS = ("", "server", "users", "what broke first", "cause", "minutes", "ended by")


def json_capacities(found: CapacityDifference) -> str:
    return json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False) + "\n"


def markdown_capacities(found: CapacityDifference) -> str:
    """For a CI comment."""
    sign = SIGNS[KINDS[found.outcome]][1]
    table = rows(HEADINGS, [[plain(name), code(server), *map(plain, more)] for name, server, *more in _rows(found)])
    return f"## {sign} {plain(found.said)}\n\n{table}\n\n{plain(facts(found)[-1])}\n"


def html_capacities(found: CapacityDifference) -> str:
    kind = KINDS[found.outcome]
    one = {
        "kind": kind,
        "sign": SIGNS[kind][0],
        "headline": found.said,
        "facts": facts(found)[-1:],
        "notes": (),
        "servers": PageTable(HEADINGS, _rows(found), "The two servers", words=range(1, 7)),
        "folders": [each.folder for each in (found.base, found.new)],
    }
    return rendered("capacities.html", each=one)


def junit_capacities(found: CapacityDifference) -> str:
    """One test: worse is a failure, and what can't be told an error: it must not look like success."""
    kind = {Judgement.WORSE: "failure", Judgement.UNKNOWN: "error"}.get(found.outcome)
    seconds = round(60 * max(found.base.answer.minutes, found.new.answer.minutes))
    counts = {"failures": str(int(kind == "failure")), "errors": str(int(kind == "error")), "skipped": "0"}
    suite = Element("testsuite", {"name": f"{SUITE} capacity", "tests": "1", "time": str(seconds), **counts})
    case = SubElement(suite, "testcase", classname=f"{SUITE}.capacity", name="comparison", time=str(seconds))
    if kind is not None:
        SubElement(case, kind, message=writable(found.said), type=str(found.outcome))
    SubElement(case, "system-out").text = writable(text(found))
    return xml_of(suite)


def _rows(found: CapacityDifference) -> list[list[str]]:
    table = []
    for name, each in (("base", found.base), ("new", found.new)):
        answer, cause = each.answer, each.cause.splitlines()[-1] if each.cause else "-"
        broke, took = answer.broke_first or "-", minutes(answer.minutes)
        table.append([name, each.server, capacity_text(answer), broke, cause, took, answer.ended_by])
    return table


# The forms by the names of their files in the folder of a comparison, beside comparison.json.
FILES: Mapping[str, Callable[[CapacityDifference], str]] = {
    "comparison.html": html_capacities,
    "comparison.md": markdown_capacities,
    "comparison.xml": junit_capacities,
}
FORMS: Mapping[str | None, Callable[[CapacityDifference], str]] = {
    None: lambda found: f"{text(found)}\n",
    "html": html_capacities,
    "json": json_capacities,
    "junit": junit_capacities,
    "markdown": markdown_capacities,
}
