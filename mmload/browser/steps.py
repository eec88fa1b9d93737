"""What a browser user does, step by step, and when the person can go on.

A step is a coroutine that gets the `Drive` (the page, the selectors, what was done before) and is entered in `STEPS` by
`@step`. It finds its way with `drive.find(selector name)`, and does the one thing that is timed with
`await drive.act(action, *conditions)`: from the person's click or key to the frame in which all conditions hold. What
comes before and after (typing, moving the mouse, closing a panel) is not in the time. `StepSkipped` skips the step;
`StepFailed` fails it with a constant reason.

A new step: the coroutine here, its name in `CYCLE` if every browser user is to do it, docs/measures.md, and what it
touches in `selectors.py`. Nothing else knows the steps by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmload.browser.driving import Drive

StepRun = Callable[["Drive"], Awaitable[None]]
STEPS: dict[str, StepRun] = {}
LOG_IN, OPEN = "LogIn", "Open"
# In this order, again and again, beginning anywhere, after LogIn or Open.
CYCLE = (
    *("SwitchChannel", "SwitchUnreadChannel", "ScrollBack", "SwitchChannel", "PostMessage", "React"),
    *(
        "SwitchPictureChannel",
        "OpenThread",
        "Reply",
        "SwitchChannel",
        "Search",
        "OpenThreads",
        "SwitchChannel",
        "Reload",
    ),
)
ID = "[a-z0-9]{26}"
_TYPING_MS = 30
_WORDS = "the numbers of this week look better than expected and should be in the report".split()
_EMOJI_WORDS = ("smile", "heart", "tada", "eyes", "rocket")


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be so before a person can go on: looked at in every frame, in the page (`page_measures.js`).

    Something of this CSS is shown, and of those: one has the text, an id of this pattern, all their pictures.
    `fresh`: none of those shown was there before. `first_is_new`: the first of them was not. `path`: the page's path
    ends so. `any`: one of these lists holds, in place of all else. `name`: for the failure.
    """

    name: str
    css: str = ""
    text: str = ""
    id: str = ""
    path: str = ""
    fresh: bool = False
    first_is_new: bool = False
    pictures: bool = False
    any: tuple[tuple[Condition, ...], ...] = ()

    def wire(self) -> dict[str, Any]:
        return asdict(self)


def either(name: str, *alternatives: Condition) -> Condition:
    """One of these holds."""
    return Condition(name, any=tuple((each,) for each in alternatives))


class StepSkipped(Exception):
    """The step has nothing to do it on: it is skipped."""


class StepFailed(Exception):
    """The person could not do it. `final`: never will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def step(name: str) -> Callable[[StepRun], StepRun]:

    def enter(run: StepRun) -> StepRun:
        STEPS[name] = run
        return run

    return enter


def _application(drive: Drive) -> tuple[Condition, ...]:
    """The application with a channel: somebody can read and write."""
    return (
        drive.shown("current_channel_link"),
        drive.shown("channel_title"),
        either("the channel's messages", drive.shown("post"), drive.shown("channel_beginning")),
        drive.shown("message_box"),
    )


@step(LOG_IN)
async def log_in(drive: Drive) -> None:
    """From the click on Log in to a channel."""
    await drive.forget_session()
    await drive.go_to("/login")
    await (await drive.find("login_name")).fill(drive.start.login)
    await (await drive.find("login_password")).fill(drive.start.password)
    button = await drive.find("login_button")
    teamless = Condition("the selection of a team", path="/select_team")
    refused = drive.shown("login_error")
    inside = Condition("a channel", any=(_application(drive),))
    await drive.act(button.click, either("a channel after the login", inside, refused, teamless))
    if await drive.is_shown("login_error"):
        raise StepFailed("the login was refused (wrong password, or no such account: see `mmload init`)", final=True)
    if drive.path.endswith("/select_team"):
        raise StepFailed("the account is in no team (see `mmload init`)", final=True)


@step(OPEN)
async def open_application(drive: Drive) -> None:
    """From the beginning of the navigation to a channel, by somebody who has a session."""
    await drive.go_to("/")
    refused = drive.shown("login_name")
    await drive.wait(either("a channel", Condition("a channel", any=(_application(drive),)), refused))
    if await drive.is_shown("login_name"):
        raise StepFailed("the session has ended", final=True)


@step("Reload")
async def reload(drive: Drive) -> None:
    """From the beginning of the navigation to the channel."""
    await drive.page.reload(wait_until="commit")
    await drive.wait(*_application(drive))


@step("SwitchChannel")
async def switch_channel(drive: Drive) -> None:
    """From the click on a channel in the sidebar without unread messages to its messages."""
    unread = set(await drive.paths_of("unread_channel_link"))
    await _switch(drive, [each for each in await drive.paths_of("channel_link") if each not in unread])


@step("SwitchUnreadChannel")
async def switch_unread_channel(drive: Drive) -> None:
    """The same to a channel with unread messages."""
    await _switch(drive, await drive.paths_of("unread_channel_link"))


@step("SwitchPictureChannel")
async def switch_picture_channel(drive: Drive) -> None:
    """From the click on a channel that is known to have pictures on its last screen, until these are there."""
    known = [each for each in await drive.paths_of("channel_link") if each in drive.picture_channels]
    await _switch(drive, known, Condition("its pictures", drive.css("post_picture"), pictures=True))


async def _switch(drive: Drive, paths: list[str], *more: Condition) -> None:
    others = [each for each in paths if each != drive.path]
    if not others:
        raise StepSkipped("no such channel in the sidebar")
    path = drive.rng.choice(others)
    link = drive.page.locator(f'a[id^="sidebarItem_"][href="{path}"]').first
    await drive.act(
        link.click,
        Condition("the channel's address", path=path),
        Condition("its messages and no others", drive.css("post"), fresh=True),
        either("its messages", drive.shown("post"), drive.shown("channel_beginning")),
        drive.shown("channel_title"),
        drive.shown("message_box"),
        *more,
        seen="post",
    )
    if await drive.is_shown("post_picture"):
        drive.picture_channels.add(path)


@step("ScrollBack")
async def scroll_back(drive: Drive) -> None:
    """From the turn of the wheel to older messages than were loaded on the screen."""
    if await drive.is_in_sight("channel_beginning"):
        raise StepSkipped("the start of the channel is on the screen")
    await (await drive.find("post_scroller")).hover()
    older = Condition("older messages", drive.css("post"), first_is_new=True)
    await drive.act(
        lambda: drive.page.mouse.wheel(0, -6000),
        either("older messages", older, drive.shown("channel_beginning")),
        seen="post",
    )


@step("PostMessage")
async def post_message(drive: Drive) -> None:
    """From Enter to one's own message in the channel, taken by the server."""
    text = await _write(drive, "message_box")
    await drive.act(
        lambda: drive.page.keyboard.press("Enter"),
        Condition("the message, accepted by the server", drive.css("post"), text=text, id=f"^post_{ID}$"),
    )


@step("Reply")
async def reply(drive: Drive) -> None:
    """From Enter to one's own reply in the thread beside the channel, taken by the server."""
    if not await drive.is_shown("reply_box"):
        raise StepSkipped("no thread is open")
    text = await _write(drive, "reply_box")
    await drive.act(
        lambda: drive.page.keyboard.press("Enter"),
        Condition("the reply, accepted by the server", drive.css("thread_post"), text=text, id=f"^rhsPost_{ID}$"),
    )
    await drive.close_panel()


async def _write(drive: Drive, box: str) -> str:
    """Type a message that is found again; nothing is sent yet."""
    written = await drive.find(box)
    await written.click()
    text = " ".join(drive.rng.sample(_WORDS, 4)) + f" {drive.rng.getrandbits(40):010x}"
    await written.press_sequentially(text, delay=_TYPING_MS)
    return text


@step("React")
async def react(drive: Drive) -> None:
    """From the click on an emoji to the reaction at the message."""
    post = await drive.message(without="reaction")
    await drive.click_at(post, "reaction_button")
    search = await drive.find("emoji_search")
    await search.press_sequentially(drive.rng.choice(_EMOJI_WORDS), delay=_TYPING_MS)
    emoji = await drive.find("emoji")
    identity = await post.get_attribute("id")
    await drive.act(emoji.click, Condition("the reaction", f'[id="{identity}"] {drive.css("reaction")}'))


@step("OpenThread")
async def open_thread(drive: Drive) -> None:
    """From the click on Reply at a message to its thread beside the channel."""
    await drive.close_panel()
    post = await drive.message()
    await drive.act(lambda: drive.click_at(post, "reply_button"), drive.shown("thread_post"), drive.shown("reply_box"))


@step("Search")
async def search(drive: Drive) -> None:
    """From Enter to the found messages, or to the word that there are none."""
    await drive.close_panel()
    await (await drive.find("search_box")).click()
    field = await drive.find("search_input")
    await field.press_sequentially(drive.rng.choice(_WORDS), delay=_TYPING_MS)
    await drive.act(
        lambda: field.press("Enter"),
        either("the search results", drive.shown("search_result"), drive.shown("nothing_found")),
    )
    await drive.close_panel()


@step("OpenThreads")
async def open_threads(drive: Drive) -> None:
    """From the click on Threads in the sidebar to the list of followed threads."""
    if not await drive.is_shown("threads_link"):
        raise StepSkipped("the server has no list of threads")
    link = await drive.find("threads_link")
    await drive.act(link.click, either("the list of threads", drive.shown("thread_item"), drive.shown("no_threads")))
