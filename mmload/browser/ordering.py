"""What a browser's process has to know to begin, from the settings."""

from __future__ import annotations

from mmload.browser.finding import find_browser
from mmload.browser.messages import StartBrowser
from mmload.config import Config
from mmload.network import own_headers, proxy_for


def start_order(
    config: Config, url: str, login: str, password: str, session: tuple[str, str], seed: str
) -> StartBrowser:
    """The first order for a browser at this server. `session`: user id and token. ConfigurationError: there is none."""
    connection, browser = config.connection, config.browser
    return StartBrowser(
        url=url,
        version=config.controller.server_version,
        executable=find_browser(browser.executable_path),
        login=login,
        password=password,
        user_id=session[0],
        token=session[1],
        headers=own_headers(connection.headers),
        proxy=proxy_for(url) if connection.use_proxy else "",
        verify_tls=connection.verify_tls,
        step_seconds=browser.step_timeout_seconds,
        seed=seed,
    )
