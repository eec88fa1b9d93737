"""How many more users one server holds than another: judgement, words, exit code, and the forms of the report."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from coordinator.answer import Answer, Ending
from coordinator.capacity_difference import CapacityDifference, ComparedServer, difference, exit_code, read, text, write
from coordinator.search.paired import Ratio
from mmload.cli.capacity import add_parser
from mmload.cli.capacity_pair import check, of_the_other
from mmload.cli.report import run as report
from mmload.config.coordinator_tables import Coordinator, Monitor, Observe, Query
from mmload.errors import ExitCode, UsageError
from mmload.report.capacities import FORMS
from mmload.results.comparison import Judgement

OLD, NEW = "http://old:8065", "http://new:8065"


def server(url: str, users: int | None = 200, ended_by: str = Ending.FOUND, reason: str = "measured") -> ComparedServer:
    low, high = (None, None) if users is None else (users - 10, None if ended_by == Ending.AT_LEAST else users + 10)
    answer = Answer(users, low, high, 0.95, ended_by, "p99 2.4 of 2", 14.0, reason)
    return ComparedServer(
        url, url.split("/")[2].split(":")[0], answer, "CreatePost 2.4 s", "likely cause: server CPU: more"
    )


def found(low: float, high: float, tolerance: float = 0.05) -> CapacityDifference:
    """With an interval from so many percent to so many."""
    edges = [math.log1p(each / 100) for each in (low, high)]
    return difference(server(OLD), server(NEW), Ratio(sum(edges) / 2, edges[0], edges[1], 6), tolerance)


MORE = found(5, 19)

TABLE = [
    (5, 19, Judgement.BETTER, f"{NEW} holds 12 % more users (5.0–19 %, 95 %) than {OLD}"),
    (-19, -5, Judgement.WORSE, f"{NEW} holds 12 % fewer users (5.0–19 %, 95 %) than {OLD}"),
    (
        -4,
        3,
        Judgement.SAME,
        f"no difference seen between {NEW} and {OLD}: between 4.0 % fewer and 3.0 % more users, 95 %",
    ),
    (1, 4, Judgement.SAME, f"{NEW} holds 2.5 % more users (1.0–4.0 %, 95 %) than {OLD}, which is tolerated"),
    (-8, 14, Judgement.UNKNOWN, "can't tell whether"),
    (1, 8, Judgement.UNKNOWN, "can't tell whether"),
]


@pytest.mark.parametrize(("low", "high", "outcome", "said"), TABLE)
def test_it_is_judged_and_told_as_mmload_compare_does(low: float, high: float, outcome: Judgement, said: str) -> None:
    told = found(low, high)

    assert told.outcome is outcome
    assert told.said.startswith(said)


def test_a_wider_tolerance_lets_more_pass() -> None:
    assert found(-12, -2).outcome is Judgement.WORSE
    assert found(-12, -2, tolerance=0.15).outcome is Judgement.SAME


@pytest.mark.parametrize(
    ("low", "high", "said", "outcome"),
    [
        (math.log(1.2), math.inf, "holds at least 20 % more users", Judgement.BETTER),
        (-math.inf, math.log(0.7), "holds at least 30 % fewer users", Judgement.WORSE),
        (math.log(0.9), math.inf, "holds at most 10 % fewer users", Judgement.UNKNOWN),
        (-math.inf, math.log(1.1), "holds at most 10 % more users", Judgement.UNKNOWN),
    ],
)
def test_of_a_server_without_a_limit_one_side_is_told(low: float, high: float, said: str, outcome: Judgement) -> None:
    edge = low if math.isfinite(low) else high
    told = difference(server(OLD), server(NEW), Ratio(edge, low, high, 0), 0.05)

    assert said in told.said and told.outcome is outcome
    json.loads(FORMS["json"](told))


def test_without_a_ratio_it_says_why() -> None:
    ended = [server(each, None, Ending.OTHER_ENDED, "of the other") for each in (OLD, NEW)]
    lost = server(NEW, None, Ending.SERVER_LOST, "the server has not answered for 45 s")
    neither = [server(each, 400, Ending.AT_LEAST) for each in (OLD, NEW)]

    assert f"{NEW}: server lost: the server has not answered" in difference(ended[0], lost, None, 0.05).said
    assert "neither server crossed a limit" in difference(neither[0], neither[1], None, 0.05).said


def test_exit_codes_are_those_of_mmload_compare() -> None:
    codes = [exit_code(found(low, high)) for low, high, *_ in TABLE]
    interrupted = [server(each, None, Ending.INTERRUPTED) for each in (OLD, NEW)]
    lost = difference(server(OLD, None, Ending.OTHER_ENDED), server(NEW, None, Ending.AGENT_LOST), None, 0.05)

    assert codes == [0, 3, 0, 0, 6, 6]
    assert exit_code(difference(interrupted[0], interrupted[1], None, 0.05)) == ExitCode.INTERRUPTED
    assert exit_code(lost) == ExitCode.SERVER_NOT_READY


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_sentence_and_both_servers(form: str | None) -> None:
    told = FORMS[form](MORE)

    assert "holds 12 % more users" in told
    assert all(each in told for each in (OLD, NEW, "p99 2.4 of 2"))


def test_what_a_server_says_is_no_markup() -> None:
    nasty = replace(MORE, base=replace(MORE.base, cause="<img src=x>|`x`"))

    assert "<img" not in FORMS["html"](nasty) and "&lt;img" in FORMS["html"](nasty)
    assert "<img" not in FORMS["markdown"](nasty)
    assert ElementTree.fromstring(FORMS["junit"](nasty)).get("errors") == "0"


@pytest.mark.parametrize(("shown", "counted"), [(MORE, (0, 0)), (found(-19, -5), (1, 0)), (found(-8, 14), (0, 1))])
def test_worse_is_a_failure_for_a_ci_system_and_what_cannot_be_told_an_error(
    shown: CapacityDifference, counted: tuple[int, int]
) -> None:
    suite = ElementTree.fromstring(FORMS["junit"](shown))

    assert tuple(int(suite.get(each, "")) for each in ("failures", "errors")) == counted
    assert tuple(len(suite.findall(f"testcase/{each}")) for each in ("failure", "error")) == counted


def test_what_is_written_is_read_again_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, MORE)
    options = argparse.Namespace(run=str(tmp_path), runs_folder=tmp_path, form=None, output=None)

    assert read(tmp_path) == MORE
    assert report(options) == ExitCode.PASSED
    assert capsys.readouterr().out == text(MORE) + "\n"
    assert report(argparse.Namespace(**{**vars(options), "form": "html"})) == ExitCode.PASSED
    assert "holds 12 % more users" in (tmp_path / "comparison.html").read_text()


def test_a_torn_comparison_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text("{")
    options = argparse.Namespace(run=str(tmp_path), runs_folder=tmp_path, form=None, output=None)

    with pytest.raises(UsageError, match=r"comparison\.json: cannot be read"):
        report(options)


# -- the command line ----------------------------------------------------------------------------------------------


def options(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["capacity", *given])


def checked(*given: str, document: Coordinator | None = None) -> None:
    check(options(*given), document or Coordinator(), OLD)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--compare", f"{OLD}/"), "this is the same server"),
        (("--compare", "new"), "expected a URL"),
        (("--compare-slots", "3"), "add --sandbox"),
        (("--sandbox", "--compare", NEW), "--compare-slots N"),
        (("--sandbox", "--compare-slots", "0"), "numbers above 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(given: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        checked(*given)


def test_queries_about_one_server_are_no_limit_of_the_other() -> None:
    query = Query(description="CPU", query="cpu", threshold=0.9, alert=True)

    with pytest.raises(UsageError, match="mmload-coordinator -c"):
        checked("--compare", NEW, document=Coordinator(monitor=Monitor(queries=(query,))))
    checked("--compare", NEW)
    checked("--sandbox", "--compare-slots", "5")


def test_what_is_observed_by_an_address_is_observed_of_the_first_server_alone() -> None:
    observe = Observe(server_node="app0:9100", postgres_url="postgresql://db0:5432/mm", max_open_conns=20)

    assert of_the_other(Coordinator(observe=observe)).observe == Observe()
