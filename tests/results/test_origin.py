"""Where a run comes from and why it ended."""

from __future__ import annotations

from mmload.results.model import RunEnding, command, ending, without_credentials


def test_a_run_ends_for_one_reason() -> None:
    """Told from each other by the clock and by who is left."""
    assert ending(60, 59.7, headless=True, workers_left=True) is RunEnding.RUN_TIME_OVER
    assert ending(60, 20, headless=True, workers_left=True) is RunEnding.INTERRUPTED
    assert ending(0, 900, headless=False, workers_left=True) is RunEnding.STOPPED
    assert ending(60, 20, headless=True, workers_left=False) is RunEnding.WORKERS_LOST


def test_credentials_in_a_url_are_left_out_of_the_record() -> None:
    """Of the server's name and of the command line."""
    assert without_credentials("http://me:pw@mm.example/x") == "http://mm.example/x"
    assert command(["run", "--server", "https://me:pw@mm.example"]) == ("run", "--server", "https://mm.example")
