"""A page of the real web application, from where the scenarios are: its browser has a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmload.browser.process import BrowserGone, ServingProcess
from mmload.errors import MmloadError
from mmload.fidelity.live.messages import Deed, OpenPage, PageAct, PageAnswer, PageOrder, SeenTraffic, TakeTraffic

# From the last request of a step on: the application looks after people it does not know for 3 s.
QUIET_SECONDS, LONGEST_QUIET_SECONDS = 4.0, 20.0
# The sandbox's page does nothing later.
STAND_IN_QUIET_SECONDS = 0.3


class PageFailed(MmloadError):
    """A person could not do this on the page."""


class LivePage:
    """What a person does on the page. Raises `PageFailed`."""

    def __init__(self, process: ServingProcess, quiet_seconds: float) -> None:
        self._process = process
        self._quiet_seconds = quiet_seconds

    def do(self, deed: Deed, css: str = "", text: str = "", number: float = 0.0) -> None:
        self.ask(PageAct(deed, css, text, number))

    def go(self, path: str) -> None:
        self.do("go", text=path)

    def click(self, css: str) -> None:
        """On the first of these that is shown, as soon as it is."""
        self.do("click", css)

    def see(self, css: str) -> None:
        """Until it is shown."""
        self.do("see", css)

    def shows(self, css: str) -> bool:
        """Whether it is shown now."""
        return self.ask(PageAct("shows", css)).shown

    def type(self, css: str, text: str, key_ms: float) -> None:
        self.do("type", css, text, key_ms)

    def press(self, key: str) -> None:
        """A key, such as Enter or Control+k."""
        self.do("press", text=key)

    def take(self) -> SeenTraffic:
        """What was sent since the last time, as soon as there is quiet."""
        return self.ask(TakeTraffic(self._quiet_seconds, LONGEST_QUIET_SECONDS)).traffic

    def ask(self, order: PageOrder) -> PageAnswer:
        try:
            answer = self._process.ask(order, PageAnswer)
        except BrowserGone as error:
            raise PageFailed(str(error)) from None
        if answer.problem:
            raise PageFailed(answer.problem)
        return answer


@contextmanager
def live_page(opening: OpenPage, quiet_seconds: float) -> Iterator[LivePage]:
    """A page in a new browser, for the time of the context."""
    process = ServingProcess("mmload.fidelity.live")
    try:
        page = LivePage(process, quiet_seconds)
        page.ask(opening)
        yield page
    finally:
        process.end()
