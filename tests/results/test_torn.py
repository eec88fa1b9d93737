"""A run's folder after `kill -9`, a full disk, a careless copy: reported as far as it goes, in every form."""

from __future__ import annotations

import json
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmload.errors import UsageError
from mmload.report.document import SCHEMA, json_report
from mmload.report.findings import findings
from mmload.report.junit import junit_report
from mmload.report.markdown import markdown_report
from mmload.report.page import html_of_folder
from mmload.report.terminal import terminal_report
from mmload.results.folder import FACTS, FIGURES, NOTES, SECONDS, TOTALS, read_run
from mmload.results.model import Run
from mmload.results.verdict import VerdictKind, verdict
from tests.report.made_up import rich, written
from tests.run.processes import end, locust, start, wait_for_seconds

FILES = (FACTS, TOTALS, SECONDS, FIGURES, NOTES)


class Files(dict[str, bytes]):
    """Contents by name, too long to be shown."""

    def __repr__(self) -> str:
        return f"Files({list(self)})"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a good run of 20 seconds."""
    run, figures = rich(seconds=20, per_second=4)
    folder = written(run, figures, tmp_path_factory.mktemp("whole"))
    return Files((name, (folder / name).read_bytes()) for name in FILES)


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def report_all(run: Run) -> None:
    """Every form of the report can be made."""
    found = findings(run)
    assert "Verdict: " in terminal_report(run)
    assert json.loads(json_report(found))["schema"] == SCHEMA
    assert markdown_report(found)
    ElementTree.fromstring(junit_report(found, terminal_report(run)))
    assert html_of_folder(found).endswith("</html>\n")


@pytest.mark.parametrize("name", FILES)
def test_whichever_file_is_missing_the_rest_is_reported(tmp_path: Path, whole: Files, name: str) -> None:
    run = read_run(laid(tmp_path, {each: content for each, content in whole.items() if each != name}))

    report_all(run)
    if name in (FACTS, TOTALS, SECONDS):
        assert f"{name} is missing" in run.missing
        assert verdict(run).outcome is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize("name", FILES)
def test_any_file_alone_is_reported_or_no_run_at_all(tmp_path: Path, whole: Files, name: str) -> None:
    laid(tmp_path, {name: whole[name]})
    if name in (FIGURES, NOTES):
        with pytest.raises(UsageError, match="not a run folder"):
            read_run(tmp_path)
    else:
        report_all(read_run(tmp_path))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.floats(0, 1), st.integers(0, 2**32))
def test_a_file_cut_off_or_damaged_anywhere_is_reported(
    tmp_path: Path, whole: Files, name: str, share: float, seed: int
) -> None:
    """At any byte; and with any byte of it another one."""
    content = whole[name]
    at = min(len(content) - 1, int(len(content) * share))
    report_all(read_run(laid(tmp_path, whole | {name: content[:at]})))
    damaged = content[:at] + random.Random(seed).randbytes(1) + content[at + 1 :]
    # A damaged digit of the schema is a newer mmload's.
    with suppress(UsageError):
        report_all(read_run(laid(tmp_path, whole | {name: damaged})))


def test_all_files_cut_off_in_the_middle_are_reported_with_what_is_missing(tmp_path: Path, whole: Files) -> None:
    run = read_run(laid(tmp_path, {name: content[: len(content) // 2] for name, content in whole.items()}))

    report_all(run)
    assert any("cannot read run.json" in each for each in run.missing)
    assert 5 < len(run.seconds) < 20


def test_a_real_run_that_was_killed_is_reported_up_to_its_last_second(tmp_path: Path) -> None:
    """Nothing could be closed; what its users did until then is there, and the end is said to be missing."""
    process = start(locust("-u", "4", "-r", "4", "-t", "60s"), tmp_path)
    folder = wait_for_seconds(tmp_path, 4)
    os.killpg(process.pid, signal.SIGKILL)
    end(process)
    run = read_run(folder)

    assert len(run.seconds) >= 4
    assert run.totals.seconds >= 1
    assert "the run was cut off: its end was never recorded" in run.missing
    assert verdict(run).outcome is VerdictKind.INCONCLUSIVE
    assert "the run was cut off" in terminal_report(run)
    report_all(run)
