"""The web application from 7.0 on, seen in 11.6."""

from mmload.browser.selectors import Selectors

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
