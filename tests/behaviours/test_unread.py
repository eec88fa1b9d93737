"""Which channels are unread, and which of them the application fetches before anybody looks."""

from __future__ import annotations

import pytest

from mmload.behaviours.channel_view import fills_window
from mmload.behaviours.prefetching import MOST_MENTIONS, MOST_UNREAD, take_in, to_prefetch, unread_channels
from mmload.models import Channel, ChannelMember, ChannelNotifications
from mmload.store import SharedObjects, Store

FULL = Channel(id="c", total_msg_count=100, total_msg_count_root=50)


@pytest.mark.parametrize(
    ("member", "every_reply", "collapsed"),
    [
        (ChannelMember("c", msg_count=100, msg_count_root=50), {}, {}),
        (ChannelMember("c", msg_count=99, msg_count_root=50), {"c": 0}, {}),
        (
            ChannelMember("c", msg_count=9, msg_count_root=4, mention_count=3, mention_count_root=1),
            {"c": 3},
            {"c": 1},
        ),
        (ChannelMember("c", msg_count=100, msg_count_root=50, mention_count=1), {"c": 1}, {}),
        (ChannelMember("other"), {}, {}),
    ],
    ids=["read", "a reply", "posts", "mentioned in a reply", "not a member"],
)
def test_replies_make_a_channel_unread_unless_threads_are_collapsed(
    member: ChannelMember, every_reply: dict[str, int], collapsed: dict[str, int]
) -> None:
    assert unread_channels([FULL], [member], collapsed=False) == every_reply
    assert unread_channels([FULL], [member], collapsed=True) == collapsed


def test_muted_and_archived_channels_are_never_unread() -> None:
    muted = ChannelMember("c", notify_props=ChannelNotifications("mention"), mention_count=1)
    archived = Channel(id="c", total_msg_count=9, delete_at=1)

    assert unread_channels([FULL], [muted], collapsed=False) == {}
    assert unread_channels([archived], [ChannelMember("c")], collapsed=False) == {}


def test_what_the_server_tells_replaces_what_was_known() -> None:
    store = Store(SharedObjects())
    store.unread["read elsewhere"] = 1
    muted = ChannelMember("m", notify_props=ChannelNotifications("mention"))
    take_in(store, [FULL, Channel(id="m", total_msg_count=9)], [ChannelMember("c"), muted])

    assert dict(store.unread.items()) == {"c": 0}
    assert store.muted == {"m"}


def test_few_unread_channels_are_fetched_those_with_mentions_first() -> None:
    assert to_prefetch({"quiet": 0, "urgent": 2, "calm": 0}) == ["urgent", "quiet", "calm"]


def test_from_ten_unread_channels_on_only_those_with_mentions_are_fetched() -> None:
    unread = {f"c{number}": int(number < 2) for number in range(MOST_MENTIONS)}

    assert to_prefetch(unread) == ["c0", "c1"]
    assert len(to_prefetch(dict.fromkeys(map(str, range(MOST_UNREAD)), 1))) == MOST_MENTIONS


def test_above_twenty_unread_channels_none_is_fetched() -> None:
    assert to_prefetch(dict.fromkeys(map(str, range(MOST_UNREAD + 1)), 1)) == []


def test_who_joined_and_left_in_a_row_takes_one_line_of_the_window() -> None:
    assert fills_window([""] * 10)
    assert not fills_window(["system_join_channel"] * 50)
    assert fills_window(["", "system_join_channel", "system_join_channel"] * 5)
