"""Where the real 6.7.3 answers otherwise than 11.6, the sandbox does, too, as the one and as the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import running_sandbox
from tests.contract.edges import edges
from tests.contract.scenario import Visit

# Step → what 11.6 and what 6.7.3 answers.
ANSWERED = {
    "public/posts": (200, 403),
    "around unread": (404, 403),
    "read after leaving": (200, 403),
    "read without a reply": (404, 500),
    "thread without a reply": (404, 500),
    "read what is not followed": (404, 404),
    "of one": (201, 400),
    "too small a group": (400, 400),
    "delete deleted": (404, 403),
}
VERSIONS = ("11.6", "6.7")


@pytest.fixture(scope="module", params=VERSIONS)
def visited(request: pytest.FixtureRequest) -> Iterator[tuple[int, Visit]]:
    """The place of the version in the table, and the visit."""
    with running_sandbox("--version", request.param) as address:
        yield VERSIONS.index(request.param), edges(address)


def steps(visit: Visit) -> dict[str, tuple[int, str, Any]]:
    return {step: (status, error_id, document) for step, status, error_id, document in visit.steps}


@pytest.mark.parametrize("step", ANSWERED)
def test_a_step_is_answered_as_by_the_version(visited: tuple[int, Visit], step: str) -> None:
    place, visit = visited
    status, error_id, _ = steps(visit)[step]

    assert status == ANSWERED[step][place]
    if status == 403:
        assert error_id == "api.context.permissions.app_error"


def test_a_new_user_has_the_fields_of_the_version(visited: tuple[int, Visit]) -> None:
    place, visit = visited
    _, _, user = steps(visit)["sign up"]

    assert ("auth_data" in user, "remote_id" in user) == ((False, True), (True, False))[place]
