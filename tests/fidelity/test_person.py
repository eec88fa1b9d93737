"""Our person against the recording of the real web application, on the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmload.cli.fidelity import judged_steps, sandbox_stage
from mmload.fidelity.accepted import ACCEPTED
from mmload.fidelity.playing import JudgedStep, unneeded
from mmload.fidelity.printing import text_of, totals

# The steps that are not yet as the web application's. None may join them; what has become equal leaves the list.
STILL_DIFFERENT = frozenset(
    {
        "(all steps)",
        "add_reaction",
        "back_to_channel_bottom",
        "browse_channels_open",
        "channel_switcher_pick_person",
        "channel_switcher_type",
        "click_permalink_join",
        "click_permalink_other_channel",
        "click_permalink_same_channel",
        "close_and_open",
        "create_category",
        "draft_send_from_list",
        "draft_type_leave",
        "edit_message",
        "global_threads_mark_all_read",
        "global_threads_open",
        "join_channel",
        "leave_channel",
        "login_again",
        "login_page_cold",
        "login_submit",
        "logout",
        "manual_status_away",
        "mark_unread",
        "mention_autocomplete",
        "open_dm",
        "open_gm",
        "open_thread",
        "post_message",
        "post_message_fast",
        "post_with_picture",
        "profile_popover",
        "quick_reaction",
        "receive_5_posts_current",
        "receive_post_current_known",
        "receive_post_unloaded_channel",
        "receive_reply_closed_thread",
        "reload_warm",
        "search_posts",
        "switch_channel_first_read",
        "switch_channel_pictures",
        "switch_channel_unread_prefetched",
        "switch_team",
        "switch_team_back",
    }
)
# The share of its requests that the person sends alike, which rises with each that leaves.
MATCHED_AT_LEAST = 0.34


@pytest.fixture(scope="module")
def judged() -> Iterator[list[JudgedStep]]:
    with sandbox_stage() as stage:
        yield judged_steps(stage, [])


def test_every_step_is_equal_or_its_differences_are_accepted(judged: list[JudgedStep]) -> None:
    different = {each.step.partition("+")[0] for each in judged if not each.good}

    assert different <= STILL_DIFFERENT, text_of([each for each in judged if not each.good], {})


def test_no_accepted_difference_is_left_that_nobody_needs(judged: list[JudgedStep]) -> None:
    assert unneeded(judged) == []
    assert all(entry.reason for entry in ACCEPTED)


def test_the_share_that_is_sent_alike_does_not_fall(judged: list[JudgedStep]) -> None:
    assert totals(judged).matched_share >= MATCHED_AT_LEAST, text_of(judged, {})
