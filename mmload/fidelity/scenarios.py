"""The table of scenarios: what our person does, or another one does to them, in each step of the recording.

They are played in this order on one stage. What a step begins with is left by those before it: each begins in the
channel in which the one before it ended.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mmload.behaviours.actions.people import type_channel
from mmload.behaviours.actions.session import close_and_open, press_reload
from mmload.behaviours.actions.threads import open_thread
from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.focus import blur, focus
from mmload.behaviours.login import enter
from mmload.behaviours.person import POLL_SECONDS, Person
from mmload.fidelity.scenario_stage import ScenarioStage

LOGIN = "POST /users/login"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Plays `steps` of the recording, mostly one.

    Where one act of ours is several steps there, it is held against all of them together.
    `split`: the request that begins the second step, where both are compared by themselves. `before` prepares what the
    step needs, unrecorded.
    """

    steps: tuple[str, ...]
    do: Callable[[ScenarioStage], object]
    before: Callable[[ScenarioStage], object] | None = None
    split: str = ""
    sandbox_only: bool = False


def _nothing(stage: ScenarioStage) -> None:
    """The step is to send nothing."""


def _ann(do: Callable[[Person], object]) -> Callable[[ScenarioStage], object]:
    return lambda stage: do(stage.ann)


def _does(action: str) -> Callable[[ScenarioStage], object]:
    return lambda stage: stage.does(action)


def _lucky(action: str, number: float) -> Callable[[ScenarioStage], object]:
    def act(stage: ScenarioStage) -> None:
        with stage.luck(number):
            stage.does(action)

    return act


def _in_turn(*acts: Callable[[ScenarioStage], object]) -> Callable[[ScenarioStage], object]:
    def act(stage: ScenarioStage) -> None:
        for each in acts:
            each(stage)

    return act


def _opens(*names: str) -> Callable[[ScenarioStage], object]:
    def act(stage: ScenarioStage) -> None:
        for name in names:
            view_channel(stage.ann, stage.channels[name])

    return act


def _posts(*, reply: bool = False, picture: bool = False) -> Callable[[ScenarioStage], object]:
    def act(stage: ScenarioStage) -> None:
        with stage.habits(
            percent_replies=float(reply),
            percent_posts_with_files=float(picture),
            percent_posts_with_mention=0.0,
            percent_posts_with_permalink=0.0,
            percent_urgent_posts=0.0,
        ):
            stage.hears(partial(stage.does, "CreatePost"))

    return act


def _hears(channel: str, *, mention: bool = False, times: int = 1, root: str = "") -> Callable[[ScenarioStage], object]:

    def act(stage: ScenarioStage) -> None:
        text = f"@{stage.ann.store.me.username} look" if mention else ""
        for _ in range(times):
            stage.hears(lambda: stage.writes(stage.bob, channel, text, root))

    return act


def _opens_thread(stage: ScenarioStage) -> None:
    """It stays open until the next step."""
    opened = open_thread(stage.ann, stage.channels["big"].id, stage.posts["thread"].id)
    stage.until_next_step.enter_context(opened)


def _forgets_channels(stage: ScenarioStage) -> None:
    """As if this page had opened no channel yet but the one on the screen, and none were unread."""
    stage.ann.store.unread.clear()
    loaded, here = stage.ann.store.viewed_at, stage.ann.store.current_channel_id
    for channel_id in [each for each in loaded if each != here]:
        del loaded[channel_id]


def _has_read_all(stage: ScenarioStage) -> None:
    """As if no channel of this team were unread."""
    store = stage.ann.store
    for channel_id in list(store.unread):
        if store.channels[channel_id].team_id in ("", stage.team.id):
            del store.unread[channel_id]


def _hears_typing(stage: ScenarioStage) -> None:
    stage.hears(
        lambda: stage.bob.tell("user_typing", {"channel_id": stage.channels["big"].id, "parent_id": ""}), "typing"
    )


def _idles(stage: ScenarioStage) -> None:
    """For three minutes."""
    for _ in range(3):
        stage.time.sleep(POLL_SECONDS)
        stage.ann.poll_due = stage.ann.clock()
        stage.settle()
    stage.ann.poll_due = float("inf")


def _follows_link(name: str) -> Callable[[ScenarioStage], object]:
    def act(stage: ScenarioStage) -> None:
        links = stage.ann.store.permalinks
        links.clear()
        links[stage.posts[name].id] = None
        stage.does("ClickPermalink")

    return act


def _mentions_and_clears(stage: ScenarioStage) -> None:
    with stage.habits(percent_posts_with_mention=1.0):
        stage.does("DeleteDraft")


def _reads_threads(stage: ScenarioStage) -> None:
    """Whatever was written in the threads that ann follows is read."""
    stage.ann.api.read_all_threads(stage.ann.id, stage.team.id)


def _knows_no_threads(stage: ScenarioStage) -> None:
    """As if the list of threads had not been opened since the page was loaded."""
    stage.ann.store.threads.clear()


def _loses_socket(stage: ScenarioStage) -> None:
    """The network ends the socket; over when it is back."""
    sockets = stage.ann.context.recorder.sockets
    before = sockets.resumed + sockets.renewed
    stage.capture.cut()
    stage.wait_until(lambda: sockets.resumed + sockets.renewed > before, "the WebSocket did not reconnect")


def _forgotten(stage: ScenarioStage) -> None:
    """The server starts anew: it knows no socket any more. Only a sandbox is told to."""
    url = f"{stage.ann.context.transport.server_url}/sandbox/faults"
    urllib.request.urlopen(urllib.request.Request(url, b'{"forget_sockets": true}')).close()
    _loses_socket(stage)


def _offline(stage: ScenarioStage) -> None:
    """No network until the first try to come back has failed."""
    stage.capture.online = False
    sockets = stage.ann.context.recorder.sockets
    before, tried = sockets.resumed + sockets.renewed, stage.capture.tries
    stage.capture.cut()
    stage.wait_until(lambda: stage.capture.tries > tried, "no reconnect was attempted")
    stage.writes(stage.bob, "big")
    stage.capture.online = True
    stage.wait_until(lambda: sockets.resumed + sockets.renewed > before, "the WebSocket did not reconnect")


def _one(
    step: str, do: Callable[[ScenarioStage], object], before: Callable[[ScenarioStage], object] | None = None
) -> Scenario:
    return Scenario((step,), do, before)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(("login_page_cold", "login_submit"), _ann(enter), split=LOGIN),
    _one("reload_warm", _ann(press_reload)),
    _one("switch_channel_unread_prefetched", _opens("prefetched")),
    _one("switch_channel_first_read", _opens("unread")),
    _one("switch_channel_pictures", _opens("pictures")),
    _one("switch_channel_back", _opens("unread")),
    _one("switch_channel_pictures_again", _opens("pictures")),
    _one("switch_channel_back2", _opens("unread")),
    _one("switch_channel_first_read_cold", _opens("quiet")),
    _one("switch_to_public1", _opens("big")),
    _one("scroll_back", _does("ScrollChannel")),
    _one("switch_after_scroll", _opens("quiet", "big")),
    _one("post_message", _posts()),
    _one("post_message_fast", _posts()),
    _one("post_with_picture", _posts(picture=True)),
    _one("edit_message", _does("EditPost")),
    _one("add_reaction", _lucky("AddReaction", 0.0)),
    _one("remove_reaction", _does("RemoveReaction")),
    _one("quick_reaction", _lucky("AddReaction", 0.9)),
    _one("mark_unread", _does("MarkUnread")),
    _one("delete_message", _does("DeletePost")),
    Scenario(("open_thread", "reply", "close_thread"), _posts(reply=True)),
    _one("receive_reply_in_open_thread", _hears("big", root="thread"), _opens_thread),
    _one("receive_reply_closed_thread", _hears("big", root="thread")),
    _one("receive_post_current_known", _hears("big")),
    _one("receive_5_posts_current", _hears("big", times=5)),
    _one("receive_post_other_channel", _hears("prefetched")),
    _one("receive_mention_other_channel", _hears("prefetched", mention=True)),
    _one("receive_post_unloaded_channel", _hears("other")),
    _one("receive_dm", _hears("direct")),
    _one("receive_typing", _hears_typing),
    _one("open_dm", _opens("direct")),
    _one("write_dm", _posts()),
    _one("open_gm", _opens("group")),
    _one("switch_back_from_gm", _opens("big")),
    Scenario(("mention_autocomplete", "mention_clear"), _mentions_and_clears),
    _one("search_posts", _in_turn(_opens("quiet"), _lucky("SearchPosts", 0.9)), _opens("big")),
    _one("search_in_channel_modifier", lambda stage: type_channel(stage.ann, stage.channels["big"])),
    _one("channel_switcher_type", _does("SearchChannels")),
    Scenario(
        ("channel_switcher_pick_person", "write_dm"),
        _does("CreateDirectChannel"),
        _in_turn(_posts(), _forgets_channels),
    ),
    _one("idle_180s", _idles),
    _one("blur", _ann(blur), _opens("big")),
    _one("receive_post_current_blurred", _hears("big")),
    _one("blurred_130s", _idles),
    _one("focus_after_130s", _ann(focus)),
    _one("blur_focus_short", _in_turn(_ann(blur), _ann(focus))),
    Scenario(
        (
            "global_threads_open",
            "global_threads_pick",
            "global_threads_scroll",
            "global_threads_unread",
            "leave_threads",
        ),
        _does("ViewGlobalThreads"),
        _in_turn(_opens("big"), _reads_threads),
    ),
    _one("global_threads_mark_all_read", _does("MarkAllThreadsInTeamAsRead")),
    _one("click_permalink_same_channel", _follows_link("thread"), _opens("big")),
    _one("back_to_channel_bottom", _opens("big")),
    _one("click_permalink_other_channel", _follows_link("linked"), _opens("default", "big")),
    _one("click_permalink_join", _follows_link("unjoined")),
    _one("leave_channel", _does("LeaveChannel")),
    Scenario(("browse_channels_open", "browse_channels_search"), _does("BrowseChannels")),
    _one("join_channel", _does("JoinChannel")),
    _one("create_category", _does("CreateSidebarCategory")),
    _one("favourite", _does("UpdateSidebarCategory")),
    _one("unfavourite", _does("UpdateSidebarCategory")),
    _one("profile_popover", _in_turn(_ann(focus), _does("ClickUserProfile")), _in_turn(_opens("big"), _ann(blur))),
    _one("draft_type_leave", _does("UpsertDraft"), _forgets_channels),
    _one("draft_send_from_list", _does("DeleteDraft")),
    _one("custom_status_set", _does("UpdateCustomStatus")),
    Scenario(("manual_status_away", "manual_status_online"), _does("UpdateStatus")),
    _one("switch_team", _does("SwitchTeam"), _in_turn(_opens("default", "big"), _has_read_all)),
    _one("switch_team_back", _does("SwitchTeam")),
    _one("all_cut", _loses_socket, _opens("big")),
    _one("offline_20s", _offline),
    _one("socket_cut", _loses_socket, _knows_no_threads),
    Scenario(("server_restart",), _forgotten, sandbox_only=True),
    _one("close_and_open", _ann(close_and_open)),
    Scenario(("logout", "login_again"), _does("LogoutLogin"), split=LOGIN),
)
# Steps of the recording that our person does not do, and why.
NOT_PLAYED: dict[str, str] = {
    "setup_close_dialogs": "it occurs once per account, and the accounts of a load test have no welcome list",
    "unreachable_40s": "it consists of attempts to connect only, which offline_20s has as well",
}
