"""What the steps touch and wait for on the page: one name, one CSS selector, by role, test id or id.

Each version family of the web application has its own: `SELECTORS_11` (from 7.0 on) and `SELECTORS_6` (6.7), which says
only what is different. A step names a selector, never its CSS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Selectors:
    """The web application of one version family. All but the family's name are CSS."""

    family: str
    # The login page.
    login_name: str
    login_password: str
    login_button: str
    login_error: str
    # What greets a new person, on top of the application.
    welcome_dismissal: str
    # The sidebar.
    channel_link: str
    unread_channel_link: str
    current_channel_link: str
    threads_link: str
    # The channel on the screen.
    channel_title: str
    channel_beginning: str
    post: str
    written_post: str
    post_picture: str
    post_scroller: str
    message_box: str
    # What a message offers when the mouse is over it.
    reply_button: str
    reaction_button: str
    emoji_search: str
    emoji: str
    reaction: str
    # The right-hand side.
    thread_post: str
    reply_box: str
    close_button: str
    # The search.
    search_box: str
    search_input: str
    search_result: str
    nothing_found: str
    # The threads of all channels.
    thread_item: str
    no_threads: str


# Seen in 11.6.
SELECTORS_11 = Selectors(
    family="11.x",
    login_name="#input_loginId",
    login_password="#input_password-input",
    login_button="#saveSetting",
    login_error=".AlertBanner.danger",
    welcome_dismissal=':is(.link, .no-thanks-link):has-text("No thanks")',
    channel_link='a[id^="sidebarItem_"][href*="/channels/"], a[id^="sidebarItem_"][href*="/messages/"]',
    unread_channel_link='a.unread-title[id^="sidebarItem_"]:is([href*="/channels/"], [href*="/messages/"])',
    current_channel_link='.active > a[id^="sidebarItem_"]',
    threads_link="#sidebarItem_threads",
    channel_title="#channelHeaderTitle",
    channel_beginning="#channelIntro",
    post='[data-testid="postView"]',
    written_post='[data-testid="postView"]:not(.post--system)',
    # A single picture that is not folded, or small ones in a row, which are backgrounds; other files have an icon.
    post_picture='[data-testid="postView"] :is(.file__image:not(:has([data-expanded="false"])), .post-image)',
    post_scroller="#postListScrollContainer, .post-list__dynamic",
    message_box="#post_textbox",
    reply_button='button[id^="CENTER_commentIcon_"]',
    reaction_button='[data-testid="post-reaction-emoji-icon"]',
    emoji_search="#emojiPickerSearch",
    emoji='[data-testid="emojiItem"]',
    reaction='button[id^="postReaction-"]',
    thread_post='[data-testid="rhsPostView"]',
    reply_box="#reply_textbox",
    close_button="#rhsCloseButton, #searchResultsCloseButton",
    search_box="#searchFormContainer",
    search_input='#searchBox input[role="searchbox"]',
    search_result='[data-testid="search-item-container"]',
    nothing_found="#searchContainer .no-results__wrapper",
    thread_item='.ThreadItem[role="link"]',
    no_threads=".GlobalThreads .no-results__wrapper",
)

SELECTORS_6 = replace(
    SELECTORS_11,
    family="6.7",
    login_name="#loginId, #input_loginId",
    login_password="#loginPassword, #input_password-input",
    login_button="#loginButton, #saveSetting",
    login_error=".form-group.has-error, .AlertBanner.danger",
    search_box="#searchFormContainer #searchBox",
    search_input="#searchFormContainer #searchBox",
    thread_item="article.ThreadItem",
)

_VERSION = re.compile(r"(\d+)\.")


def selectors_for(version: str) -> Selectors:
    """The selectors for a server's version; those of the newest family if it is unknown. Pure."""
    found = _VERSION.match(version)
    return SELECTORS_6 if found and int(found[1]) < 7 else SELECTORS_11
