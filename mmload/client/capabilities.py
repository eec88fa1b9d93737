"""What this server can do: read from its version, client configuration and licence, and learned from its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Version = tuple[int, int, int]
OLDEST_SUPPORTED: Version = (6, 7, 0)
NEWEST_KNOWN_MAJOR = 11

_VERSION = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+))?")


def parse_version(text: str) -> Version | None:
    """`11.6.0.dev.1bb1….false` or `6.7` → (11, 6, 0), (6, 7, 0); None for what is no version. Pure."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A server's abilities, as its client configuration tells a logged-in client. Shared by all users of a process."""

    version: Version = OLDEST_SUPPORTED
    licensed: bool = False
    site_url: str = ""
    # "disabled", "default_off", "default_on" or "always_on"
    collapsed_threads: str = "disabled"
    typing_events: bool = True
    user_statuses: bool = True
    typing_channel_limit: int = 1000
    synced_drafts: bool = False
    scheduled_posts: bool = False
    channel_bookmarks: bool = False
    custom_profile_attributes: bool = False
    web_socket_event_scope: bool = False
    plugins: bool = True
    client_metrics: bool = False
    post_priority: bool = False
    file_attachments: bool = True
    custom_statuses: bool = True
    # Own posts may be edited for so long; -1 = for ever.
    edit_limit_seconds: int = -1
    # Characters of a message.
    longest_message: int = 16383
    # So often a page looks up those it does not know; 0 = at once.
    look_up_seconds: float = 0.0

    def at_least(self, major: int, minor: int) -> bool:
        return self.version >= (major, minor, 0)

    @property
    def member_stream(self) -> bool:
        """Whether it gives all of a person's memberships in one answer."""
        return self.at_least(10, 0)

    @property
    def server_limits(self) -> bool:
        return self.at_least(10, 0)

    @property
    def agents(self) -> bool:
        """Whether it knows AI agents, with the plugin for them or without."""
        return self.at_least(11, 0)

    @property
    def scheduled_posts_route(self) -> bool:
        """Whether it knows scheduled posts, with a licence or without: its clients ask for them either way."""
        return self.at_least(10, 3)

    @property
    def profile_attributes_route(self) -> bool:
        """Whether it knows custom profile attributes, with a licence or without, as above."""
        return self.at_least(10, 8)


def capabilities(config: Mapping[str, str], license: Mapping[str, str], version: str = "") -> Capabilities:
    """From `/config/client`, `/license/client` and, if set, the configured server version. Pure."""
    licensed = license.get("IsLicensed") == "true"
    known = parse_version(version) or parse_version(config.get("Version", "")) or OLDEST_SUPPORTED

    def on(key: str, default: str = "false") -> bool:
        return config.get(key, default) == "true"

    return Capabilities(
        version=known,
        licensed=licensed,
        site_url=config.get("SiteURL", ""),
        collapsed_threads=config.get("CollapsedThreads", "disabled"),
        typing_events=on("EnableUserTypingMessages", "true"),
        user_statuses=on("EnableUserStatuses", "true"),
        typing_channel_limit=_number(config.get("MaxNotificationsPerChannel", ""), 1000),
        synced_drafts=on("AllowSyncedDrafts"),
        scheduled_posts=licensed and on("ScheduledPosts"),
        channel_bookmarks=licensed and known >= (10, 0, 0) and on("FeatureFlagChannelBookmarks", "true"),
        custom_profile_attributes=licensed and on("FeatureFlagCustomProfileAttributes"),
        web_socket_event_scope=on("FeatureFlagWebSocketEventScope"),
        plugins=on("PluginsEnabled", "true"),
        client_metrics=on("EnableClientMetrics"),
        post_priority=on("PostPriority"),
        file_attachments=on("EnableFileAttachments", "true"),
        custom_statuses=on("EnableCustomUserStatuses", "true"),
        edit_limit_seconds=_number(config.get("PostEditTimeLimit", ""), -1),
        longest_message=_number(config.get("MaxPostSize", ""), 16383),
        look_up_seconds=_number(config.get("UsersStatusAndProfileFetchingPollIntervalMilliseconds", ""), 0) / 1000,
    )


def _number(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default


def left_out(can: Capabilities) -> dict[str, str]:
    """Features of the web application that this server does not offer, with the reason: told in the report. Pure."""
    return {feature: reason for feature, (there, reason) in _offered(can).items() if not there}


def features(can: Capabilities) -> tuple[str, ...]:
    """Features of the web application that this server offers: they change what a load is. Pure."""
    return tuple(feature for feature, (there, _) in _offered(can).items() if there)


def _offered(can: Capabilities) -> dict[str, tuple[bool, str]]:
    licence = "" if can.licensed else "needs a licence"
    return {
        "scheduled posts": (can.scheduled_posts, licence or "switched off, or the server is older than 10.3"),
        "channel bookmarks": (can.channel_bookmarks, licence or "switched off, or the server is older than 10.0"),
        "custom profile attributes": (can.custom_profile_attributes, licence or "switched off"),
        "urgent posts and acknowledgements": (can.licensed and can.post_priority, licence or "switched off"),
        "drafts kept on the server": (can.synced_drafts, "switched off, or the server is older than 7.4"),
        "plugins": (can.plugins, "switched off"),
        "client performance reports": (can.client_metrics, "switched off, or the server is older than 9.9"),
        "file attachments": (can.file_attachments, "switched off"),
        "custom statuses": (can.custom_statuses, "switched off"),
        "editing posts": (can.edit_limit_seconds != 0, "switched off"),
        "user statuses": (can.user_statuses, "switched off"),
        "typing messages": (can.typing_events, "switched off"),
        "collapsed threads": (can.collapsed_threads != "disabled", "switched off"),
    }


def threads_collapsed(setting: str, preference: str | None) -> bool:
    """Whether a person sees threads collapsed: the server's setting, overridden by their preference. Pure."""
    if setting == "always_on":
        return True
    if setting == "disabled":
        return False
    return preference == "on" if preference in ("on", "off") else setting == "default_on"


class MissingFeatures:
    """Features the server has said it lacks: learned once for all users of the process, told once in the report."""

    def __init__(self, tell: Callable[[str, str], None] = lambda feature, reason: None) -> None:
        self._missing: set[str] = set()
        self._tell = tell

    def lacks(self, feature: str) -> bool:
        return feature in self._missing

    def learn(self, feature: str, reason: str) -> None:
        if feature not in self._missing:
            self._missing.add(feature)
            self._tell(feature, reason)
