"""Chromium without a screen, driven by clicks and keys as a person would."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

PATIENCE_SECONDS = 180
T = TypeVar("T")
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1400,1400")


def is_installed() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


@dataclass(frozen=True)
class Browser:
    """One that runs."""

    driver: Chrome

    def on(self, xpath: str, use: Callable[[WebElement], T]) -> T:
        """What `use` makes of the element once it is shown, or of the one that the page puts in its place."""

        def used(driver: Chrome) -> tuple[T] | None:
            shown = next((each for each in driver.find_elements(By.XPATH, xpath) if each.is_displayed()), None)
            return None if shown is None else (use(shown),)

        waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, ignored_exceptions=[StaleElementReferenceException])
        found = waiting.until(used, f"never shown: {xpath}")
        assert found is not None
        return found[0]

    def find(self, xpath: str) -> None:
        """Wait until the element is there and can be used."""
        self.on(xpath, lambda element: None)

    def text(self, xpath: str) -> str:
        """What can be read in the element."""
        return self.on(xpath, lambda element: element.text)

    def attribute(self, xpath: str, name: str) -> str | None:
        return self.on(xpath, lambda element: element.get_attribute(name))

    def press(self, text: str) -> None:
        """Click the button of this name."""
        self.on(f"//button[normalize-space()='{text}' and not(@disabled)]", WebElement.click)

    def tab(self, title: str) -> None:
        self.on(f"//button[@role='tab' and contains(., '{title}')]", WebElement.click)

    def type(self, label: str, text: object) -> None:
        """Put a value in place of what is in a field."""

        def put(field: WebElement) -> None:
            field.clear()
            field.send_keys(str(text))

        self.on(f"//label[contains(., '{label}')]//input", put)

    def choose(self, label: str, text: str) -> None:
        self.on(f"//label[contains(., '{label}')]//select", lambda field: Select(field).select_by_visible_text(text))

    def reads(self, text: str) -> None:
        """Wait until this can be read somewhere on the page."""
        self.find(f"//body//*[contains(text(), '{text}')]")

    def script(self, text: str) -> Any:
        return self.driver.execute_script(text)

    def complaints(self) -> list[str]:
        """What the pages wrote to the console as errors."""
        lines = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(line) for line in lines if line["level"] == "SEVERE"]


@contextmanager
def chromium() -> Iterator[Browser]:
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for option in _OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
