"""What the charts show, and that their words do not stand in each other's way."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from mmload.metrics.delta import ProcessHealth
from mmload.report.charts import (
    MOST_MARKS,
    answers_chart,
    curves_chart,
    failures_chart,
    health_charts,
    note_texts,
    numbered,
    server_charts,
    throughput_chart,
    timeframe,
    users_chart,
)
from mmload.report.findings import findings, metrics
from mmload.report.html import rendered
from mmload.report.svg import Band, Chart, Mark, Series, linear_axis, shades, time_axis
from mmload.results.model import Note, NoteKind, Run, ServerSample
from mmload.results.series import windows
from tests.report.made_up import START, rich
from tests.results.records import run, second


def drawn(chart: Chart) -> str:
    return rendered("chart.html", chart=chart)


@pytest.fixture(scope="module")
def made() -> Run:
    return rich()[0]


def simple(*lines: Series, **more: object) -> Chart:
    return Chart("Something", "ms", lines, time_axis(100), linear_axis([10.0]), **more)  # type: ignore[arg-type]


def test_a_line_is_broken_where_there_is_no_value() -> None:
    """Nobody was measured there; a line across would be made up."""
    text = drawn(simple(Series("p99", [(0.0, 1.0), (10.0, 2.0), (20.0, None), (30.0, 4.0)])))
    [_swatch, lines, dot] = re.findall(r'<path d="([^"]+)" class="line (?:dot )?s1"/>', text)

    assert (lines, dot) == ("M0 180L100 160", "M300 120h0")


def test_a_chart_without_values_says_so() -> None:
    assert "No data." in drawn(simple(Series("p99", [(0.0, None)])))
    assert "No data." in drawn(simple())


def test_a_chart_tells_its_ranges_to_those_who_do_not_see_it() -> None:
    chart = simple(Series("p50", [(0.0, 1.0), (9.0, 3.0)]), Series("p99", [(0.0, 7.777), (9.0, 12345.6)]))

    assert chart.description == "Something (ms): p50 from 1 to 3; p99 from 7.78 to 12.3k."


def test_marks_close_to_each_other_share_a_number() -> None:
    """Two numbers on top of each other can't be read."""
    marks = [Mark(0.5, 1, "a"), Mark(0.51, 2, "b"), Mark(0.515, 3, "c"), Mark(0.8, 4, "d")]
    text = drawn(simple(Series("x", [(0.0, 1.0)]), marks=marks))

    assert re.findall(r'class="mark">([^<]+)</text>', text) == ["1–3", "4"]
    assert text.count("<title>") == 4, "each of them can be pointed at"


def test_the_word_of_a_phase_is_written_only_where_it_has_room() -> None:
    bands = [Band(0.0, 0.05, "ramp", "ramp", True), Band(0.05, 1.0, "steady", "steady", True)]
    text = drawn(simple(Series("x", [(0.0, 1.0)]), bands=bands))

    assert re.findall(r'class="phase">(\w+)<', text) == ["steady"]


def test_words_stand_above_the_plot_where_no_line_runs_through_them() -> None:
    """Phases in one row, the numbers of marks in another: a mark may be where a phase begins."""
    bands = [Band(0.0, 0.5, "ramp", "ramp", True), Band(0.5, 1.0, "steady", "steady", True)]
    text = drawn(simple(Series("x", [(0.0, 1.0)]), bands=bands, marks=[Mark(0.5, 1, "a")]))
    phases = {float(y) for y in re.findall(r'y="([^"]+)" class="phase"', text)}
    marks = {float(y) for y in re.findall(r'y="([^"]+)" text-anchor="middle" class="mark"', text)}

    assert len(phases) == len(marks) == 1
    assert max(marks) + 11 < min(phases) < 0, "the words are 11 pixels high"
    assert 'class="plot headed"' in text, "room for two rows"


def test_a_point_alone_is_a_dot_that_can_be_seen() -> None:
    text = drawn(simple(Series("p99", [(0.0, 1.0), (5.0, 2.0), (9.0, None), (20.0, 3.0), (30.0, None)])))

    assert re.findall(r'd="([^"]+)" class="line dot s1"', text) == ["M200 140h0"]


def test_shades_are_explained_once() -> None:
    bands = [
        Band(0.1, 0.2, "outage", "no answer from the server"),
        Band(0.3, 0.4, "outage", "no answer from the server"),
    ]

    assert shades(bands) == {"outage": "no answer from the server"}
    assert shades([Band(0, 1, "steady", "steady", True)]) == {}


def test_the_axis_of_time_shows_phases_outages_saturation_and_notes(made: Run) -> None:
    seconds = list(made.seconds)
    for at in (40, 41, 42):
        seconds[at] = replace(seconds[at], health={"worker 0": ProcessHealth(lag_ms=900.0)})
    time = timeframe(findings(replace(made, seconds=tuple(seconds))))
    bands = {band.kind: (round(band.start * 120), round(band.end * 120)) for band in time.bands}

    assert bands["outage"] == (60, 70)
    assert bands["saturated"][0] <= 40 < bands["saturated"][1]
    assert {"ramp", "steady", "stopping"} <= set(bands)
    assert [mark.number for mark in time.marks] == [1, 2, 3]


def test_notes_are_numbered_in_order_of_time_and_there_is_an_end_to_them(made: Run) -> None:
    """The same numbers stand in the list of what happened."""
    notes = [Note((START + at) * 1000, NoteKind.USERS, f"note {at}") for at in range(50, 0, -1)]
    shown = numbered(notes)

    assert [number for number, _ in shown] == list(range(1, MOST_MARKS + 1))
    assert [note.text for _, note in shown][:2] == ["note 1", "note 2"]
    assert len(note_texts(findings(replace(made, notes=tuple(notes))))) == MOST_MARKS


def test_users_and_load_are_those_of_the_seconds(made: Run) -> None:
    found = findings(made)
    time = timeframe(found)
    users = {line.name: line for line in users_chart(found, time).lines}
    load = {line.name: line for line in throughput_chart(found, time).lines}

    assert list(users) == ["active", "target", "waiting to log in"]
    assert users["active"].points[-1][1] == 100
    assert sum(value or 0 for _, value in load["requests"].points) == sum(each.requests for each in made.seconds)
    assert failures_chart(found, time).lines[0].name == "failed requests"


def test_who_gave_up_is_drawn_only_if_there_is_anybody() -> None:
    found = findings(run(seconds=tuple(second(at, gave_up=2) for at in range(9))))

    assert [line.name for line in users_chart(found, timeframe(found)).lines][-1] == "gave up"


def test_percentiles_are_of_whole_windows_or_else_of_each_second(made: Run) -> None:
    """A torn folder has no histograms, but every second's percentiles."""
    found = findings(made)
    time = timeframe(found)
    figures = rich()[1]

    merged = answers_chart(found, time, list(windows(figures, 5)))
    single = answers_chart(found, time, ())

    assert (merged.unit, single.unit) == ("ms, log scale, per 5 s", "ms, log scale, per second")
    assert [line.name for line in merged.lines] == [line.name for line in single.lines] == ["p50", "p95", "p99"]
    assert len(single.lines[0].points) == len(made.seconds)


def test_curves_of_more_actions_than_can_be_told_apart_are_left_out(made: Run) -> None:
    assert [line.name for line in curves_chart(findings(made)).lines][:2] == ["all requests", "deliveries"]
    assert len(curves_chart(findings(made)).lines) == 6


def health_of(**figures: float) -> list[Chart]:
    record = run(seconds=tuple(second(at, health={"local": ProcessHealth(**figures)}) for at in range(9)))  # type: ignore[arg-type]
    found = findings(record)
    return health_charts(found, timeframe(found))


def test_health_is_drawn_against_its_limits_where_they_are_near() -> None:
    """Far below a limit the line of it would only press the values down; the CPU's is always there."""
    calm = {chart.title: chart.limit for chart in health_of(cpu=0.1, lag_ms=5.0)}
    busy = {chart.title: chart.limit for chart in health_of(cpu=0.95, lag_ms=80.0)}

    assert calm == {"CPU": (0.9, "limit (0.9)"), "Event-loop lag (worst)": None}
    assert busy["Event-loop lag (worst)"] == (100.0, "limit (100)")


def test_a_limit_is_on_the_axis() -> None:
    for chart in health_of(cpu=0.2, lag_ms=21.0, gc_ms=30.0, backlog=500):
        assert chart.limit is None or 0 <= chart.y.place(chart.limit[0]) <= 1


def test_many_processes_become_the_highest_and_the_mean() -> None:
    """Twenty lines cannot be determined apart."""
    health = {f"worker {number}": ProcessHealth(cpu=number / 100) for number in range(20)}
    found = findings(run(seconds=tuple(second(at, health=health) for at in range(5))))
    [cpu] = [chart for chart in health_charts(found, timeframe(found)) if chart.title == "CPU"]

    assert [line.name for line in cpu.lines] == ["highest of 20 processes", "mean"]
    assert [line.points[0][1] for line in cpu.lines] == pytest.approx([0.19, 0.095])


def test_the_only_process_is_the_generator_and_beside_workers_it_is_their_master(made: Run) -> None:
    assert health_of(cpu=0.1)[0].lines[0].name == "generator"
    both = {"local": ProcessHealth(cpu=0.1), "worker 0": ProcessHealth(cpu=0.2)}
    found = findings(run(seconds=(second(0, health=both),)))
    assert [line.name for line in health_charts(found, timeframe(found))[0].lines] == ["master", "worker 0"]


def test_the_servers_figures_are_on_the_axis_of_the_run(made: Run) -> None:
    """Samples of before and after are left out."""
    samples = [ServerSample((START + at) * 1000, "CPU", at / 10, limit=9.0) for at in (-30, 0, 60, 120, 300)]
    found = findings(made)
    [chart] = server_charts(metrics(samples), timeframe(found))

    assert [at for at, _ in chart.lines[0].points] == [0, 60, 120]
    assert chart.limit == (9.0, "limit (9)")
