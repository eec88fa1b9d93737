"""Who takes up which session: one user at a time, given back by whoever leaves, never another server's."""

from __future__ import annotations

import pytest

from mmload.client.kept_sessions import Destination, KeptSessions, logs_in
from mmload.context import TestContext
from mmload.metrics.recorder import Recorder
from mmload.session_file import KeptAccount, SessionChange
from tests.support import settings_for

HERE = Destination("http://chat.example.com", "ws://chat.example.com")


def sessions(most: int = 1, **accounts: list[str]) -> tuple[KeptSessions, list[SessionChange]]:
    changes: list[SessionChange] = []
    kept = {login: KeptAccount(f"id-of-{login}", tokens) for login, tokens in accounts.items()}
    return KeptSessions(HERE, kept, changes.append, most), changes


def test_a_session_has_one_user_at_a_time() -> None:
    kept, _ = sessions(ann=["first"])

    assert kept.take("ann") == ("id-of-ann", "first")
    assert kept.take("ann") is None
    kept.give_back("ann", "first")
    assert kept.take("ann") == ("id-of-ann", "first")


def test_two_users_of_one_account_have_two_sessions() -> None:
    kept, _ = sessions(most=2, ann=["first", "second"])

    assert {kept.take("ann"), kept.take("ann"), kept.take("ann")} == {
        ("id-of-ann", "first"),
        ("id-of-ann", "second"),
        None,
    }


def test_who_has_none_logs_in() -> None:
    kept, _ = sessions(ann=["first"])

    assert kept.take("bob") is None


def test_a_log_in_brings_a_session_that_is_kept() -> None:
    kept, changes = sessions()
    kept.began("bob", "id-of-bob", "new")
    kept.give_back("bob", "new")

    assert changes == [SessionChange("bob", "id-of-bob", "new")]
    assert kept.take("bob") == ("id-of-bob", "new")


def test_a_log_in_after_an_expiry_takes_the_old_ones_place() -> None:
    kept, changes = sessions(ann=["old"])
    kept.take("ann")
    kept.began("ann", "id-of-ann", "new", "old")

    assert changes == [SessionChange("ann", "id-of-ann", "new", "old")]


def test_a_session_that_was_logged_out_is_never_taken_again() -> None:
    kept, changes = sessions(ann=["first"])
    kept.take("ann")
    kept.ended("ann", "first")
    kept.give_back("ann", "")

    assert changes == [SessionChange("ann", ended="first")]
    assert kept.take("ann") is None


def test_who_logs_in_all_the_same_leaves_no_second_session_behind() -> None:
    kept, _ = sessions(ann=["kept"])
    kept.began("ann", "id-of-ann", "new")
    kept.give_back("ann", "new")

    assert kept.take("ann") == ("id-of-ann", "new")
    assert kept.take("ann") is None


def test_accounts_of_a_lost_worker_are_added() -> None:
    kept, _ = sessions(ann=["first"])
    kept.add({"bob": KeptAccount("id-of-bob", ["his"])})

    assert kept.take("bob") == ("id-of-bob", "his")
    assert kept.take("ann") == ("id-of-ann", "first")


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.02, 5, 45), (0.5, 430, 570), (1.0, 1000, 1000)])
def test_a_share_of_the_users_logs_in_all_the_same(share: float, least: int, most: int) -> None:
    """The same ones with the same seed."""
    found = [number for number in range(1000) if logs_in(number, share, seed=3)]

    assert least <= len(found) <= most
    assert found == [number for number in range(1000) if logs_in(number, share, seed=3)]


@pytest.mark.parametrize(
    ("server", "more", "used"),
    [
        ("http://chat.example.com", {}, True),
        ("http://else.example.com", {}, False),
        ("https://chat.example.com", {}, False),
        ("http://chat.example.com", {"MMLOAD_CONNECTIONCONFIGURATION_WEBSOCKETURL": "ws://else.example.com"}, False),
        ("http://chat.example.com", {"MMLOAD_USERSCONFIGURATION_LOGINSHARE": "1"}, False),
    ],
)
def test_sessions_go_to_their_own_server_only(server: str, more: dict[str, str], used: bool) -> None:
    """Nor over a WebSocket elsewhere; and with a LoginShare of 1 nowhere at all."""
    kept, _ = sessions(ann=["first"])
    context = TestContext(settings_for(server, **more), server, Recorder(), kept=kept)

    assert (context.kept is kept) is used
