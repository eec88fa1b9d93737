"""Which kind of client a user agent names. Pure; the agent itself is not kept."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache


class ClientKind(StrEnum):
    BROWSER = "browser"
    DESKTOP = "desktop application"
    MOBILE = "mobile application"
    INTEGRATION = "bot or integration"
    UNKNOWN = "no user agent"


# In this order: the applications' agents name a browser, too.
_SIGNS = (
    (ClientKind.MOBILE, ("mattermost mobile", "mattermostmobile", "rnbeta", "com.mattermost.rn", "cfnetwork")),
    (ClientKind.DESKTOP, ("electron", "mattermost desktop", "mattermost/")),
    (ClientKind.BROWSER, ("mozilla", "opera", "mmload")),
)


@lru_cache(maxsize=4096)
def client_kind(agent: bytes) -> ClientKind:
    """By the words in it; what names neither an application nor a browser is a program."""
    text = agent.decode("utf-8", "replace").lower()
    if text in ("", "-"):
        return ClientKind.UNKNOWN
    if "bot" in text.split("/")[0] or "uptime" in text or "monitor" in text:
        return ClientKind.INTEGRATION
    for kind, signs in _SIGNS:
        if any(sign in text for sign in signs):
            return kind
    return ClientKind.INTEGRATION
