"""What a browser's process has to know to begin, from the settings; and which installed browser it drives."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from typing import Any

from mmload.browser.messages import StartBrowser
from mmload.config import Config
from mmload.errors import ConfigurationError
from mmload.network import own_headers, proxy_for

# Debian's and Fedora's Chromium, and Google's Chrome, as their packages install them.
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/usr/bin", "/usr/local/bin", "/opt/google/chrome", "/snap/bin")
EXTRA = "mmload[browser]"


def start_order(
    config: Config, url: str, login: str, password: str, session: tuple[str, str], seed: str
) -> StartBrowser:
    """The first order for a browser at this server. `session`: user id and token. ConfigurationError: there is none."""
    return StartBrowser(
        **opening_of(config, url),
        version=config.controller.server_version,
        login=login,
        password=password,
        user_id=session[0],
        token=session[1],
        step_seconds=config.browser.step_timeout_seconds,
        seed=seed,
    )


def opening_of(config: Config, url: str) -> dict[str, Any]:
    """The fields of an `Opening`. ConfigurationError: there is no browser."""
    connection = config.connection
    return {
        "url": url,
        "executable": find_browser(config.browser.executable_path),
        "headers": own_headers(connection.headers),
        "proxy": proxy_for(url) if connection.use_proxy else "",
        "verify_tls": connection.verify_tls,
    }


def find_browser(configured: str, which: Callable[[str], str | None] = shutil.which) -> str:
    """The path of the configured browser, else the first that is found; none is ever downloaded.

    ConfigurationError: there is none, or nothing to drive it with.
    """
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
