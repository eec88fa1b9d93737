"""Two clients in the same step, one held against the other."""

from __future__ import annotations

from mmload.fidelity.compare import Departure, compare, groups
from mmload.fidelity.traffic import SentFrame, SentRequest, StepTraffic

STATS = SentRequest("GET /channels/{id}/stats", (("exclude_files_count", "true"),), at=0)
POSTS = SentRequest("GET /channels/{id}/posts", (("since", "*"),), at=400)
VIEW = SentRequest("POST /channels/members/{id}/view", body=(("channel_id", "text"),), at=800)
RECORDED = StepTraffic("switch_channel_back", requests=(STATS, POSTS, VIEW))


def sent(*requests: SentRequest, at: tuple[float, ...] | None = None, lasts: float = 5) -> StepTraffic:
    """Our side: one after the other, or at these times."""
    times = at or tuple(10.0 * place for place in range(len(requests)))
    moved = [
        SentRequest(each.route, each.query, each.body, begun, begun + lasts)
        for each, begun in zip(requests, times, strict=True)
    ]
    return StepTraffic("ours", requests=tuple(moved))


def ways(recorded: StepTraffic, ours: StepTraffic) -> list[tuple[str, str]]:
    return [(each.way, each.what.partition("?")[0]) for each in compare(recorded, ours).differences]


def test_the_same_requests_in_the_same_order_are_equal() -> None:
    comparison = compare(RECORDED, sent(STATS, POSTS, VIEW))

    assert comparison.equal and (comparison.recorded, comparison.matched, comparison.extra) == (3, 3, 0)


def test_a_request_too_few_and_one_too_many_are_told() -> None:
    comparison = compare(RECORDED, sent(STATS, POSTS, POSTS))

    assert comparison.differences == (Departure("missing", VIEW.line), Departure("extra", POSTS.line))
    assert (comparison.matched, comparison.extra) == (2, 1)


def test_another_query_is_told_with_what_it_has_and_lacks() -> None:
    other = SentRequest(POSTS.route, (("since", "*"), ("page", "0")))
    comparison = compare(RECORDED, sent(STATS, other, VIEW))

    assert comparison.differences == (Departure("query", POSTS.line, "with page=0"),)
    assert comparison.matched == 2


def test_another_body_is_told_and_counts_as_matched() -> None:
    other = SentRequest(VIEW.route, body=(("channel_id", '""'), ("prev", "text")))
    comparison = compare(RECORDED, sent(STATS, POSTS, other))

    assert comparison.differences == (
        Departure("body", VIEW.line, 'without channel_id=text; with channel_id="", prev=text'),
    )
    assert comparison.matched == 3


def test_a_request_before_one_that_it_follows_is_in_another_order() -> None:
    assert ways(RECORDED, sent(POSTS, VIEW, STATS)) == [("order", STATS.route)]


def test_nobody_need_wait_where_the_recording_only_pauses() -> None:
    assert ways(RECORDED, sent(STATS, POSTS, VIEW, at=(0, 1, 2), lasts=100)) == []


def test_one_that_waits_for_another_which_the_application_asks_for_at_once_is_told() -> None:
    at_once = StepTraffic("step", requests=(STATS, SentRequest(VIEW.route, at=3), SentRequest("GET /drafts", at=5)))

    one_by_one = sent(*at_once.requests)
    assert [way for way, _ in ways(at_once, one_by_one)] == ["waits", "waits"]
    assert ways(at_once, sent(*at_once.requests, at=(0, 1, 2))) == []


def test_what_depends_on_the_servers_content_is_compared_by_its_rule() -> None:
    """Faces and the minute's poll do not count in a step; of prefetched channels, whether there are any."""
    face, poll = SentRequest("GET /users/{id}/image"), SentRequest("POST /users/status/ids")
    prefetch = SentRequest("GET /users/{id}/channels/{id}/posts/unread")

    assert compare(RECORDED, sent(STATS, face, POSTS, poll, VIEW)).equal
    loaded = StepTraffic("reload_warm", requests=(prefetch, prefetch, prefetch))
    assert compare(loaded, sent(prefetch)).equal
    assert ways(loaded, sent()) == [("missing", prefetch.route)]
    assert ways(StepTraffic("switch", requests=(prefetch,)), sent(prefetch, prefetch)) == [("extra", prefetch.route)]


def test_frames_are_counted_but_pings_and_the_number_of_typing_ones() -> None:
    typing, presence, ping = (SentFrame(action) for action in ("user_typing", "presence", "ping"))
    recorded = StepTraffic("step", frames=(typing, typing, presence))

    assert compare(recorded, StepTraffic("ours", frames=(ping, typing, presence))).equal
    assert ways(recorded, StepTraffic("ours", frames=(presence, presence))) == [
        ("missing", "frame user_typing"),
        ("extra", "frame presence"),
    ]


def test_a_socket_that_is_opened_in_another_way_is_told() -> None:
    recorded = StepTraffic("step", sockets=((("connection_id", "*"), ("posted_ack", "true")),) * 2)
    ours = StepTraffic("ours", sockets=((("connection_id", "q7w8e9"),),))

    assert compare(recorded, ours).differences == (Departure("query", "WebSocket", "without posted_ack=true"),)


def test_a_cold_page_load_fetches_scripts_and_a_warm_one_does_not() -> None:
    cold, warm = StepTraffic("cold", static={"js": 40, "css": 8}), StepTraffic("warm")

    assert [each.way for each in compare(cold, warm).differences] == ["missing"]
    assert [each.way for each in compare(warm, cold).differences] == ["extra"]
    assert compare(cold, StepTraffic("ours", static={"js": 9})).equal


def test_whoever_waits_for_one_of_six_connections_does_not_wait_for_an_answer() -> None:
    """As in a browser: the seventh goes when the first is answered, while five are under way."""
    at_once = StepTraffic("step", requests=tuple(SentRequest(f"GET /{number}") for number in range(7)))
    ours = [SentRequest(each.route, at=0, until=90, under_way=5) for each in at_once.requests[1:6]]
    first = SentRequest("GET /0", at=0, until=5)

    seventh = SentRequest("GET /6", at=5, until=9, under_way=5)
    assert ways(at_once, StepTraffic("ours", requests=(first, *ours, seventh))) == []
    seventh = SentRequest("GET /6", at=5, until=9, under_way=3)
    assert ways(at_once, StepTraffic("ours", requests=(first, *ours, seventh))) == [("waits", "GET /6")]


def test_requests_within_ten_milliseconds_were_made_at_once() -> None:
    first, second, third = (SentRequest("GET /x", at=at) for at in (0, 9, 20))

    found = groups([first, second, third])
    assert [found[id(each)] for each in (first, second, third)] == [0, 0, 1]
