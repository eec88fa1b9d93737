"""Chromium without a screen, driven by clicks and keys as a person would."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

PATIENCE_SECONDS = 30
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1400,1400")


def is_installed() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


@dataclass(frozen=True)
class Browser:
    """One that runs."""

    driver: Chrome

    def find(self, xpath: str) -> WebElement:
        """The element, once it is there and can be used."""

        def shown(driver: Chrome) -> WebElement | None:
            return next((each for each in driver.find_elements(By.XPATH, xpath) if each.is_displayed()), None)

        found = WebDriverWait(self.driver, PATIENCE_SECONDS).until(shown, f"never shown: {xpath}")
        assert found is not None
        return found

    def press(self, text: str) -> None:
        """Click the button of this name."""
        self.find(f"//button[normalize-space()='{text}' and not(@disabled)]").click()

    def tab(self, title: str) -> None:
        self.find(f"//button[@role='tab' and contains(., '{title}')]").click()

    def type(self, label: str, text: object) -> None:
        """Put a value in place of what is in a field."""
        field = self.find(f"//label[contains(., '{label}')]//input")
        field.clear()
        field.send_keys(str(text))

    def choose(self, label: str, text: str) -> None:
        Select(self.find(f"//label[contains(., '{label}')]//select")).select_by_visible_text(text)

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
