"""Which installed browser drives: the configured one, else the first that is found. None is ever downloaded."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable

from mmload.errors import ConfigurationError

# Debian's and Fedora's Chromium, and Google's Chrome, as their packages install them.
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/usr/bin", "/usr/local/bin", "/opt/google/chrome", "/snap/bin")
EXTRA = "mmload[browser]"


def find_browser(configured: str, which: Callable[[str], str | None] = shutil.which) -> str:
    """The path of the browser. ConfigurationError: there is none, or nothing to drive it with."""
    if importlib.util.find_spec("playwright") is None:
        raise ConfigurationError(f"browser users need playwright: pip install '{EXTRA}'")
    if configured:
        found = which(configured)
        if found is None:
            raise ConfigurationError(f"BrowserConfiguration.ExecutablePath: {configured!r} cannot be run")
        return found
    names = [*COMMANDS, *(os.path.join(place, name) for place in PLACES for name in COMMANDS)]
    for name in names:
        if found := which(name):
            return found
    raise ConfigurationError(
        "browser users need an installed Chromium or Chrome: install one (Debian: apt-get install chromium), or name "
        "it in BrowserConfiguration.ExecutablePath"
    )
