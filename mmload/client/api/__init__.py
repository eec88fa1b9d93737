"""One typed method per endpoint: the only place that knows paths."""

from __future__ import annotations

from mmload.client.api.channels import ChannelCalls
from mmload.client.api.licensed import LicensedCalls
from mmload.client.api.posts import PostCalls
from mmload.client.api.system import SystemCalls
from mmload.client.api.teams import TeamCalls
from mmload.client.api.users import LOGIN_ROUTES, UserCalls

__all__ = ["LOGIN_ROUTES", "Api"]


class Api(UserCalls, TeamCalls, ChannelCalls, PostCalls, SystemCalls, LicensedCalls):
    """All calls of one user."""
