"""What a browser's process has to know to begin, from the settings."""

from __future__ import annotations

from typing import Any

from mmload.browser.executable import find_browser
from mmload.browser.messages import StartBrowser
from mmload.config import Config
from mmload.network import own_headers, proxy_for


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
