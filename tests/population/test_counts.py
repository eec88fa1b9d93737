"""What a server is said to hold."""

from __future__ import annotations

from mmload.population.readiness import server_population

TOLD = {"unique_user_count": 61, "team_count": 2, "channel_open_count": 6, "channel_private_count": 1, "post_count": 0}


def test_what_the_server_counts_is_told_by_our_names() -> None:
    """Open and private channels are channels."""
    assert server_population(TOLD | {"post_count": 40}) == {"users": 61, "teams": 2, "channels": 7, "posts": 40}


def test_posts_that_are_in_channels_are_there_whatever_the_statistics_of_yesterday_say() -> None:
    """A real server counts its posts once a day: seen with 284 of them in its database, it said 0."""
    assert server_population(TOLD, 232)["posts"] == 232
    assert server_population(TOLD | {"post_count": 5000}, 232)["posts"] == 5000


def test_what_a_server_does_not_tell_is_left_out() -> None:
    """-1 is its way to say that it does not count."""
    assert server_population({"post_count": -1, "team_count": 2}, 7) == {"teams": 2}
