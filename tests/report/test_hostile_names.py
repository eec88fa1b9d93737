"""Names that come from a server: whoever prints them does not carry out what they say."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from coordinator.__main__ import complain
from mmload.cli import common, doctor
from mmload.population.progress import InitLines
from mmload.population.readiness import Examination, Finding, ServerFacts
from mmload.printable import HarmlessRecord, harmless, harmless_line
from mmload.report.findings import findings
from mmload.report.markdown import markdown_report
from mmload.report.terminal import terminal_report
from mmload.results.model import Note, NoteKind, Run, Server
from tests.report.made_up import rich

# Clears the screen, sets the title, 8-bit CSI, turns the line around, rings, goes back to the beginning of the line.
EVIL = "x\x1b[2J\x1b]0;owned\x07\x9b31m\u202edlrow\u2066\b\r\x00\ud800\u2028y"
OURS = {"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"}


def is_safe(text: str) -> bool:
    """Whether a terminal only writes it. Our own colours may be in it."""
    for ours in OURS:
        text = text.replace(ours, "")
    return all(each.isprintable() or each in "\n\t" for each in text) and "owned" in text


def evil_run() -> Run:
    """A run in whose every text of a server there is something."""
    made = rich()[0]
    whole = made.totals.whole
    routes = {f"{name}{EVIL}": figures for name, figures in whole.routes.items()}
    unavailable = {f"Feature{EVIL}": EVIL}
    return replace(
        made,
        facts=replace(made.facts, name=f"name{EVIL}", server=replace(made.facts.server, version=EVIL)),
        totals=replace(made.totals, whole=replace(whole, routes=routes, unavailable=unavailable)),
        notes=(*made.notes, Note(made.notes[0].ms, NoteKind.SERVER, f"a note\n{EVIL}")),
    )


@pytest.mark.parametrize("colour", [False, True])
def test_the_report_on_the_terminal_has_no_control_characters_but_our_own_colours(colour: bool) -> None:
    assert is_safe(terminal_report(evil_run(), colour=colour))


def test_the_report_as_markdown_has_none() -> None:
    text = markdown_report(findings(evil_run())).replace("\u200b", "")

    assert is_safe(text)


def test_what_the_doctor_says_of_a_server_has_none() -> None:
    facts = ServerFacts(Server(EVIL, EVIL, EVIL, True, EVIL), accounts=1)
    found = Examination((Finding("error", EVIL, EVIL, EVIL), Finding("warning", EVIL)), facts)

    assert is_safe(doctor.text_of(found, "http://localhost:8065", 1, colour=True))


@pytest.mark.parametrize(
    "tell",
    [
        lambda: common.say("init", EVIL),
        lambda: common.write_text(EVIL, None),
        lambda: common.print_json({EVIL: EVIL}),
        lambda: InitLines(sys.stderr).note(EVIL),
        lambda: complain(ValueError(EVIL)),
    ],
)
def test_whatever_tells_a_person_something_has_none(
    tell: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    tell()

    told = capsys.readouterr()
    assert is_safe(told.out + told.err)


def test_the_log_has_none() -> None:
    """Locust's, and that of a search, which are shown on terminals."""
    record = HarmlessRecord("x", logging.INFO, "x.py", 1, "the server says %s", (EVIL,), None)

    assert is_safe(logging.Formatter("%(message)s").format(record))


def test_json_stays_json_and_says_the_same() -> None:
    text = {"name": EVIL.replace("\ud800", "")}

    assert json.loads(harmless(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("text", ["", "plain", "Grüße, 世界 🎉 — naïve", "a\tb\nc"])
def test_other_text_is_as_it_was(text: str) -> None:
    assert harmless(text) == text


def test_a_name_cannot_look_like_a_line_of_its_own() -> None:
    assert harmless_line("name\nVerdict: passed") == "name\\nVerdict: passed"
