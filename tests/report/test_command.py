"""`mmload report` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from msgspec.structs import replace

from mmload.errors import UsageError
from mmload.results.folder import FACTS, newest, run_folder
from mmload.results.model import SCHEMA, Facts
from tests.report.made_up import rich, written
from tests.run.processes import environ, mmload, mmload_here


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, something else, and a run elsewhere."""
    folder = tmp_path_factory.mktemp("place")
    made, figures = rich(seconds=40)
    for name in ("runs/2026-01-30T08-00-00-old", "runs/2026-01-31T08-00-00-new", "elsewhere"):
        path = folder / name
        path.mkdir(parents=True)
        written(replace(made, folder=str(path)), figures, path)
    (folder / "runs" / "zzz").mkdir()
    (folder / "runs" / "zzz.txt").write_text("not a run")
    return folder


def report(place: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return mmload_here(place, "report", *arguments, **more)


def test_the_newest_run_is_reported_on_the_terminal(place: Path) -> None:
    """No colour in a pipe; the exit code is that of the reporting, not of the run."""
    done = mmload(place, "report", "latest")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Load test rich · http://mm.example")
    assert done.stdout.endswith("Details: runs/2026-01-31T08-00-00-new\n")
    assert "\033" not in done.stdout


@pytest.mark.parametrize("given", ["2026-01-30T08-00-00-old", "runs/2026-01-30T08-00-00-old"])
def test_a_run_is_named_by_its_folders_name_or_by_its_path(place: Path, given: str) -> None:
    assert report(place, given).stdout.endswith("Details: runs/2026-01-30T08-00-00-old\n")


def test_runs_may_be_elsewhere(place: Path) -> None:
    """By option, or by the configuration."""
    assert "Details: runs/2026" in report(place / "elsewhere", "latest", "--runs-folder", "../runs").stdout.replace(
        "../", ""
    )
    variable = {"MMLOAD_RUNCONFIGURATION_RUNSFOLDER": "../runs"}
    assert report(place / "elsewhere", "latest", **variable).returncode == 0


def test_json_goes_to_the_output_and_nothing_else_does(place: Path) -> None:
    assert json.loads(report(place, "latest", "--json").stdout)["run"]["name"] == "rich"


def test_markdown_and_junit_go_where_they_are_told_to(place: Path, tmp_path: Path) -> None:
    """The path is said on stdout, so that a script can go on with it."""
    markdown = report(place, "latest", "--markdown", "--output", str(tmp_path / "report.md"))
    junit = report(place, "latest", "--junit", "--output", "-")

    assert markdown.stdout == f"{tmp_path / 'report.md'}\n"
    assert (tmp_path / "report.md").read_text().startswith("## ❔ Load test rich")
    suite = ElementTree.fromstring(junit.stdout)
    assert "Load test rich" in str(suite.findtext("testcase/system-out"))


def test_html_is_written_into_the_runs_folder_unless_it_is_wanted_elsewhere(place: Path, tmp_path: Path) -> None:
    by_itself = report(place, "latest", "--html")
    told = report(place, "latest", "--html", "--output", str(tmp_path / "a.html"))

    page = place / "runs/2026-01-31T08-00-00-new/report.html"
    assert by_itself.stdout == "runs/2026-01-31T08-00-00-new/report.html\n"
    assert page.read_text() == (tmp_path / "a.html").read_text()
    assert told.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere or runs/nowhere: no such folder; `latest` is the newest run in runs"),
        (("zzz",), "runs/zzz: not a run folder"),
        (("latest", "--runs-folder", "empty"), "empty: no run here"),
        (("latest", "--json", "--markdown"), "not allowed with argument"),
        ((), "the following arguments are required: RUN"),
        (("latest", "--json", "--output", "no/such/folder/x"), "no/such/folder/x: cannot be written"),
    ],
)
def test_what_a_user_gets_wrong_is_one_message(place: Path, arguments: tuple[str, ...], said: str) -> None:
    done = report(place, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_record_of_a_newer_mmload_is_refused(tmp_path: Path) -> None:
    """Rather than misread."""
    (tmp_path / FACTS).write_bytes(msgspec.json.encode(Facts(schema=SCHEMA + 1)))
    done = report(tmp_path, str(tmp_path))

    assert done.returncode == 2
    assert "upgrade to read it" in done.stderr


def test_a_bad_configuration_is_told_where_the_runs_are_looked_for_in_it(place: Path) -> None:
    done = report(place, "latest", MMLOAD_RUNCONFIGURATION_RUNTIMESEC="soon")

    assert done.returncode == 4
    assert "MMLOAD_RUNCONFIGURATION_RUNTIMESEC" in done.stderr


def test_whoever_gives_the_path_needs_no_configuration(place: Path) -> None:
    """A folder from another machine is read on this one."""
    assert report(place, "elsewhere", MMLOAD_RUNCONFIGURATION_RUNTIMESEC="soon").returncode == 0


def test_a_reader_that_goes_away_is_no_fault_of_ours(place: Path) -> None:
    """`mmload report latest | head -1`."""
    command = f"{sys.executable} -m mmload report latest --json | head -1"
    done = subprocess.run(
        command, shell=True, cwd=place, env=environ(place), capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr


def test_the_newest_is_the_last_by_name(place: Path) -> None:
    """Folders are named by time; a copy or a touched one is not newer."""
    (place / "runs" / "2026-01-30T08-00-00-old" / "touched").write_text("")

    assert newest(place / "runs").name == "2026-01-31T08-00-00-new"
    with pytest.raises(UsageError, match="no such folder"):
        run_folder("nothing", place)
