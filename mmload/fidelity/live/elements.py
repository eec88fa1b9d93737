"""What a person touches on the page of the web application from 7.0 on, beyond what browser users do. CSS.

Names, ids and test ids are the application's own, as in 11.6.
"""

from __future__ import annotations

LANDING_BUTTON = ".get-app__buttons .btn-tertiary"
POST = '[id="post_{}"]'
MENU_BUTTON = '[id="CENTER_button_{}"]'
REPLY_BUTTON = '[id="CENTER_commentIcon_{}"]'
REACTION_BUTTON = '[id="CENTER_reaction_{}"]'
EDIT_ITEM = '[id="edit_post_{}"]'
DELETE_ITEM = '[id="delete_post_{}"]'
EDIT_BOX = "#edit_textbox"
DELETE_CONFIRM = "#deletePostModalButton"
OWN_REACTION = '[id^="postReaction-{}-"]'
RECENT_REACTION = '[id="post_{}"] #recent_reaction_0'
AUTHOR = '[id="post_{}"] .post__header .user-popover'
FILE_INPUT = "#fileUploadInput"
FILE_SENT = ".file-preview__container .post-image__thumbnail, .file-preview__container .post-image__details"
CHANNEL = '[id="sidebarItem_{}"]'
CHANNEL_MENU = '[id="SidebarChannelMenu-Button-{}"]'
LEAVE_ITEM = '[id="leave-{}"]'
FAVOURITE_ITEM = '[id="favorite-{}"]'
UNFAVOURITE_ITEM = '[id="unfavorite-{}"]'
ADD_MENU = "#browseOrAddChannelMenuButton"
BROWSE_ITEM = "#browseChannelsMenuItem"
BROWSE_SEARCH = "#searchChannelsTextbox"
CATEGORY_ITEM = "#createCategoryMenuItem"
CATEGORY_NAME = "#editCategoryModal input"
DIALOG_CONFIRM = ".GenericModal__button.confirm, .GenericModal__button.delete"
SUGGESTION = ".suggestion-list__item"
SWITCHER = "#quickSwitchInput"
THREADS_UNREAD_TAB = "#threads-list-unread-button"
THREADS_READ_ALL = "#threads-list__mark-all-as-read"
THREADS_LIST = "#threads-list"
DRAFTS = "#sidebarItem_drafts"
DRAFT = ".Panel"
DRAFT_DELETE = "#draft_icon-trash-can-outline_delete"
ACCOUNT_MENU = "#userAccountMenuButton"
MENU_ITEM = '[role="menuitem"]:has-text("{}")'
STATUS_SUGGESTION = ".statusSuggestion__row"
TEAM = '[id="{}TeamButton"]'
OTHER_TEAM = ".draggable-team-container:has(.team-container:not(.active))"
LINK = 'a.markdown__link[href$="/pl/{}"]'
