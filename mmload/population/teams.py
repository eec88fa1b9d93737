"""The teams of a population, found by their names, and everybody in them."""

from __future__ import annotations

from collections.abc import Sequence

from mmload.errors import Refused, ServerNotReady
from mmload.population.plan import PlannedTeam
from mmload.population.work import NO_ROUTE, Work, batches, in_parallel

MEMBERS_PER_PAGE = 200
MEMBERS_PER_CALL = 25
TEAM_EXISTS = ("store.sql_team.save_team.existing.app_error", "app.team.save.existing.app_error")


def make_teams(work: Work) -> list[str]:
    """The ids of the planned teams, with all accounts in them."""
    work.progress.start("teams", len(work.plan.teams))
    ids = []
    for team in work.plan.teams:
        ids.append(_make_team(work, team))
        work.progress.advance()
    everybody = [*work.user_ids, *work.admin_ids]
    work.progress.start("team members", len(everybody) * len(ids))
    for team_id in ids:
        _fill_team(work, team_id, everybody)
    return ids


def _make_team(work: Work, team: PlannedTeam) -> str:
    step = f"team {team.name}"
    try:
        there = work.admin.call("GET", f"/teams/name/{team.name}", step=step, passes=(404,))
    except Refused:
        return _new_team(work, team, step)
    if there.get("delete_at"):
        raise ServerNotReady(f"{step} is archived: restore it, or set another UsersConfiguration.UsernamePrefix")
    work.tally.found("teams")
    return str(there["id"])


def _new_team(work: Work, team: PlannedTeam, step: str) -> str:
    body = {"name": team.name, "display_name": team.display_name, "type": "O", "allow_open_invite": True}
    try:
        made = work.admin.call("POST", "/teams", body, step=step, passes=TEAM_EXISTS)
    except Refused:
        # An attempt whose answer was lost has made it.
        made = work.admin.call("GET", f"/teams/name/{team.name}", step=step)
    work.tally.new("teams")
    return str(made["id"])


def members(work: Work, path: str, step: str) -> set[str]:
    """Who is in a team or a channel already."""
    members: set[str] = set()
    page = 0
    while True:
        found = work.admin.call("GET", f"{path}?page={page}&per_page={MEMBERS_PER_PAGE}", step=step) or []
        members.update(member["user_id"] for member in found if not member.get("delete_at"))
        if len(found) < MEMBERS_PER_PAGE:
            return members
        page += 1


def _fill_team(work: Work, team_id: str, everybody: Sequence[str]) -> None:
    step = "team members"
    there = members(work, f"/teams/{team_id}/members", step)
    missing = [user_id for user_id in everybody if user_id not in there]
    work.tally.found(step, len(everybody) - len(missing))
    work.progress.advance(len(everybody) - len(missing))

    def add(batch: list[str]) -> None:
        _add_to_team(work, team_id, batch, step)
        work.tally.new(step, len(batch))
        work.progress.advance(len(batch))

    in_parallel(work.patience.stop, add, list(batches(missing, MEMBERS_PER_CALL)))


def _add_to_team(work: Work, team_id: str, user_ids: list[str], step: str) -> None:
    members = [{"team_id": team_id, "user_id": user_id} for user_id in user_ids]
    path = f"/teams/{team_id}/members"
    try:
        work.admin.call("POST", f"{path}/batch", members, step=step, passes=NO_ROUTE)
    except Refused:
        for member in members:
            work.admin.call("POST", path, member, step=step)
