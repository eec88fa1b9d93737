"""What the person at the page does, or another one does to them, in each step of the recording.

As in `mmload/fidelity/scenarios.py`, in the same order: each begins in the channel in which the one before it ended, or
where `before` leads. A scenario has the name of its first step there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mmload.behaviours.person import POLL_SECONDS
from mmload.browser.selectors import Selectors
from mmload.errors import MmloadError
from mmload.fidelity.live import elements
from mmload.fidelity.live.page import LivePage, PageFailed
from mmload.fidelity.scenario_stage import ScenarioStage

KEY_MS, FAST_KEY_MS, SEARCH_KEY_MS = 90.0, 40.0, 120.0
POST_TEXT, SHORT_TEXT = "a message of some sixty letters, as people write them all day", "and a second, short one"
WORD = "message"
_SCREEN = -700.0
_AWAY_MS, _SHORT_AWAY_MS = 130_000.0, 10_000.0


@dataclass(eq=False)
class LiveStage:
    """Ann sits at `page`; the others and the channels are the stage's. `current`: the channel on the screen."""

    stage: ScenarioStage
    page: LivePage
    css: Selectors
    picture: Path

    def opens(self, *names: str) -> None:
        """Click these channels in the sidebar, one after the other; each is on the screen."""
        for name in names:
            channel = self.stage.channels[name]
            self.page.click(elements.CHANNEL.format(channel.name))
            self.page.see(f'{self.css.current_channel_link}[id="sidebarItem_{channel.name}"]')
            self.page.see(self.css.message_box)
            if name != "default":
                self.page.see(f"{self.css.post}, {self.css.channel_beginning}")

    def writes(self, text: str, key_ms: float = KEY_MS, box: str = "") -> None:
        """Type and send."""
        self.page.type(box or self.css.message_box, text, key_ms)
        self.page.press("Enter")

    def hears(self, channel: str, text: str = "", root: str = "") -> None:
        """Bob writes."""
        self.stage.writes(self.stage.bob, channel, text, root)

    def newest(self, channel: str, own: bool = False) -> str:
        """The id of the newest message that somebody else (or ann) wrote into a channel."""
        listed = self.stage.bob.api.newest_posts(self.stage.channels[channel].id, 30)
        ann = self.stage.ann.store.me.id
        fitting = [each for each in listed.listed() if not (each.type or each.root_id) and (each.user_id == ann) is own]
        if not fitting:
            raise PageFailed(f"no such message in the channel {channel}")
        return max(fitting, key=lambda post: post.create_at).id

    def over(self, post_id: str, css: str) -> None:
        """Click what a message offers when the mouse is over it."""
        self.page.do("hover", elements.POST.format(post_id))
        self.page.click(css.format(post_id))

    def find_back(self) -> None:
        """After a step that failed the page may be anywhere."""
        with suppress(MmloadError):
            self.page.go("/")
            self.page.see(f"{self.css.message_box}, {self.css.login_name}")

    def account_menu(self, item: str) -> None:
        """Click an item of the account's menu."""
        self.page.click(elements.ACCOUNT_MENU)
        self.page.click(elements.MENU_ITEM.format(item))

    def channel_menu(self, channel: str, item: str) -> None:
        """Click an item of a channel's menu in the sidebar."""
        found = self.stage.channels[channel]
        self.page.do("hover", elements.CHANNEL.format(found.name))
        self.page.click(elements.CHANNEL_MENU.format(found.id))
        self.page.click(item.format(found.id))


Part = Callable[[LiveStage], object]


@dataclass(frozen=True, slots=True)
class LiveScenario:
    """The steps of the recording that follow one another here, and what is done in each. `before` is not recorded.

    `begins`: the channel that is on the screen then, where the scenario before it in the table left it.
    """

    parts: tuple[tuple[str, Part], ...]
    before: Part | None = None
    begins: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.parts)


def _one(step: str, do: Part, before: Part | None = None) -> LiveScenario:
    return LiveScenario(((step, do),), before)


def _in(channel: str, *scenarios: LiveScenario) -> tuple[LiveScenario, ...]:
    """Scenarios that begin in this channel."""
    return tuple(replace(each, begins=channel) for each in scenarios)


def _opens(*names: str) -> Part:
    return lambda live: live.opens(*names)


def _in_turn(*parts: Part) -> Part:
    def act(live: LiveStage) -> None:
        for part in parts:
            part(live)

    return act


def _login_page(live: LiveStage) -> None:
    live.page.go("/login")
    live.page.see(f"{elements.LANDING_BUTTON}, {live.css.login_name}")
    # A first visit is offered the desktop application.
    if live.page.shows(elements.LANDING_BUTTON):
        live.page.click(elements.LANDING_BUTTON)
    live.page.see(live.css.login_name)


def _logs_in(live: LiveStage) -> None:
    account = live.stage.ann.account
    live.page.do("fill", live.css.login_name, account.username)
    live.page.do("fill", live.css.login_password, account.password)
    live.page.click(live.css.login_button)
    live.page.see(live.css.message_box)


def _reloads(live: LiveStage) -> None:
    live.page.do("reload")
    live.page.see(live.css.message_box)


def _scrolls_back(live: LiveStage) -> None:
    live.page.do("wheel", live.css.post_scroller, "30", _SCREEN)


def _sends_picture(live: LiveStage) -> None:
    live.page.do("attach", elements.FILE_INPUT, str(live.picture))
    live.page.see(elements.FILE_SENT)
    live.writes("look at this picture")


def _edits(live: LiveStage) -> None:
    post = live.newest("big", own=True)
    live.over(post, elements.MENU_BUTTON)
    live.page.click(elements.EDIT_ITEM.format(post))
    live.writes(" and more", box=elements.EDIT_BOX)


def _reacts(live: LiveStage) -> None:
    live.over(live.newest("big", own=True), elements.REACTION_BUTTON)
    live.page.type(live.css.emoji_search, "smile", SEARCH_KEY_MS)
    live.page.do("rest", number=1000)
    live.page.click(live.css.emoji)


def _takes_reaction_back(live: LiveStage) -> None:
    live.page.click(elements.OWN_REACTION.format(live.newest("big", own=True)))


def _reacts_quickly(live: LiveStage) -> None:
    live.over(live.newest("big", own=True), elements.RECENT_REACTION)


def _marks_unread(live: LiveStage) -> None:
    live.page.do("alt_click", elements.POST.format(live.newest("big", own=True)))


def _deletes(live: LiveStage) -> None:
    post = live.newest("big", own=True)
    live.over(post, elements.MENU_BUTTON)
    live.page.click(elements.DELETE_ITEM.format(post))
    live.page.click(elements.DELETE_CONFIRM)


def _opens_thread(live: LiveStage) -> None:
    live.over(live.stage.posts["near thread"].id, elements.REPLY_BUTTON)
    live.page.see(live.css.reply_box)


def _closes_side(live: LiveStage) -> None:
    live.page.click(live.css.close_button)


def _replies(live: LiveStage) -> None:
    live.writes("I can help with this one, tomorrow", box=live.css.reply_box)


def _begins_thread(live: LiveStage) -> None:
    """A thread with one reply, at the end of the channel, where she sees it."""
    stage = live.stage
    stage.posts["near thread"] = stage.writes(stage.bob, "big", "who can help?")
    stage.writes(stage.carol, "big", "me", root="near thread")
    live.opens("quiet", "big")


def _hears(channel: str, *, mention: bool = False, times: int = 1, root: str = "") -> Part:
    def act(live: LiveStage) -> None:
        text = f"@{live.stage.ann.store.me.username} look" if mention else ""
        for _ in range(times):
            live.hears(channel, text, root)

    return act


def _writes(text: str, key_ms: float = KEY_MS) -> Part:
    return lambda live: live.writes(text, key_ms)


def _mentions(live: LiveStage) -> None:
    live.page.type(live.css.message_box, "@test", SEARCH_KEY_MS)
    live.page.click(elements.SUGGESTION)


def _clears_box(live: LiveStage) -> None:
    live.page.click(live.css.message_box)
    live.page.press("Control+a")
    live.page.press("Delete")


def _searches(live: LiveStage) -> None:
    live.page.click(live.css.search_box)
    live.page.type(live.css.search_input, WORD, SEARCH_KEY_MS)
    live.page.press("Enter")
    live.page.see(f"{live.css.search_result}, {live.css.nothing_found}")


def _searches_in_channel(live: LiveStage) -> None:
    live.page.click(live.css.search_box)
    live.page.type(live.css.search_input, "in:fi", SEARCH_KEY_MS)
    live.page.do("rest", number=1000)
    live.page.press("Escape")
    live.page.press("Escape")


def _types_in_switcher(live: LiveStage) -> None:
    live.page.press("Control+k")
    live.page.type(elements.SWITCHER, live.stage.carol.store.me.username[:6], SEARCH_KEY_MS)


def _picks_person(live: LiveStage) -> None:
    live.page.type(elements.SWITCHER, live.stage.carol.store.me.username[6:], SEARCH_KEY_MS)
    live.page.do("rest", number=1500)
    live.page.press("Enter")
    live.page.see(live.css.message_box)


def _rests(ms: float) -> Part:
    return lambda live: live.page.do("rest", number=ms)


def _window(event: str) -> Part:
    return lambda live: live.page.do("window", text=event)


def _opens_threads(live: LiveStage) -> None:
    live.page.click(live.css.threads_link)
    live.page.see(f"{live.css.thread_item}, {live.css.no_threads}")


def _picks_thread(live: LiveStage) -> None:
    live.page.click(live.css.thread_item)
    live.page.see(live.css.reply_box)


def _scrolls_threads(live: LiveStage) -> None:
    live.page.do("wheel", elements.THREADS_LIST, "10", -_SCREEN)


def _unread_threads(live: LiveStage) -> None:
    _opens_threads(live)
    live.page.click(elements.THREADS_UNREAD_TAB)


def _reads_all_threads(live: LiveStage) -> None:
    live.page.click(elements.THREADS_READ_ALL)
    live.page.click(elements.DIALOG_CONFIRM)


def _link_to(name: str) -> Part:
    """Bob writes a link into the channel on the screen."""

    def act(live: LiveStage) -> None:
        stage = live.stage
        context = stage.ann.context
        site = (context.capabilities.site_url or context.transport.server_url).rstrip("/")
        live.hears("big", f"{site}/{stage.team.name}/pl/{stage.posts[name].id}")
        live.page.see(elements.LINK.format(stage.posts[name].id))

    return act


def _clicks_link(name: str) -> Part:
    return lambda live: live.page.click(elements.LINK.format(live.stage.posts[name].id))


def _browses(live: LiveStage) -> None:
    live.page.click(elements.ADD_MENU)
    live.page.click(elements.BROWSE_ITEM)
    live.page.see(elements.BROWSE_SEARCH)


def _searches_in_browser(live: LiveStage) -> None:
    live.page.type(elements.BROWSE_SEARCH, "fide", SEARCH_KEY_MS)


def _joins(live: LiveStage) -> None:
    live.page.press("Escape")
    live.page.press("Control+k")
    live.page.type(elements.SWITCHER, live.stage.channels["unknown"].name, FAST_KEY_MS)
    live.page.do("rest", number=1500)
    live.page.press("Enter")
    live.page.see(live.css.message_box)


def _makes_category(live: LiveStage) -> None:
    live.page.click(elements.ADD_MENU)
    live.page.click(elements.CATEGORY_ITEM)
    live.page.type(elements.CATEGORY_NAME, "mine", KEY_MS)
    live.page.click(elements.DIALOG_CONFIRM)


def _carol_writes(live: LiveStage) -> None:
    live.page.see(elements.POST.format(live.stage.writes(live.stage.carol, "big").id))


def _looks_at_profile(live: LiveStage) -> None:
    live.page.do("window", text="focus")
    live.page.click(elements.AUTHOR.format(live.newest("big")))


def _leaves_draft(live: LiveStage) -> None:
    live.page.type(live.css.message_box, "something that is not finished", KEY_MS)
    live.opens("other")


def _deletes_draft(live: LiveStage) -> None:
    live.page.click(elements.DRAFTS)
    live.page.do("hover", elements.DRAFT)
    live.page.click(elements.DRAFT_DELETE)
    live.page.click(elements.DIALOG_CONFIRM)


def _sets_status(live: LiveStage) -> None:
    live.account_menu("Set custom status")
    live.page.click(elements.STATUS_SUGGESTION)
    live.page.click(elements.DIALOG_CONFIRM)


def _switches_team(live: LiveStage) -> None:
    live.page.click(elements.OTHER_TEAM)
    live.page.see(live.css.message_box)


def _switches_team_back(live: LiveStage) -> None:
    live.page.click(elements.TEAM.format(live.stage.team.name))
    live.page.see(live.css.message_box)


def _comes_back(live: LiveStage) -> None:
    live.page.go("about:blank")
    live.page.go("/")
    live.page.see(live.css.message_box)


def _logs_out(live: LiveStage) -> None:
    live.account_menu("Log out")
    live.page.see(live.css.login_name)


LIVE_SCENARIOS: tuple[LiveScenario, ...] = (
    LiveScenario((("login_page_cold", _login_page), ("login_submit", _logs_in))),
    _one("reload_warm", _reloads),
    _one("switch_channel_unread_prefetched", _opens("prefetched")),
    _one("switch_channel_first_read", _opens("unread")),
    _one("switch_channel_pictures", _opens("pictures")),
    _one("switch_channel_back", _opens("unread")),
    _one("switch_channel_pictures_again", _opens("pictures")),
    _one("switch_channel_back2", _opens("unread")),
    _one("switch_channel_first_read_cold", _opens("quiet")),
    _one("switch_to_public1", _opens("big")),
    *_in(
        "big",
        _one("scroll_back", _scrolls_back),
        _one("switch_after_scroll", _opens("quiet", "big")),
        _one("post_message", _writes(POST_TEXT)),
        _one("post_message_fast", _writes(SHORT_TEXT, FAST_KEY_MS)),
        _one("post_with_picture", _sends_picture),
        _one("edit_message", _edits, _writes(SHORT_TEXT, FAST_KEY_MS)),
        _one("add_reaction", _reacts),
        _one("remove_reaction", _takes_reaction_back),
        _one("quick_reaction", _reacts_quickly),
        _one("mark_unread", _marks_unread),
        _one("delete_message", _deletes),
        LiveScenario(
            (("open_thread", _opens_thread), ("reply", _replies), ("close_thread", _closes_side)), _begins_thread
        ),
        _one("receive_reply_in_open_thread", _hears("big", root="near thread"), _opens_thread),
        _one("receive_reply_closed_thread", _hears("big", root="near thread"), _closes_side),
        _one("receive_post_current_known", _hears("big")),
        _one("receive_5_posts_current", _hears("big", times=5)),
        _one("receive_post_other_channel", _hears("prefetched")),
        _one("receive_mention_other_channel", _hears("prefetched", mention=True)),
        _one("receive_post_unloaded_channel", _hears("other")),
        _one("receive_dm", _hears("direct")),
    ),
    _one("open_dm", _opens("direct")),
    *_in("direct", _one("write_dm", _writes("thirty letters for one person"))),
    _one("open_gm", _opens("group")),
    _one("switch_back_from_gm", _opens("big")),
    *_in(
        "big",
        LiveScenario((("mention_autocomplete", _mentions), ("mention_clear", _clears_box))),
        _one("search_posts", _in_turn(_opens("quiet"), _searches), _opens("big")),
    ),
    _one("search_in_channel_modifier", _searches_in_channel, _closes_side),
    LiveScenario(
        (("channel_switcher_type", _types_in_switcher), ("channel_switcher_pick_person", _picks_person)), _opens("big")
    ),
    _one("idle_180s", _rests(3 * POLL_SECONDS * 1000), _opens("big")),
    _one("blur", _window("blur")),
    _one("receive_post_current_blurred", _hears("big")),
    _one("blurred_130s", _rests(_AWAY_MS)),
    _one("focus_after_130s", _window("focus")),
    _one("blur_focus_short", _in_turn(_window("blur"), _rests(_SHORT_AWAY_MS), _window("focus"))),
    LiveScenario(
        (
            ("global_threads_open", _opens_threads),
            ("global_threads_pick", _picks_thread),
            ("global_threads_scroll", _scrolls_threads),
            ("leave_threads", _opens("big")),
        )
    ),
    _one("global_threads_unread", _unread_threads),
    _one("global_threads_mark_all_read", _reads_all_threads),
    _one("click_permalink_same_channel", _clicks_link("thread"), _in_turn(_opens("big"), _link_to("thread"))),
    _one("back_to_channel_bottom", _opens("big")),
    _one("click_permalink_other_channel", _clicks_link("linked"), _in_turn(_opens("big"), _link_to("linked"))),
    _one("click_permalink_join", _clicks_link("unjoined"), _in_turn(_opens("big"), _link_to("unjoined"))),
    _one("leave_channel", partial(LiveStage.channel_menu, channel="unjoined", item=elements.LEAVE_ITEM)),
    LiveScenario((("browse_channels_open", _browses), ("browse_channels_search", _searches_in_browser)), _opens("big")),
    _one("join_channel", _joins),
    _one("create_category", _makes_category, _opens("big")),
    _one("favourite", partial(LiveStage.channel_menu, channel="big", item=elements.FAVOURITE_ITEM)),
    _one("unfavourite", partial(LiveStage.channel_menu, channel="big", item=elements.UNFAVOURITE_ITEM)),
    _one("profile_popover", _looks_at_profile, _in_turn(_opens("big"), _carol_writes, _window("blur"))),
    _one("draft_type_leave", _leaves_draft, _in_turn(_reloads, _opens("big"))),
    _one("draft_send_from_list", _deletes_draft),
    _one("custom_status_set", _sets_status, _opens("big")),
    LiveScenario(
        (
            ("manual_status_away", partial(LiveStage.account_menu, item="Away")),
            ("manual_status_online", partial(LiveStage.account_menu, item="Online")),
        ),
        # What the step before it has opened stands in front of the menu.
        lambda live: live.page.press("Escape"),
    ),
    LiveScenario(
        (("switch_team", _switches_team), ("switch_team_back", _switches_team_back)), _opens("default", "big")
    ),
    _one("close_and_open", _comes_back),
    LiveScenario((("logout", _logs_out), ("login_again", _logs_in))),
)
