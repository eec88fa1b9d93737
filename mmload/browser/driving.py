"""One browser, its page, and a person's steps on it. Knows neither Locust nor the process that asks for steps."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from msgspec.structs import replace
from playwright.async_api import BrowserContext, CDPSession, Error, Locator, Page, TimeoutError

from mmload.browser.messages import PageMeasures, StartBrowser, StepDone
from mmload.browser.opening import opened
from mmload.browser.selectors import Selectors, selectors_for
from mmload.browser.steps import LOG_IN, OPEN, STEPS, Condition, StepFailed, StepSkipped
from mmload.browser.traffic import PageTraffic
from mmload.printable import harmless_line

MEASURES = (Path(__file__).parent / "page_measures.js").read_text()
# The requests of a step: until there was none for so long, but not longer than the second.
QUIET_SECONDS, LONGEST_QUIET_SECONDS = 0.5, 3.0
_MOST_CONSOLE_LINES, _LONGEST_LINE = 20, 300
_SCREENSHOT_QUALITY = 50
_POLL_SECONDS = 0.05
# What a message offers is there at once while the mouse is over it.
_OFFER_MS = 2000.0
_SESSION_COOKIES = ("MMAUTHTOKEN", "MMUSERID")
# The document goes while it is looked at: the application has sent the browser to another page.
_NAVIGATED = re.compile("context was destroyed|navigat|Cannot find context|mmload is not defined|undefined \\(reading")


@asynccontextmanager
async def driven(start: StartBrowser, profile: Path) -> AsyncIterator[Drive]:
    """A browser with an empty profile in this folder, closed in the end."""
    async with opened(start, profile, bypass_csp=True) as (context, page, session):
        await session.send("Performance.enable")
        await context.add_init_script(MEASURES)
        await context.add_cookies(_session_cookies(start))
        context.set_default_timeout(start.step_seconds * 1000)
        yield Drive(start, context, page, session)


def _session_cookies(start: StartBrowser) -> list[Any]:
    """The cookies of a kept session. Pure."""
    cookies = dict(zip(_SESSION_COOKIES, (start.token, start.user_id), strict=True))
    return [{"name": name, "value": value, "url": start.url} for name, value in cookies.items() if value]


class Drive:
    """What a step works with: the page, the selectors of its version, and what the person has seen so far."""

    def __init__(self, start: StartBrowser, context: BrowserContext, page: Page, session: CDPSession) -> None:
        self.start = start
        self.page = page
        self.rng = random.Random(start.seed)
        self.selectors: Selectors = selectors_for(start.version)
        # The addresses of channels with pictures among their last messages.
        self.picture_channels: set[str] = set()
        self.traffic = PageTraffic(session)
        self._context = context
        self._session = session
        self._usable_ms: float | None = None
        self._console: list[str] = []
        self._lost = False
        self._secrets = [each for each in (start.password, start.token) if each]
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))

    # -- for steps -----------------------------------------------------------------------------------------------

    def css(self, name: str) -> str:
        return str(getattr(self.selectors, name))

    def shown(self, name: str) -> Condition:
        """The condition that this is on the screen."""
        return Condition(self._said(name), self.css(name))

    @property
    def path(self) -> str:
        return re.sub(r"^\w+://[^/]*|[?#].*$", "", self.page.url)

    async def go_to(self, path: str) -> None:
        """Go to a page of the server, without waiting for more than its first bytes."""
        try:
            answer = await self.page.goto(self.start.url + path, wait_until="commit")
        except TimeoutError:
            raise StepFailed("the page did not load in time") from None
        if answer is not None and not self.start.version:
            # "11.6.0.11.6.0.<hash>…"; selectors of the newest family where the server does not say it.
            self.selectors = selectors_for(answer.headers.get("x-version-id", ""))

    async def is_shown(self, name: str) -> bool:
        return bool(await self.page.locator(self.css(name)).filter(visible=True).count())

    async def is_in_sight(self, name: str) -> bool:
        """Whether this is on the page and within the window."""
        box = await self.page.locator(self.css(name)).first.bounding_box() if await self.is_shown(name) else None
        return box is not None and box["y"] + box["height"] > 0

    async def find(self, name: str) -> Locator:
        """The first of this on the page, when it is there; StepFailed if it does not come."""
        found = self.page.locator(self.css(name)).filter(visible=True).first
        try:
            await found.wait_for(timeout=self.start.step_seconds * 1000)
        except Error:
            raise StepFailed(f"not on the page: {self._said(name)}") from None
        return found

    async def paths_of(self, name: str) -> list[str]:
        """The addresses of all these links, as paths."""
        links: list[str] = await self.page.locator(self.css(name)).evaluate_all(
            "links => links.map((each) => each.getAttribute('href'))"
        )
        return links

    async def message(self, without: str = "") -> Locator:
        """One of the last messages that somebody wrote; `without`: none that has something of this selector in it."""
        messages = self.page.locator(self.css("written_post"))
        if without:
            messages = messages.filter(has_not=self.page.locator(self.css(without)))
        # By its id: what others write, and how they react, changes which one is the third of these.
        ids: list[str] = await messages.evaluate_all("all => all.slice(-4).map((each) => each.id)")
        if not ids:
            raise StepSkipped("no such message on the screen")
        return self.page.locator(f'[id="{self.rng.choice(ids)}"]')

    async def click_at(self, message: Locator, name: str) -> None:
        """Click what a message offers while the mouse is over it; StepFailed if it never does.

        When others write, messages move away from under the mouse, and what was offered goes: it is moved there again.
        """
        button = message.locator(self.css(name)).first
        deadline = time.monotonic() + self.start.step_seconds
        while time.monotonic() < deadline:
            try:
                await message.hover(timeout=_OFFER_MS)
                await button.click(timeout=_OFFER_MS)
                return
            except Error:
                if self.page.is_closed():
                    raise
        raise StepFailed(f"not offered at the message: {self._said(name)}")

    async def close_panel(self) -> None:
        """Close what is open beside the channel."""
        if await self.is_shown("close_button"):
            await self.page.locator(self.css("close_button")).filter(visible=True).first.click()

    async def act(self, action: Callable[[], Awaitable[Any]], *conditions: Condition, seen: str = "") -> None:
        """The timed part of a step: the action, then until all conditions hold. `seen`: what `fresh` goes by."""
        await self.page.evaluate("seen => mmload.arm(seen)", self.css(seen) if seen else "")
        await action()
        await self.wait(*conditions)

    async def wait(self, *conditions: Condition) -> None:
        """Until all of these hold; StepFailed if they do not in time."""
        wire = [each.wire() for each in conditions]
        deadline = time.monotonic() + self.start.step_seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                told = await self.page.evaluate("([all, ms]) => mmload.until(all, ms)", [wire, left * 1000])
            except Error as error:
                if not _NAVIGATED.search(str(error)):
                    raise
                await asyncio.sleep(_POLL_SECONDS)
                continue
            if "ms" in told:
                self._usable_ms = round(told["ms"], 1)
                return
            raise StepFailed(f"not in time: {told['missing']}")
        raise StepFailed("the page did not load in time")

    # -- for whoever asks for steps ------------------------------------------------------------------------------

    async def perform(self, name: str) -> StepDone:
        """Do a step and measure it. Never fails, but when the browser is gone (playwright's Error)."""
        self._usable_ms = None
        self._console.clear()
        self.traffic.start_over()
        cpu = _cpu_times()
        done = await self._outcome(name)
        done = replace(done, host_cpu=_busy_share(cpu, _cpu_times()), console=tuple(self._console))
        if done.skipped:
            return done
        if done.failure:
            return replace(done, waiting=self.traffic.waiting, screenshot=await self._screenshot())
        await self.traffic.quiet(QUIET_SECONDS, LONGEST_QUIET_SECONDS)
        return replace(done, usable_ms=self._usable_ms, measures=await self._measures())

    async def _outcome(self, name: str) -> StepDone:
        failure, final = "", False
        try:
            if self._lost and name not in (LOG_IN, OPEN):
                await self._find_back()
                self._usable_ms = None
            if name not in (LOG_IN, OPEN):
                await self._dismiss_welcome()
            await STEPS[name](self)
        except StepSkipped as reason:
            return StepDone(name, skipped=str(reason))
        except StepFailed as error:
            failure, final = str(error), error.final
        except Error as error:
            if self.page.is_closed():
                raise
            failure = _reason(error)
        self._lost = bool(failure)
        return StepDone(name, failure=failure, final=final)

    async def _find_back(self) -> None:
        """After a failed step the page may be anywhere: open the application anew, outside of any measure."""
        if await self.is_shown("login_name"):
            return
        await self.go_to("/")
        await self.wait(self.shown("channel_title"))
        self._lost = False

    async def _dismiss_welcome(self) -> None:
        """Close the list that greets a new person: it lies on top of the sidebar."""
        if await self.is_shown("welcome_dismissal"):
            await self.page.locator(self.css("welcome_dismissal")).first.click()
            await self.page.locator(self.css("welcome_dismissal")).first.wait_for(state="hidden")

    async def _measures(self) -> PageMeasures:
        told: dict[str, Any] = await self.page.evaluate("() => mmload.measures()")
        metrics = (await self._session.send("Performance.getMetrics"))["metrics"]
        heap = next((each["value"] for each in metrics if each["name"] == "JSHeapUsedSize"), 0)
        return PageMeasures(**told, requests=self.traffic.requests, bytes=self.traffic.bytes, heap_bytes=int(heap))

    async def session(self) -> tuple[str, str]:
        """User id and token of the browser's session; empty texts if it has none."""
        cookies = {each.get("name"): each.get("value", "") for each in await self._context.cookies(self.start.url)}
        token = cookies.get("MMAUTHTOKEN", "")
        if token and token not in self._secrets:
            self._secrets.append(token)
        return cookies.get("MMUSERID", ""), token

    async def forget_session(self) -> None:
        """Whoever still had one would not see the login page."""
        for name in _SESSION_COOKIES:
            await self._context.clear_cookies(name=name)

    async def log_out(self) -> None:
        with suppress(Error):
            await self.page.evaluate(
                "() => fetch('/api/v4/users/logout', {method: 'POST', headers: {'X-Requested-With': 'XMLHttpRequest'}})"
            )

    async def _screenshot(self) -> bytes:
        with suppress(Error):
            picture: bytes = await self.page.screenshot(type="jpeg", quality=_SCREENSHOT_QUALITY, timeout=5000)
            return picture
        return b""

    def _note(self, text: str) -> None:
        if len(self._console) < _MOST_CONSOLE_LINES:
            for secret in self._secrets:
                text = text.replace(secret, "********")
            self._console.append(harmless_line(text[:_LONGEST_LINE]))

    def _said(self, name: str) -> str:
        return f"{name.replace('_', ' ')} ({self.css(name)})"


def _reason(error: Error) -> str:
    """A failure of the browser as a constant text. Pure."""
    first = str(error).partition("\n")[0].partition(" at http")[0]
    return harmless_line(first[:200])


def _cpu_times() -> tuple[float, float]:
    """CPU seconds of this machine since it started: all, and those in which it worked."""
    times = psutil.cpu_times()
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total, total - times.idle - getattr(times, "iowait", 0.0)


def _busy_share(before: tuple[float, float], after: tuple[float, float]) -> float:
    total = after[0] - before[0]
    return round((after[1] - before[1]) / total, 3) if total > 0 else 0.0
