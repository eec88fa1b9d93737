"""Locust's tables, which would grow for as long as a test goes on."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust.event import Events
from locust.stats import RequestStats

from mmload.locust_internals import copy_no_more, forget_before
from mmload.plugin import memory


def test_seconds_long_past_are_forgotten_and_nothing_else_changes() -> None:
    """Totals, percentiles and the current rate are Locust's users' own figures."""
    stats = RequestStats()
    now = int(time.time())
    for _ in range(200):
        stats.log_request("GET", "/users/me", 12, 100)
    stats.log_error("GET", "/users/me", "500")
    entry = stats.entries["/users/me", "GET"]
    for counts in (entry.num_reqs_per_sec, entry.num_fail_per_sec, stats.total.num_reqs_per_sec):
        counts.update(dict.fromkeys(range(now - 3600, now - 10), 1))
    before = (entry.num_requests, entry.num_failures, entry.get_response_time_percentile(0.5), stats.total.current_rps)

    forget_before([stats.total, *stats.entries.values()], now - 60)

    assert min(entry.num_reqs_per_sec) == min(entry.num_fail_per_sec) == min(stats.total.num_reqs_per_sec) == now - 60
    after = (entry.num_requests, entry.num_failures, entry.get_response_time_percentile(0.5), stats.total.current_rps)
    assert after == before


def test_names_keep_no_copies_of_their_response_times_and_the_sum_of_all_does() -> None:
    """The current percentiles on Locust's page are those of all names together."""
    stats = RequestStats()
    for _ in range(3):
        stats.log_request("GET", "/users/me", 12, 100)
    entry = stats.entries["/users/me", "GET"]
    entry._cache_response_times(int(time.time()) - 1)
    stats.total._cache_response_times(int(time.time()) - 1)

    copy_no_more(stats.entries.values())
    stats.log_request("GET", "/users/me", 12, 100)

    assert not entry.response_times_cache
    assert stats.total.response_times_cache
    assert entry.get_response_time_percentile(0.5) == 12


@pytest.mark.parametrize(
    ("web_ui", "html_file", "kept"), [(None, None, False), (object(), None, True), (None, "report.html", True)]
)
def test_what_charts_show_is_kept_only_where_there_are_charts(
    monkeypatch: pytest.MonkeyPatch, web_ui: Any, html_file: str | None, kept: bool
) -> None:
    """It grows for as long as a test goes on."""
    monkeypatch.setattr(memory, "_PRUNE_EVERY_SECONDS", 0.01)
    stats = RequestStats()
    stats.history.append({"time": "now"})
    events: Any = Events()  # type: ignore[no-untyped-call]
    memory.register(events)
    options = SimpleNamespace(stats_history_enabled=False, html_file=html_file)
    events.init.fire(environment=SimpleNamespace(stats=stats, web_ui=web_ui, parsed_options=options))
    gevent.sleep(0.1)

    assert bool(stats.history) is kept
