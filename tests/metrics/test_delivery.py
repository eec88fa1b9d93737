"""The account of messages: every delivery that is due ends as delivered, missing or withdrawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from mmload.delivery.account import (
    CLOSED_KEPT_SECONDS,
    DRAIN_SECONDS,
    JOINING_SECONDS,
    KEPT_SECONDS,
    MISSING_AFTER_SECONDS,
    NEVER_CAME,
    SOCKET_DOWN,
    SOCKET_LOST,
    SOCKET_SILENT,
    Announcement,
    Deliveries,
    Seat,
)
from mmload.metrics.counts import DeliveryCounts
from mmload.metrics.delta import Loss
from mmload.metrics.recorder import Recorder
from mmload.models import Post

WALL_AHEAD = 1_800_000_000.0
LATE_SECONDS = 5.0


class Room:
    """A process's account, with a clock that is set by hand, and seats that are all in one channel."""

    def __init__(self, seats: int = 3, *, shared: bool = False) -> None:
        self.now = 100.0
        self.recorder = Recorder()
        self.deliveries = Deliveries(
            self.recorder, LATE_SECONDS, shared=shared, clock=lambda: self.now, wall=lambda: WALL_AHEAD + self.now
        )
        self.recorder.account = self.deliveries
        self.seats = [self.deliveries.seat() for _ in range(seats)]
        for seat in self.seats:
            seat.connected(f"user-{seat.number}", renewed=False)
            seat.joined("channel")
        self.wait(JOINING_SECONDS + 1)
        self.losses: list[Loss] = []
        self.sums = DeliveryCounts()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.deliveries.tick()

    def send(self, name: str, seat: int | None = 0, channel: str = "channel", to: int | None = None) -> Post:
        """`to`: the other user's seat where it is their direct channel."""
        self.deliveries.sending(name, channel, seat, () if to is None else (f"user-{seat}", f"user-{to}"))
        return self.post(name, channel)

    def post(self, name: str, channel: str = "channel") -> Post:
        return Post(
            id=f"post-{name}", pending_post_id=name, channel_id=channel, create_at=int((WALL_AHEAD + self.now) * 1000)
        )

    def accept(self, post: Post) -> None:
        self.deliveries.accepted(post.pending_post_id, post.id, post.create_at)

    def receive(self, post: Post, *seats: int) -> None:
        for seat in seats:
            self.deliveries.received(seat, post)

    def account(self) -> DeliveryCounts:
        """All that was counted so far."""
        delta = self.recorder.take()
        self.losses += delta.losses
        self.sums.merge(delta.deliveries)
        return self.sums

    def finish(self) -> DeliveryCounts:
        self.deliveries.finish()
        return self.account()


def closes(account: DeliveryCounts) -> bool:
    return account.expected == account.delivered + account.missing + account.withdrawn


def test_a_post_is_due_at_every_other_connected_socket_of_its_channel() -> None:
    room = Room()
    outsider = room.deliveries.seat()
    outsider.connected(f"user-{outsider.number}", renewed=False)

    post = room.send("a")
    room.accept(post)
    room.receive(post, 0, 1, 2)

    assert room.finish() == DeliveryCounts(sent=1, expected=2, delivered=2)


def test_an_event_may_come_before_the_answer() -> None:
    room = Room()
    post = room.send("a")
    room.receive(post, 1)
    room.accept(post)
    room.receive(post, 2)

    assert room.finish() == DeliveryCounts(sent=1, expected=2, delivered=2)


def test_the_time_of_a_delivery_is_from_sending_to_the_event() -> None:
    room = Room()
    post = room.send("a")
    room.now += 0.25
    room.receive(post, 1)

    times = room.recorder.take().spans["delivery"]
    assert (times.count, times.minimum) == (1, 0.25)


def test_what_a_standing_socket_does_not_get_is_missing_and_named() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.receive(post, 1)
    room.wait(MISSING_AFTER_SECONDS + 1)

    assert room.account().missing == 1
    account = room.finish()
    assert closes(account)
    assert account.never_came == 1
    assert room.losses == [Loss("post-a", "channel", int((WALL_AHEAD + 103.0) * 1000), 2, {NEVER_CAME: 1})]


def test_what_was_missing_and_comes_after_all_is_late() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.receive(post, 1)
    room.wait(MISSING_AFTER_SECONDS + 1)
    room.receive(post, 2)

    assert room.finish() == DeliveryCounts(sent=1, expected=2, delivered=2, late=1)
    assert room.losses == []


def test_what_comes_after_all_is_taken_off_its_own_reason() -> None:
    """One seat's connection was lost, another's stood: the first gets it late, the other never."""
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.seats[1].dropped()
    room.seats[1].connected(f"user-{room.seats[1].number}", renewed=True)
    room.wait(MISSING_AFTER_SECONDS + 1)
    room.receive(post, 1)

    account = room.finish()
    assert closes(account)
    assert not account.socket_lost and account.never_came == 1
    assert [loss.missing for loss in room.losses] == [{NEVER_CAME: 1}]


def test_overdue_is_counted_from_the_answer() -> None:
    """A server that takes long to answer has not lost the message: its receivers wait from the answer on."""
    room = Room()
    post = room.send("a")
    room.wait(MISSING_AFTER_SECONDS - 5)
    room.accept(post)
    room.wait(MISSING_AFTER_SECONDS - 1)
    assert not room.account().missing

    room.wait(2)
    assert room.account().missing == 2


def test_a_user_that_leaves_is_taken_out_of_its_own_channels_only() -> None:
    """Two users with a channel of their own and a large one each; the other's stay as they were."""
    room = Room(12)
    for seat in room.seats[:2]:
        seat.joined("direct")
    room.wait(JOINING_SECONDS + 1)
    room.seats[1].left_all()
    for channel in ("direct", "channel"):
        room.accept(room.send(channel, channel=channel))

    assert room.account().expected == 10
    assert room.deliveries._tracker._channels_of[1] == [] and len(room.deliveries._tracker._channels_of[0]) == 2


def test_a_direct_post_is_due_at_the_other_user_though_nobody_told_of_the_channel() -> None:
    room = Room()
    post = room.send("a", channel="direct", to=2)
    room.accept(post)
    room.receive(post, 0, 2)

    assert room.finish() == DeliveryCounts(sent=1, expected=1, delivered=1)


def test_all_other_sockets_of_both_users_are_due_to_hear_a_direct_post() -> None:
    """Of the one who writes, too: a second device."""
    room = Room(2)
    for user in (0, 1):
        room.deliveries.seat().connected(f"user-{user}", renewed=False)
    post = room.send("a", channel="direct", to=1)
    room.accept(post)
    room.receive(post, 0, 1, 2, 3)

    assert room.finish() == DeliveryCounts(sent=1, expected=3, delivered=3)


def test_nobody_is_due_to_hear_a_direct_channel_that_was_made_a_moment_ago() -> None:
    room = Room()
    room.seats[0].met("direct")
    room.wait(JOINING_SECONDS / 2)
    first = room.send("a", channel="direct", to=1)
    room.wait(JOINING_SECONDS + 1)
    second = room.send("b", channel="direct", to=1)
    for post in (first, second):
        room.accept(post)
        room.receive(post, 1)

    assert room.finish() == DeliveryCounts(sent=2, expected=1, delivered=1, extra=1)


def test_a_direct_post_is_withdrawn_where_the_user_leaves_and_missing_where_it_stays() -> None:
    room = Room()
    for name, to in (("to one that leaves", 1), ("to one that stays", 2)):
        room.accept(room.send(name, channel=name, to=to))
    room.seats[1].left_all()
    assert room.account().withdrawn == 0, "nobody leaves a direct channel by loading the page"
    room.seats[1].closed()
    room.seats[1].free()
    room.wait(MISSING_AFTER_SECONDS + 1)

    account = room.finish()
    assert (account.expected, account.withdrawn, account.missing) == (2, 1, 1)


def test_a_direct_post_announced_late_is_due_as_of_when_it_was_sent() -> None:
    """The receiver was there then, and is gone when we hear of it; a later one on its seat is not meant."""
    room = Room(shared=True)
    sent = WALL_AHEAD + room.now
    room.now += 0.2
    room.seats[1].closed()
    room.seats[1].free()
    told = Announcement("x", "direct", "post-x", sent, 1, ("stranger", "user-1"))
    room.deliveries.announced([told])

    account = room.finish()
    assert (account.expected, account.withdrawn) == (1, 1)


def test_direct_channels_are_forgotten_with_their_posts() -> None:
    room = Room()
    for number in range(20):
        room.seats[0].met(f"direct-{number}")
        room.wait(JOINING_SECONDS + 1)
        post = room.send(f"{number}", channel=f"direct-{number}", to=1)
        room.accept(post)
        room.receive(post, 1)
    refused = room.send("refused", channel="direct-refused", to=1)
    room.deliveries.refused(refused.pending_post_id)
    room.wait(KEPT_SECONDS + 1)

    assert list(room.deliveries._tracker._channels) == ["channel"]
    assert not room.deliveries._fresh
    assert closes(room.finish())


def test_late_begins_after_the_limit() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.now += LATE_SECONDS
    room.receive(post, 1)
    room.now += 0.001
    room.receive(post, 2)

    assert room.finish().late == 1


def test_a_second_event_of_a_post_is_counted_as_such() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.receive(post, 1, 1, 1, 2)

    account = room.finish()
    assert (account.delivered, account.duplicated) == (2, 2)


def test_the_order_of_a_channel_is_that_of_the_server() -> None:
    room = Room()
    first, other = room.send("a"), room.send("other", channel="elsewhere")
    room.now += 0.001
    second = room.send("b")
    for post in (first, other, second):
        room.accept(post)
    room.receive(first, 1)
    room.receive(second, 1)
    room.receive(second, 2)
    room.receive(first, 2)

    assert room.finish().out_of_order == 1


def test_who_gets_an_earlier_post_first_gets_it_in_order_whatever_others_have() -> None:
    room = Room()
    first = room.send("a")
    room.now += 0.001
    second = room.send("b")
    for post in (first, second):
        room.accept(post)
    newcomer = room.deliveries.seat()
    newcomer.connected("somebody", renewed=False)
    room.receive(second, 1)
    room.receive(first, 2, newcomer.number)
    room.receive(second, 2, newcomer.number)

    assert not room.finish().out_of_order


def test_a_post_may_be_overtaken_for_as_long_as_it_may_still_come() -> None:
    """The later one, whose account is closed long since, is remembered until then."""
    room = Room()
    late = room.send("late")
    room.accept(late)
    room.wait(1)
    soon = room.send("soon")
    room.accept(soon)
    room.receive(soon, 1, 2)
    room.receive(late, 1)
    # Given up only when its socket has been away for too long.
    room.seats[2].dropped()
    room.wait(KEPT_SECONDS - 2)
    room.receive(late, 2)

    assert room.finish().out_of_order == 2


def test_channels_hold_no_posts_that_nothing_can_overtake_any_more() -> None:
    """They have a byte for each socket: with many channels, that is what would fill the memory."""
    room = Room()
    for number in range(5):
        post = room.send(f"old-{number}")
        room.accept(post)
        room.receive(post, 1, 2)
    lost = room.send("lost")
    room.accept(lost)
    room.seats[1].dropped()
    recent = room.deliveries._tracker.channel("channel").recent
    room.wait(KEPT_SECONDS - 10)
    room.accept(room.send("new"))
    assert [message.pending_id for message in recent] == [*(f"old-{number}" for number in range(5)), "lost", "new"]

    room.wait(11)
    assert [message.pending_id for message in recent] == ["new"]


def test_channels_let_go_of_each_post_when_its_own_time_is_over() -> None:
    room = Room()
    for name in ("first", "second"):
        post = room.send(name)
        room.accept(post)
        room.receive(post, 1, 2)
        room.wait(CLOSED_KEPT_SECONDS + 1)
    recent = room.deliveries._tracker.channel("channel").recent
    room.wait(KEPT_SECONDS - 2 * CLOSED_KEPT_SECONDS)

    assert [message.pending_id for message in recent] == ["second"]


def test_no_more_messages_are_remembered_than_fit_into_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is closed as at the end."""
    monkeypatch.setattr("mmload.delivery.account.MOST_MESSAGES", 2)
    room = Room()
    for name in ("a", "b", "c"):
        room.accept(room.send(name))

    assert list(room.deliveries._ledger.messages) == ["b", "c"]
    assert room.account().missing == 2


def test_posts_of_the_same_instant_have_no_order() -> None:
    room = Room()
    first, second = room.send("a"), room.send("b")
    room.receive(second, 1, 2)
    room.receive(first, 1, 2)

    assert not room.finish().out_of_order


def test_nothing_is_due_at_a_lost_socket_and_what_it_gets_later_is_extra() -> None:
    room = Room()
    room.seats[2].dropped()
    post = room.send("a")
    room.accept(post)
    room.receive(post, 1)
    room.now += 3
    room.seats[2].connected(f"user-{room.seats[2].number}", renewed=False)
    room.receive(post, 2)

    account = room.finish()
    assert (account.expected, account.extra, account.resumed) == (1, 1, 1)


def test_a_resumed_socket_gets_what_it_missed() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.seats[2].dropped()
    room.now += 3
    room.seats[2].connected(f"user-{room.seats[2].number}", renewed=False)
    room.receive(post, 1, 2)

    account = room.finish()
    assert closes(account)
    assert (account.delivered, account.resumed) == (2, 1)


def test_a_renewed_socket_has_missed_it() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.seats[2].dropped()
    room.now += 3
    room.seats[2].connected(f"user-{room.seats[2].number}", renewed=True)
    room.receive(post, 1)

    account = room.finish()
    assert closes(account)
    assert account.socket_lost == 1


def test_a_lost_socket_is_waited_for_until_the_end() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.seats[2].dropped()
    room.receive(post, 1)
    room.wait(MISSING_AFTER_SECONDS * 3)
    assert not room.account().missing

    account = room.finish()
    assert closes(account)
    assert account.socket_down == 1


def test_who_leaves_at_once_is_not_missed_and_who_leaves_later_is() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    assert room.seats[1].outstanding()
    room.seats[1].closed()
    room.now += DRAIN_SECONDS
    assert not room.seats[2].outstanding()
    room.seats[2].closed()

    account = room.finish()
    assert closes(account)
    assert (account.withdrawn, account.never_came) == (1, 1)


def test_all_who_leave_at_once_are_not_missed() -> None:
    """Nor one who came after the post was sent."""
    room = Room()
    room.accept(room.send("a"))
    newcomer = room.deliveries.seat()
    newcomer.connected("somebody", renewed=False)
    for seat in (newcomer, *room.seats):
        seat.dropped(silent_seconds=1.0)
        seat.connected(f"user-{seat.number}", renewed=False)
        seat.closed()

    assert room.finish() == DeliveryCounts(sent=1, expected=2, withdrawn=2)


def test_what_is_due_at_a_seat_that_is_given_up_is_withdrawn() -> None:
    """In a direct channel, too, and in the middle of joining a channel; whoever sits there later has none of it."""
    room = Room()
    room.accept(room.send("a"))
    room.accept(room.send("direct", channel="direct", to=1))
    room.seats[1].joined("elsewhere")
    room.seats[1].free()
    assert room.account().withdrawn == 2

    room.wait(KEPT_SECONDS + 1)
    next_one = room.deliveries.seat()
    next_one.connected("somebody else", renewed=False)
    expected = room.account().expected
    room.send("b", channel="elsewhere")
    assert (next_one.number, room.account().expected) == (1, expected)


def test_who_leaves_with_a_lost_socket_has_missed_it_for_that_reason() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.receive(post, 1)
    room.seats[2].dropped()
    room.now += DRAIN_SECONDS
    room.seats[2].closed()

    account = room.finish()
    assert closes(account)
    assert account.socket_down == 1


def test_who_leaves_the_channel_is_not_missed() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.receive(post, 1)
    room.seats[2].left("channel")

    room.seats[1].left("a channel that nobody knows")

    account = room.finish()
    assert closes(account)
    assert account.withdrawn == 1


def test_who_loads_the_page_anew_is_not_missed() -> None:
    room = Room()
    room.accept(room.send("a"))
    room.seats[2].left_all()

    assert room.account().withdrawn == 1


def test_who_hears_of_a_post_that_was_not_due_twice_has_a_duplicate() -> None:
    room = Room()
    room.seats[2].dropped()
    post = room.send("a")
    room.accept(post)
    room.seats[2].connected(f"user-{room.seats[2].number}", renewed=False)
    room.receive(post, 2, 2)

    account = room.account()
    assert (account.extra, account.duplicated) == (1, 1)


def test_who_has_just_joined_is_not_expected_yet() -> None:
    room = Room(2)
    newcomer = room.deliveries.seat()
    newcomer.connected(f"user-{newcomer.number}", renewed=False)
    newcomer.joined("channel")
    room.wait(JOINING_SECONDS / 2)
    post = room.send("a")
    room.receive(post, 1, 2)
    room.wait(JOINING_SECONDS)
    later = room.send("b")
    room.receive(later, 1, 2)

    account = room.finish()
    assert (account.expected, account.extra) == (3, 1)


def test_a_refused_post_leaves_no_trace() -> None:
    room = Room()
    room.send("a")
    room.deliveries.refused("a")

    assert room.finish() == DeliveryCounts()


def test_a_post_without_an_answer_that_nobody_saw_is_uncertain_and_due_nowhere() -> None:
    room = Room()
    room.send("a")
    room.seats[2].closed()
    room.deliveries.unanswered("a")
    room.wait(MISSING_AFTER_SECONDS + 1)

    assert room.finish() == DeliveryCounts(uncertain=1)


def test_a_post_without_an_answer_that_somebody_saw_was_accepted() -> None:
    room = Room()
    post = room.send("a")
    room.deliveries.unanswered("a")
    room.receive(post, 1)
    room.wait(MISSING_AFTER_SECONDS + 1)

    account = room.finish()
    assert closes(account)
    assert (account.sent, account.delivered, account.missing) == (1, 1, 1)
    assert not account.uncertain


def test_overdue_is_counted_from_when_no_answer_was_waited_for_any_more() -> None:
    room = Room()
    post = room.send("a")
    room.wait(MISSING_AFTER_SECONDS - 5)
    room.deliveries.unanswered("a")
    room.receive(post, 1)
    room.wait(MISSING_AFTER_SECONDS - 1)
    assert not room.account().missing

    room.wait(2)
    assert room.account().missing == 1


def test_a_post_that_somebody_saw_is_sent_though_its_answer_never_comes() -> None:
    room = Room()
    room.receive(room.send("a"), 1, 2)

    assert room.finish() == DeliveryCounts(sent=1, expected=2, delivered=2)


def test_events_of_posts_that_nobody_of_the_test_wrote_are_not_accounted_for() -> None:
    room = Room()
    room.receive(room.post("stranger:1"), 1, 2)

    assert room.finish() == DeliveryCounts()


def test_a_seat_is_not_given_to_another_while_its_messages_are_remembered() -> None:
    room = Room()
    room.seats[2].closed()
    room.seats[2].free()
    assert room.deliveries.seat().number == 3
    room.wait(KEPT_SECONDS + 1)
    assert room.deliveries.seat().number == 2


def test_a_closed_account_is_forgotten_and_its_memory_freed() -> None:
    room = Room()
    for number in range(50):
        post = room.send(str(number))
        room.receive(post, 1, 2)
    room.wait(CLOSED_KEPT_SECONDS + 1)

    assert room.deliveries._ledger.messages == {} and room.deliveries._ledger.open == {}


def test_messages_of_the_server_itself_are_not_accounted_for() -> None:
    """They have no pending id, and are not one message that comes again and again."""
    room = Room(shared=True)
    for _ in range(2):
        room.receive(room.post(""), 1)

    assert room.finish() == DeliveryCounts()


# -- several processes ---------------------------------------------------------------------------------------------


def told(post: Post, sent: float) -> Announcement:
    return Announcement(post.pending_post_id, post.channel_id, post.id, WALL_AHEAD + sent, post.create_at)


def test_a_post_of_another_process_is_accounted_for_when_it_is_announced() -> None:
    """The event is here first; its time counts from when the other process sent it, by the wall clock."""
    room = Room(2, shared=True)
    post = room.post("theirs:1")
    sent = room.now
    room.now += 0.125
    room.receive(post, 0)
    room.now += 3
    room.deliveries.announced([told(post, sent)])
    room.wait(MISSING_AFTER_SECONDS)

    account = room.account()
    assert (account.expected, account.delivered, account.missing) == (2, 1, 1)


def test_the_time_of_such_a_delivery_is_that_of_its_event() -> None:
    room = Room(1, shared=True)
    post = room.post("theirs:1")
    sent = room.now
    room.now += 0.125
    room.receive(post, 0)
    room.now += 3
    room.deliveries.announced([told(post, sent)])

    [times] = [room.recorder.take().spans["delivery"]]
    assert times.maximum == pytest.approx(0.125, abs=1e-5)


@pytest.mark.parametrize(("lost", "back", "resumed"), [(-1.0, 0.5, 1), (0.2, 0.5, 1), (1.5, 2.0, 0), (-2.0, -1.0, 0)])
def test_what_came_on_a_connection_taken_up_since_counts_as_resumed_also_before_it_is_announced(
    lost: float, back: float, resumed: int
) -> None:
    """The event comes a second after the post was sent; seconds are from the sending. Due or not is the same."""
    room = Room(1, shared=True)
    post, sent = room.post("theirs:1"), room.now + 10
    moments: dict[float, Callable[[], object]] = {
        lost: room.seats[0].dropped,
        back: lambda: room.seats[0].connected(f"user-{room.seats[0].number}", renewed=False),
        1.0: lambda: room.receive(post, 0),
    }
    for moment in sorted(moments):
        room.now = sent + moment
        moments[moment]()
    room.now = sent + 3
    room.deliveries.announced([told(post, sent)])

    account = room.finish()
    assert account.delivered + account.extra == 1
    assert account.resumed == resumed


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (lambda seat: None, {NEVER_CAME: 1}),
        (lambda seat: (seat.dropped(), seat.connected(f"user-{seat.number}", renewed=True)), {SOCKET_LOST: 1}),
        (lambda seat: seat.dropped(), {SOCKET_DOWN: 1}),
        (lambda seat: (seat.dropped(), seat.connected(f"user-{seat.number}", renewed=False)), {NEVER_CAME: 1}),
        (lambda seat: (seat.closed(), seat.free()), {}),
        (lambda seat: seat.closed(), {}),
        (lambda seat: seat.left("channel"), {}),
    ],
    ids=["nothing", "renewed", "down", "resumed", "closed and freed", "closed", "left"],
)
def test_what_happened_to_a_socket_before_the_announcement_is_made_up_for(
    happens: Callable[[Seat], object], expected: dict[str, int]
) -> None:
    room = Room(2, shared=True)
    post = room.post("theirs:1")
    sent = room.now
    room.now += 0.5
    room.receive(post, 0)
    happens(room.seats[1])
    room.now += 3
    room.deliveries.announced([told(post, sent)])
    account = room.finish()

    assert closes(account)
    assert account.expected == 2
    assert account.reasons == expected


def test_a_socket_that_was_lost_and_given_up_before_the_announcement_is_named_for_that() -> None:
    """The user left long after the post was sent, its socket being down."""
    room = Room(2, shared=True)
    post = room.post("theirs:1")
    sent = room.now
    room.now += 0.5
    room.receive(post, 0)
    room.seats[1].dropped()
    room.now += DRAIN_SECONDS
    room.seats[1].closed()
    room.deliveries.announced([told(post, sent)])

    account = room.finish()
    assert closes(account)
    assert account.socket_down == 1


def test_who_was_back_before_it_left_missed_what_never_came() -> None:
    room = Room(2, shared=True)
    post, sent = room.post("theirs:1"), room.now
    room.now += 0.1
    room.seats[1].dropped()
    room.now += DRAIN_SECONDS
    room.seats[1].connected(f"user-{room.seats[1].number}", renewed=False)
    room.now += 0.1
    room.seats[1].closed()
    room.deliveries.announced([told(post, sent)])

    account = room.finish()
    assert closes(account)
    assert account.reasons == {NEVER_CAME: 2}


def test_who_left_a_channel_long_after_a_post_of_another_process_did_not_miss_it() -> None:
    room = Room(2, shared=True)
    post, sent = room.post("theirs:1"), room.now
    room.now += DRAIN_SECONDS + 1
    room.seats[1].left("channel")
    room.deliveries.announced([told(post, sent)])

    assert room.finish().withdrawn == 1


@pytest.mark.parametrize("announced", ["before", "after", "never"])
def test_a_post_of_another_process_is_overtaken_whether_or_not_it_is_announced(announced: str) -> None:
    room = Room(1, shared=True)
    first, sent = room.post("theirs:1"), room.now
    room.now += 0.001
    second = room.post("theirs:2")
    both = [told(first, sent), told(second, room.now)]
    if announced == "before":
        room.deliveries.announced(both)
    room.receive(second, 0)
    room.receive(first, 0)
    if announced == "after":
        room.deliveries.announced(both)

    assert room.account().out_of_order == 1


def test_an_event_that_came_before_its_announcement_and_was_not_due_is_extra_once() -> None:
    room = Room(1, shared=True)
    room.seats[0].dropped()
    room.now += 0.1
    post, sent = room.post("theirs:1"), room.now
    room.seats[0].connected("user-0", renewed=False)
    room.receive(post, 0)
    room.deliveries.announced([told(post, sent)])
    room.receive(post, 0)

    account = room.account()
    assert (account.extra, account.duplicated) == (1, 1)


def test_the_loss_of_another_processes_post_is_named_by_its_id() -> None:
    room = Room(1, shared=True)
    room.deliveries.announced([told(room.post("theirs:1"), room.now)])
    room.finish()

    assert [loss.post_id for loss in room.losses] == ["post-theirs:1"]


def test_who_came_after_a_post_of_another_process_is_not_expected_to_have_it() -> None:
    room = Room(1, shared=True)
    post = room.post("theirs:1")
    sent = room.now
    room.now += 0.01
    late = room.deliveries.seat()
    late.connected(f"user-{late.number}", renewed=False)
    late.joined("channel")
    room.wait(JOINING_SECONDS + 1)
    room.receive(post, 0)
    room.deliveries.announced([told(post, sent)])

    assert room.finish() == DeliveryCounts(expected=1, delivered=1)


def test_our_own_posts_are_announced_once() -> None:
    room = Room(2, shared=True)
    post, sent = room.send("ours:1"), room.now
    room.now += 3.0
    room.accept(post)

    [announcement] = room.deliveries.take_announcements()
    assert announcement.pending_id == "ours:1"
    assert announcement.sent == pytest.approx(WALL_AHEAD + sent, rel=0, abs=1e-3)
    assert room.deliveries.take_announcements() == []


def test_the_only_process_announces_nothing() -> None:
    room = Room()
    room.accept(room.send("ours:1"))

    assert room.deliveries.take_announcements() == []


# -- whatever happens ----------------------------------------------------------------------------------------------

DOINGS = (
    "send accept refuse unanswered receive drop resume renew close open join leave wait wait-long announce look".split()
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(DOINGS),
        st.integers(0, 3),
        st.integers(0, 5),
    ),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_the_account_always_closes(steps: list[tuple[str, int, int]], shared: bool) -> None:
    """expected = delivered + missing + withdrawn, whatever happens in whatever order."""
    room = Room(4, shared=shared)
    posts: dict[int, Post] = {}
    for step, number, which in steps:
        _do(room, posts, step, room.seats[number], which)
    account = room.finish()

    assert closes(account)
    assert min(asdict(account).values()) >= 0
    assert room.deliveries._ledger.messages == {} and room.deliveries._ledger.open == {}


def _do(room: Room, posts: dict[int, Post], step: str, seat: Seat, which: int) -> None:
    post = posts.get(which)
    match step:
        case "send" if post is None:
            posts[which] = room.send(f"p{which}", seat.number)
        case "announce" if post is None:
            posts[which] = room.post(f"p{which}")
            room.deliveries.announced([told(posts[which], room.now - 1)])
        case "accept" if post is not None:
            room.accept(post)
        case "refuse" if post is not None:
            room.deliveries.refused(post.pending_post_id)
        case "unanswered" if post is not None:
            room.deliveries.unanswered(post.pending_post_id)
        case "receive" if post is not None:
            room.receive(post, seat.number)
        case "drop":
            seat.dropped()
        case "resume" | "renew" | "open":
            seat.connected(f"user-{seat.number}", renewed=step == "renew")
        case "close":
            seat.closed()
        case "join":
            seat.joined("channel")
        case "leave":
            seat.left("channel")
        case "wait" | "wait-long":
            room.wait(1.0 if step == "wait" else 40.0)
        case _:
            room.account()


def test_a_delivery_is_overdue_after_thirty_seconds_and_not_at_thirty() -> None:
    room = Room()
    room.accept(room.send("a"))
    room.wait(30.0)
    on_time = room.account()
    room.wait(0.5)

    assert not on_time.missing
    assert room.account().missing == 2


def test_a_post_that_is_refused_after_some_of_its_deliveries_were_lost_leaves_no_trace() -> None:
    """One socket was renewed and one closed while the server was still thinking."""
    room = Room(4)
    room.send("a")
    room.seats[1].dropped()
    room.seats[1].connected(f"user-{room.seats[1].number}", renewed=True)
    room.seats[2].closed()
    room.deliveries.refused("a")

    assert room.account() == DeliveryCounts()


def test_what_is_not_known_or_settled_already_cannot_be_refused_or_unanswered() -> None:
    room = Room()
    room.deliveries.refused("never sent")
    room.deliveries.unanswered("never sent")
    room.accept(room.send("a"))
    before = room.account()
    room.deliveries.refused("a")
    room.deliveries.unanswered("a")

    assert room.account() == before
    assert not before.uncertain


def test_who_leaves_a_channel_at_once_never_belonged_to_it() -> None:
    """By that channel, or by all of them; those who stay are not touched."""
    room = Room()
    late = [room.deliveries.seat() for _ in range(3)]
    for seat in late:
        seat.connected(f"user-{seat.number}", renewed=False)
        seat.joined("channel")
    late[0].left("channel")
    late[1].left_all()
    room.wait(JOINING_SECONDS + 1)
    post = room.send("a")
    room.receive(post, 1, 2, late[2].number)

    account = room.account()
    assert account.expected == account.delivered == 3


def test_a_loss_is_named_with_all_that_was_due() -> None:
    """One came, one was withdrawn, one is missing."""
    room = Room(4)
    post = room.send("a")
    room.accept(post)
    room.receive(post, 1)
    room.seats[2].closed()
    account = room.finish()

    assert closes(account)
    assert [(loss.expected, loss.missing) for loss in room.losses] == [(3, {NEVER_CAME: 1})]


def test_a_seat_that_is_given_up_is_in_no_channel() -> None:
    room = Room()
    room.seats[1].free()
    room.send("a")

    assert room.account().expected == 1


def test_a_post_may_come_to_a_socket_that_is_younger_than_it() -> None:
    room = Room()
    post = room.send("a")
    room.accept(post)
    for _ in range(3):
        room.deliveries.seat().connected("somebody", renewed=False)
    room.receive(post, 3, 5)

    assert room.account().extra == 2


def test_an_event_of_another_process_that_comes_twice_before_its_announcement_is_a_duplicate() -> None:
    room = Room(shared=True)
    room.receive(room.post("a"), 1, 1)

    assert room.account().duplicated == 1


def test_what_fell_into_a_dead_socket_is_named_so() -> None:
    """It stayed connected, and took no answer to a ping: the server may have sent it into nothing."""
    room = Room()
    before = room.send("a")
    room.accept(before)
    room.now += 20.0
    during = room.send("b")
    room.accept(during)
    room.now += 40.0
    room.deliveries.tick()
    assert room.account().never_came == 4
    room.seats[1].dropped(silent_seconds=45.0)

    account = room.finish()
    assert (account.never_came, account.socket_silent) == (3, 1)
    assert closes(account)
    assert [loss.missing for loss in room.losses] == [{NEVER_CAME: 2}, {NEVER_CAME: 1, SOCKET_SILENT: 1}]


def test_a_delivery_that_comes_after_all_is_taken_off_the_dead_socket() -> None:
    """The server takes the connection up again, and sends what is missing."""
    room = Room()
    post = room.send("a")
    room.accept(post)
    room.receive(post, 2)
    room.now += 60.0
    room.deliveries.tick()
    room.seats[1].dropped(silent_seconds=60.0)
    room.seats[1].connected(f"user-{room.seats[1].number}", renewed=False)
    room.receive(post, 1)

    account = room.finish()
    assert (account.never_came, account.socket_silent, account.delivered) == (0, 0, 2) and closes(account)
