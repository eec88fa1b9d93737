"""What only a system admin sees: configuration, reports, logs, figures."""

from __future__ import annotations

from mmload.sandbox import accounts, shapes
from mmload.sandbox.errors import ApiError, bad_body, forbidden
from mmload.sandbox.http import OK, Answer, Call, Routes
from mmload.sandbox.routes.system import plugins_disabled
from mmload.sandbox.state import Document

api = Routes()
_NEVER_STORED = {"Cache-Control": "no-cache, no-store, must-revalidate"}


def _admin_only(call: Call, permission: str) -> None:
    if not call.user.is_admin:
        raise forbidden(call.user.id, permission)


def admin_config(call: Call) -> Document:
    """The recorded configuration with what this sandbox really does, and what an admin changed meanwhile."""
    recorded: Document = call.world.documents["config"]
    options = call.world.options
    own: Document = {
        "TeamSettings": {"EnableUserCreation": options.signup_open, "EnableOpenServer": options.server_open},
        "ServiceSettings": {"SiteURL": call.world.site_url},
        "RateLimitSettings": {
            "Enable": options.rate_limit_per_second > 0,
            "PerSec": options.rate_limit_per_second or recorded["RateLimitSettings"]["PerSec"],
        },
    }
    changes = call.world.state.config_changes
    return {
        section: values | own.get(section, {}) | changes.get(section, {}) if isinstance(values, dict) else values
        for section, values in recorded.items()
    }


@api.add("GET", "/config")
def get_config(call: Call) -> Answer:
    _admin_only(call, "sysconsole_read_about_edition_and_license")
    return Answer(admin_config(call), headers=dict(_NEVER_STORED))


@api.add("PUT", "/config")
def update_config(call: Call) -> Answer:
    _admin_only(call, "sysconsole_write_environment_web_server")
    return _change_config(call)


@api.add("PUT", "/config/patch")
def patch_config(call: Call) -> Answer:
    _admin_only(call, "sysconsole_write_environment_web_server")
    return _change_config(call)


def _change_config(call: Call) -> Answer:
    changes = call.world.state.config_changes
    for section, values in call.document("config").items():
        if isinstance(values, dict):
            changes[section] = {**changes.get(section, {}), **values}
    return Answer(admin_config(call), headers=dict(_NEVER_STORED))


@api.add("PUT", "/users/{user_id}/roles")
def update_user_roles(call: Call) -> Answer:
    _admin_only(call, "manage_roles")
    roles = call.document("roles").get("roles")
    if not isinstance(roles, str) or "system_user" not in roles.split():
        raise bad_body("roles")
    accounts.set_roles(call.world, call.any_user(), roles)
    return Answer(OK)


@api.add("GET", "/reports/users", modern_only=True)
def get_users_for_reporting(call: Call) -> Answer:
    _admin_only(call, "sysconsole_read_user_management_users")
    size = call.number("page_size", 50)
    if not 0 < size <= 100:
        raise ApiError(400, "model.report_options.is_valid.invalid_page_size", "Page size must be between 1 and 100.")
    after = call.query.get("from_column_value", "")
    state = call.world.state
    names = [name for name in state.sorted_names if name > after][:size]
    return Answer([shapes.user_report(state.users_by_name[name], call.world.modern) for name in names])


@api.add("GET", "/logs")
def get_logs(call: Call) -> Answer:
    _admin_only(call, "get_logs")
    number, size = call.number("page"), call.number("logs_per_page", 100)
    lines = list(call.world.state.logs)
    end = max(0, len(lines) - number * size)
    return Answer(lines[max(0, end - size) : end])


@api.add("GET", "/channels")
def get_all_channels(call: Call) -> Answer:
    """Public and private channels of all teams, without the archived."""
    _admin_only(call, "get_all_channels")
    state = call.world.state
    found = [item for item in state.channels.values() if item.type in "OP" and not item.delete_at]
    found.sort(key=lambda item: item.display_name.lower())
    number, size = call.page()
    page = found[number * size : (number + 1) * size]
    return Answer([shapes.channel(item, call.world.modern, team_of=state.teams.get(item.team_id)) for item in page])


@api.add("GET", "/analytics/old")
def get_analytics(call: Call) -> Answer:
    _admin_only(call, "get_analytics")
    state = call.world.state
    kinds = [channel.type for channel in state.channels.values()]
    figures = {
        "channel_open_count": kinds.count("O"),
        "channel_private_count": kinds.count("P"),
        "post_count": len(state.posts),
        "unique_user_count": len(state.users),
        "team_count": len(state.teams),
        "total_websocket_connections": call.world.hub.open_sockets,
        "total_master_db_connections": 1,
        "total_read_db_connections": 0,
        "daily_active_users": len(state.users),
        "monthly_active_users": len(state.users),
        "inactive_user_count": 0,
    }
    if call.world.modern:
        figures["single_channel_guest_count"] = 0
    return Answer([{"name": name, "value": value} for name, value in figures.items()])


@api.add("GET", "/cluster/status")
def get_cluster_status(call: Call) -> Answer:
    _admin_only(call, "sysconsole_read_environment_high_availability")
    return Answer([])


@api.add("GET", "/plugins/statuses")
def get_plugin_statuses(call: Call) -> Answer:
    _admin_only(call, "sysconsole_read_plugins")
    if not call.world.modern:
        raise plugins_disabled()
    return Answer([])
