"""The HTML report: well-formed, fetching nothing, and nobody's words becoming markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from mmload.metrics.delta import Loss
from mmload.metrics.recorder import ActionOutcome, Recorder
from mmload.report.findings import findings, metrics
from mmload.report.page import html_of_folder, html_report
from mmload.results.model import Note, NoteKind, Run, RunPhase, ServerSample, Totals
from mmload.results.series import windows
from tests.report.made_up import START, losses, rich, written
from tests.results.records import run

VOID = {"meta", "wbr", "br", "input"}
HOSTILE = "</title></script><script>alert('1')</script><img src=x onerror=alert(2)>\" onload=\"alert(3)&amp;\x00\x1b"


class Read(HTMLParser):
    """What a browser makes of a page; an element closed out of turn is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> out of turn"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def names(self) -> list[str]:
        return [name for name, _ in self.elements]

    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def page() -> str:
    made, figures = rich()
    samples = [ServerSample((START + at) * 1000, "CPU of the server", at / 100, limit=0.5) for at in range(0, 120, 5)]
    return html_report(findings(losses(made)), list(windows(figures, 2)), metrics(samples))


def test_it_is_well_formed_and_has_all_its_sections(page: str) -> None:
    read = Read(page)
    headings = re.findall(r"<h2 id=\"(\w+)\">", page)

    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert headings == [
        *(
            "load",
            "stages",
            "times",
            "delivery",
            "actions",
            "routes",
            "logins",
            "errors",
            "generator",
            "server",
            "events",
            "run",
        ),
    ]
    assert read.names().count("figure") >= 12


def test_it_fetches_nothing_and_forbids_itself_to(page: str) -> None:
    """One file, that can be sent by mail and read in ten years."""
    elements = Read(page).elements
    for name, attributes in elements:
        assert name not in ("link", "img", "iframe", "object", "embed", "base", "video", "audio")
        assert not {"src", "href", "action", "xlink:href", "srcset"} & set(attributes)
        assert not [key for key in attributes if key.startswith("on")]
    assert not re.search(r"@import|url\((?!#)", page)
    [policy] = [given["content"] for _, given in elements if given.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy).startswith("default-src 'none'; ")


def test_it_is_light_or_dark_as_the_browser_is(page: str) -> None:
    """Every colour has a value in both."""
    assert "color-scheme: light dark" in page
    light, dark = re.search(r":root \{([^}]*)\}", page), re.search(r"dark\) \{\s*:root \{([^}]*)\}", page)
    assert light is not None and dark is not None
    assert set(re.findall(r"--[\w]+(?=:)", light[1])) == set(re.findall(r"--[\w]+(?=:)", dark[1]))


def test_identities_are_unique_and_every_label_has_its_target(page: str) -> None:
    attributes = [given for _, given in Read(page).elements]
    identities = [given["id"] for given in attributes if "id" in given]

    assert len(identities) == len(set(identities))
    assert {given["aria-labelledby"] for given in attributes if "aria-labelledby" in given} <= set(identities)


def test_every_picture_is_told_to_those_who_do_not_see_it(page: str) -> None:
    """And every chart's figures are there as a table."""
    pictures = [given for name, given in Read(page).elements if name == "svg" and given.get("role") == "img"]

    assert pictures
    assert all(given.get("aria-label") for given in pictures)
    assert page.count('<div class="plot') == page.count("Figures as a table")


def test_no_coordinate_is_broken(page: str) -> None:
    """A browser leaves out what it can't read, without a word."""
    drawn = [
        str(value)
        for name, given in Read(page).elements
        if name in ("path", "line", "rect", "text", "svg")
        for key, value in given.items()
        if key in ("d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "viewBox")
    ]

    assert len(drawn) > 100
    assert not [value for value in drawn if re.search(r"nan|inf|None|e[+-]", value)]
    assert not [value for value in drawn if re.search(r'[<>"]', value)]


def test_what_the_run_came_to_is_in_it(page: str) -> None:
    words = Read(page).words()

    assert "Inconclusive : " in words.replace("Inconclusive:", "Inconclusive : ")
    assert "target 100" in words
    assert "p99(CreatePost) < 2s" in words.replace("p99( CreatePost)", "p99(CreatePost)")
    assert "500 api.post.app_error" in words
    assert "Posts with missing deliveries" in words
    assert "20 users will do FullReload" in words


def hostile() -> Run:
    """Every name that comes from outside is an attack."""
    recorder = Recorder(clock=lambda: START + 1.0)
    for number in range(30):
        recorder.request(f"GET /{HOSTILE}", number / 1000)
        recorder.action(HOSTILE, number / 1000, ActionOutcome.OK)
    recorder.request(f"GET /{HOSTILE}", 1.0, f"500 {HOSTILE}", request_id=HOSTILE)
    recorder.request(HOSTILE, 1.0, login=True)
    recorder.events[HOSTILE] += 1
    recorder.unavailable(HOSTILE, HOSTILE)
    recorder.loss(Loss(HOSTILE, HOSTILE, START * 1000, 2, {HOSTILE: 1}))
    delta = recorder.take()
    facts = run().facts
    server = replace(facts.server, url=HOSTILE, version=HOSTILE, sku=HOSTILE, features=(HOSTILE,), licensed=True)
    facts = replace(
        facts,
        name=HOSTILE,
        server=server,
        thresholds=(HOSTILE,),
        command=("mmload", HOSTILE),
        settings={HOSTILE: HOSTILE},
        population={HOSTILE: 3},
    )
    return run(
        facts=facts,
        totals=Totals(seconds=10, steady_seconds=8, highest_active=10, whole=delta, steady=delta),
        notes=(Note(START * 1000, NoteKind.LATE, HOSTILE),),
        missing=(HOSTILE,),
    )


def test_words_from_outside_never_become_markup() -> None:
    """Of a server, an error, a name of a run."""
    server = metrics([ServerSample(START * 1000, HOSTILE, 1.0, HOSTILE)])
    text = html_report(findings(hostile()), (), server)
    read = Read(text)

    assert read.names().count("script") == 1
    assert "img" not in read.names()
    assert not [given for _, given in read.elements if {"onerror", "onload"} & set(given)]
    assert "\x00" not in text and "\x1b" not in text
    assert "alert(2)" in read.words(), "shown as it is"


def test_a_run_of_which_nothing_is_left_is_a_page_all_the_same() -> None:
    torn = run(seconds=(), totals=Totals(), missing=("seconds.jsonl is missing",))
    words = Read(html_report(findings(torn))).words()

    assert "seconds.jsonl is missing" in words
    assert "No data." in words


def test_percentiles_of_too_few_times_are_marked() -> None:
    """A p99 of three answers is the longest of them, and must not look like more."""
    text = html_report(findings(run()))

    assert 'class="few"' in text
    assert "In italics" in text


def test_the_page_of_a_folder_has_what_only_the_folder_has(tmp_path: Path) -> None:
    """Percentiles of all answers of a window, and the server's figures."""
    made, figures = rich(seconds=60)
    folder = written(replace(made, folder=str(tmp_path)), figures, tmp_path)
    (folder / "server.jsonl").write_bytes(b'{"ms":1800000010000,"name":"CPU of the server","value":0.4}\n{"torn')
    text = html_of_folder(findings(replace(made, folder=str(folder))))

    assert "CPU of the server" in text
    assert "ms, log scale, per" in text


def test_every_shade_of_a_chart_has_its_place_in_the_style_sheet(page: str) -> None:
    """One without is drawn in black, over everything below it."""
    for kind in (*RunPhase, "outage", "saturated"):
        assert re.search(rf"\.band\.{kind}\b[^{{]*{{ fill: ", page), kind
