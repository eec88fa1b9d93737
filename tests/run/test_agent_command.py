"""`mmload agent` before it becomes Locust."""

from __future__ import annotations

from mmload.cli.agent import waiting_for


def test_a_worker_says_for_whom_it_waits() -> None:
    assert waiting_for("127.0.0.1", 5557) == "waiting up to 5 minutes for the master 127.0.0.1:5557"


def test_a_master_whose_name_nobody_knows_is_named_as_such() -> None:
    said = waiting_for("no.such.host.invalid", 5557)

    assert said.startswith(
        "waiting up to 5 minutes for the master no.such.host.invalid:5557; cannot resolve its name yet"
    )
