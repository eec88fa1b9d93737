"""What a server can do, read from the recorded client configurations."""

from __future__ import annotations

import pytest

from mmload.client.capabilities import (
    Capabilities,
    MissingFeatures,
    capabilities,
    left_out,
    parse_version,
    threads_collapsed,
)

FREE = {"IsLicensed": "false"}
LICENSED = {"IsLicensed": "true"}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("11.6.0.dev.1bb1ec8f.false", (11, 6, 0)),
        ("6.7.3", (6, 7, 3)),
        ("v9.11", (9, 11, 0)),
        ("dev", None),
        ("", None),
    ],
)
def test_versions_are_read_as_servers_write_them(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


def test_a_free_server_offers_nothing_that_needs_a_licence() -> None:
    """Its configuration names the feature flags all the same."""
    config = {"Version": "11.6.0", "FeatureFlagChannelBookmarks": "true", "FeatureFlagCustomProfileAttributes": "true"}

    can = capabilities(config, FREE)

    assert not (can.channel_bookmarks or can.custom_profile_attributes or can.scheduled_posts)
    assert left_out(can)["channel bookmarks"] == "needs a licence"


def test_a_licensed_server_offers_what_is_switched_on() -> None:
    config = {"Version": "11.6.0", "ScheduledPosts": "true", "FeatureFlagChannelBookmarks": "true"}

    can = capabilities(config, LICENSED)

    assert can.scheduled_posts
    assert can.channel_bookmarks
    assert not can.custom_profile_attributes


def test_keys_that_an_old_server_does_not_send_mean_that_the_feature_is_not_there() -> None:
    can = capabilities({"Version": "6.7.3", "CollapsedThreads": "default_on"}, FREE)

    assert can.version == (6, 7, 3)
    assert not (can.synced_drafts or can.client_metrics or can.web_socket_event_scope)
    assert can.typing_events
    assert can.collapsed_threads == "default_on"


def test_a_configured_version_overrides_what_the_server_says() -> None:
    """A build from a branch calls itself dev."""
    assert capabilities({"Version": "dev"}, FREE, "10.5.1").version == (10, 5, 1)


@pytest.mark.parametrize(
    ("setting", "preference", "collapsed"),
    [
        ("disabled", "on", False),
        ("always_on", "off", True),
        ("default_on", None, True),
        ("default_off", None, False),
        ("default_on", "off", False),
        ("default_off", "on", True),
    ],
)
def test_people_override_the_default_of_collapsed_threads(
    setting: str, preference: str | None, collapsed: bool
) -> None:
    assert threads_collapsed(setting, preference) is collapsed


def test_a_missing_feature_is_told_once() -> None:
    told: list[tuple[str, str]] = []
    missing = MissingFeatures(lambda feature, reason: told.append((feature, reason)))

    missing.learn("drafts", "404")
    missing.learn("drafts", "404")

    assert told == [("drafts", "404")]
    assert Capabilities().at_least(6, 7)
