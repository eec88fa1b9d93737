"""Numbers, spans and tables for people."""

from __future__ import annotations

import pytest

from mmload.report.wording import (
    PAGE_WIDTH,
    count,
    cut,
    milliseconds,
    plural,
    population_text,
    rate,
    span,
    table,
    wrapped,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (45, "45 s"), (125, "2 min 5 s"), (3600, "1 h"), (3780, "1 h 3 min")],
)
def test_spans_are_told_in_the_units_people_use(seconds: float, text: str) -> None:
    """Not 3780 s."""
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.0008, "0.8"), (0.0123, "12"), (1.2345, "1,234"), (0.0, "0.0")]
)
def test_milliseconds_have_the_digits_that_matter(seconds: float | None, text: str) -> None:
    """And a missing figure is no zero."""
    assert milliseconds(seconds) == text


def test_rates_and_counts_are_readable() -> None:
    """Thousands apart, small rates with digits."""
    assert (rate(0.042), rate(4.2), rate(1234.5), count(1234567)) == ("0.04", "4.2", "1,234", "1,234,567")
    assert (plural(1, "socket"), plural(0, "socket")) == ("1 socket", "0 sockets")


def test_a_population_is_told_with_what_is_not_in_it() -> None:
    told = population_text({"users": 61, "teams": 1, "channels": 8, "posts": 1475})

    assert told == "61 users, 1 team, 8 channels, 1,475 posts (direct and group channels are not counted)"
    assert population_text({}) == ""


def test_a_table_lines_its_columns_up() -> None:
    """Text on the left, numbers on the right."""
    assert table(["name", "n"], [["a", "1"], ["bb", "1,000"]]) == ["  name      n", "  a         1", "  bb    1,000"]
    assert table(["name"], []) == []


def test_a_long_name_loses_its_middle() -> None:
    """Beginning and end say more."""
    assert cut("GET /api/v4/users/me", 9) == "GET …s/me"
    assert cut("short", 9) == "short"


def test_items_go_on_in_the_next_line() -> None:
    """Never wider than the page."""
    lines = wrapped([f"item number {number}" for number in range(30)])

    assert len(lines) > 1
    assert max(map(len, lines)) <= PAGE_WIDTH
    assert " ".join(line.strip() for line in lines).count(",") == 29
