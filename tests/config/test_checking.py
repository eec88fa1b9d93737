"""What is wrong with a document: all of it at once, each with file, path, what was expected and what was found."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmload.config.documents import READ, Checked, check_values, load_settings
from mmload.config.files import Object, read_document
from mmload.errors import ConfigurationError, ExitCode

CONFIG, SIMUL, SIMPLE, GENERATE = READ


def checked(values: dict[str, Any], kind: Any = CONFIG) -> Checked[Any]:
    return check_values(kind, Object(values), "here.json", {})


def problems(values: dict[str, Any], kind: Any = CONFIG) -> tuple[str, ...]:
    return checked(values, kind).problems


def test_all_problems_of_a_document_are_told_at_once() -> None:
    """Mending one at a time, with a run after each, is tiresome."""
    found = problems(
        {
            "ConnectionConfiguration": {"ServerURL": "localhost:8065", "AdminEmail": "sysadmin"},
            "UsersConfiguration": {"MaxActiveUsers": 0, "InitialActiveUser": 5},
            "InstanceConfiguration": {"PercentReplies": 1.5},
            "UserControllerConfiguration": {"Type": "simulativ"},
        }
    )

    assert found == (
        "here.json: ConnectionConfiguration.ServerURL: expected a URL http://host[:port] or https://host[:port], "
        'without user name, query or fragment, found "localhost:8065"',
        'here.json: ConnectionConfiguration.AdminEmail: expected an e-mail address, found "sysadmin"',
        "here.json: UsersConfiguration.MaxActiveUsers: expected 1 or more, found 0",
        "here.json: UsersConfiguration.InitialActiveUser: unknown key; did you mean InitialActiveUsers?",
        "here.json: InstanceConfiguration.PercentReplies: expected 0 to 1, found 1.5",
        "here.json: UserControllerConfiguration.Type: expected one of simulative, simple, idle, noop, cluster, "
        "generative (browser is not supported: it needs the peer's browser agents), "
        'found "simulativ"; did you mean simulative?',
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", 'expected a whole number, found "5"'),
        (True, "expected a whole number, found true"),
        (5.0, "expected a whole number, found 5.0"),
        (float("nan"), "expected a whole number, found nan"),
        ([], "expected a whole number, found a list"),
        (10**30, "expected a number below 2^63"),
    ],
)
def test_a_value_of_another_type_is_not_converted(value: Any, expected: str) -> None:
    """A guess at what was meant would hide a mistake; the peer refuses these, too."""
    path = "UsersConfiguration.MaxActiveUsers"
    assert problems({"UsersConfiguration": {"MaxActiveUsers": value}}) == (f"here.json: {path}: {expected}",)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, "0.5", -0.1])
def test_a_number_is_finite_and_a_number(value: Any) -> None:
    """Python's JSON reads NaN and Infinity: both would pass a comparison or poison a sum."""
    (problem,) = problems({"PercentReplies": value}, SIMUL)

    assert problem.startswith("here.json: PercentReplies: expected ")


def test_a_whole_number_serves_as_a_number() -> None:
    """JSON knows no difference between 1 and 1.0."""
    assert checked({"PercentReplies": 1}, SIMUL).value.percent_replies == 1.0


def test_a_key_in_other_capitals_is_accepted_with_a_notice() -> None:
    """The peer's decoder doesn't distinguish them."""
    found = checked({"connectionconfiguration": {"serverUrl": "http://a"}})

    assert found.problems == ()
    assert found.value.connection.server_url == "http://a"
    assert found.notices == (
        "here.json: accepted in another spelling: connectionconfiguration (for ConnectionConfiguration), "
        "ConnectionConfiguration.serverUrl (for ServerURL)",
    )


def test_a_key_in_two_spellings_is_refused() -> None:
    """Nobody can say which of the two was meant."""
    (problem,) = problems({"MinIdleTimeMs": 5, "minidletimems": 6}, SIMUL)

    assert problem == "here.json: minidletimems: the key occurs twice, also as MinIdleTimeMs"


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    """JSON decoders keep the last one without a word."""
    path = tmp_path / "simulcontroller.json"
    path.write_text('{"MinIdleTimeMs": 1, "MinIdleTimeMs": 2}')

    with pytest.raises(ConfigurationError, match="MinIdleTimeMs: the key occurs more than once"):
        load_settings({}, tmp_path)


def test_null_is_the_same_as_leaving_the_key_out() -> None:
    """The peer writes null for a list that is not set."""
    assert (
        checked({"UserControllerConfiguration": {"RatesDistribution": None}, "RunConfiguration": None}).problems == ()
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"UsersConfiguration": []}, "UsersConfiguration: expected a table, found a list"),
        ({"UserControllerConfiguration": {"RatesDistribution": {}}}, "expected a list, found a table"),
        ({"UserControllerConfiguration": {"RatesDistribution": [3]}}, "RatesDistribution[0]: expected a table"),
        (
            {"UserControllerConfiguration": {"RatesDistribution": [{"Rate": -1}]}},
            "RatesDistribution[0].Rate: expected 0 or more, found -1.0",
        ),
        ({"UserControllerConfiguration": {"Type": "browser"}}, "it needs the peer's browser agents"),
        ({"UserControllerConfiguration": {"ServerVersion": "new"}}, "expected a version such as 11.6.0, or nothing"),
        ({"UsersConfiguration": {"UsernamePrefix": "Über"}}, "UsernamePrefix: expected up to 54 lower-case letters"),
        ({"RunConfiguration": {"Name": "../x"}}, "Name: expected letters, digits"),
        ({"RunConfiguration": {"Name": "\ud800"}}, "Name: expected a string of UTF-8 characters"),
    ],
)
def test_what_was_expected_is_said(values: dict[str, Any], expected: str) -> None:
    """One sentence that can be acted on."""
    (problem,) = problems(values)

    assert expected in problem


def test_an_unknown_action_of_the_simple_user_is_refused_with_the_nearest() -> None:
    """The peer refuses it as well, but not before the run."""
    (problem,) = problems({"Actions": [{"ActionId": "CreatePosts"}]}, SIMPLE)

    assert problem.startswith("here.json: Actions[0].ActionId: expected one of")
    assert problem.endswith("did you mean CreatePost?")


@pytest.mark.parametrize("name", ["simulative", "simple", "noop", "idle", "cluster", "generative"])
def test_every_behaviour_of_the_peer_and_idle_are_accepted(name: str) -> None:
    """Which of them run is decided where they are made."""
    assert problems({"UserControllerConfiguration": {"Type": name}}) == ()


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("http://localhost:8065", True),
        ("https://chat.example.com/mattermost/", True),
        ("http://[::1]:8065", True),
        ("ftp://localhost", False),
        ("http://", False),
        ("http://host:99999", False),
        ("http://host:port", False),
        ("http://ho st", False),
        ("http://host/?token=sesame", False),
        ("http://root:sesame@host", False),
        ("http://root:se/same@host", False),
        ("", False),
    ],
)
def test_a_server_is_an_absolute_url_without_secrets(address: str, good: bool) -> None:
    """A password in the address would be shown wherever the address is: it is refused, and not repeated."""
    found = problems({"ConnectionConfiguration": {"ServerURL": address}})

    assert (found == ()) is good
    assert "same" not in "".join(found)


def test_a_secret_is_never_repeated() -> None:
    """Messages end up in logs."""
    found = problems(
        {
            "ConnectionConfiguration": {"AdminPassword": ["sesame"], "AdminPasswrd": "sesame"},
            "UsersConfiguration": {"Password": "sesame" * 20},
        }
    )

    assert len(found) == 3
    assert "sesame" not in "".join(found)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (
            {"UserControllerConfiguration": {"RatesDistribution": [{"Rate": 1, "Percentage": 0.5}]}},
            CONFIG,
            "UserControllerConfiguration.RatesDistribution: expected percentages that add up to 1, found 0.5",
        ),
        (
            {"InstanceConfiguration": {"PercentGroupChannels": 0.2}},
            CONFIG,
            "InstanceConfiguration.Percent…Channels: expected shares that add up to 1, found 1.1",
        ),
        (
            {"UsersConfiguration": {"MaxActiveUsers": 10, "InitialActiveUsers": 11}},
            CONFIG,
            "UsersConfiguration.InitialActiveUsers: expected at most MaxActiveUsers (10), found 11",
        ),
        (
            {"UsersConfiguration": {"LoginRetryMaxSec": 1}},
            CONFIG,
            "UsersConfiguration.LoginRetryMaxSec: expected at least LoginRetryMinSec (2), found 1",
        ),
        (
            {"MinIdleTimeMs": 20000},
            SIMUL,
            "AvgIdleTimeMs: expected more than MinIdleTimeMs (20000), found 20000",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: dict[str, Any], kind: Any, expected: str) -> None:
    """Each is good by itself."""
    assert problems(values, kind) == (f"here.json: {expected}",)


def test_a_relation_is_not_judged_with_a_refused_value() -> None:
    """The second message would only follow from the first."""
    assert len(problems({"UsersConfiguration": {"MaxActiveUsers": "10", "InitialActiveUsers": 3000}})) == 1


def test_ten_tenths_add_up_to_one() -> None:
    """In binary numbers they don't, exactly."""
    rates = [{"Rate": 1.0, "Percentage": 0.1}] * 10

    assert problems({"UserControllerConfiguration": {"RatesDistribution": rates}}) == ()


def test_the_two_shares_of_the_channel_members_add_up_to_one() -> None:
    """Each of them decides another draw: one wrong sum must not hide the other."""
    half = {"MemberLimit": 5, "PercentChannels": 0.5, "Probability": 0.25}

    assert problems({"ChannelMembersDistribution": [half, {**half, "Probability": 0.75}]}, GENERATE) == ()
    [problem] = problems({"ChannelMembersDistribution": [half]}, GENERATE)
    assert "expected PercentChannels that add up to 1, found 0.5; expected Probability that add up to 1" in problem


def test_a_small_maximum_of_users_lowers_the_users_at_the_start() -> None:
    """Who sets only the maximum did not ask for our default of four."""
    assert checked({"UsersConfiguration": {"MaxActiveUsers": 2}}).value.users.initial_active_users == 2


def test_a_refused_configuration_has_its_exit_code() -> None:
    """Scripts tell a bad configuration from a bad server by it."""
    assert ConfigurationError("x").exit_code is ExitCode.CONFIGURATION_REFUSED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=10,
)
TABLES = st.sampled_from(["ConnectionConfiguration", "UsersConfiguration", "UserControllerConfiguration", "Nonsense"])
NAMES = st.sampled_from(["ServerURL", "Type", "RatesDistribution", "MaxActiveUsers", "PercentOfUsersAreAdmin"])


@settings(max_examples=200)
@given(values=st.dictionaries(TABLES, JSON | st.dictionaries(NAMES, JSON, max_size=3), max_size=3))
def test_no_document_whatever_makes_the_check_fail(values: dict[str, Any]) -> None:
    """It answers with problems or with a value, and with nothing else."""
    found = checked(values)

    assert found.problems or found.value is not None


@settings(max_examples=100)
@given(text=st.binary(max_size=60))
def test_no_bytes_whatever_make_the_reading_fail_otherwise(text: bytes, tmp_path_factory: Any) -> None:
    """Whatever is in a file: a document or a ConfigurationError."""
    folder = tmp_path_factory.mktemp("bytes")
    for name in ("x.json", "x.toml"):
        (folder / name).write_bytes(text)
        with contextlib.suppress(ConfigurationError):
            assert isinstance(read_document(folder / name), dict)


def test_what_is_written_as_json_is_read_as_it_was(tmp_path: Path) -> None:
    """The common case, once, through a real file."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"RunConfiguration": {"Seed": 7}}))

    assert load_settings({}, tmp_path)[0].config.run.seed == 7
