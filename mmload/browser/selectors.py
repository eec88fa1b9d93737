"""What the steps touch and wait for on the page: one name, one CSS selector, by role, test id or id.

Each version family of the web application has a module with its own: `selectors_11.py` (from 7.0 on) and
`selectors_6.py` (6.7), which says only what is different. A step names a selector, never its CSS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


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


_VERSION = re.compile(r"(\d+)\.")


def selectors_for(version: str) -> Selectors:
    """The selectors for a server's version; those of the newest family if it is unknown. Pure."""
    from mmload.browser.selectors_6 import SELECTORS_6
    from mmload.browser.selectors_11 import SELECTORS_11

    found = _VERSION.match(version)
    return SELECTORS_6 if found and int(found[1]) < 7 else SELECTORS_11
