"""`mmload mix`: the requests that the default mix causes, held against the ratios of production servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmload.behaviours.catalogue import SIMULATIVE, routes
from mmload.cli import main
from mmload.config import SimulController
from mmload.errors import ExitCode
from mmload.learn.handler_table import ActionTable, measured_table
from mmload.learn.mix import POSTS, PRODUCTION, PredictedHandler, ProductionRatio, predicted

REPLIES = SimulController().percent_replies
DEFAULTS = {action.name: action.frequency for action in SIMULATIVE}
# The table is measured, and rare things by chance more or less often.
TOLERANCE = 0.08
LEAST = 0.0003
# An action whose handler others cause often enough is done all the same, this share of its handler's ratio.
LEAST_SHARE = 0.05
# What other actions cause is more than on production servers already: people write there in other clients, too, which
# delete no drafts, and find channels to join without the switcher.
CAUSED_BY_OTHERS = {"deleteDraft", "getPostThread", "searchAllChannels"}


def by_handler(frequencies: dict[str, float], table: ActionTable | None = None) -> dict[str, PredictedHandler]:
    return {row.handler: row for row in predicted(frequencies, table or measured_table("free"), REPLIES)}


def wanted(ratio: ProductionRatio, row: PredictedHandler) -> float:
    """How often the action that stands for a handler is to be done: what others do not cause, but a little at least."""
    itself = dict(row.causes)[ratio.action]
    left = max(LEAST_SHARE * ratio.per_post, ratio.per_post - (row.per_post - itself))
    return DEFAULTS[ratio.action] * left / itself


@pytest.mark.parametrize("ratio", PRODUCTION, ids=lambda ratio: ratio.handler)
def test_a_handler_comes_as_often_as_on_production_servers(ratio: ProductionRatio) -> None:
    row = by_handler(DEFAULTS)[ratio.handler]
    advice = f"caused by {row.causes}: the frequency of {ratio.action} would be {wanted(ratio, row):.4f}"

    if ratio.handler in CAUSED_BY_OTHERS:
        assert row.per_post > (1 - TOLERANCE) * ratio.per_post, advice
        assert DEFAULTS[ratio.action] <= TOLERANCE * ratio.per_post, advice
    else:
        assert row.per_post == pytest.approx(ratio.per_post, rel=TOLERANCE, abs=LEAST), advice


def test_what_others_cause_is_not_far_above_production() -> None:
    rows = by_handler(DEFAULTS)
    above = {ratio.handler: rows[ratio.handler].per_post / ratio.per_post for ratio in PRODUCTION}

    assert max(above, key=lambda handler: above[handler]) in CAUSED_BY_OTHERS
    assert max(above.values()) <= 2.5


def test_every_ratio_is_of_an_action_and_of_routes_of_the_client() -> None:
    assert {ratio.action for ratio in PRODUCTION} <= set(DEFAULTS)
    assert {route for ratio in PRODUCTION for route in ratio.routes} <= set(routes())


def test_requests_are_counted_per_post_with_all_their_causes() -> None:
    table = ActionTable(
        {
            "CreatePost": {POSTS: 1.0, "DELETE /users/{user_id}/channels/{channel_id}/drafts": 1.0},
            "EditPost": {
                "PUT /posts/{post_id}/patch": 1.0,
                "DELETE /users/{user_id}/channels/{channel_id}/drafts": 2.0,
            },
            "CreateDirectChannel": {POSTS: 1.0},
        },
        {},
    )
    rows = by_handler({"CreatePost": 3.0, "EditPost": 1.0, "CreateDirectChannel": 1.0, "LogoutLogin": 0.0}, table)

    assert rows["deleteDraft"].per_post == pytest.approx(5 / 4)
    assert rows["deleteDraft"].causes == (("CreatePost", 0.75), ("EditPost", 0.5))
    assert rows["patchPost"].per_post == 0.25
    assert rows[POSTS].per_post == 1.0


def test_purposes_of_one_route_are_one_handler() -> None:
    channel_posts = {"GET /channels/{channel_id}/posts?since": 1.0, "GET /channels/{channel_id}/posts?before": 0.5}

    rows = by_handler({"CreatePost": 1.0}, ActionTable({"CreatePost": {POSTS: 1.0, **channel_posts}}, {}))

    assert rows["GET /channels/{channel_id}/posts"].per_post == 1.5


# -- the command -------------------------------------------------------------------------------------------------


def test_the_table_names_handler_share_production_and_causes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mix"]) == ExitCode.PASSED

    printed = capsys.readouterr().out
    [line] = [line for line in printed.splitlines() if line.startswith("deleteDraft ")]
    assert "1.4100" in line
    assert "CreatePost" in line
    assert "grow with" in printed


def test_frequencies_of_the_configuration_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "simulcontroller.json"
    settings.write_text(json.dumps({"ActionFrequencies": [{"ActionId": "AddReaction", "Frequency": 2.0}]}))

    assert main(["mix", "--json", "--simulcontroller", str(settings)]) == ExitCode.PASSED

    rows = {row["handler"]: row for row in json.loads(capsys.readouterr().out)["handlers"]}
    assert rows["saveReaction"]["per_post"] == pytest.approx(2.0, rel=0.02)
    assert rows["saveReaction"]["production"] == 0.1306


def test_without_posts_there_is_nothing_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writers = ("CreatePost", "CreateDirectChannel", "CreateGroupChannel")
    never = [{"ActionId": name, "Frequency": 0.0} for name in writers]
    settings = tmp_path / "simulcontroller.json"
    settings.write_text(json.dumps({"ActionFrequencies": never}))

    assert main(["mix", "--simulcontroller", str(settings)]) == ExitCode.USAGE

    assert "no user posts" in capsys.readouterr().err
