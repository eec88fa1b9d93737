"""coordinator.json and the options: the peer's document as it is, faults named before anything starts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from coordinator.agent_apis import LoadAgent, SwarmAgent
from coordinator.answer import Limits
from coordinator.settings import agents_of, applied, documents, limits_of, load, parser, percent, thresholds_of
from mmload.config import Settings
from mmload.config.coordinator_tables import AgentAddress, Cluster, Coordinator, Query, SearchSettings
from mmload.config.documents import Checked
from mmload.config.fields import seconds_of
from mmload.config.tables import Users
from mmload.errors import ConfigurationError, MmloadError, ServerNotReady, UsageError
from tests.coordinator.serving import Answer, serving

SAMPLE = Path(__file__).parents[1] / "config" / "documents" / "coordinator.sample.json"


def written(folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "coordinator.json"
    path.write_text(json.dumps(values))
    return path


def test_the_peers_document_is_read_as_it_is() -> None:
    loaded = load(SAMPLE, {})
    document = loaded.value

    assert document.cluster.agents == (AgentAddress(id="lt0", api_url="http://localhost:4000"),)
    assert document.cluster.max_active_users == 2000
    assert len(document.monitor.queries) == 9 and all(query.alert for query in document.monitor.queries)
    assert document.monitor.queries[5].threshold == 85.0
    assert (document.num_users_inc, document.num_users_dec, document.rest_time_seconds) == (8, 8, 2.0)
    assert loaded.notices == (
        f"{SAMPLE}: not supported by mmload, ignored: ClusterConfig.BrowserAgents, "
        "ClusterConfig.MaxActiveBrowserUsers, MonitorConfig.Queries[].Legend, LogSettings.EnableColor",
    )


def test_its_numbers_are_the_limits_of_the_search() -> None:
    limits = limits_of(load(SAMPLE, {}).value, Settings())

    assert (limits.mode, limits.highest_users) == ("search", 2000)
    assert (limits.users_increase, limits.users_decrease, limits.rest_seconds) == (8, 8, 2.0)
    assert limits.precision is None


def test_an_arrival_costs_a_page_load_and_a_log_in_for_those_who_have_no_session() -> None:
    """In seconds of a user's load: a rest of 20 s for each of 7 actions, and for those of a log-in."""

    def cost(share: float, search: SearchSettings) -> float:
        settings = Settings(config=replace(Settings().config, users=Users(login_share=share)))
        return limits_of(Coordinator(search=search), settings).arrival_seconds

    action = cost(0.0, SearchSettings()) / 7

    assert action == pytest.approx(Settings().simul.avg_idle_time_ms / 1000, abs=5)
    assert cost(0.5, SearchSettings()) == pytest.approx((7 + 5.5) * action)
    assert cost(1.0, SearchSettings(login_actions=30)) == pytest.approx((7 + 30) * action)
    assert cost(1.0, SearchSettings(arrival_actions=0)) == 0.0


def test_without_a_document_the_defaults_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    loaded = load(None, {})

    assert loaded == Checked(Coordinator(), "defaults")
    assert isinstance(limits_of(loaded.value, Settings()), Limits)


def test_the_document_in_the_folder_config_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "coordinator.toml").write_text("NumUsersInc = 4\n")

    assert load(None, {}).value.num_users_inc == 4


def test_the_environment_overrides_the_document(tmp_path: Path) -> None:
    path = written(tmp_path, {"NumUsersInc": 4})
    environ = {
        "MMLOAD_COORDINATOR": str(path),
        "MMLOAD_SEARCHCONFIGURATION_BUDGETMINUTES": "5",
        "MMLOAD_COORDINATOR_NUMUSERSDEC": "9",
        "MMLOAD_MEASURESCONFIGURATION_REQUESTP99SEC": "0.5",
    }

    document = load(None, environ).value

    assert (document.num_users_inc, document.num_users_dec) == (4, 9)
    assert limits_of(document, Settings()).budget_seconds == 300.0
    assert thresholds_of(document, measured=True) == {"p99 of requests (s)": 0.5, "failed requests (%)": 1.0}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"NumUsersIncr": 1}, "NumUsersIncr: unknown key; did you mean NumUsersInc?"),
        ({"NumUsersInc": 0}, "NumUsersInc: expected 1 or more, found 0"),
        ({"MonitorConfig": {"Queries": [{"Query": "up"}]}}, "expected a Description and a Query for each query"),
        ({"MonitorConfig": {"PrometheusURL": "localhost"}}, "PrometheusURL: expected a URL"),
        ({"ClusterConfig": {"Agents": []}}, "ClusterConfig.Agents: expected at least one agent"),
        (
            {"ClusterConfig": {"Agents": [{"Id": "a"}, {"Id": "a"}]}},
            "expected a different Id for each agent, found a twice",
        ),
        (
            {"ClusterConfig": {"MaxActiveUsers": 10}, "SearchConfiguration": {"LowestUsers": 11}},
            "LowestUsers: expected at most ClusterConfig.MaxActiveUsers (10)",
        ),
        ({"SearchConfiguration": {"Mode": "clasic"}}, 'expected one of search, classic, found "clasic"; did you mean'),
        ({"UsersConfiguration": {}}, "expected a coordinator document, found a config document"),
    ],
)
def test_a_fault_in_the_document_is_named(tmp_path: Path, values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, values), {})

    assert problem in str(caught.value)


def args(*given: str) -> argparse.Namespace:
    return parser().parse_args(given)


def test_options_win_over_the_document() -> None:
    given = args(
        *("--mode", "classic", "--lowest-users", "5", "--highest-users", "50", "--spawn-rate", "2", "--budget", "15m"),
        *("--precision", "2%", "--p99", "0.8", "--failures", "0", "--hold"),
    )

    document = applied(Coordinator(), given)
    limits = limits_of(document, Settings())

    assert (limits.mode, limits.lowest_users, limits.highest_users, limits.spawn_rate) == ("classic", 5, 50, 2.0)
    assert (limits.budget_seconds, limits.precision) == (900.0, 0.02)
    assert thresholds_of(document, measured=True) == {"p99 of requests (s)": 0.8}
    assert document.search.at_end == "hold"


def test_without_options_the_document_stays_as_it_is() -> None:
    assert applied(Coordinator(), args()) == Coordinator()


@pytest.mark.parametrize(
    "given",
    [
        ("--lowest-users", "0"),
        ("--spawn-rate", "0"),
        ("--spawn-rate", "nan"),
        ("--budget", "0"),
        ("--budget", "soon"),
        ("--precision", "60%"),
        ("--precision", "x"),
        ("--p99", "-1"),
        ("--failures", "101"),
        ("--lowest-users", "50", "--highest-users", "20"),
    ],
)
def test_an_impossible_option_is_refused_by_its_name(given: tuple[str, ...]) -> None:
    with pytest.raises(MmloadError, match=given[0]):
        applied(Coordinator(), args(*given))


def test_a_number_at_the_start_that_nobody_asked_for_contradicts_nothing(tmp_path: Path) -> None:
    """The document has no LowestUsers, and a maximum below the default."""
    file = tmp_path / "coordinator.json"
    file.write_text('{"ClusterConfig": {"MaxActiveUsers": 20, "Agents": [{"Id": "a", "ApiURL": "http://h:1"}]}}')

    from_document = applied(load(file, {}).value, args())
    from_options = applied(Coordinator(), args("--highest-users", "12"))

    assert from_document.search.lowest_users == 20
    assert from_options.search.lowest_users == 12
    with pytest.raises(ConfigurationError, match="LowestUsers"):
        applied(Coordinator(search=SearchSettings(lowest_users=50)), args("--highest-users", "12"))


def test_times_and_percents_are_read_as_people_write_them() -> None:
    assert [seconds_of("--budget", text) for text in ("900", "90s", "15m", "1h30m")] == [900, 90, 900, 5400]
    assert [percent("--precision", text, 50) for text in ("2", "2%", "2.5 %")] == [2.0, 2.0, 2.5]
    with pytest.raises(UsageError):
        seconds_of("--budget", "²")


def with_agent(url: str, api: str = "auto") -> Coordinator:
    return Coordinator(cluster=Cluster(agents=(AgentAddress(id="lt0", api_url=url, api=api),)))


def test_an_agent_is_driven_by_the_api_that_it_speaks() -> None:
    def locust(_: object) -> Answer:
        return Answer(200, '{"user_count": 0, "state": "ready"}')

    def peer(_: object) -> Answer:
        return Answer(404, '{"error": "load-test agent with id lt0 not found"}')

    for answering, kind in ((locust, SwarmAgent), (peer, LoadAgent)):
        with serving(answering) as url:
            [agent] = agents_of(with_agent(url), Settings(), {})
        assert type(agent) is kind
    assert type(agents_of(with_agent("http://127.0.0.1:9", "loadagent"), Settings(), {})[0]) is LoadAgent


def test_what_speaks_neither_is_named_with_what_to_do() -> None:
    with serving(lambda _: Answer(200, "<html>", "text/html")) as url, pytest.raises(ServerNotReady) as caught:
        agents_of(with_agent(url), Settings(), {})

    assert "is this Locust's web UI?" in str(caught.value) and "`mmload agent`" in str(caught.value)


def test_a_new_agent_starts_without_users() -> None:
    """Whatever the configuration says of users at the start: the search says how many there are."""
    told = documents(Settings())

    assert told["LoadTestConfig"]["UsersConfiguration"]["InitialActiveUsers"] == 0
    assert set(told) == {"LoadTestConfig", "SimulControllerConfig", "SimpleControllerConfig"}


def test_a_query_that_does_not_alert_is_no_threshold() -> None:
    queries = (Query(description="seen", query="a"), Query(description="counts", query="b", threshold=3.0, alert=True))
    document = Coordinator(monitor=Coordinator().monitor.__class__(queries=queries))

    assert thresholds_of(document, measured=False) == {"counts": 3.0}
