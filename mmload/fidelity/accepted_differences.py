"""The differences from the recording that are accepted, each with its reason. Whatever is not here is a fault.

A test plays all steps on the sandbox and fails for a difference that is not here, and for an entry that no difference
needs any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmload.fidelity.compare import Departure, Way
from mmload.fidelity.kinds import concerns


@dataclass(frozen=True, slots=True)
class Accepted:
    """`what` is the beginning of the difference's text; `steps`: only in these (empty: in all)."""

    way: Way
    what: str
    reason: str
    steps: Sequence[str] = ()

    def covers(self, step: str, difference: Departure) -> bool:
        fits = difference.way == self.way and difference.what.startswith(self.what)
        return fits and concerns(self.steps, step)


_HEARD = ("receive_reply_closed_thread", "receive_mention_other_channel", "receive_dm")
_NO_NOTICES = (
    "the recorded browser was not allowed to show notifications, and gave this as the reason; mmload shows them"
)
_LEFT_ONE = "the recorded page named no channel after it had left one; mmload names the one on the screen"
_LATE = "it concerns the channel that was opened just before the server went down"
_LINK_SEEN = (
    "the recorded page requested the channel when the link appeared on the screen; mmload does when it is clicked"
)
_TOLD_EARLY = "the recorded page announced its team just before its socket was open, and the message was lost"
_MINUTES = "the poll and the performance report, each sent once a minute, come in either order by chance"
_BROKEN_FACE = "only after the answer with a profile picture was lost, in the restart of the server"

ACCEPTED: tuple[Accepted, ...] = (
    Accepted("missing", "frame posted_notify_ack {data: text", _NO_NOTICES, _HEARD),
    Accepted("extra", 'frame posted_notify_ack {data: ""', _NO_NOTICES, _HEARD),
    Accepted("missing", 'frame presence {channel_id: ""}', _LEFT_ONE, ("all_cut", "offline_20s")),
    Accepted("extra", "frame presence {channel_id: text}", _LEFT_ONE, ("all_cut", "offline_20s")),
    Accepted("extra", "POST /channels/members/{id}/view", _LEFT_ONE, ("offline_20s",)),
    Accepted("missing", "POST /channels/members/{id}/view", _LATE, ("server_restart",)),
    Accepted("extra", "frame presence {team_id: text}", _TOLD_EARLY, ("login_again",)),
    Accepted("missing", "GET /users/{id}/image/default", _BROKEN_FACE),
    Accepted("order", "POST /users/status/ids", _MINUTES, ("blurred_130s",)),
    Accepted("order", "GET /posts/{id}/info", _LINK_SEEN, ("click_permalink_join",)),
)


def reason_for(step: str, difference: Departure, accepted: Iterable[Accepted]) -> str:
    """Why a difference is accepted; "" if it is not."""
    return next((each.reason for each in accepted if each.covers(step, difference)), "")
