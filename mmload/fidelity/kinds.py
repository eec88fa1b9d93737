"""The one table of what depends on the server's content, the clock or the browser's cache, and how it is compared.

Two clients with equal rules send other numbers of these where channels hold other messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

PAGE_LOADS = ("login_submit", "login_again", "reload_warm", "close_and_open")
RETURNS = ("socket_cut", "all_cut", "offline_20s", "unreachable_40s", "server_restart")


IDLE = ("idle_180s", "blurred_130s")


class Rule(Enum):
    SOME = "whether there are any"
    ANY = "not by step: whether there are any in the whole run"


@dataclass(frozen=True, slots=True)
class DataDependent:
    """`what` is the beginning of a request's line or of a frame's; `steps`: only in these (empty: in all)."""

    what: str
    rule: Rule
    reason: str
    steps: Sequence[str] = ()


_POSTS = "GET /channels/{id}/posts"
_TYPED = "one for each letter, or for several where somebody types faster than the server answers"
_LOOK_UPS = "whom the page does not know yet: that is up to who wrote what is on the screen"

DATA_DEPENDENT: tuple[DataDependent, ...] = (
    DataDependent("POST /users/status/ids", Rule.SOME, "one a minute", IDLE),
    DataDependent("POST /users/status/ids", Rule.ANY, "the minute's poll falls into any step, and so do new authors"),
    DataDependent("POST /client_perf", Rule.SOME, "two fall into three minutes", IDLE),
    DataDependent("POST /client_perf", Rule.ANY, "the minute's report of the client's speed falls into any step"),
    DataDependent("ping", Rule.ANY, "every 30 s, whatever the person does"),
    DataDependent("user_typing", Rule.SOME, "at the first key and every 5 s: the number follows from the length"),
    DataDependent("GET /users/{id}/image", Rule.ANY, "faces on the screen that are not in the browser's cache"),
    DataDependent("GET /users/{id}/image/default", Rule.ANY, "faces again, where the first answer did not come"),
    DataDependent(
        "GET /users/{id}/teams/{id}/threads/{id}",
        Rule.ANY,
        "one for each message on the screen with replies whose thread is followed, once a page load",
    ),
    DataDependent("GET /files/{id}/", Rule.SOME, "as many as there are pictures", ("switch_channel_pictures",)),
    DataDependent("HEAD /files/{id}", Rule.SOME, "as many as there are pictures", ("switch_channel_pictures",)),
    DataDependent("GET /files/{id}/preview", Rule.SOME, "the picture that was sent", ("post_with_picture",)),
    DataDependent("GET /files/{id}/thumbnail", Rule.SOME, "the picture that was uploaded", ("post_with_picture",)),
    DataDependent("GET /files/{id}/", Rule.ANY, "only where pictures are on the screen"),
    DataDependent("HEAD /files/{id}", Rule.ANY, "only where pictures are on the screen"),
    DataDependent(
        "GET /users/{id}/channels/{id}/posts/unread",
        Rule.SOME,
        "one for the channel on the screen and one for each unread channel that is prefetched",
        (*PAGE_LOADS, "switch_team"),
    ),
    DataDependent(
        f"{_POSTS}?before=*", Rule.ANY, "where too few messages fill the window", (*PAGE_LOADS, "switch_team")
    ),
    DataDependent(f"{_POSTS}?before=*", Rule.SOME, "one for each page", ("scroll_back",)),
    DataDependent(f"{_POSTS}?collapsedThreads=true", Rule.SOME, "the channel, and once more for what came", RETURNS),
    DataDependent(
        "GET /users/{id}/channels/{id}/posts/unread",
        Rule.ANY,
        "channels that have become unread are prefetched",
        RETURNS,
    ),
    DataDependent("POST /roles/names", Rule.SOME, "those roles that are not known yet, as they come up", PAGE_LOADS),
    DataDependent("POST /users/ids", Rule.SOME, _LOOK_UPS, PAGE_LOADS),
    DataDependent("POST /users/group_channels", Rule.SOME, "the group channels in the sidebar", PAGE_LOADS),
    DataDependent("GET /users/autocomplete", Rule.SOME, _TYPED),
    DataDependent("POST /channels/search", Rule.SOME, _TYPED),
    DataDependent("GET /teams/{id}/channels/search_autocomplete", Rule.SOME, _TYPED),
    DataDependent("POST /emoji/search", Rule.SOME, _TYPED),
    DataDependent("GET /emoji?", Rule.ANY, "pages of the server's own emojis, at the first opening of the picker"),
    DataDependent(
        "GET /users/{id}/teams/{id}/threads?after=&before=*",
        Rule.SOME,
        "one for each page of the list",
        ("global_threads_scroll", "global_threads_unread"),
    ),
)


def rule_of(line: str, step: str) -> Rule | None:
    """How a request or frame is compared in a step; None: exactly. The first entry that fits counts."""
    for kind in DATA_DEPENDENT:
        if line.startswith(kind.what) and concerns(kind.steps, step):
            return kind.rule
    return None


def concerns(steps: Sequence[str], step: str) -> bool:
    """Whether a step, or one of several joined by `+`, is among these; none means all."""
    return not steps or any(name in steps for name in step.split("+"))
