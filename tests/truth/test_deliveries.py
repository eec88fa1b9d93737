"""What the report says of messages is what was done to them, to the message: the sandbox does it, and counts."""

from __future__ import annotations

import pytest

from mmload.metrics.counts import MISSING_REASONS
from tests.truth.stories import Stories
from tests.truth.talk import USERS

NEVER_CAME, SOCKET_LOST, SOCKET_DOWN = (MISSING_REASONS[name] for name in ("never_came", "socket_lost", "socket_down"))


@pytest.mark.parametrize("name", ["lossy", "lossy, two workers"])
def test_lost_doubled_and_reordered_messages_are_reported_to_the_message(stories: Stories, name: str) -> None:
    """Seven lost, five doubled, four overtaken: the report says so, and not one more; who lost what is named."""
    story = stories.of(name)
    said = story.delivery

    assert (said["missing"], said["duplicated"]) == (7, 5) == (story.injected["lose"], story.injected["double"])
    assert said["out_of_order"] == story.injected["reorder"] >= 1
    assert said["reasons"] == {NEVER_CAME: 7}
    assert (said["sent"], said["uncertain"], said["late"]) == (story.posts, 0, 0)
    assert story.closes


def test_without_faults_every_message_is_delivered_everywhere_once(stories: Stories) -> None:
    """Each post is due at all others of its team, whichever process they are in."""
    story = stories.of("quiet, two workers")
    said = story.delivery

    assert (said["missing"], said["duplicated"], said["out_of_order"]) == (0, 0, 0)
    assert story.closes and (said["sent"], said["uncertain"]) == (story.posts, 0)
    # Those who sign up form teams of their own, but of no fewer than four.
    assert said["delivered"] >= 40 * 3
    assert said["delivered"] <= said["sent"] * (USERS - 1)


def test_late_messages_are_late_and_their_time_is_right(stories: Stories) -> None:
    """Six are held back for 4 s; nothing else takes as long as three."""
    story = stories.of("slow")
    said = story.delivery

    assert (said["late"], said["missing"], said["withdrawn"]) == (6, 0, 0)
    assert said["out_of_order"] <= 6
    assert story.closes


def test_a_gap_in_the_numbers_is_filled_by_the_return_of_the_socket(stories: Stories) -> None:
    """Events that the server kept are sent again: nothing is missing in the end."""
    story = stories.of("gappy")
    sockets = story.report["sockets"]

    assert sockets["gaps"] == sockets["gaps_filled"] >= 1
    assert (sockets["gaps_lost"], sockets["renewed"]) == (0, 0)
    assert story.delivery["missing"] == 0 and story.delivery["resumed"] >= 1 and story.closes


def test_what_was_under_way_when_the_server_forgot_the_sockets_is_missing_for_that_reason(stories: Stories) -> None:
    """As after a restart: the sockets come back as new ones, and the eight events that were held back never come."""
    story = stories.of("forgotten")

    assert story.delivery["reasons"] == {SOCKET_LOST: 8} and story.closes
    assert story.report["sockets"]["renewed"] == USERS
    assert story.delivery["sent"] == story.posts


def test_what_sockets_miss_that_are_not_back_at_the_end_is_missing_for_that_reason(stories: Stories) -> None:
    story = stories.of("gone")

    assert story.delivery["reasons"] == {SOCKET_DOWN: 8} and story.closes
    assert story.report["sockets"]["dropped"] == USERS


def test_a_gap_that_the_server_can_not_fill_is_a_lost_one(stories: Stories) -> None:
    """Posts among the three events, and among those that made the gaps known, are missing; others leave no account."""
    story = stories.of("lost for good")
    sockets = story.report["sockets"]

    assert sockets["gaps"] == sockets["gaps_lost"] >= 1
    assert sockets["gaps_filled"] == 0 and sockets["renewed"] == USERS
    assert set(story.delivery["reasons"]) <= {SOCKET_LOST} and story.closes


def test_no_message_is_missing_after_storms_of_reconnects_while_windows_come_and_go(stories: Stories) -> None:
    """Messages are acknowledged, viewed as they arrive, and what a page asks when it is back goes beside the talk."""
    story = stories.of("stormy")
    actions = story.report["actions"]

    assert (story.delivery["missing"], story.delivery["withdrawn"]) == (0, 0) and story.closes
    assert story.delivery["resumed"] >= 1 and story.report["sockets"]["resumed"] == 2 * USERS
    assert story.acknowledged >= story.delivery["delivered"]
    assert {"Blur", "Focus", "ViewOnArrival", "CatchUp"} <= {each["name"] for each in actions}


def test_what_a_restarted_server_loses_is_missing_for_that_reason_alone(stories: Stories) -> None:
    story = stories.of("restarted")

    assert set(story.delivery["reasons"]) <= {SOCKET_LOST} and story.closes
    assert story.report["sockets"]["renewed"] == USERS
    assert story.delivery["sent"] <= story.posts <= story.delivery["sent"] + story.delivery["uncertain"]


def test_the_account_closes_without_a_killed_worker_and_says_that_it_was_lost(stories: Stories) -> None:
    """Its own deliveries since its last report are lost with it; those of the others are all accounted for."""
    story = stories.of("a worker killed")

    assert '"worker lost"' in story.notes
    assert story.report["verdict"]["outcome"] == "inconclusive"
    assert any("worker" in reason for reason in story.report["verdict"]["reasons"])
    assert 0 < story.delivery["sent"] <= story.posts
    assert story.delivery["missing"] == 0
