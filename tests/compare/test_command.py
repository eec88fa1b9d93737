"""`mmload compare` as it is typed: forms, refusals, exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mmload.cli.compare import sides, worst
from mmload.errors import UsageError
from mmload.results.comparison import Judgement
from mmload.results.folder import FIGURES
from mmload.results.model import TRAFFIC
from tests.compare.simulated import changed, run
from tests.run.processes import mmload, mmload_here


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two servers, and some that are not to be compared."""
    folder = tmp_path_factory.mktemp("place")
    runs = folder / "runs"
    run(runs / "1-old", 1)
    run(runs / "2-old", 2)
    run(runs / "3-slower", 3, slower=0.1)
    run(runs / "4-slower", 4, slower=0.1)
    run(runs / "5-other-mix", 5, facts=changed(command=("mmload", "run", "--user-class", "IdleUser")))
    run(runs / "6-short", 6, seconds=12)
    run(runs / "7-failed", 7, facts=changed(thresholds=("p50(requests) < 1ms",)))
    run(runs / "8-no-figures", 8)
    (runs / "8-no-figures" / FIGURES).unlink()
    run(runs / "9-torn", 9)
    (runs / "9-torn" / "run.json").unlink()
    run(runs / "10-other-traffic", 10, facts=changed(traffic=1))
    return folder


def compare(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return mmload_here(place, "compare", *arguments)


def test_two_runs_of_one_server_show_no_difference(place: Path) -> None:
    done = compare(place, "1-old", "2-old")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No difference seen\n")
    assert "base: 1-old (1 run, 30 s steady)" in done.stdout


def test_a_slower_server_is_named_with_its_band_and_fails_a_ci_job(place: Path) -> None:
    done = mmload(place, "compare", "1-old", "3-slower", "--markdown")

    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("## ❌ Slower by ")
    assert "| `all requests, typical` |" in done.stdout


def test_of_several_the_worst_counts(place: Path) -> None:
    done = compare(place, "1-old", "2-old", "3-slower")

    assert done.returncode == 3
    assert "No difference seen" in done.stdout
    assert "Slower by " in done.stdout


def test_repeated_runs_are_one_side_and_a_script_can_read_it(place: Path) -> None:
    done = compare(place, "--base", "1-old", "2-old", "--new", "3-slower", "4-slower", "--json")

    document = json.loads(done.stdout)
    [comparison] = document["comparisons"]
    [typical] = [each for each in comparison["figures"] if each["leading"]]
    assert (done.returncode, document["schema"], document["outcome"]) == (3, 1, "worse")
    assert (comparison["base"], comparison["new"]) == (["1-old", "2-old"], ["3-slower", "4-slower"])
    assert comparison["steady_seconds"] == {"base": [30, 30], "new": [30, 30]}
    assert typical["low"] < 0.1 < typical["high"]
    assert typical["said"].startswith("slower by ")


def test_the_page_is_one_file_that_is_well_formed_and_fetches_nothing(place: Path) -> None:
    done = compare(place, "1-old", "3-slower", "--html")

    page = (place / "runs" / "3-slower" / "comparison.html").read_text()
    assert (done.returncode, done.stdout) == (3, "runs/3-slower/comparison.html\n")
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    body = page[page.index("<main") : page.index("</main>") + len("</main>")]
    assert len(ElementTree.fromstring(body).findall(".//svg")) > 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1-old", "5-other-mix"), "user classes: as configured (1-old), IdleUser (5-other-mix)"),
        (("1-old", "10-other-traffic"), f"traffic of the simulated users: {TRAFFIC} (1-old), 1 (10-other-traffic)"),
        (("1-old", "9-torn"), "9-torn is incomplete: "),
        (("1-old", "8-no-figures"), "8-no-figures has figures for only 0 of its 30 steady seconds"),
    ],
)
def test_unlike_and_torn_runs_are_refused_and_the_way_around_is_named(
    place: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = compare(place, *arguments)

    assert (done.returncode, done.stdout) == (4, "")
    assert "mmload compare: these runs are not comparable:" in done.stderr
    assert said in done.stderr
    assert "(--anyway compares them nevertheless)" in done.stderr


def test_unlike_runs_are_compared_anyway_and_it_says_so(place: Path) -> None:
    done = compare(place, "1-old", "5-other-mix", "--anyway")

    assert done.returncode == 0
    assert "note: compared nevertheless: user classes: as configured (1-old)" in done.stdout


def test_a_run_that_failed_its_thresholds_is_compared_like_any_other(place: Path) -> None:
    """Where the setting alone differs: thresholds change nothing about the load."""
    assert compare(place, "1-old", "7-failed").returncode == 0


def test_a_run_too_short_cant_be_told(place: Path) -> None:
    done = compare(place, "1-old", "6-short")

    assert done.returncode == 6, done.stderr
    assert done.stdout.startswith(
        "Can't tell: a steady window of 12 s is too short to compare: at least 20 s are needed"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "at least two runs"),
        (("1-old",), "at least two runs"),
        (("--base", "1-old"), "at least two runs"),
        (("1-old", "1-old"), "given twice"),
        (("1-old", "runs/1-old"), "given twice"),
        (("1-old", "nowhere"), "nowhere or runs/nowhere: no such folder"),
        (("1-old", "."), "not a run folder"),
        (("1-old", "2-old", "--base", "3-slower"), "either RUN RUN…, or repeated runs"),
        (("1-old", "2-old", "--tolerance", "much"), "much is not a percentage"),
        (("1-old", "2-old", "--tolerance", "0"), "0 is not a percentage"),
        (("1-old", "2-old", "--output", "no/where.txt"), "no/where.txt: cannot be written"),
    ],
)
def test_what_is_typed_wrongly_is_one_clear_message(place: Path, arguments: tuple[str, ...], said: str) -> None:
    done = compare(place, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_sides() -> None:
    assert sides(["a", "b", "c"], (), ()) == (["a"], [["b"], ["c"]])
    assert sides((), ["a", "b"], ["c"]) == (["a", "b"], [["c"]])
    with pytest.raises(UsageError, match="at least two runs"):
        sides((), (), ["c"])


def test_the_worst_outcome_is_that_of_all() -> None:
    same, better, worse, unknown = Judgement.SAME, Judgement.BETTER, Judgement.WORSE, Judgement.UNKNOWN

    assert worst([same, unknown, worse, better]) is worse
    assert worst([same, unknown, better]) is unknown
    assert worst([better, same]) is same
    assert worst([better, better]) is better
